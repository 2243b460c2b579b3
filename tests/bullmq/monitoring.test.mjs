// Looking after queues: health, history, decisions on scaling, and what operators see of them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { freePort, it, until } from './harness.mjs';
import { Place, QUICK, fails, get, good, steps } from './lib/place.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

let place;

// Whoever has the turn looks after all, so each test has a Redis of its own and leaves no worker behind.
beforeEach(async () => {
  place = await Place.open();
});
afterEach(() => place?.close());

const start = (options) => place.start(options);
const queue = (name) => place.queue(name);
const run = (...args) => place.run(...args);

it.ours('health names what is wrong with a queue, and history has its rows', async () => {
  const worker = await start({ queues: { sick: {}, well: {} }, sections: { monitoring: QUICK } });
  await queue('sick').addBulk(Array.from({ length: 30 }, (_, n) => ({ name: n % 2 ? 'mail' : 'post', data: n % 2 ? fails : good })));
  await queue('well').addBulk(Array.from({ length: 10 }, () => ({ name: 'fine', data: good })));
  const report = await until(async () => {
    const { body } = await get(worker, '/health');
    const sick = body.queueHealth?.find((row) => row.queue === 'sick');
    return sick?.status === 'critical' && body;
  }, 'the sick queue is critical');
  const [sick, well] = ['sick', 'well'].map((name) => report.queueHealth.find((row) => row.queue === name));
  assert.match(sick.issues[0], /% of the attempts failed, more than 10 %/);
  assert.deepEqual([well.status, well.issues], ['healthy', []]);
  assert.equal(report.healthy, false);
  assert.deepEqual(
    Object.keys(report.queues).sort(),
    ['activeAlerts', 'avgErrorRate', 'avgJobsPerMinute', 'criticalQueues', 'healthyQueues', 'totalActive', 'totalFailed', 'totalQueues', 'totalWaiting', 'warningQueues'],
  );
  assert.deepEqual(Object.keys(report.workers).sort(), ['averageMemoryUsage', 'totalJobsProcessed', 'totalWorkers', 'workersNeedingRecycle']);
  assert.equal(report.queues.totalFailed, 15);
  const attempts = (body) => ['completed_per_minute', 'failed_per_minute'].map((name) => Math.round(body.series[name].reduce((sum, value) => sum + value, 0) / 60));
  const history = await until(async () => {
    const { body } = await get(worker, `/history?queue=sick&points=500&from_ms=${Date.now() - 120_000}`);
    return attempts(body).every((sum) => sum === 15) && body;
  }, async () => `the rows tell of all attempts: ${attempts((await get(worker, `/history?queue=sick&points=500&from_ms=${Date.now() - 120_000}`)).body)}`);
  assert.ok(history.at_ms.length >= 1 && history.series.p95_ms.some((value) => value > 0), JSON.stringify(history));
  const { body: statistics } = await get(worker, '/statistics?queue=sick&window=1m');
  assert.deepEqual(statistics.map(({ job, count, failed }) => [job, count, failed]), [['mail', 15, 15], ['post', 15, 0]]);
  assert.ok(statistics[0].p95_ms > 0 && statistics[0].p50_ms <= statistics[0].p99_ms);
  const { body: workers } = await get(worker, '/workers');
  assert.deepEqual(workers.map(({ name, phase }) => [name, phase]), [[worker.name, 'taking']]);
  for (const wrong of ['/history?from_ms=9&to_ms=3', '/statistics?queue=sick&window=1y', '/alerts?state=odd', '/statistics']) {
    assert.equal((await get(worker, wrong)).status, 400, wrong);
  }
  const page = await worker.metrics();
  for (const name of ['gristmill_oldest_wait_seconds', 'gristmill_workers', 'gristmill_alerts', 'gristmill_redis_calls_total']) assert.match(page, new RegExp(name));
  const top = await run('top', '--once');
  assert.match(top.stdout, /sick/);
  const list = await run('worker', 'list', '--json');
  assert.equal(JSON.parse(list.stdout)[0].name, worker.name);
  await worker.stop();
  assert.deepEqual(JSON.parse((await run('worker', 'list', '--json')).stdout), [], 'a worker that drained is gone at once');
});

it.ours('a queue that was empty when its last worker left is looked after: what comes then is seen', async () => {
  const stays = await start({ queues: { kept: {} }, sections: { monitoring: QUICK } });
  const leaves = await start({ queues: { left: {} }, sections: { monitoring: QUICK } });
  await queue('left').waitUntilReady();
  const row = async () => (await get(stays, '/health')).body.queueHealth?.find((one) => one.queue === 'left');
  const shown = async (name) => Number(new RegExp(`${name} (\\d+)`).exec(await stays.metrics())?.[1]);
  await until(async () => (await shown('gristmill_workers{queue="left"}')) === 1, 'the queue has been looked at');
  await leaves.stop();
  await until(async () => (await shown('gristmill_workers{queue="left"}')) === 0, 'nobody serves it');
  await queue('left').addBulk(Array.from({ length: 7 }, () => ({ name: 'n', data: good })));
  await until(async () => (await shown('bullmq_job_count{queue="left",state="waiting"}')) === 7, 'its jobs are counted');
  assert.ok(await row(), 'health names it');
  // Once it is removed for good, it is forgotten.
  await queue('left').obliterate();
  await until(async () => !(await row()), 'it is gone');
});

it.ours('KEDA’s client gets as many workers as a queue needs, and 0 for an idle one', async () => {
  const port = await freePort();
  const scaling = { keda_listen: `127.0.0.1:${port}`, up_cooldown: '1s', max_workers: 6 };
  const worker = await start({ queues: { idle: {}, busy: { concurrency: 2 } }, sections: { monitoring: QUICK, scaling } });
  const proto = grpc.loadPackageDefinition(loader.loadSync(path.join(here, 'proto/externalscaler.proto'), { longs: Number, defaults: true }));
  const client = new proto.externalscaler.ExternalScaler(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const call = (name, message) => new Promise((resolve, reject) => client[name](message, (error, answer) => (error ? reject(error) : resolve(answer))));
  const object = (name) => ({ name: 'workers', namespace: 'jobs', scalerMetadata: { queue: name } });
  const value = async (name) => (await call('GetMetrics', { scaledObjectRef: object(name), metricName: 'n' })).metricValues[0];
  assert.deepEqual((await call('GetMetricSpec', object('idle'))).metricSpecs.map(({ targetSize }) => targetSize), [1]);
  for (const name of ['idle', 'unheard-of']) {
    assert.deepEqual(await value(name), { metricName: 'n', metricValue: 0, metricValueFloat: 0 });
    assert.equal((await call('IsActive', object(name))).result, false);
  }
  const stream = client.StreamIsActive(object('busy'));
  const seen = [];
  stream.on('data', ({ result }) => seen.push(result));
  stream.on('error', () => {});
  await until(() => seen.length === 1, 'the stream says where it stands');
  const held = steps({ op: 'sleep', ms: 20_000 });
  await queue('busy').addBulk(Array.from({ length: 300 }, () => ({ name: 'n', data: held })));
  await until(async () => (await value('busy')).metricValue > 2, 'more workers are asked for', 30_000);
  assert.equal((await call('IsActive', object('busy'))).result, true);
  await until(() => seen.at(-1) === true, 'the stream tells');
  stream.cancel();
  client.close();
  const { body } = await get(worker, '/scaling');
  const row = body.queues.find((one) => one.queue === 'busy');
  assert.ok(row.desired > 2 && row.max === 6 && row.explanation.length > 3, JSON.stringify(row));
  const explained = await run('scale', 'explain', 'busy');
  assert.match(explained.stdout, /backlog: \d+ jobs/);
  const { body: changes } = await get(worker, '/scaling/history?queue=busy');
  assert.ok(changes.length >= 1 && changes.at(-1).from < changes.at(-1).to, JSON.stringify(changes));
  assert.match((await run('scale', 'history', '--queue', 'busy')).stdout, /up/);
  await queue('busy').obliterate({ force: true });
  await worker.kill();
});

it.ours('viewers see no payloads, an expired token is refused, and events are pushed', async () => {
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const tokens = {
    eyes: { role: 'viewer', sha256: sha256('look') },
    hands: { role: 'operator', sha256: sha256('turn') },
    old: { role: 'admin', sha256: sha256('gone'), expires: '2020-01-01' },
  };
  const worker = await start({ queues: { private: {} }, server: { tokens }, sections: { monitoring: QUICK } });
  const as = (token) => ({ authorization: `Bearer ${token}` });
  const job = await queue('private').add('n', { ...steps({ op: 'log', line: 'secret line' }, { op: 'return', value: 'secret result' }), note: 'secret data' });
  await until(async () => (await job.getState()) === 'completed', 'the job ends');
  const where = `/queues/private/jobs/${job.id}`;
  const seen = JSON.stringify((await get(worker, where, as('turn'))).body);
  for (const part of ['secret line', 'secret result', 'secret data']) assert.ok(seen.includes(part), part);
  for (const place of [where, `${where}/logs`, '/queues/private/jobs?state=completed', '/queues/private/jobs?state=completed&search=n']) {
    const { status, body } = await get(worker, place, as('look'));
    assert.equal(status, 200);
    assert.ok(!JSON.stringify(body).includes('secret'), `${place}: ${JSON.stringify(body)}`);
  }
  assert.deepEqual((await get(worker, '/queues/private/jobs?state=completed&search=secret', as('look'))).body, []);
  assert.equal((await get(worker, '/queues/private/jobs?state=completed&search=secret', as('turn'))).body.length, 1);
  const session = (await get(worker, '/session', as('look'))).body;
  assert.deepEqual([session.who, session.role, session.payloads], ['eyes', 'viewer', false]);
  assert.equal((await get(worker, '/session', as('gone'))).status, 401);
  assert.equal((await get(worker, '/session')).status, 401);
  const flow = (await get(worker, `${where}/flow`, as('look'))).body;
  assert.deepEqual([flow.id, flow.state, flow.children], [job.id, 'completed', []]);
  assert.equal((await get(worker, '/queues/private/schema?job=n', as('look'))).status, 404);
  await queue('private').upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'n', data: { note: 'secret plan' }, opts: { extra: 'secret option' } });
  const schedulers = async (token) => JSON.stringify((await get(worker, '/queues/private/schedulers', as(token))).body);
  for (const part of ['secret plan', 'secret option']) assert.ok((await schedulers('turn')).includes(part), part);
  assert.match(await schedulers('look'), /"id":"nightly"(?![^]*secret)/);

  const abort = new AbortController();
  const events = await fetch(`${worker.base}/api/v1/events`, { headers: as('look'), signal: abort.signal });
  let text = '';
  const reader = events.body.pipeThrough(new TextDecoderStream()).getReader();
  while ((text.match(/event: health/g) ?? []).length < 2) text += (await reader.read()).value;
  abort.abort();
  assert.match(text, /event: alerts[^]*event: workers/);
  assert.match(text, /"queue":"private"/);
  await worker.stop();
});

it.ours('doctor says what of a Redis hurts', async () => {
  const client = place.redis.client();
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const sick = await run('doctor', '--json');
  await client.config('SET', 'maxmemory-policy', 'noeviction');
  const outcome = (program, what) => JSON.parse(program.stdout).find((check) => check.what === what)?.outcome;
  assert.deepEqual([sick.code, outcome(sick, 'eviction')], [1, 'failed']);
  const well = await run('doctor', '--json');
  assert.deepEqual([well.code, outcome(well, 'eviction'), outcome(well, 'latency')], [0, 'ok', 'ok'], well.stdout);
});
