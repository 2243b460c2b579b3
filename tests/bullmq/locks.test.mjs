// Locks that are renewed, lost, stolen or left behind, and the jobs that stall for want of one.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { perform } from './lib/steps.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ autostart: false });
const value = (value) => [{ op: 'return', value }];
const LONG_SLEEP = [{ op: 'sleep', ms: 60_000 }];
// A lock that is taken away is missed within a quarter of a second, and its job found within another.
const ALERT = { lock_duration: '1s', stalled_interval: '250ms' };
// Nobody looks for stalled jobs again before the test is over.
const CALM = { stalled_interval: '60m' };

const queue = (name, settings = {}) => lab.queue(v6, name, { jobs: { '*': { timeout: '10m' } }, ...settings });
const serve = (one, worker) => lab.start({ queues: [one], worker });
const lockOf = (one, job) => one.keys.get(one.key(`${job.id}:lock`));

/** Takes the lock of a running job away and waits until the job is found to have stalled. */
async function stall(one, job, round = 1) {
  await until(
    async () => (await one.keys.del(one.key(`${job.id}:lock`))) === 1,
    `job ${job.id} has a lock to lose in round ${round}`,
  );
  await one.seen('stalled', round);
}

const busy = queue('busy', { concurrency: 64 });
it.ours('64 jobs that compute for five times a lock’s life never stall', async () => {
  const worker = await serve(busy, { lock_duration: '1s', stalled_interval: '250ms' });
  const stalled = [];
  busy.events.on('stalled', ({ jobId }) => stalled.push(jobId));
  const jobs = await busy.addAll(Array.from({ length: 64 }, (_, n) => [[{ op: 'burn', ms: 5_000 }, { op: 'return', value: n }]]));
  const values = await Promise.all(jobs.map((job) => busy.result(job, 120_000)));
  assert.deepEqual(values, jobs.map((_, n) => n));
  assert.deepEqual([stalled, await busy.history('stalled')], [[], []]);
  for (const job of jobs) assert.equal((await busy.fresh(job)).attemptsStarted, 1);
  assert.equal(await worker.stop(), 0);
});

const leaving = queue('leaving');
it('a worker that drains renews the locks of what still runs [row-14]', async () => {
  const worker = await serve(leaving, { lock_duration: '600ms', stalled_interval: '200ms' });
  const job = await leaving.add([{ op: 'sleep', ms: 2_500 }, ...value('in time')]);
  await leaving.inState(job, 'active');
  const options = { connection: lab.redis.connection, prefix: lab.redis.prefix, stalledInterval: 200 };
  const watcher = new v6.Worker(leaving.name, (one, token) => perform(one, token, v6), options);
  watcher.on('error', (error) => leaving.errors.push(error));
  await watcher.waitUntilReady();
  assert.equal(await worker.stop(), 0);
  const done = await leaving.fresh(job);
  assert.deepEqual([done.returnvalue, done.attemptsStarted, done.stalledCounter], ['in time', 1, 0]);
  assert.equal(done.processedBy, worker.name);
  await watcher.close();
});

const robbed = queue('robbed');
it('a job whose lock is gone or another’s is not ended by its worker, which says so [row-23] [trap-14]', async () => {
  const worker = await serve(robbed, { ...CALM, lock_duration: '1s' });
  const steps = [{ op: 'sleep', ms: 1_500 }, ...value('too late')];
  const [gone, stolen, whole] = await robbed.addAll([[steps], [steps], [steps]]);
  await until(async () => (await robbed.counts()).active === 3, 'all run');
  await robbed.keys.del(robbed.key(`${gone.id}:lock`));
  await robbed.keys.set(robbed.key(`${stolen.id}:lock`), 'someone else');
  assert.equal(await robbed.result(whole), 'too late');
  // The next job starts after the others would have ended, had they gone on.
  await robbed.result(await robbed.add([{ op: 'sleep', ms: 500 }]));

  assert.deepEqual(await robbed.keys.lrange(robbed.key('active'), 0, -1), [stolen.id, gone.id]);
  assert.equal(await lockOf(robbed, gone), null, 'nobody made the lock again');
  assert.equal(await lockOf(robbed, stolen), 'someone else');
  const ends = (await robbed.history()).filter(({ jobId, event }) => event !== 'active' && [gone.id, stolen.id].includes(jobId));
  assert.deepEqual(new Set(ends.map(({ event }) => event)), new Set(['added', 'waiting']));
  for (const job of [gone, stolen]) assert.equal((await robbed.fresh(job)).finishedOn, undefined);
  assert.match(worker.stderr, /lock/i);
});

const batch = queue('batch', { concurrency: 16 });
it('of sixteen jobs that finish together, the one whose lock was taken does not [own-lost-in-batch]', async () => {
  await serve(batch, CALM);
  await batch.queue.pause();
  const jobs = await batch.addAll(Array.from({ length: 16 }, (_, n) => [[{ op: 'sleep', ms: 800 }, ...value(n)]]));
  await batch.queue.resume();
  await until(async () => (await batch.counts()).active === 16, 'all run');
  await batch.keys.set(batch.key(`${jobs[6].id}:lock`), 'someone else');
  await batch.finished(15);
  await batch.result(await batch.add([{ op: 'sleep', ms: 200 }]));
  for (const [n, { id }] of jobs.entries()) {
    const { returnvalue, failedReason } = await batch.fresh(id);
    if (n !== 6) assert.deepEqual([returnvalue, failedReason], [n, undefined], id);
    else assert.deepEqual([returnvalue, failedReason, await batch.queue.getJobState(id)], [null, undefined, 'active']);
  }
  assert.deepEqual(await batch.keys.lrange(batch.key('active'), 0, -1), [jobs[6].id]);
  assert.deepEqual(await batch.locks(), [batch.key(`${jobs[6].id}:lock`)]);
});

const listed = queue('listed');
it('a job that completes leaves the set of those that may have stalled [row-24]', async () => {
  await serve(listed, { stalled_interval: '100ms' });
  const job = await listed.add([{ op: 'sleep', ms: 1_000 }]);
  await until(async () => await listed.keys.sismember(listed.key('stalled'), job.id), 'the check lists the job');
  // Whoever finds it in the set and no lock would think that it stalled.
  await listed.seen('completed', 1);
  assert.equal(await listed.keys.sismember(listed.key('stalled'), job.id), 0);
  assert.equal(await lockOf(listed, job), null);
  assert.deepEqual(await listed.history('stalled'), []);
});

const tough = queue('tough');
it('a job stalls as often as it is allowed to, and then fails [row-25]', async () => {
  await serve(tough, { ...ALERT, max_stalled_count: 2 });
  const job = await tough.add([{ op: 'log', line: 'ran' }, ...LONG_SLEEP]);
  for (const round of [1, 2, 3]) {
    await tough.seen('active', round);
    await stall(tough, job, round);
  }
  await assert.rejects(tough.result(job), { message: 'job stalled more than allowable limit' });
  const { stalledCounter, attemptsStarted } = await tough.fresh(job);
  assert.deepEqual([stalledCounter, attemptsStarted], [3, 4]);
  assert.equal((await tough.queue.getJobLogs(job.id)).count, 3, 'it ran three times');
});

const counted = queue('counted');
it('a retry keeps the count of stalls [row-26]', async () => {
  await serve(counted, ALERT);
  const job = await counted.add(LONG_SLEEP, { attempts: 2 });
  await counted.inState(job, 'active');
  await counted.queue.pause();
  await stall(counted, job);
  const waiting = await counted.fresh(job);
  assert.equal(waiting.stalledCounter, 1);
  await waiting.updateData({ steps: [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'no' }] }, ...value('yes')] });
  await counted.queue.resume();
  assert.equal(await counted.result(job), 'yes');
  const { stalledCounter, attemptsMade, attemptsStarted } = await counted.fresh(job);
  assert.deepEqual([stalledCounter, attemptsMade, attemptsStarted], [1, 2, 3]);
});

const swept = queue('swept');
it('a job that stalled out is removed if its options say so [row-27]', async () => {
  await serve(swept, { ...ALERT, max_stalled_count: 0 });
  const job = await swept.add(LONG_SLEEP, { removeOnFail: true });
  await swept.inState(job, 'active');
  await stall(swept, job);
  const [failed] = await swept.seen('failed', 1).then(() => swept.history('failed'));
  assert.equal(failed.failedReason, 'job stalled more than allowable limit');
  // Node writes log lines and checkpoints of a zombie after that; ours has none.
  assert.equal(await swept.keys.exists(swept.key(job.id)), 0);
  assert.equal(await swept.keys.zcard(swept.key('failed')), 0);
});

const pushy = queue('pushy', { concurrency: 1 });
it.ours('a stalled job goes to the front of `wait`, whatever its priority [trap-3] [trap-4]', async () => {
  await serve(pushy, ALERT);
  const job = await pushy.add(LONG_SLEEP, { priority: 9, jobId: 'late' });
  await pushy.inState(job, 'active');
  await pushy.queue.pause();
  await pushy.addAll([[value(1), { jobId: 'first' }], [value(2), { jobId: 'second' }], [value(3), { jobId: 'p', priority: 1 }]]);
  await stall(pushy, job);
  assert.deepEqual(await pushy.keys.lrange(pushy.key('wait'), 0, -1), ['second', 'first', 'late']);
  assert.deepEqual(await pushy.keys.zrange(pushy.key('prioritized'), 0, -1), ['p']);
  await (await pushy.fresh(job)).updateData({ steps: value('at last') });
  await pushy.queue.resume();
  await pushy.finished(4);
  assert.deepEqual(await pushy.started(), ['late', 'late', 'first', 'second', 'p']);
  const stalled = (await pushy.history()).filter(({ jobId }) => jobId === 'late').map(({ event }) => event);
  assert.deepEqual(stalled.slice(2, 6), ['active', 'waiting', 'stalled', 'active']);
});

const signed = queue('signed');
it('every fetch locks with a token of its own [trap-14]', async () => {
  await serve(signed, CALM);
  const tokens = [];
  for (let n = 0; n < 4; n++) {
    const job = await signed.add([{ op: 'sleep', ms: 1_500 }]);
    await signed.inState(job, 'active');
    tokens.push(await lockOf(signed, job));
  }
  const again = await signed.add([{ op: 'delay', ms: 100 }]);
  await signed.inState(again, 'delayed');
  await (await signed.fresh(again)).updateData({ steps: [{ op: 'sleep', ms: 500 }] });
  tokens.push(await until(() => lockOf(signed, again), 'it runs again'));
  assert.equal(new Set(tokens).size, tokens.length, `${tokens}`);
  for (const token of tokens) assert.ok(token && token !== '0', token);
});

const early = queue('early');
const elsewhere = queue('elsewhere');
it('a job with pending children does not complete, and keeps none of its lock [trap-10]', async () => {
  await lab.start({ queues: [{ ...early, name: early.name, settings: { jobs: { '*': { allow: { enqueue: [elsewhere.name] } } } } }], worker: CALM });
  const child = { op: 'enqueue', queue: elsewhere.name, name: 'c', data: { steps: [] }, child: true };
  const job = await early.add([child, ...value('without waiting')]);
  await assert.rejects(early.result(job), /children|dependencies/);
  assert.equal(await lockOf(early, job), null);
  assert.deepEqual((await early.history('completed')), []);
  assert.equal(await early.keys.scard(early.key(`${job.id}:dependencies`)), 1, 'the child is still expected');
});

const vanished = queue('vanished');
it('a job that is not active any more is not ended [trap-10]', async () => {
  await serve(vanished, CALM);
  const job = await vanished.add([{ op: 'sleep', ms: 600 }, ...value('where am I')]);
  await vanished.inState(job, 'active');
  await vanished.keys.lrem(vanished.key('active'), 0, job.id);
  await vanished.result(await vanished.add([{ op: 'sleep', ms: 1_200 }]));
  assert.deepEqual((await vanished.history('completed')).filter(({ jobId }) => jobId === job.id), []);
  assert.deepEqual(await vanished.history('failed'), []);
  const { returnvalue, finishedOn, attemptsMade } = await vanished.fresh(job);
  assert.deepEqual([returnvalue, finishedOn, attemptsMade], [null, undefined, 0]);
});

const routine = queue('routine');
it('a scheduler’s run that stalls makes no second next run and has no limit of stalls [row-38]', async () => {
  await serve(routine, { ...ALERT, max_stalled_count: 1 });
  const template = { name: 'tick', data: { steps: LONG_SLEEP } };
  const job = await routine.queue.upsertJobScheduler('s', { every: 3_600_000 }, template);
  for (const round of [1, 2, 3]) {
    await routine.seen('active', round);
    await stall(routine, job, round);
  }
  await routine.seen('active', 4);
  assert.equal((await routine.fresh(job)).stalledCounter, 3);
  assert.equal(await routine.queue.getDelayedCount(), 1);
  assert.equal((await routine.queue.getJobScheduler('s')).iterationCount, 2);
  assert.deepEqual(await routine.history('failed'), []);
});
