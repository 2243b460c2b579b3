// The worker's own memory: jobs wait for room, and a worker over its hard limit starts anew with no job lost.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { gate } from './lib/gate.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ only: 'ours', autostart: false });
const roomy = lab.queue(v6, 'roomy', { concurrency: 16, jobs: { '*': { memory: '64MiB' } } });
const HELD = { http: [] };
const heavy = lab.queue(v6, 'heavy', { concurrency: 24, jobs: { '*': { memory: '8MiB', allow: HELD } } });

async function resident(worker) {
  const status = await readFile(`/proc/${worker.program.child.pid}/status`, 'utf8');
  return Math.ceil(Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024);
}

it.ours('jobs start only as far as their limits fit into the worker’s memory', async () => {
  const idle = await lab.start({ queues: [roomy] });
  const base = await resident(idle);
  await idle.stop();
  // Room for three of 64 MiB and not for four, give or take what the process itself needs.
  const worker = await lab.start({ queues: [roomy], worker: { memory_hard_limit: `${base + 3 * 64 + 32}MiB` } });
  const jobs = await roomy.addAll(Array.from({ length: 9 }, (_, n) => [[{ op: 'log', line: 'runs' }, { op: 'sleep', ms: 300 }, { op: 'return', value: n }]]));
  const values = await Promise.all(jobs.map((job) => roomy.result(job)));
  assert.deepEqual(values, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  // Each wave ends after the one before: nine jobs of 300 ms in threes.
  const ended = (await Promise.all(jobs.map((job) => roomy.fresh(job)))).map((job) => job.finishedOn).sort();
  assert.ok(ended[8] - ended[0] >= 500, `the last one ended ${ended[8] - ended[0]} ms after the first`);
  await worker.stop();
});

it.ours('a worker whose memory holds fewer jobs than it has slots waits for jobs, and does not ask for them all the time', async () => {
  const idle = await lab.start({ queues: [roomy] });
  const base = await resident(idle);
  await idle.stop();
  const worker = await lab.start({ queues: [roomy], worker: { memory_hard_limit: `${base + 3 * 64 + 32}MiB` } });
  const scripts = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await roomy.keys.info('commandstats'))[1]);
  const before = await scripts();
  for (let n = 0; n < 5; n += 1) await roomy.result(await roomy.add([{ op: 'sleep', ms: 200 }]));
  const calls = (await scripts()) - before;
  assert.ok(calls < 100, `${calls} scripts were run for five jobs`);
  await worker.stop();
});

it.ours('a worker over its hard limit drains, starts anew and goes on; no job is lost or fails', async () => {
  const idle = await lab.start({ queues: [heavy] });
  const base = await resident(idle);
  await idle.stop();
  const held = await gate();
  HELD.http = [held.address];
  // What the host itself holds of the jobs, their data, is in no job's limit.
  const pad = 'x'.repeat(5 << 20);
  const add = () => heavy.queue.addBulk(Array.from({ length: 12 }, (_, n) => ({
    name: 'job', data: { pad, steps: [held.wait, { op: 'return', value: n }] },
  })));
  // So the limits of all 24 fit, and what they really take does not.
  const limit = `${base + 24 * 8 + 8}MiB`;
  const worker = await lab.start({ queues: [heavy], worker: { memory_hard_limit: limit, memory_soft_limit: limit } });
  const jobs = [...await add(), ...await add()];
  await until(() => /over the hard memory limit/.test(worker.stderr), () => `the limit is passed; ${worker.stderr}`, 30_000);
  held.open();
  await until(() => (worker.stderr.match(/ serving /g) ?? []).length >= 2, 'it serves again', 30_000);
  assert.ok(worker.alive(), 'the same process');
  const values = await Promise.all(jobs.map((job) => heavy.result(job, 60_000)));
  assert.equal(values.length, 24);
  const counts = await heavy.counts();
  assert.deepEqual([counts.failed, counts.active, counts.waiting], [0, 0, 0]);
  for (const job of jobs) assert.equal((await heavy.fresh(job)).attemptsMade, 1);
  held.close();
});
