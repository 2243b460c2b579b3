// Workers that die, stop or lose their Redis: every job still ends, and none runs twice without need.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v5, v6 } from './lib/clients.mjs';
import { perform } from './lib/steps.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ redis: { aof: true }, autostart: false });
const HASTY = { lock_duration: '1s', stalled_interval: '1s' };
const SLOTS = 8;
const slots = { concurrency: SLOTS };

/** Waits until `count` jobs of the queue are running. */
const running = (queue, count) =>
  until(async () => (await queue.counts()).active === count, () => `${count} jobs of ${queue.name} run`);

/** Adds jobs, kills the first worker in their midst, and checks what the second one made of them. */
async function outlive(queue, first, second) {
  const worker = await first();
  const rows = Array.from({ length: 3 * SLOTS }, (_, n) => [[{ op: 'sleep', ms: 1_500 }, { op: 'return', value: n }]]);
  const jobs = await queue.addAll(rows);
  await running(queue, SLOTS);
  const caught = new Set(await queue.started());
  await worker.kill();
  assert.equal((await queue.counts()).active, SLOTS, 'the jobs of the dead worker are still active');

  const finisher = await second();
  await queue.finished(jobs.length, 60_000);
  for (const [n, { id }] of jobs.entries()) {
    const job = await queue.fresh(id);
    assert.equal(job.returnvalue, n, job.failedReason);
    assert.equal(job.attemptsMade, 1);
    assert.equal(job.attemptsStarted, caught.has(id) ? 2 : 1, `job ${id}`);
    assert.equal(job.stalledCounter, caught.has(id) ? 1 : 0, `job ${id}`);
  }
  assert.deepEqual(new Set((await queue.history('stalled')).map(({ jobId }) => jobId)), caught);
  assert.equal((await queue.history('completed')).length, jobs.length);
  assert.deepEqual(await queue.locks(), []);
  assert.deepEqual(queue.errors, []);
  return finisher;
}

/** BullMQ's worker inside this process. */
function nodeWorker(queue) {
  const options = { connection: lab.redis.connection, prefix: lab.redis.prefix, concurrency: SLOTS, lockDuration: 1_000, stalledInterval: 1_000 };
  const worker = new v6.Worker(queue.name, (job, token) => perform(job, token, v6), options);
  worker.on('error', (error) => queue.errors.push(error));
  return worker;
}

const killed = lab.queue(v6, 'killed', slots);
it('kill -9 with jobs in flight: a second worker finishes all [row-25]', async () => {
  const start = () => lab.start({ queues: [killed], worker: HASTY });
  await (await outlive(killed, start, start)).stop();
});

const taken = lab.queue(v5, 'taken', slots);
it('kill -9 with jobs in flight: a Node worker finishes all [own-killed]', async () => {
  const start = () => lab.start({ queues: [taken], worker: HASTY });
  await (await outlive(taken, start, () => nodeWorker(taken))).close();
});

const rescued = lab.queue(v6, 'rescued', slots);
it('kill -9 of a Node worker with jobs in flight: ours finishes all [own-rescued]', async () => {
  const node = () => lab.start({ queues: [rescued], worker: HASTY, peer: 'node' });
  await (await outlive(rescued, node, () => lab.start({ queues: [rescued], worker: HASTY }))).stop();
});

const twice = lab.queue(v6, 'twice', { concurrency: 1 });
it('a job that stalls more often than allowed fails without running again [row-25] [trap-5]', async () => {
  const job = await twice.add([{ op: 'log', line: 'ran' }, { op: 'sleep', ms: 60_000 }]);
  for (let round = 1; round <= 2; round++) {
    const worker = await lab.start({ queues: [twice], worker: HASTY });
    await twice.seen('active', round);
    await until(async () => (await twice.queue.getJobLogs(job.id)).count === round, `the job runs, round ${round}`);
    await worker.kill();
  }
  const worker = await lab.start({ queues: [twice], worker: HASTY });
  await assert.rejects(twice.result(job), { message: 'job stalled more than allowable limit' });
  assert.equal((await twice.queue.getJobLogs(job.id)).count, 2);
  await worker.stop();
});

const patient = lab.queue(v6, 'patient', { concurrency: 2 });
it('locks are renewed while jobs run longer than them [row-27]', async () => {
  const worker = await lab.start({ queues: [patient], worker: { lock_duration: '600ms', stalled_interval: '300ms' } });
  const jobs = await patient.addAll([[[{ op: 'sleep', ms: 3_000 }]], [[{ op: 'sleep', ms: 3_000 }]]]);
  await patient.finished(2);
  for (const { id } of jobs) assert.equal((await patient.fresh(id)).attemptsStarted, 1);
  assert.deepEqual(await patient.history('stalled'), []);
  await worker.stop();
});

const drained = lab.queue(v6, 'drained', { concurrency: 4 });
it('SIGTERM lets running jobs finish and takes no more', async () => {
  const worker = await lab.start({ queues: [drained] });
  const jobs = await drained.addAll(Array.from({ length: 14 }, (_, n) => [[{ op: 'sleep', ms: 1_200 }], { jobId: `d${n}` }]));
  await running(drained, 4);
  assert.equal(await worker.stop(), 0);
  const counts = await drained.counts();
  assert.deepEqual([counts.completed, counts.active, counts.waiting], [4, 0, 10]);
  assert.deepEqual(await drained.locks(), []);
  for (const [n, { id }] of jobs.entries()) {
    const { attemptsMade, attemptsStarted } = await drained.fresh(id);
    assert.deepEqual([attemptsMade, attemptsStarted], n < 4 ? [1, 1] : [0, 0], id);
  }
  assert.deepEqual(await drained.queue.getWorkers(), []);
});

const held = lab.queue(v6, 'held', { concurrency: 4, jobs: { '*': { timeout: '10m' } } });
it.ours('a drain past its time hands the jobs back with no attempt used', async () => {
  const worker = await lab.start({ queues: [held], worker: { shutdown_timeout: '500ms' } });
  const stuck = await held.addAll([[[{ op: 'sleep', ms: 500_000 }], { attempts: 1 }], [[{ op: 'loop' }]]]);
  const queued = await held.addAll([[[{ op: 'return', value: 'after' }], { delay: 3_600_000 }]]);
  await running(held, 2);
  const asked = Date.now();
  assert.equal(await worker.stop(), 70);
  assert.ok(Date.now() - asked < 10_000, `the drain took ${Date.now() - asked} ms`);
  for (const { id } of stuck) {
    const job = await held.fresh(id);
    assert.equal(await job.getState(), 'waiting');
    assert.deepEqual([job.attemptsMade, job.stalledCounter, job.failedReason], [0, 0, undefined]);
    await job.updateData({ steps: [{ op: 'echo' }] });
  }
  assert.deepEqual(await held.locks(), []);
  assert.equal((await held.counts()).active, 0);

  const next = await lab.start({ queues: [held] });
  for (const job of stuck) assert.equal((await held.result(job)).attempt, 1);
  await queued[0].promote();
  assert.equal(await held.result(queued[0]), 'after');
  assert.equal(await next.stop(), 0);
});

const JOBS = 2_400;
const restarted = lab.queue(v6, 'restarted', { concurrency: 16 });
it.server('a Redis restart in mid-run loses nothing and repeats no result', async () => {
  const rows = Array.from({ length: JOBS }, (_, n) => [[{ op: 'sleep', ms: 5 }, { op: 'return', value: { n } }]]);
  const jobs = await restarted.addAll(rows);
  const worker = await lab.start({ queues: [restarted], worker: { lock_duration: '5s', stalled_interval: '3s' } });
  const done = async () => (await restarted.counts()).completed;
  await until(async () => (await done()) > 400, 'more than 400 jobs complete before the restart');
  const before = await done();
  await lab.redis.restart();
  assert.ok(before < JOBS - 400, `${before} jobs had completed before the restart already`);
  await restarted.finished(JOBS, 75_000);

  const counts = await restarted.counts();
  assert.deepEqual([counts.completed, counts.failed, counts.active, counts.waiting, counts.delayed], [JOBS, 0, 0, 0, 0]);
  const found = await restarted.queue.getJobs(['completed'], 0, -1);
  const values = new Map(found.map((job) => [job.id, job]));
  jobs.forEach(({ id }, n) => {
    assert.deepEqual(values.get(id)?.returnvalue, { n });
    assert.equal(values.get(id).attemptsMade, 1);
  });
  const completed = (await restarted.history('completed')).map(({ jobId }) => jobId);
  assert.equal(completed.length, JOBS);
  assert.equal(new Set(completed).size, JOBS);
  assert.deepEqual(await restarted.locks(), []);
  await until(async () => (await worker.status('/healthz/ready')) === 200, 'the worker is ready again');
  const last = await restarted.add([{ op: 'return', value: 'alive' }]);
  assert.equal(await restarted.result(last), 'alive');
});
