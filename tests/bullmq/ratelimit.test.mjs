// Rate limits and global concurrency, alone and together, whatever a worker could take in one go.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

// Most queues have one worker together; those of settings under test get one of their own.
const lab = new Lab({ autostart: false, ready: serve });
const served = [];
const shares = (name, settings) => {
  const queue = lab.queue(v6, name, settings);
  served.push(queue);
  return queue;
};

async function serve() {
  lab.worker = await lab.start({ queues: served });
}

const HOUR = 3_600_000;
const value = (value) => [{ op: 'return', value }];
const many = (count, steps = value(1), opts) => Array.from({ length: count }, () => [steps, opts]);

/** The times at which jobs started, by the stream's clock. */
const starts = async (queue) => (await queue.history('active')).map(({ at }) => at);

/** Asserts that no more than `max` jobs started in one window, which the first start of it opens. */
function within(times, max, duration) {
  for (let first = 0; first < times.length; ) {
    const next = times.findIndex((at) => at >= times[first] + duration - 2);
    const end = next < 0 ? times.length : next;
    assert.ok(end - first <= max, `${end - first} started within ${duration} ms: ${times.map((at) => at - times[0])}`);
    first = end;
  }
}

/** The most jobs that were active at once, by the queue's own events. */
function mostAtOnce(history) {
  let now = 0;
  let most = 0;
  for (const { event } of history) {
    if (event === 'active') most = Math.max(most, ++now);
    if (['completed', 'failed', 'waiting-children'].includes(event)) now--;
  }
  return most;
}

const shared = shares('shared');
it('a queue’s rate limit holds across two workers, and limited jobs wait [row-30]', async () => {
  await shared.queue.setGlobalRateLimit(4, 600);
  const second = await lab.start({ queues: [shared], worker: { name: 'second' } });
  await shared.addAll(many(14));
  await shared.finished(14);
  within(await starts(shared), 4, 600);
  assert.deepEqual(await shared.history('delayed'), [], 'they stay in `wait`');
  await second.stop();
});

const alone = shares('alone');
const limited = (queue, rate_limit) => ({ ...queue, name: queue.name, settings: { rate_limit } });
const mine = lab.queue(v6, 'mine');
it.ours('a worker’s own rate limit holds, and limited jobs wait [row-30]', async () => {
  await lab.start({ queues: [limited(mine, '5/s')] });
  await mine.addAll(many(12));
  await mine.finished(12);
  const times = await starts(mine);
  within(times, 5, 1_000);
  assert.ok(times.at(-1) - times[0] >= 1_990, `twelve took ${times.at(-1) - times[0]} ms`);
  assert.deepEqual(await mine.history('delayed'), []);
});

const outvoted = lab.queue(v6, 'outvoted');
it.ours('the queue’s maximum beats the worker’s [trap-9]', async () => {
  await outvoted.queue.setGlobalRateLimit(3, 500);
  await lab.start({ queues: [limited(outvoted, '100/s')] });
  await outvoted.addAll(many(3));
  await outvoted.finished(3);
  const job = await outvoted.add(value('limited'));
  assert.equal(await outvoted.result(job), 'limited');
  const times = await starts(outvoted);
  assert.ok(times[3] - times[0] >= 495, `the fourth started after ${times[3] - times[0]} ms`);
});

const hung = shares('hung');
it('a job that runs longer than the window does not hold up the limit [row-30]', async () => {
  await hung.queue.setGlobalRateLimit(1, 200);
  const slow = await hung.add([{ op: 'sleep', ms: 2_500 }]);
  await hung.inState(slow, 'active');
  const jobs = await hung.addAll(many(4));
  await Promise.all(jobs.map((job) => hung.result(job)));
  assert.equal(await hung.queue.getJobState(slow.id), 'active', 'the others ended before it');
  within(await starts(hung), 1, 200);
});

const ranked = shares('ranked', { concurrency: 1 });
it('priorities hold, and delayed jobs become due, while a rate limit slows the queue [row-31]', async () => {
  await ranked.queue.setGlobalRateLimit(1, 300);
  await ranked.queue.pause();
  await ranked.addAll([3, 1, 2].map((priority) => [value(1), { priority, jobId: `p${priority}` }]));
  await ranked.addAll([[value(1), { jobId: 'due', delay: 400, priority: 1 }]]);
  await ranked.queue.resume();
  await ranked.finished(4);
  const order = await ranked.started();
  assert.deepEqual(order.filter((id) => id !== 'due'), ['p1', 'p2', 'p3']);
  assert.ok(order.indexOf('due') < 3, `it overtakes what has a higher number: ${order}`);
  within(await starts(ranked), 1, 300);
});

const halted = shares('halted');
it('a limit set by hand holds where a maximum is known, and runs out [row-31] [trap-9]', async () => {
  await halted.queue.setGlobalRateLimit(100, 1_000);
  await halted.queue.rateLimit(1_200);
  const set = Date.now();
  await halted.addAll([[value('a')], [value('b'), { delay: 200 }]]);
  await halted.finished(2);
  for (const at of await starts(halted)) assert.ok(at - set >= 1_190, `started ${at - set} ms after the limit was set`);
  assert.ok(Date.now() - set < 8_000, 'and soon after it ran out');
});

it.ours('a limit set by hand holds also where no maximum is known, and can be taken away [trap-9]', async () => {
  await alone.queue.rateLimit(HOUR);
  const job = await alone.add(value('runs'));
  // The same worker starts a job of another queue meanwhile.
  await hung.result(await hung.add([]));
  assert.equal(await alone.queue.getJobState(job.id), 'waiting');
  await alone.queue.removeRateLimitKey();
  assert.equal(await alone.result(job), 'runs');
});

const dead = shares('dead');
it('a deferred failure does not count for a rate limit [trap-5]', async () => {
  await dead.queue.setGlobalRateLimit(1, HOUR);
  await dead.queue.pause();
  const job = await dead.add(value(1));
  await dead.keys.hset(dead.key(job.id), 'defa', 'it was over before');
  await dead.queue.resume();
  await assert.rejects(dead.result(job), { message: 'it was over before' });
  assert.equal(await dead.keys.get(dead.key('limiter')), null);
  assert.equal(await dead.result(await dead.add(value('has the window for itself'))), 'has the window for itself');
  assert.equal(await dead.keys.get(dead.key('limiter')), '1');
});

const both = shares('both', { concurrency: 16 });
it('global concurrency and a rate limit hold together, however much a batch could take [row-28] [own-batch-limits]', async () => {
  await both.queue.setGlobalConcurrency(3);
  await both.queue.setGlobalRateLimit(5, 400);
  await both.queue.pause();
  await both.addAll(many(20, [{ op: 'sleep', ms: 40 }]));
  await both.queue.resume();
  await both.finished(20);
  assert.equal(mostAtOnce(await both.history()), 3);
  within(await starts(both), 5, 400);
});

const nested = shares('nested', { jobs: { '*': { allow: { enqueue: ['nested-v6'] } } } });
it('a parent that waits for its children leaves its place under global concurrency [row-28]', async () => {
  await nested.queue.setGlobalConcurrency(1);
  const child = { op: 'enqueue', queue: nested.name, name: 'leaf', data: { steps: value(1) }, child: true };
  const job = await nested.add([child, child, { op: 'wait-children' }, { op: 'children' }]);
  assert.deepEqual(await nested.result(job), [1, 1]);
  assert.equal(mostAtOnce(await nested.history()), 1);
});

const retried = shares('retried');
it('retries after a backoff find a place under global concurrency [row-29] [trap-13]', async () => {
  await retried.queue.setGlobalConcurrency(1);
  const once = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, { op: 'sleep', ms: 20 }];
  const jobs = await retried.addAll(many(6, once, { attempts: 2, backoff: { type: 'fixed', delay: 60 } }));
  const began = Date.now();
  await retried.finished(6);
  assert.ok(Date.now() - began < 4_000, `no job waited for a poll: ${Date.now() - began} ms`);
  for (const job of jobs) assert.equal((await retried.fresh(job)).attemptsMade, 2);
  const history = (await retried.history()).filter(({ event }) => ['active', 'delayed', 'completed'].includes(event));
  let active = 0;
  for (const { event } of history) assert.ok((active += event === 'active' ? 1 : -1) <= 1, 'one at a time');
});

const wedged = shares('wedged');
it('removing an active job without a lock lets the next one start under global concurrency [row-29]', async () => {
  await wedged.queue.setGlobalConcurrency(1);
  await wedged.queue.pause();
  const [left, next] = await wedged.addAll(many(2));
  // What a worker that died leaves: the job is active, and its lock has expired.
  await wedged.keys.lmove(wedged.key('wait'), wedged.key('active'), 'RIGHT', 'LEFT');
  await wedged.queue.resume();
  await lab.worker.status('/healthz/ready');
  assert.equal(await wedged.queue.getJobState(next.id), 'waiting');
  await (await wedged.fresh(left)).remove();
  await wedged.result(next);
  assert.deepEqual(await wedged.started(), [next.id]);
});

const counted = lab.queue(v6, 'counted');
it.ours('a job that started more often than allowed fails without running [row-20]', async () => {
  const settings = { jobs: { '*': { retry: { max_starts: 2 } } } };
  await lab.start({ queues: [{ ...counted, name: counted.name, settings }] });
  const job = await counted.add([{ op: 'log', line: 'ran' }, { op: 'delay', ms: 50 }], { attempts: 5 });
  await assert.rejects(counted.result(job), { message: 'job started more than allowable limit' });
  assert.equal((await counted.fresh(job)).attemptsStarted, 3);
  const { logs } = await counted.queue.getJobLogs(job.id);
  assert.equal(logs.filter((line) => line.includes('ran')).length, 2);
});

const last = lab.queue(v6, 'last');
it.ours('the last start that is allowed is not retried [row-20]', async () => {
  const settings = { jobs: { '*': { retry: { max_starts: 2 } } } };
  await lab.start({ queues: [{ ...last, name: last.name, settings }] });
  const fails = await last.add([{ op: 'fail', message: 'once more' }], { attempts: 5 });
  await assert.rejects(last.result(fails), { message: 'once more' });
  assert.equal((await last.fresh(fails)).attemptsMade, 2, 'the second start was the last one allowed');
});

it('nothing is left active or locked', async () => {
  await until(async () => (await shared.counts()).active === 0, 'the queue is idle');
  for (const queue of [shared, hung, ranked, both, nested, retried, wedged]) {
    assert.deepEqual(await queue.locks(), []);
    assert.deepEqual(queue.errors, []);
  }
});
