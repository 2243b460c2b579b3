// What a worker must do to serve BullMQ's queues. A test proves a case by naming it at the end of its title,
// as in `lifo jobs run last in, first out [row-2]`; `compatibility.mjs` joins the two.
// `row-N` are the behaviours that BullMQ's own tests check, `trap-N` what is easy to get wrong,
// `own-…` what BullMQ has no test for. `reason` says why a case cannot hold; such a case needs no test.
// `note` limits what a case means here.

const rows = [
  'jobs run one by one, first in, first out',
  'lifo jobs run last in, first out',
  'jobs that wait before a worker exists are found',
  'progress is a number, an object, a text or a boolean',
  'the worker’s name is stored with the job',
  'a failed job can be retried, with its counters kept or reset',
  'a completed job can be run again, with its counters kept or reset',
  ['removeOnComplete as true and as a count', 'set on the job; that of a worker is `remove_on_complete` of a job type'],
  ['removeOnFail as true and as a count', 'set on the job; that of a worker is `remove_on_fail` of a job type'],
  'an age with a limit removes as many as it says, and leaves no hash without its entry',
  'priorities, and first in, first out inside one, whatever the counter of ties',
  'a prioritized job that comes during the last active job starts at once',
  'a job that is retried while its queue is paused waits in `wait`',
  'a worker that drains keeps the locks of what still runs',
  'jitter spreads a backoff over its range',
  'retries-exhausted is told after the last attempt, and only then',
  'a job that waits for its retry shows why it failed',
  'a permanent failure skips the attempts that are left',
  'a running job moves itself to delayed, without using an attempt',
  ['a job that started more often than allowed fails', 'configured as `retry.max_starts`'],
  { title: 'a backoff strategy of the user’s own', reason:
    'not applicable: the strategy is a function inside a Node worker; ours fails a job with another type than fixed and exponential' },
  'retrying a job that is gone, retried already, or active is refused',
  'a job whose lock is gone or another’s is not ended by the worker that lost it',
  'moving to delayed leaves no lock, completing leaves the stalled set',
  'stalled jobs run again, up to the allowed count, and fail beyond it',
  'the stalled counter survives a retry',
  'removeOnFail holds for jobs that stalled out; a job whose lock is renewed does not stall',
  'global concurrency, alone, with a rate limit, and with parents that wait for children',
  'global concurrency with backoffs, and after an active job with an expired lock was removed',
  'rate limits of the worker and of the queue; limited jobs do not become delayed',
  'priorities hold and delayed jobs become due under a rate limit',
  'pause and resume, with delayed jobs, events, and the list that version 5 leaves',
  'delays: on time, in order, and without their markers',
  'events: duplicated, active, waiting-children, JSON return values, and a trimmed stream',
  'waitUntilFinished: before, after, failed, removed',
  'a parent runs after its children and keeps their results when they are removed',
  'retried children are pending again for their parent',
  'job schedulers: iterations, failures, retries, stalls and limits make no run too many or too few',
  'getWorkers lists the workers of one queue by name',
  'slots stay busy, and a batch takes few calls',
  'a cluster whose queues have hash tags',
];

const traps = [
  'return values and progress are JSON in every event, so that QueueEvents lives on',
  'scores of delayed jobs are ms × 4096, others plain; the event has the due time, the hash the delay',
  'an immediate retry goes to the back of `wait`; stalled and released jobs to the front',
  'a stalled job goes to `wait` whatever its priority',
  'a deferred failure ends the job at its next start, without running it and without counting for a rate limit',
  '`active` says prev=waiting; `failed` is told once; retries-exhausted also for a single attempt',
  'a child’s failure policy is the one in its `parent` field',
  'ages are seconds; trimming tells no events and leaves deduplication keys alone',
  ['a rate limit set by hand holds; the queue’s maximum beats the worker’s', 'a Node worker obeys a limit set by hand only where it knows a maximum; ours always'],
  'pending children are checked before the lock; a job that is not active any more is not ended',
  'the worker leaves `meta` alone and serves producers that reset the length of the stream',
  'no keys of our own under a queue’s prefix; job ids that would collide with a key are refused',
  'markers are hints: lost ones cost at most a poll, and work that is left gets one',
  'every fetch has its own token; renewal never makes a lock again',
  'a scheduler’s next job is made as the present one starts, with the options of that job and the data of the scheduler',
  'one named connection for each worker and queue',
  'times are those of the clients: a producer’s wrong clock moves only its own jobs',
  'options are read field by field, as Lua and as other clients write them',
  'job ids are opaque texts',
  'thousands of jobs due in one millisecond, promoted or trimmed at once',
];

const own = {
  killed: 'kill -9 with jobs in flight: a Node worker finishes them',
  rescued: 'kill -9 of a Node worker with jobs in flight: ours finishes them',
  ghost: 'ids without a job in `wait` are dropped and hold up nothing',
  'producer-5': 'producers and observers of version 5 are served like those of version 6',
  'no-opts': 'jobs whose options are `{}` or no object at all',
  'lost-in-batch': 'of sixteen jobs that finish together one has lost its lock',
  'batch-limits': 'a batch crosses neither the concurrency nor the rate limit of its queue',
  'batch-keep': 'jobs with different keep policies finish together',
  'long-stream': 'QueueEvents follows 100 000 events',
  fairness: 'a busy queue does not starve the other queues of its worker',
  panic: 'a handler that panics fails its job, and nothing else',
  keys: ['each transition leaves the keys in Redis that a Node worker leaves', 'intended differences are listed in keys.test.mjs'],
  python: ['PyPI `bullmq` as producer and observer', 'its get_workers finds only workers in Python, by the names that they use'],
};

/** A case from its id and its title, a title with a note, or an object. */
const named = (id, entry) => {
  if (Array.isArray(entry)) return { id, title: entry[0], note: entry[1] };
  return typeof entry === 'string' ? { id, title: entry } : { id, ...entry };
};

export const cases = [
  ...rows.map((entry, n) => named(`row-${n + 1}`, entry)),
  ...traps.map((entry, n) => named(`trap-${n + 1}`, entry)),
  ...Object.entries(own).map(([id, entry]) => named(`own-${id}`, entry)),
];
