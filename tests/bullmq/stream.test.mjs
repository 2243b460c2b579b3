// The events stream as observers follow it: what our own adds tell, trimming, and a very long run.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const value = (value) => [{ op: 'return', value }];
const many = (count, steps = value(1)) => Array.from({ length: count }, () => [steps]);

const told = lab.queue(v6, 'told', { concurrency: 1, jobs: { '*': { allow: { enqueue: ['told-v6'] } } } });
const adds = (name, opts) => ({ op: 'enqueue', queue: told.name, name, data: { steps: [] }, opts });

it('a job added twice with one id is told as duplicated [row-34]', async () => {
  const job = await told.add([adds('next', { jobId: 'once' }), adds('next', { jobId: 'once' })]);
  await told.result(job);
  await told.seen('completed', 2);
  assert.deepEqual((await told.history('duplicated')).map(({ jobId }) => jobId), ['once']);
  assert.deepEqual((await told.history('added')).map(({ jobId }) => jobId), [job.id, 'once']);
});

it('a job that is deduplicated is told with the one that stays [row-34]', async () => {
  const first = adds('kept', { deduplication: { id: 'd' }, jobId: 'kept' });
  const job = await told.add([first, adds('dropped', { deduplication: { id: 'd' }, jobId: 'dropped' })]);
  await told.result(job);
  const [{ jobId, deduplicationId, deduplicatedJobId }] = await told.history('deduplicated');
  assert.deepEqual([jobId, deduplicationId, deduplicatedJobId], ['kept', 'd', 'dropped']);
  assert.equal(await told.fresh('dropped'), undefined);
});

it('a prioritized job becomes active from `waiting` too, and a failure of one attempt exhausts it [trap-6]', async () => {
  const job = await told.add([{ op: 'fail', message: 'no' }], { priority: 3 });
  await assert.rejects(told.result(job), { message: 'no' });
  const mine = (await told.history()).filter(({ jobId }) => jobId === job.id).map(({ at, jobId, ...rest }) => rest);
  assert.deepEqual(mine, [
    { event: 'added', name: 'job' },
    { event: 'waiting' },
    { event: 'active', prev: 'waiting' },
    { event: 'failed', failedReason: 'no', prev: 'active' },
    { event: 'retries-exhausted', attemptsMade: '1' },
  ]);
});

for (const maxLen of [0, 60]) {
  const short = lab.queue(v6, `short-${maxLen}`);
  it(`a stream of at most ${maxLen} entries is trimmed as jobs end [row-34]`, async () => {
    const { connection, prefix } = lab.redis;
    const producer = new v6.Queue(short.name, { connection, prefix, streams: { events: { maxLen } } });
    await producer.waitUntilReady();
    await until(
      async () => (await short.keys.hget(short.key('meta'), 'opts.maxLenEvents')) === String(maxLen),
      'the length is set',
    );
    await short.addAll(many(600));
    await short.finished(600);
    const last = await short.add(value('last'));
    await short.result(last);
    // Redis trims whole nodes of a hundred entries, and four entries of a job are written after it.
    const length = await short.keys.xlen(short.key('events'));
    assert.ok(length <= maxLen + 300, `${length} entries are left of 2400`);
    const ends = await short.history('completed');
    assert.equal(ends.at(-1).jobId, last.id, 'the newest end is there');
    assert.equal(await short.keys.hget(short.key('meta'), 'opts.maxLenEvents'), String(maxLen), 'nobody else set it');
    await producer.close();
  });
}

const signed = lab.queue(v6, 'signed');
it('the worker leaves the queue’s `meta` as it is, and obeys a length that a client resets [trap-11]', async () => {
  await signed.keys.hset(signed.key('meta'), 'version', 'bullmq:4.2.0', 'unknown', 'field');
  const before = await signed.keys.hgetall(signed.key('meta'));
  await signed.addAll(many(50));
  await signed.finished(50);
  assert.deepEqual(await signed.keys.hgetall(signed.key('meta')), before);

  await signed.addAll(many(300));
  await signed.finished(350);
  await signed.keys.hset(signed.key('meta'), 'opts.maxLenEvents', '100');
  await signed.addAll(many(50));
  await signed.finished(400);
  const length = await signed.keys.xlen(signed.key('events'));
  assert.ok(length <= 500, `${length} entries are left of 1600`);
});

const removed = lab.queue(v6, 'removed');
it('waitUntilFinished resolves for a job that is removed as it ends, and rejects once it is gone [row-35]', async () => {
  const job = await removed.add([{ op: 'sleep', ms: 300 }, ...value('seen')], { removeOnComplete: true });
  assert.equal(await removed.result(job), 'seen');
  await assert.rejects(removed.result(job), /Missing key/);
});

const JOBS = 20_000;
const long = lab.queue(v6, 'long', { concurrency: 32 });
it('QueueEvents follows a hundred thousand events without an error [own-long-stream] [trap-1]', async () => {
  const odd = ['"', '\\', '\u2028', '\u0000', '日本', '👩‍🚀', '</script>', '%s', "';--"];
  const ends = new Map();
  let events = 0;
  for (const event of ['added', 'waiting', 'active', 'progress', 'completed']) long.events.on(event, () => events++);
  long.events.on('completed', ({ jobId, returnvalue }) => ends.set(jobId, returnvalue));
  const steps = (n) => [{ op: 'progress', value: { n, odd: odd[n % odd.length] } }, ...value([odd[n % odd.length], n])];
  const jobs = [];
  for (let n = 0; n < JOBS; n += 1_000) {
    jobs.push(...(await long.addAll(Array.from({ length: 1_000 }, (_, i) => [steps(n + i), { removeOnComplete: 100 }]))));
  }
  await until(() => ends.size === JOBS, () => `${JOBS} ends are told; ${ends.size} were`, 80_000);
  jobs.forEach(({ id }, n) => assert.deepEqual(ends.get(id), [odd[n % odd.length], n]));
  assert.ok(events >= 100_000, `${events} events were told`);
  assert.deepEqual(long.errors, []);
});
