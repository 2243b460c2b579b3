// A handler that goes wrong ends its own attempt, for a reason that says what happened; its
// neighbours on the same queue do not notice.
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { it } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { gristmill } from './lib/command.mjs';
import { Lab } from './lib/lab.mjs';
import { makeFolder } from './lib/process.mjs';

const lab = new Lab({ only: 'ours' });
const limits = lab.queue(v6, 'limits', {
  concurrency: 8,
  jobs: {
    '*': { timeout: '20s' },
    hasty: { timeout: '300ms' },
    frugal: { fuel: '100M', timeout: '20s' },
    roomy: { memory: '256MiB', timeout: '20s' },
    dumped: { timeout: '20s', core_dumps: 1 },
  },
});

/** Runs a hostile job among neighbours; answers its hash when all have ended. */
async function hostile(steps, name, opts) {
  const neighbour = (n) => [[{ op: 'sleep', ms: 5 }, { op: 'return', value: n }]];
  const before = await limits.addAll(Array.from({ length: 10 }, (_, n) => neighbour(n)));
  const bad = await limits.add(steps, opts, name);
  const after = await limits.addAll(Array.from({ length: 10 }, (_, n) => neighbour(10 + n)));
  const values = await Promise.all([...before, ...after].map((job) => limits.result(job)));
  assert.deepEqual(values, Array.from({ length: 20 }, (_, n) => n));
  await limits.inState(bad, 'failed');
  const job = await limits.fresh(bad);
  assert.equal(job.attemptsMade, opts?.attempts ?? 1);
  assert.equal(job.returnvalue, null);
  return job;
}

const took = (job) => job.finishedOn - job.processedOn;

it.ours('a loop ends by the timeout', async () => {
  const job = await hostile([{ op: 'loop' }], 'hasty');
  assert.match(job.failedReason, /^timeout: /);
  assert.ok(took(job) >= 300 && took(job) < 5_000, `took ${took(job)} ms`);
});

it.ours('a handler that waits in the host ends by the timeout', async () => {
  const job = await hostile([{ op: 'sleep', ms: 3_600_000 }], 'hasty');
  assert.match(job.failedReason, /^timeout: /);
  assert.ok(took(job) >= 300 && took(job) < 5_000, `took ${took(job)} ms`);
});

it.ours('a timeout counts as an attempt and is retried', async () => {
  const job = await hostile([{ op: 'loop' }], 'hasty', { attempts: 2 });
  assert.match(job.failedReason, /^timeout: /);
  assert.equal(job.stacktrace.length, 2);

  const steps = [{ op: 'if', attempt: 1, steps: [{ op: 'loop' }] }, { op: 'return', value: 'second' }];
  assert.equal(await limits.result(await limits.add(steps, { attempts: 2 }, 'hasty')), 'second');
});

for (const op of ['alloc', 'leak']) {
  it.ours(`\`${op}\` beyond the memory limit ends as memory`, async () => {
    const job = await hostile([{ op, mib: 200 }]);
    assert.match(job.failedReason, /^memory: /);
  });
}

it.ours('the same allocation fits a job type with more memory', async () => {
  const job = await limits.add([{ op: 'alloc', mib: 200 }, { op: 'return', value: 'fits' }], {}, 'roomy');
  assert.equal(await limits.result(job), 'fits');
});

it.ours('a trap ends as trap, with a backtrace', async () => {
  const job = await hostile([{ op: 'trap' }]);
  assert.match(job.failedReason, /^trap: /);
  assert.equal(job.stacktrace.length, 1);
  assert.match(job.stacktrace[0], /scripted/, 'the backtrace names the handler’s functions');
});

it.ours('a panic ends as trap, and its message is in the job’s logs [own-panic]', async () => {
  const job = await hostile([{ op: 'panic', message: 'the mill stone broke' }]);
  assert.match(job.failedReason, /^trap: /);
  const { logs } = await limits.queue.getJobLogs(job.id);
  assert.match(logs.join('\n'), /the mill stone broke/);
});

it.ours('endless recursion ends as trap', async () => {
  const job = await hostile([{ op: 'recurse' }]);
  assert.match(job.failedReason, /^trap: /);
});

it.ours('a job type with fuel ends as fuel when it is used up', async () => {
  const job = await hostile([{ op: 'loop' }], 'frugal');
  assert.match(job.failedReason, /^fuel: /);
  assert.equal(await limits.result(await limits.add([{ op: 'return', value: 1 }], {}, 'frugal')), 1);
});

it.ours('a return value beyond the ceiling ends as output', async () => {
  const value = (kib) => [{ op: 'return', value: 'x'.repeat(kib * 1024) }];
  const job = await hostile(value(3 * 1024));
  assert.match(job.failedReason, /^output: /);
  assert.equal((await limits.result(await limits.add(value(900)))).length, 900 * 1024);
});

it.ours('a flood of log lines ends neither the worker nor Redis', async () => {
  const steps = Array.from({ length: 20_000 }, (_, n) => ({ op: 'log', line: `${n} ${'l'.repeat(200)}` }));
  const job = await limits.add([...steps, { op: 'return', value: 'logged' }]);
  assert.equal(await limits.result(job, 60_000), 'logged');
  const kept = await limits.keys.llen(limits.key(`${job.id}:logs`));
  assert.ok(kept > 0 && kept < 20_000, `${kept} lines were kept`);
});

it.ours('a job may shorten its time, and not lengthen it', async () => {
  const job = await hostile([{ op: 'loop' }], 'job', { timeout: 300 });
  assert.match(job.failedReason, /^timeout: the attempt ran for its limit of 300ms/);
  const longer = await hostile([{ op: 'loop' }], 'hasty', { timeout: 60_000 });
  assert.match(longer.failedReason, /limit of 300ms/);
});

it.ours('soft limits are told once, in the job’s log and in metrics', async () => {
  const job = await hostile([{ op: 'alloc', mib: 52 }, { op: 'loop' }], 'hasty');
  const { logs } = await limits.queue.getJobLogs(job.id);
  const told = logs.filter((line) => /^\[warn\] the attempt has passed its soft/.test(line));
  assert.deepEqual(told.map((line) => /soft (timeout|memory limit) of (\S+)/.exec(line).slice(1, 3)).sort(), [
    ['memory limit', '48'], ['timeout', '240ms'],
  ]);
  const page = await lab.worker.metrics();
  for (const limit of ['time', 'memory']) {
    assert.match(page, new RegExp(`gristmill_soft_limits_total\\{job="hasty",limit="${limit}",queue="${limits.name}"\\} [1-9]`));
  }
});

it.ours('a job that keeps trapping is poison: failed for good, and listed', async () => {
  const before = await limits.add([{ op: 'trap' }], { attempts: 10, jobId: `poison` });
  await limits.inState(before, 'failed');
  const job = await limits.fresh(before);
  assert.equal(job.attemptsMade, 3);
  assert.match(job.failedReason, /^poison: 3 attempts trapped, the last with trap: /);
  const listed = await gristmill(lab.redis, 'job', 'list', limits.name, '--poison', '--json');
  assert.deepEqual(listed.map(({ id }) => id), ['poison']);
  assert.match(await lab.worker.metrics(), /gristmill_poison_jobs_total\{job="job",queue="[^"]+"\} 1/);
});

it.ours('many hostile jobs at once leave room for the others', async () => {
  const bad = [
    [[{ op: 'loop' }], {}, 'hasty'],
    [[{ op: 'sleep', ms: 3_600_000 }], {}, 'hasty'],
    [[{ op: 'alloc', mib: 200 }]],
    [[{ op: 'trap' }]],
    [[{ op: 'panic', message: 'no' }]],
    [[{ op: 'recurse' }]],
    [[{ op: 'loop' }], {}, 'frugal'],
  ];
  const rows = Array.from({ length: 210 }, (_, n) => (n % 3 ? [[{ op: 'return', value: n }]] : bad[(n / 3) % bad.length]));
  const jobs = await limits.addAll(rows);
  const ends = await Promise.allSettled(jobs.map((job) => limits.result(job, 60_000)));
  const reasons = ['timeout', 'timeout', 'memory', 'trap', 'trap', 'trap', 'fuel'];
  ends.forEach((end, n) => {
    if (n % 3) assert.equal(end.value, n);
    else assert.match(end.reason.message, new RegExp(`^${reasons[(n / 3) % bad.length]}: `));
  });
});

it.ours('the worker is as ready as before', async () => {
  assert.equal(await lab.worker.status('/healthz/ready'), 200);
  assert.equal((await limits.counts()).active, 0);
  assert.deepEqual(await limits.locks(), []);
  assert.deepEqual(limits.errors, []);
});

it.ours('a trap leaves a core dump where its job type keeps some, and one a minute', async () => {
  const marker = `marker-${Date.now()}`;
  const job = await hostile([{ op: 'if', attempt: 9, steps: [{ op: 'log', line: marker }] }, { op: 'trap' }], 'dumped');
  const [, digest] = /\ncore dump (sha256:[0-9a-f]{64})$/.exec(job.stacktrace[0]);
  const [listed, ...others] = await gristmill(lab.redis, 'core-dump', 'list', '--queue', limits.name, '--json');
  assert.deepEqual(others, []);
  assert.deepEqual([listed.digest, listed.queue, listed.job, listed.id, listed.attempt],
    [digest, limits.name, 'dumped', job.id, 1]);
  assert.equal(listed.reason, job.failedReason);

  const file = path.join(await makeFolder('core-dump'), 'crash.wasm');
  await gristmill(lab.redis, 'core-dump', 'get', digest.slice(7, 19), '--output', file);
  const bytes = await readFile(file);
  assert.equal(bytes.length, listed.size);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  // What the job's data was is in its memory, and where it stood in its stack.
  assert.ok(bytes.includes(marker));
  const module = await WebAssembly.compile(bytes);
  for (const section of ['core', 'coremodules', 'coreinstances', 'corestack']) {
    assert.equal(WebAssembly.Module.customSections(module, section).length, 1, section);
  }

  const next = await hostile([{ op: 'trap' }], 'dumped');
  assert.doesNotMatch(next.stacktrace[0], /core dump/);
  const without = await hostile([{ op: 'trap' }]);
  assert.doesNotMatch(without.stacktrace[0], /core dump/);
});
