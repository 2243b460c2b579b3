// A Node worker and ours on one queue: every job runs exactly once, and neither disturbs the other.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { deployment, it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { perform } from './lib/steps.mjs';
import { Lab } from './lib/lab.mjs';

const JOBS = 5_000;
const OURS = 'fleet-ours';
const NODE = 'fleet-node';
const lab = new Lab({ worker: { name: OURS } });
const fleet = lab.queue(v6, 'fleet', { concurrency: 16 });

let node;
after(() => node?.close(true));

it(`${JOBS} jobs of many kinds on a shared queue: none lost, none run twice`, async () => {
  const executions = new Map();
  const finals = [];
  fleet.events.on('completed', (event) => finals.push(event.jobId));
  fleet.events.on('failed', (event) => finals.push(event.jobId));
  const options = { connection: lab.redis.connection, prefix: lab.redis.prefix, name: NODE, concurrency: 8, stalledInterval: 500 };
  const work = (job, token) => {
    executions.set(job.id, (executions.get(job.id) ?? 0) + 1);
    return perform(job, token, v6);
  };
  node = new v6.Worker(fleet.name, work, options);
  node.on('error', (error) => fleet.errors.push(error));
  await node.waitUntilReady();

  // Most jobs are plain; some are prioritized, delayed, fail once, or fail for good.
  const kinds = [
    (n) => [[{ op: 'return', value: n }]],
    (n) => [[{ op: 'return', value: n }], { priority: 1 + (n % 7) }],
    (n) => [[{ op: 'return', value: n }], { delay: n % 900 }],
    (n) => [[{ op: 'progress', value: n }, { op: 'log', line: `n ${n}` }, { op: 'return', value: n }]],
    (n) => [[{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, { op: 'return', value: n }], { attempts: 2 }],
    (n) => [[{ op: 'fail', message: `always ${n}` }]],
  ];
  const kindOf = (n) => (n % 4 ? 0 : (n / 4) % kinds.length);
  const rows = Array.from({ length: JOBS }, (_, n) => kinds[kindOf(n)](n));
  await fleet.queue.pause();
  const jobs = await fleet.addAll(rows);
  await fleet.queue.resume();
  await fleet.finished(JOBS, 80_000);

  const counts = await fleet.counts();
  const failing = rows.filter((_, n) => kindOf(n) === 5).length;
  assert.deepEqual(
    [counts.completed, counts.failed, counts.active, counts.waiting, counts.delayed, counts.prioritized],
    [JOBS - failing, failing, 0, 0, 0, 0],
  );

  const found = new Map((await fleet.queue.getJobs(['completed', 'failed'], 0, -1)).map((job) => [job.id, job]));
  const shares = { [OURS]: 0, [NODE]: 0 };
  jobs.forEach(({ id }, n) => {
    const job = found.get(id);
    const runs = kindOf(n) === 4 ? 2 : 1;
    assert.equal(job.attemptsStarted, runs, `job ${id}`);
    assert.equal(job.attemptsMade, runs, `job ${id}`);
    if (kindOf(n) === 5) assert.equal(job.failedReason, `always ${n}`);
    else assert.equal(job.returnvalue, n);
    const here = executions.get(id) ?? 0;
    assert.ok(here <= runs, `the Node worker ran job ${id} ${here} times`);
    if (runs === 1) assert.equal(here, job.processedBy === NODE ? 1 : 0, `job ${id}`);
    shares[job.processedBy]++;
  });
  assert.ok(shares[OURS] > 0 && shares[NODE] > 0, JSON.stringify(shares));

  const history = await fleet.history();
  const ends = history.filter(({ event }) => event === 'completed' || event === 'failed').map(({ jobId }) => jobId);
  assert.equal(ends.length, JOBS);
  assert.equal(new Set(ends).size, JOBS);
  assert.equal(history.filter(({ event }) => event === 'stalled').length, 0);
  await fleet.result(jobs.at(-1)); // QueueEvents is still alive …
  await fleet.result(await fleet.add([])); // … and still follows
  await until(() => finals.length >= JOBS + 1, () => `QueueEvents tells of ${JOBS + 1} ends; it told of ${finals.length}`);
  assert.equal(new Set(finals).size, JOBS + 1);
  assert.equal(finals.length, JOBS + 1);
});

it('both workers are listed, and nothing is left behind [row-39] [trap-16]', async () => {
  const names = (await fleet.queue.getWorkers()).map(({ rawname }) => rawname.split(':w:')[1]).sort();
  if (deployment === 'cluster') {
    // BullMQ asks every node and shows the clients of one, that with the most; workers are on any.
    assert.ok(names.length >= 1 && names.every((name) => [NODE, OURS].includes(name)), names.join());
  } else {
    assert.deepEqual(names, [NODE, OURS]);
  }
  assert.deepEqual(await fleet.locks(), []);
  assert.equal((await fleet.counts()).active, 0);
  assert.equal(await fleet.keys.scard(fleet.key('stalled')), 0);
  assert.deepEqual(fleet.errors, []);
});

it('a worker that drains leaves the rest to the other', async () => {
  const second = await lab.start({ worker: { name: 'fleet-second' } });
  const total = (await fleet.counts()).completed;
  const jobs = await fleet.addAll(Array.from({ length: 600 }, (_, n) => [[{ op: 'sleep', ms: 10 }, { op: 'return', value: n }]]));
  await fleet.finished(total + 100);
  assert.equal(await second.stop(), 0);
  await Promise.all(jobs.map((job, n) => fleet.result(job).then((value) => assert.equal(value, n))));
  for (const job of jobs) assert.equal((await fleet.fresh(job)).attemptsStarted, 1);
});
