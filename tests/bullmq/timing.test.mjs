// When jobs become due and how a worker learns of it: scores, markers, clocks, lists of version 5, large numbers.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v5, v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ worker: { stalled_interval: '500ms' } });
const HOUR = 3_600_000;
const value = (value) => [{ op: 'return', value }];

const scored = lab.queue(v6, 'scored');
it('a retry is due at its score divided by 4096, which its event tells, and its hash has the delay [trap-2]', async () => {
  const opts = { attempts: 2, backoff: { type: 'fixed', delay: HOUR } };
  const job = await scored.add([{ op: 'fail', message: 'once' }], opts);
  await scored.inState(job, 'delayed');
  const score = Number(await scored.keys.zscore(scored.key('delayed'), job.id));
  const [event] = await scored.history('delayed');
  const due = Number(event.delay);
  assert.equal(Math.floor(score / 4096), due);
  assert.ok(score % 4096 < 4, `the ${score % 4096}th of its millisecond`);
  assert.ok(due - HOUR <= event.at && due - HOUR >= job.timestamp, `due at ${due}`);
  assert.equal(await scored.keys.hget(scored.key(job.id), 'delay'), String(HOUR));
});

it('ends are scored with their time, and two retries of one moment in their order [trap-2]', async () => {
  const job = await scored.add(value(1));
  await scored.result(job);
  const { finishedOn } = await scored.fresh(job);
  assert.equal(await scored.keys.zscore(scored.key('completed'), job.id), String(finishedOn));

  await scored.queue.pause();
  const opts = { attempts: 2, backoff: { type: 'fixed', delay: HOUR } };
  const jobs = await scored.addAll(Array.from({ length: 8 }, () => [[{ op: 'fail', message: 'together' }], opts]));
  await scored.queue.resume();
  for (const one of jobs) await scored.inState(one, 'delayed');
  const scores = (await scored.keys.zrange(scored.key('delayed'), 0, -1, 'WITHSCORES')).filter((_, n) => n % 2);
  assert.equal(new Set(scores).size, scores.length, `each has a score of its own: ${scores}`);
});

const unmarked = lab.queue(v6, 'unmarked', { concurrency: 1 });
it('jobs whose markers were deleted by hand start no later than a poll [row-33] [trap-13]', async () => {
  await unmarked.result(await unmarked.add(value('the worker waits now')));
  const script = `
    redis.call("HSET", KEYS[1], "name", "job", "data", '{"steps":[]}', "opts", "{}", "timestamp", ARGV[1], "delay", 0, "priority", 0)
    redis.call("LPUSH", KEYS[2], "silent")
    redis.call("DEL", KEYS[3])`;
  const keys = ['silent', 'wait', 'marker'].map((suffix) => unmarked.key(suffix));
  await unmarked.keys.eval(script, 3, ...keys, Date.now());
  const due = await unmarked.add(value('due'), { delay: 700 });
  await unmarked.keys.del(unmarked.key('marker'));
  const since = Date.now();
  await unmarked.finished(3);
  assert.ok(Date.now() - since < 6_500, `${Date.now() - since} ms`);
  assert.equal((await unmarked.fresh(due)).returnvalue, 'due');
  assert.equal((await unmarked.fresh('silent')).attemptsMade, 1);
});

const chained = lab.queue(v6, 'chained', { concurrency: 8 });
it('work that is left under global concurrency is not left to the poll [trap-13]', async () => {
  await chained.queue.setGlobalConcurrency(1);
  const since = Date.now();
  await chained.addAll(Array.from({ length: 12 }, () => [[{ op: 'sleep', ms: 20 }]]));
  await chained.finished(12);
  assert.ok(Date.now() - since < 4_000, `twelve jobs took ${Date.now() - since} ms`);
});

const skewed = lab.queue(v6, 'skewed');
it('a producer’s wrong clock moves its own jobs only [trap-17]', async () => {
  const behind = await skewed.add(value(1), { timestamp: Date.now() - 60_000, delay: 60_400 });
  const past = await skewed.add(value(2), { timestamp: Date.now() - HOUR, delay: 1_000 });
  const ahead = await skewed.add(value(3), { timestamp: Date.now() + HOUR });
  const later = await skewed.add(value(4), { timestamp: Date.now() + HOUR, delay: 1_000 });
  const now = Date.now();
  for (const job of [past, ahead, behind]) await skewed.result(job);
  const begun = async (job) => (await skewed.fresh(job)).processedOn - now;
  assert.ok((await begun(past)) < 300 && (await begun(ahead)) < 300, 'neither waits');
  const late = await begun(behind);
  assert.ok(late > 250 && late < 2_000, `due 400 ms after it was added, started after ${late} ms`);
  assert.equal(await skewed.queue.getJobState(later.id), 'delayed');
  await (await skewed.fresh(later)).remove();
});

const fifth = lab.queue(v5, 'legacy');
it('jobs that version 5 parked in its own list run after a resume by version 6 [row-32] [trap-11]', async () => {
  await fifth.queue.pause();
  const jobs = await fifth.addAll([[value(1), { jobId: 'l1' }], [value(2), { jobId: 'l2' }]]);
  assert.deepEqual(await fifth.keys.lrange(fifth.key('paused'), 0, -1), ['l2', 'l1']);
  const { connection, prefix } = lab.redis;
  const sixth = new v6.Queue(fifth.name, { connection, prefix });
  await sixth.resume();
  await sixth.close();
  for (const job of jobs) await fifth.result(job);
  assert.deepEqual(await fifth.started(), ['l1', 'l2']);
});

const leftover = lab.queue(v6, 'leftover');
it.ours('a list that version 5 left on a queue that is not paused is drained [row-32] [trap-11]', async () => {
  await leftover.queue.pause();
  await leftover.addAll([[value(1), { jobId: 'l1' }], [value(2), { jobId: 'l2' }]]);
  // As if version 5 had paused it, and the word for that had been lost.
  await leftover.keys.rename(leftover.key('wait'), leftover.key('paused'));
  await leftover.keys.hdel(leftover.key('meta'), 'paused');
  await leftover.finished(2);
  assert.deepEqual(await leftover.started(), ['l1', 'l2']);
  assert.equal(await leftover.keys.exists(leftover.key('paused')), 0);
});

const crowd = lab.queue(v6, 'crowd', { concurrency: 4 });
it('thousands of jobs due in one millisecond become due in their order [trap-20]', async () => {
  const due = { timestamp: Date.now(), delay: 5_000 };
  const jobs = await crowd.addAll(Array.from({ length: 3_000 }, () => [[], due]));
  assert.ok(Date.now() < due.timestamp + due.delay, 'all were there before they were due');
  await crowd.finished(jobs.length, 60_000);
  const promoted = (await crowd.history('waiting')).map(({ jobId }) => jobId);
  assert.deepEqual(promoted, jobs.map(({ id }) => id));
  assert.deepEqual((await crowd.started()), promoted);
});

const hoard = lab.queue(v6, 'hoard');
it('thousands of jobs are trimmed at once [trap-20]', async () => {
  const count = 9_000;
  const pipeline = hoard.keys.pipeline();
  for (let n = 0; n < count; n++) {
    pipeline.hset(hoard.key(`old-${n}`), 'name', 'job', 'data', '{}', 'opts', '{}', 'finishedOn', n + 1);
    pipeline.zadd(hoard.key('completed'), n + 1, `old-${n}`);
  }
  await pipeline.exec();
  const job = await hoard.add(value('last'), { removeOnComplete: 1 });
  assert.equal(await hoard.result(job), 'last');
  assert.deepEqual(await hoard.keys.zrange(hoard.key('completed'), 0, -1), [job.id]);
  assert.deepEqual(await hoard.keys.keys(hoard.key('old-*')), []);
});

const named = lab.queue(v6, 'named');
it('job ids are opaque texts [trap-19]', async () => {
  const ids = ['a b', '1e3', '0x1f', '-7a', 'ünï-cödé-日本', '3f2504e0-4f89-41d3-9a0c-0305e82c3301', 'x'.repeat(300), '"{}\\'];
  for (const jobId of ids) {
    const job = await named.add([{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, { op: 'echo' }], { jobId, attempts: 2 });
    assert.equal((await named.result(job)).id, jobId);
    assert.equal((await named.fresh(jobId)).attemptsMade, 2, jobId);
  }
});

const beat = lab.queue(v6, 'beat');
it('a scheduler’s next job has the options of the present one, and the name and data of the scheduler [trap-15]', async () => {
  const template = { name: 'old', data: { steps: value('old') }, opts: { attempts: 3, keepLogs: 7 } };
  const first = await beat.queue.upsertJobScheduler('s', { every: 1_500 }, template);
  await beat.result(first);
  const [second] = await beat.queue.getDelayed();
  const { opts } = second;
  assert.deepEqual([opts.attempts, opts.keepLogs, opts.repeat.count], [3, 7, 2]);
  const changed = JSON.parse(await beat.keys.hget(beat.key(second.id), 'opts'));
  await beat.keys.hset(beat.key(second.id), 'opts', JSON.stringify({ ...changed, attempts: 9 }));
  await beat.keys.hset(beat.key('repeat:s'), 'data', JSON.stringify({ steps: value('new') }), 'name', 'new');
  assert.equal(await beat.result(second), 'old', 'it was made before the change');
  const [third] = await beat.queue.getDelayed();
  assert.deepEqual([third.name, third.data.steps[0].value, third.opts.attempts, third.opts.keepLogs], ['new', 'new', 9, 7]);
  await beat.queue.removeJobScheduler('s');
});

it('nothing is left active or locked', async () => {
  for (const queue of [scored, unmarked, chained, skewed, fifth, leftover, crowd, hoard, named, beat]) {
    await until(async () => (await queue.counts()).active === 0, `${queue.name} is idle`);
    assert.deepEqual(await queue.locks(), []);
    assert.deepEqual(queue.errors, []);
  }
});
