// What must be in Redis once a unit of the plan has been dealt with. Pure: a plan goes in, predictions come out.
// An attempt that a kill cuts short is not counted by BullMQ, so kills change nothing here but the starts.

/** How the steps end an attempt, if one of them does; `gathered` takes what they add to what is returned. */
function play(steps, attempt, children, gathered) {
  for (const step of steps) {
    if (step.op === 'children') gathered.push(...children);
    if (step.op === 'fail') return { reason: step.message, permanent: step.kind === 'permanent' };
    if (step.op === 'echo') return { echo: true };
    if (step.op === 'return') return { value: step.value };
    const end = step.op === 'if' && step.attempt === attempt ? play(step.steps, attempt, children, gathered) : undefined;
    if (end) return end;
  }
}

/** How one attempt ends. */
function attempted(steps, attempt, children) {
  const gathered = [];
  const end = play(steps, attempt, children, gathered) ?? { value: null };
  if (end.value === undefined || gathered.length === 0) return end;
  const own = Array.isArray(end.value) ? end.value : end.value === null ? [] : [end.value];
  return { value: [...own, ...gathered] };
}

/** How a job ends that runs by itself: state, value or reason, attempts made. */
export function ending({ steps, opts = {} }, children = []) {
  const allowed = Math.max(1, opts.attempts ?? 1);
  for (let attempts = 1; ; attempts++) {
    const { reason, permanent, ...end } = attempted(steps, attempts, children);
    if (reason === undefined) return { state: opts.removeOnComplete ? 'removed' : 'completed', attempts, ...end };
    if (permanent || attempts >= allowed) return { state: 'failed', attempts, reason };
  }
}

const of = (job, end) => ({ job, ...end });

/** Whether the job of a group is one that its deduplication id lets be. */
const SURVIVES = {
  'dedup first': (k) => k === 0,
  'dedup last': (k, size) => k === size - 1,
  'dedup time': (k) => k === 0,
  'dedup kept': () => true,
};

function grouped({ mode, jobs }) {
  return jobs.map((job, k) => {
    if (!SURVIVES[mode](k, jobs.length)) return of(job, { state: 'absent' });
    // Which of those that came while one waited or ran is kept depends on when it ran.
    return of(job, { ...ending(job), ...(mode === 'dedup kept' && k > 0 && { perhaps: true }) });
  });
}

function family({ root, children }) {
  const ends = children.map((child) => of(child, ending(child)));
  const failed = ends.find(({ state }) => state === 'failed');
  const values = ends.filter(({ state }) => state === 'completed').map(({ value }) => value);
  const after = of(root, { ...ending(root, values), anyOrder: true });
  if (!failed) return [after, ...ends];
  const { opts, queue, id } = failed.job;
  if (opts.failParentOnFailure) {
    return [of(root, { state: 'failed', attempts: 1, reason: `child bull:${queue}:${id} failed` }), ...ends];
  }
  const goesOn = opts.ignoreDependencyOnFailure || opts.removeDependencyOnFailure || opts.continueParentOnFailure;
  return [goesOn ? after : of(root, { state: 'waiting-children', attempts: 0 }), ...ends];
}

/** The predictions for a unit, one for each of its jobs; a scheduler has one for all its runs. */
export function predict(unit) {
  switch (unit.add) {
    case 'flow':
      return family(unit);
    case 'scheduler': {
      const { limit } = unit.repeat;
      return [of(unit.job, { ...ending(unit.job), series: unit.id, runs: limit ?? 1, next: limit === undefined })];
    }
    default:
      if (unit.mode) return grouped(unit);
      return [...unit.jobs, ...(unit.added ?? [])].map((job) => of(job, ending(job)));
  }
}

/** The key of a unit's deduplication id, if it is still there when all is quiet. */
export function keptKey({ mode, deduplication, jobs }) {
  // An id with a time stays for it; without one it goes with its job.
  return mode === 'dedup last' || mode === 'dedup time' ? `bull:${jobs[0].queue}:de:${deduplication}` : undefined;
}
