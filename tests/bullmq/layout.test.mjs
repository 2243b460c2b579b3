// What a queue's keys are, also as other writers leave them, and how many calls a batch of jobs takes.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { clients, v6 } from './lib/clients.mjs';
import { gristmill } from './lib/command.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const value = (value) => [{ op: 'return', value }];

/** The suffixes of a queue's own keys; whatever else there is belongs to a job or a deduplication id. */
const SUFFIXES = [
  'wait', 'paused', 'active', 'prioritized', 'pc', 'delayed', 'waiting-children', 'completed', 'failed', 'stalled',
  'stalled-check', 'limiter', 'meta', 'marker', 'events', 'id', 'repeat', 'metrics:completed', 'metrics:failed',
  'metrics:completed:data', 'metrics:failed:data',
];
const PARTS = /:(logs|dependencies|processed|failed|unsuccessful|lock)$/;

const leaves = lab.queue(v6, 'shelf');
const allow = { enqueue: [leaves.name] };
const full = lab.queue(v6, 'cupboard', { jobs: { '*': { allow } } });

it('every key under a queue’s prefix is one of BullMQ’s, and its sweep of orphans removes none [trap-12]', async () => {
  const child = { op: 'enqueue', queue: leaves.name, name: 'leaf', data: { steps: value(1) }, child: true };
  const jobs = await full.addAll([
    [[child, { op: 'wait-children' }, { op: 'children' }]],
    [[{ op: 'state-set', key: 'k', value: 1 }, { op: 'progress', value: 1 }, { op: 'log', line: 'x' }]],
    [[{ op: 'metric', kind: 'counter', name: 'c', value: 1, labels: {} }]],
    [[{ op: 'fail', message: 'no' }], { attempts: 2 }],
    [[{ op: 'delay', ms: 3_600_000 }]],
    [value(1), { priority: 2, deduplication: { id: 'd', ttl: 60_000 } }],
  ]);
  await full.queue.upsertJobScheduler('s', { every: 3_600_000 }, { name: 'tick', data: { steps: [] } });
  await full.finished(6);
  await full.inState(jobs[4], 'delayed');

  const prefix = full.key('');
  const keys = (await full.keys.keys(`${prefix}*`)).map((key) => key.slice(prefix.length)).sort();
  const ids = new Set((await full.queue.getJobs()).map(({ id }) => id));
  const unknown = keys.filter((key) => {
    const known = SUFFIXES.includes(key) || ids.has(key.replace(PARTS, '')) || key === 'repeat:s' || key === 'de:d';
    return !known;
  });
  assert.deepEqual(unknown, []);
  for (const queue of [full, leaves]) await queue.queue.removeOrphanedJobs?.();
  const left = (await full.keys.keys(`${prefix}*`)).map((key) => key.slice(prefix.length)).sort();
  // BullMQ's own sweep takes BullMQ's own counts of failed jobs for a job's part.
  const swept = (key) => key !== 'metrics:failed';
  assert.deepEqual(left.filter(swept), keys.filter(swept));
});

it.ours('a job id that is the name of a key is refused [trap-12]', async () => {
  const add = (id) => gristmill(lab.redis, 'job', 'add', full.name, 'job', '--job-id', id);
  for (const id of ['wait', 'events', 'meta', 'marker', 'stalled', 'repeat']) {
    const before = await full.keys.type(full.key(id));
    await assert.rejects(add(id), ({ stderr }) => stderr.includes(id), id);
    const job = await full.add([{ op: 'enqueue', queue: leaves.name, name: 'x', data: { steps: [] }, opts: { jobId: id } }]);
    await assert.rejects(full.result(job), new RegExp(id));
    assert.equal(await full.keys.type(full.key(id)), before, id);
  }
});

for (const client of clients) {
  const lenient = lab.queue(client, 'lenient');
  it(`${client.label}: options as Lua and other clients write them are understood [trap-18] [own-no-opts]`, async () => {
    const fails = JSON.stringify({ steps: [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, ...value('ok')] });
    const written = {
      empty: ['{}', JSON.stringify({ steps: value('ok') }), '1'],
      fraction: ['{"attempts":2.0,"backoff":{"type":"fixed","delay":5.0e1}}', fails, '2'],
      slashes: ['{"attempts":3,"kl":{},"note":"a\\/b","backoff":{"delay":10,"type":"fixed"}}', fails, '2'],
      unknown: ['{"attempts":2,"x":{"y":[]},"removeOnComplete":{}}', fails, '2'],
    };
    for (const [id, [opts, data]] of Object.entries(written)) {
      const fields = ['name', 'job', 'data', data, 'opts', opts, 'timestamp', Date.now(), 'delay', 0, 'priority', 0];
      await lenient.keys.hset(lenient.key(id), ...fields);
      await lenient.keys.lpush(lenient.key('wait'), id);
    }
    await lenient.keys.zadd(lenient.key('marker'), 0, '0');
    await lenient.finished(Object.keys(written).length);
    for (const [id, [, , attempts]] of Object.entries(written)) {
      const { returnvalue, atm } = await lenient.keys.hgetall(lenient.key(id));
      assert.deepEqual([returnvalue, atm], ['"ok"', attempts], id);
    }
  });
}

const busy = lab.queue(v6, 'busy', { concurrency: 16 });
it.ours('jobs of a full queue take far fewer calls than there are jobs, and all slots work [row-40]', async () => {
  const JOBS = 1_600;
  await busy.queue.pause();
  await busy.addAll(Array.from({ length: JOBS }, () => [[]]));
  const servers = lab.redis.connection.nodes ? lab.redis.connection.nodes('master') : [busy.keys];
  for (const server of servers) await server.config('RESETSTAT');
  await busy.queue.resume();
  await busy.seen('completed', JOBS);
  let calls = 0;
  for (const server of servers) {
    const found = /cmdstat_evalsha:calls=(\d+)/.exec(await server.info('commandstats'));
    calls += Number(found?.[1] ?? 0);
  }
  assert.ok(calls < JOBS / 2, `${calls} calls of scripts for ${JOBS} jobs`);

  await busy.addAll(Array.from({ length: 64 }, () => [[{ op: 'sleep', ms: 150 }]]));
  await until(async () => (await busy.counts()).active === 16, 'all slots work');
  await busy.finished(JOBS + 64);
  let active = 0;
  let most = 0;
  for (const { event } of await busy.history()) {
    if (event === 'active') most = Math.max(most, ++active);
    if (event === 'completed') active--;
  }
  assert.equal(most, 16, 'and no job was taken without a slot');
});

const greedy = lab.queue(v6, 'greedy', { concurrency: 8 });
const modest = lab.queue(v6, 'modest', { concurrency: 1 });
it('a busy queue does not starve another one [own-fairness]', async () => {
  await greedy.addAll(Array.from({ length: 4_000 }, () => [[{ op: 'sleep', ms: 5 }]]));
  for (let n = 0; n < 10; n++) {
    const job = await modest.add(value(n));
    assert.equal(await modest.result(job), n);
    const { processedOn, timestamp } = await modest.fresh(job);
    assert.ok(processedOn - timestamp < 1_000, `job ${n} waited ${processedOn - timestamp} ms`);
  }
  assert.ok((await greedy.counts()).waiting > 0, 'the other queue was busy all the time');
  await greedy.queue.drain();
});

it('getWorkers of one queue does not list those of another [row-39]', async () => {
  const alone = await lab.start({ queues: [modest], worker: { name: 'alone' } });
  const names = async (queue) => (await queue.queue.getWorkers()).map(({ rawname }) => rawname.split(':w:')[1]).sort();
  assert.deepEqual(await names(modest), ['alone', lab.worker.name].sort());
  assert.deepEqual(await names(greedy), [lab.worker.name]);
  await alone.stop();
  await until(async () => (await names(modest)).length === 1, 'a worker that stopped is not listed');
});
