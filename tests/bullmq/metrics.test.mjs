// What a scraper and an orchestrator see: /metrics and the health pages, also under hostile handlers.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { parse, samples } from './lib/prometheus.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ only: 'ours' });
const served = lab.queue(v6, 'served', { jobs: { '*': {}, hasty: { timeout: '300ms' }, frugal: { fuel: '10G' } } });
const custom = lab.queue(v6, 'custom');
const rude = lab.queue(v6, 'rude');
const burning = lab.queue(v6, 'burning', { concurrency: 8 });

const page = async () => parse(await lab.worker.metrics());
const has = (labels, ...values) => values.every((value) => Object.values(labels).includes(value));

/** Waits until the page has a sample that the test accepts. */
async function shown(what, accepts) {
  let families;
  const cond = async () => {
    families = await page();
    return samples(families, accepts).length > 0;
  };
  await until(cond, () => `/metrics shows ${what}; it has ${[...families.keys()].join(' ')}`, 10_000);
  return samples(families, accepts);
}

it.ours('health pages answer 200', async () => {
  assert.equal(await lab.worker.status('/healthz/live'), 200);
  assert.equal(await lab.worker.status('/healthz/ready'), 200);
  assert.equal(await lab.worker.status('/healthz/nonsense'), 404);
});

it.ours('/metrics is Prometheus text', async () => {
  const response = await fetch(lab.worker.metricsUrl);
  assert.match(response.headers.get('content-type'), /^(text\/plain|application\/openmetrics-text)\b/);
  assert.ok(parse(await response.text()).size > 5);
});

it.ours('jobs are counted by queue, job type and outcome', async () => {
  const fail = [{ op: 'fail', message: 'no' }];
  await served.addAll([
    ...Array.from({ length: 5 }, () => [[], {}, 'good']),
    ...Array.from({ length: 3 }, () => [fail, {}, 'bad']),
    [[{ op: 'loop' }], {}, 'hasty'],
    [[{ op: 'burn', ms: 5 }], {}, 'frugal'],
  ]);
  await served.finished(10);
  const counted = (type, outcome, value) =>
    shown(`${value} × ${type} ${outcome}`, (sample) =>
      sample.name.startsWith('gristmill_') && sample.value === value && sample.labels.queue === served.name &&
      has(sample.labels, type) && has({ outcome: sample.labels.outcome, reason: sample.labels.reason }, outcome));
  await counted('good', 'completed', 5);
  await counted('bad', 'failed', 3);
  await counted('hasty', 'timeout', 1);
  const text = await lab.worker.metrics();
  assert.match(text, /^gristmill_.*outcome="completed"/m);
});

it.ours('attempts, waiting, fuel and memory have histograms in base units', async () => {
  for (const name of [/^gristmill_.*attempt.*_seconds$/, /^gristmill_.*wait.*_seconds$/, /^gristmill_.*fuel/, /^gristmill_.*memory.*_bytes$/]) {
    await shown(`a histogram ${name}`, (sample, family) =>
      family.kind === 'histogram' && name.test(family.name) && sample.name.endsWith('_count') &&
      sample.labels.queue === served.name && sample.value > 0);
  }
});

it.ours('slots are shown', async () => {
  await shown('slots', (sample) => /^gristmill_.*slots/.test(sample.name) && sample.value >= 8);
});

it.ours('bullmq_job_count shows each queue as it is', async () => {
  await served.addAll([[[], { delay: 3_600_000 }], [[], { delay: 3_600_000 }]]);
  const depth = (state, value) =>
    shown(`${value} ${state}`, ({ name, labels, value: found }) =>
      name === 'bullmq_job_count' && labels.queue === served.name && labels.state === state && found === value);
  await depth('delayed', 2);
  await depth('completed', 6);
  await depth('failed', 4);
  for (const state of ['waiting', 'active', 'prioritized']) await depth(state, 0);
});

it.ours('a handler’s own counter, gauge and histogram carry queue and job name', async () => {
  const metric = (kind, name, value, labels = {}) => ({ op: 'metric', kind, name, value, labels });
  const steps = (n) => [
    metric('counter', 'pages_rendered', n, { format: 'pdf' }),
    metric('counter', 'pages_rendered', 1, { format: 'png' }),
    metric('gauge', 'ink_level', n / 2),
    metric('histogram', 'page_weight', n * 100),
  ];
  for (const n of [3, 4]) await custom.result(await custom.add(steps(n), {}, 'render'));
  const own = (what, accepts) =>
    shown(what, (sample, family) => has(sample.labels, 'render', custom.name) && accepts(sample, family));
  await own('pages_rendered of 7', ({ name, labels, value }, { kind }) =>
    kind === 'counter' && /pages_rendered/.test(name) && labels.format === 'pdf' && value === 7);
  await own('ink_level of 2', ({ name, value }, { kind }) => kind === 'gauge' && /ink_level/.test(name) && value === 2);
  await own('page_weight, 2 records', ({ name, value }, { kind }) =>
    kind === 'histogram' && /page_weight.*_count$/.test(name) && value === 2);
  await own('page_weight, a sum of 700', ({ name, value }) => /page_weight.*_sum$/.test(name) && value === 700);
});

it.ours('hostile metrics neither break the page nor forge labels', async () => {
  const names = ['', ' ', 'with space', '9lives', 'quo"te', 'new\nline', 'back\\slash', 'größe', '__name__', 'x'.repeat(10_000),
    'up', 'gristmill_jobs_total', 'bullmq_job_count', 'pages_rendered', '# HELP x', 'a{b="c"} 1'];
  const labels = { queue: 'forged', job: 'forged', name: 'forged', le: '5', __name__: 'forged', 'a b': 'c', '': 'd', ok: 'li\nne "q" \\',
    long: 'l'.repeat(50_000) };
  const kinds = ['counter', 'gauge', 'histogram'];
  const record = (kind, name, labels) => ({ op: 'metric', kind, name, value: kind === 'counter' ? 1 : 1e308, labels });
  const steps = names.flatMap((name, n) => [record(kinds[n % 3], name, {}), record(kinds[(n + 1) % 3], name, labels)]);
  const many = Array.from({ length: 60 }, (_, n) => ({ op: 'metric', kind: 'gauge', name: 'many_labels', value: 1, labels: { [`l${n}`]: 'x' } }));
  assert.equal(await rude.result(await rude.add([...steps, ...many, { op: 'return', value: 'shrugged off' }])), 'shrugged off');
  await custom.result(await custom.add([{ op: 'metric', kind: 'counter', name: 'after_the_rude', value: 2, labels: {} }]));
  const found = await shown('the next handler’s counter', ({ name, value }) => /after_the_rude/.test(name) && value === 2);
  assert.equal(found.length, 1);
  const families = await page();
  assert.deepEqual(samples(families, ({ labels: seen }) => seen.queue === 'forged'), []);
  const depths = samples(families, ({ name }) => name === 'bullmq_job_count');
  assert.ok(depths.every(({ labels: seen }) => Object.keys(seen).sort().join() === 'queue,state'));
});

it.ours('a flood of series is capped', async () => {
  const each = 250;
  const rows = Array.from({ length: 20 }, (_, job) => [
    Array.from({ length: each }, (_, n) => ({
      op: 'metric', kind: 'histogram', name: 'flood', value: n, labels: { id: `${job}-${n}` },
    })),
  ]);
  const done = (await rude.counts()).completed;
  await rude.addAll(rows);
  await rude.finished(done + rows.length);
  const counts = await shown('flood', ({ name }) => /flood.*_count$/.test(name));
  assert.ok(counts.length < rows.length * each / 2, `${counts.length} series`);
  const size = (await lab.worker.metrics()).length;
  assert.ok(size < 4_000_000, `the page has ${size} bytes`);
});

it.ours('/metrics and health answer within a second while handlers burn every core', async () => {
  await burning.addAll(Array.from({ length: 8 }, () => [[{ op: 'burn', ms: 8_000 }]]));
  await until(async () => (await burning.counts()).active === 8, 'eight jobs burn');
  for (let n = 0; n < 15; n++) {
    for (const path of ['/metrics', '/healthz/live', '/healthz/ready']) {
      const start = performance.now();
      assert.equal(await lab.worker.status(path), 200, path);
      const took = performance.now() - start;
      assert.ok(took < 1_000, `${path} took ${took} ms`);
    }
  }
  assert.equal((await burning.counts()).completed, 0, 'they burned all the while');
  await burning.finished(8, 60_000);
});

it.ours('a draining worker is alive but not ready', async () => {
  const job = await served.add([{ op: 'sleep', ms: 2_000 }]);
  await served.inState(job, 'active');
  const end = lab.worker.stop();
  await until(async () => (await lab.worker.status('/healthz/ready')) === 503, 'ready answers 503', 1_800);
  assert.equal(await lab.worker.status('/healthz/live'), 200);
  assert.equal(await end, 0);
  assert.equal((await served.fresh(job)).attemptsMade, 1);
});
