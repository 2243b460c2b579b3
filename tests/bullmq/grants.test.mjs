// What a job type may touch and how its instances live, on the real worker: environment, secrets, directories, reuse,
// adaptive timeouts, recycling of the worker.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { it, scripted, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';
import { metric } from './lib/prometheus.mjs';

const handler = path.join(path.dirname(scripted), 'granted.wasm');
const lab = new Lab({ only: 'ours', autostart: false });
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gristmill-grants-'));
  await mkdir(path.join(folder, 'out'));
  await writeFile(path.join(folder, 'key'), 'top-s3cr3t\n');
});
after(() => rm(folder, { recursive: true, force: true }));

const use = (queue, data, opts) => queue.queue.add('use', data, opts);
const ALLOW = { env: ['MODE=production', 'FROM_OUTSIDE'], secrets: ['KEY', 'FROM_OUTSIDE'], dirs: [] };

const granted = lab.queue(v6, 'granted', { jobs: { '*': { handler, allow: ALLOW, disk: '64KiB' } } });
it.ours('a handler has the environment, secrets and directories of its job type, and nothing else', async () => {
  ALLOW.dirs = [`${folder}/out:/out:rw`];
  const secrets = { KEY: { file: path.join(folder, 'key') } };
  const worker = await lab.start({ queues: [granted], secrets, env: { FROM_OUTSIDE: 'from outside' } });
  const value = async (data) => granted.result(await use(granted, data));
  assert.equal(await value({ variable: 'MODE' }), 'production');
  assert.equal(await value({ variable: 'FROM_OUTSIDE' }), 'from outside');
  assert.equal(await value({ secret: 'FROM_OUTSIDE' }), 'from outside');
  assert.equal(await value({ secret: 'KEY' }), 'top-s3cr3t');
  assert.equal(await value({ write: ['/out/file', 1_000] }), 'written');
  assert.equal((await readFile(path.join(folder, 'out/file'))).length, 1_000);
  for (const data of [{ variable: 'PATH' }, { secret: 'OTHER' }, { read: '/etc/hosts' }, { write: ['/out/large', 100_000] }]) {
    await assert.rejects(value(data), JSON.stringify(data));
  }
  assert.equal(await metric(worker, 'gristmill_denied_total', { queue: granted.name, what: 'secret' }), 1);
  assert.ok(await metric(worker, 'gristmill_denied_total', { queue: granted.name, what: 'disk' }) >= 1);

  const told = await use(granted, { tell: 'KEY' });
  await granted.inState(told, 'failed');
  const job = await granted.fresh(told);
  const { logs } = await granted.queue.getJobLogs(job.id);
  assert.equal(job.failedReason, 'cannot log in with ***');
  assert.deepEqual(logs, ['the secret is *** secret=***', 'printed ***']);
  assert.match(job.stacktrace[0], /^cannot log in with \*\*\*\nused .* waiting, .* of memory at its peak\nlog \[info\] the secret is \*\*\*/);
  assert.doesNotMatch(JSON.stringify(job) + worker.stderr, /s3cr3t/);
  await worker.stop();
});

const reused = lab.queue(v6, 'reused', { concurrency: 1, jobs: { '*': { handler, isolation: 'reuse' } } });
it.ours('an instance serves job after job until one ends badly or it has served enough', async () => {
  const worker = await lab.start({ queues: [reused], env: { WORKER_RECYCLE_AFTER_JOBS: '4' } });
  const served = async (data = '"served"') => reused.result(await use(reused, JSON.parse(data)));
  for (const wanted of ['1', '2', '3', '4', '1']) assert.equal(await served(), wanted);
  await assert.rejects(served('"trap"'), /^Error: trap: /);
  assert.equal(await served(), '1');
  assert.equal(await metric(worker, 'gristmill_reused_attempts_total', { queue: reused.name }), 4);
  const recycled = (reason) => metric(worker, 'gristmill_instances_recycled_total', { queue: reused.name, reason });
  assert.deepEqual([await recycled('attempts'), await recycled('ended')], [1, 1]);
  await worker.stop();
  // An instance that still rests keeps nobody waiting.
  assert.doesNotMatch(worker.stderr, /may be lost/);
});

const learning = lab.queue(v6, 'learning', {
  jobs: { '*': { timeout: '10m', adaptive_timeout: { warm_up: 20, floor: '300ms' } } },
});
it.ours('a timeout that follows the attempts ends a hung job early, also on a worker that has just started', async () => {
  const worker = await lab.start({ queues: [learning] });
  const short = await learning.addAll(Array.from({ length: 40 }, () => [[{ op: 'return', value: 1 }]]));
  await Promise.all(short.map((job) => learning.result(job)));
  const seconds = (of) => metric(of, 'gristmill_timeout_seconds', { queue: learning.name });
  await until(async () => (await seconds(worker)) === 0.3, async () => `the timeout follows; it is ${await seconds(worker)}`, 30_000);
  assert.match(worker.stderr, /an adaptive limit has changed .*limit="timeout" from="10m" to="300ms" reason="floor"/);

  const other = await lab.start({ queues: [learning] });
  await until(async () => (await seconds(other)) === 0.3, 'the other worker has learned from the first', 5_000);
  await worker.stop();
  for (const op of ['loop', 'sleep']) {
    const hung = await learning.add([{ op, ms: 3_600_000 }]);
    await assert.rejects(learning.result(hung), /timeout: the attempt ran for its adaptive limit of 300ms/);
  }
  // What a job says of itself goes first.
  assert.equal(await learning.result(await learning.add([{ op: 'sleep', ms: 700 }, { op: 'return', value: 2 }], { timeout: 20_000 })), 2);
  await other.stop();
});

const short = lab.queue(v6, 'short', { concurrency: 2 });
it.ours('a worker that has run enough jobs starts anew, and no job is lost', async () => {
  const worker = await lab.start({ queues: [short], worker: { recycle_after_jobs: 5 } });
  const pid = worker.program.child.pid;
  const jobs = await short.addAll(Array.from({ length: 30 }, (_, n) => [[{ op: 'sleep', ms: 5 }, { op: 'return', value: n }]]));
  const values = await Promise.all(jobs.map((job) => short.result(job, 60_000)));
  assert.deepEqual(values, jobs.map((_, n) => n));
  await until(() => (worker.stderr.match(/ serving /g) ?? []).length >= 3, () => `it starts anew; ${worker.stderr}`, 30_000);
  assert.ok(worker.alive() && worker.program.child.pid === pid);
  for (const job of jobs) assert.equal((await short.fresh(job)).attemptsStarted, 1);
});

const greedy = lab.queue(v6, 'greedy', { jobs: { '*': { memory: '200MiB' } } });
it.ours('a job type that needs more memory than the worker has for jobs fails at once', async () => {
  const worker = await lab.start({ queues: [greedy], worker: { memory_hard_limit: '201MiB' } });
  const job = await greedy.add([{ op: 'return', value: 1 }], { attempts: 5 });
  await assert.rejects(greedy.result(job), /memory: the job type may use 200 MiB, this worker has /);
  assert.equal((await greedy.fresh(job)).attemptsMade, 1);
  await worker.stop();
});

const ending = lab.queue(v6, 'ending', { concurrency: 2 });
it.ours('a worker that is told to drain while it drains to start anew ends', async () => {
  const worker = await lab.start({ queues: [ending], worker: { recycle_after_jobs: 1 } });
  const held = await ending.add([{ op: 'sleep', ms: 3_000 }]);
  await ending.inState(held, 'active');
  const quick = await ending.add([{ op: 'return', value: 1 }]);
  await ending.result(quick);
  await until(() => /draining, then starting anew/.test(worker.stderr), () => `it recycles:\n${worker.stderr}`);
  assert.equal(await worker.stop(), 0);
  assert.doesNotMatch(worker.stderr, /starting anew\n[^]*connected/);
  assert.equal(await held.getState(), 'completed');
});
