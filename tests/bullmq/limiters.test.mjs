// Limiters, breakers and groups on the real worker: declared, asked by handlers, and changed while it runs.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { deployment, it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';
import { metric } from './lib/prometheus.mjs';

const lab = new Lab({ only: 'ours', autostart: false });
const limiters = {
  hourly: { tiers: ['3/h'] },
  tenants: { tiers: ['2/h'] },
  quick: { algorithm: 'token-bucket', tiers: ['1/300ms'] },
  changing: { tiers: ['1/h'] },
};
const breakers = { service: { consecutive: 2, open_for: '400ms', probes: 1 } };
const value = (value) => [{ op: 'return', value }];

let server;
let calls = 0;
let status = 200;
before(async () => {
  server = createServer((_, response) => {
    calls += 1;
    response.writeHead(status).end('ok');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(() => server.close());

/** One call of a worker's API; answers its status and body. */
async function call(worker, method, where, body) {
  const response = await fetch(`${worker.base}${where}`, { method, body: body && JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text) };
}

const declared = lab.queue(v6, 'declared', { jobs: { '*': { limiters: ['hourly'] } } });
it.ours('jobs beyond a declared limiter wait, with no attempt used, and keep their place', async () => {
  const worker = await lab.start({ queues: [declared], limiters });
  const jobs = await declared.addAll(Array.from({ length: 5 }, (_, n) => [value(n), {}]));
  await declared.finished(3);
  await until(() => metric(worker, 'gristmill_limiter_calls_total', { limiter: 'hourly', result: 'refused' }), 'refusals');
  const counts = await declared.counts();
  assert.equal(counts.completed, 3);
  assert.equal(counts.failed, 0);
  const order = deployment === 'cluster' ? counts.delayed + counts.waiting : counts.waiting;
  assert.equal(order, 2, JSON.stringify(counts));
  // On a Cluster jobs are charged as they are about to start, all at once: any three may be first.
  const waiting = (await Promise.all(jobs.map((job) => declared.fresh(job)))).filter((job) => !job.finishedOn);
  assert.deepEqual(waiting.map((job) => job.attemptsMade), [0, 0]);
  if (deployment !== 'cluster') assert.deepEqual(waiting.map((job) => job.id), [jobs[3].id, jobs[4].id]);
  await worker.stop();
});

const keyed = lab.queue(v6, 'keyed', { jobs: { '*': { limiters: [{ name: 'tenants', key: '/tenant' }] } } });
it.ours('a limiter counts each key of the data apart', async () => {
  const worker = await lab.start({ queues: [keyed], limiters });
  const add = (tenant) => keyed.queue.add('job', { steps: value(1), tenant });
  const first = await Promise.all([add('a'), add('a'), add('a'), add('b')]);
  await keyed.finished(3);
  const held = [];
  for (const job of first) if ((await keyed.queue.getJobState(job.id)) === 'delayed') held.push(await keyed.fresh(job));
  assert.equal(held.length, 1);
  assert.equal(held[0].data.tenant, 'a');
  assert.equal(held[0].attemptsMade, 0);
  assert.deepEqual((await keyed.queue.getJobLogs(held[0].id)).logs, ['held back by the limiter `tenants`']);
  await worker.stop();
});

const asked = lab.queue(v6, 'asked', { jobs: { '*': { allow: { limiters: ['quick'] } } } });
it.ours('a handler waits for a limiter, comes again, or is told that it may not ask', async () => {
  const worker = await lab.start({ queues: [asked], limiters });
  const acquire = (more) => [{ op: 'acquire', limiter: 'quick', ...more }, ...value('done')];
  const waiting = await asked.addAll(Array.from({ length: 4 }, () => [acquire({ wait_ms: 5_000 }), {}]));
  for (const job of waiting) assert.equal(await asked.result(job), 'done');
  assert.deepEqual(await asked.history('delayed'), [], 'they wait in the host');
  const [one, other] = await asked.addAll([[acquire(), {}], [acquire(), {}]]);
  assert.equal(await asked.result(one), 'done');
  assert.equal(await asked.result(other), 'done');
  assert.equal((await asked.fresh(other)).attemptsMade, 1);
  const key = await asked.add(acquire({ key: 'k'.repeat(1 << 20) }));
  await assert.rejects(asked.result(key), /a key has at most 256 bytes, this one 1048576/);
  const cost = await asked.add(acquire({ cost: 2 }));
  await assert.rejects(asked.result(cost), /a cost of 2, and `quick` never has more than `1\/300ms`/);
  const denied = await asked.add([{ op: 'acquire', limiter: 'hourly' }]);
  await assert.rejects(asked.result(denied), /list it in `allow.limiters`/);
  assert.equal(await metric(worker, 'gristmill_denied_total', { queue: asked.name, what: 'limiter' }), 1);
  await worker.stop();
});

const guarded = lab.queue(v6, 'guarded', { jobs: { '*': { allow: {} } } });
it.ours('a host’s limiter and breaker hold for each request', async () => {
  const host = `127.0.0.1:${server.address().port}`;
  guarded.settings.jobs['*'].allow.http = [{ host, limiter: 'quick', breaker: 'service' }];
  const worker = await lab.start({ queues: [guarded], limiters, breakers });
  const request = [{ op: 'http', method: 'GET', url: `http://${host}/` }];
  const begun = Date.now();
  for (const job of await guarded.addAll([[request, {}], [request, {}], [request, {}]])) {
    assert.deepEqual(await guarded.result(job), [{ status: 200, body: 'ok' }]);
  }
  assert.ok(Date.now() - begun >= 500, 'three requests at one in 300 ms');
  status = 500;
  for (let n = 0; n < 2; n++) assert.equal((await guarded.result(await guarded.add(request)))[0].status, 500);
  const before = calls;
  await assert.rejects(guarded.result(await guarded.add(request)));
  assert.equal(calls, before, 'no call passes an open breaker');
  assert.equal(await metric(worker, 'gristmill_breaker_state', { breaker: 'service' }), 2);
  status = 200;
  await guarded.result(await guarded.add(request, { attempts: 50, backoff: 100 }));
  await until(async () => (await metric(worker, 'gristmill_breaker_state', { breaker: 'service' })) === 0, 'it closes');
  assert.match(worker.stderr, /breaker opened/);
  await worker.stop();
});

const behind = lab.queue(v6, 'behind', { jobs: { '*': { breakers: ['service'] } } });
it.ours('jobs behind an open breaker wait and use no attempt', async () => {
  const worker = await lab.start({ queues: [behind], breakers });
  const failing = await behind.addAll([[[{ op: 'fail', message: 'down' }], {}], [[{ op: 'fail', message: 'down' }], {}]]);
  for (const job of failing) await assert.rejects(behind.result(job), /down/);
  const job = await behind.add(value('up'));
  assert.equal(await behind.result(job), 'up');
  assert.equal((await behind.fresh(job)).attemptsMade, 1);
  assert.ok(await metric(worker, 'gristmill_breaker_calls_total', { breaker: 'service', result: 'refused' }) >= 1);
  await worker.stop();
});

const grouped = lab.queue(v6, 'grouped', { concurrency: 1, groups: { key: '/tenant' } });
it.ours('one group’s flood does not keep another waiting', async () => {
  const add = (tenant, count) =>
    grouped.queue.addBulk(Array.from({ length: count }, () => ({ name: 'job', data: { tenant, steps: value(tenant) } })));
  await add('many', 300);
  await add('few', 3);
  const worker = await lab.start({ queues: [grouped] });
  await grouped.finished(303);
  const ids = await grouped.started();
  const few = ids.map((id, at) => (Number(id) > 300 ? at : -1)).filter((at) => at >= 0);
  assert.equal(few.length, 3);
  assert.ok(few.at(-1) <= 8, `the last of the few was number ${few.at(-1)}`);
  assert.deepEqual(grouped.errors, []);
  await worker.stop();
});

const changed = lab.queue(v6, 'changed', { jobs: { '*': { limiters: ['changing'] } } });
it.ours('a limiter’s tiers change while workers run, and it is shown who did it', async () => {
  const worker = await lab.start({ queues: [changed], limiters });
  await changed.addAll(Array.from({ length: 4 }, () => [value(1), {}]));
  await changed.finished(1);
  const key = 'limiters.changing.tiers';
  const put = await call(worker, 'PUT', `/api/v1/settings/${key}`, { value: '100/s' });
  assert.equal(put.status, 204);
  const since = Date.now();
  await until(() => worker.stderr.includes('setting changed'), 'the worker obeys');
  assert.ok(Date.now() - since < 1_500, `after ${Date.now() - since} ms`);
  const rows = (await call(worker, 'GET', '/api/v1/settings')).body;
  assert.equal(rows[key].value, '100/s');
  assert.equal(rows[key].by, 'loopback');
  const bad = await call(worker, 'PUT', `/api/v1/settings/${key}`, { value: '0/s' });
  assert.equal(bad.status, 400);
  assert.equal((await call(worker, 'POST', '/api/v1/limiters/changing/reset')).status, 204);
  const list = (await call(worker, 'GET', '/api/v1/limiters')).body;
  assert.equal(list.find(({ limiter }) => limiter === 'changing').tiers[0].tier, '100/1s');
  await changed.add(value(1));
  await worker.stop();
});

const resized = lab.queue(v6, 'resized', { concurrency: 6 });
it.ours('a queue’s slots change while its worker runs, and nobody sets what nobody has', async () => {
  const worker = await lab.start({ queues: [resized] });
  const set = (key, value) => call(worker, 'PUT', `/api/v1/settings/queues.${resized.name}.${key}`, { value });
  const busy = () => metric(worker, 'gristmill_slots_busy', { queue: resized.name });
  await resized.addAll(Array.from({ length: 400 }, () => [[{ op: 'sleep', ms: 50 }], {}]));
  await until(async () => (await busy()) === 6, 'six at a time');
  assert.equal((await set('concurrency', 2)).status, 204);
  await until(async () => (await busy()) === 2, 'two at a time');
  assert.equal(await metric(worker, 'gristmill_slots', { queue: resized.name }), 2);
  assert.equal((await set('concurrency', 5)).status, 204);
  await until(async () => (await busy()) === 5, 'five at a time');
  assert.equal((await call(worker, 'DELETE', `/api/v1/settings/queues.${resized.name}.concurrency`)).status, 204);
  await until(async () => (await busy()) === 6, 'six again');
  assert.equal((await set('weight', 9)).status, 204);
  await until(async () => (await metric(worker, 'gristmill_queue_weight', { queue: resized.name })) === 9, 'the weight');
  assert.equal((await set('weight', 0)).status, 400);
  const unknown = await call(worker, 'PUT', '/api/v1/settings/queues.resiced-v6.weight', { value: 2 });
  assert.equal(unknown.status, 400);
  assert.match(unknown.body.error, /did you mean `resized-v6`/);
  await worker.stop();
});

const holding = lab.queue(v6, 'holding', { jobs: { '*': { rate_limited: 'queue' } } });
it.ours('a handler holds its whole queue, as BullMQ’s rateLimit does', async () => {
  const worker = await lab.start({ queues: [holding] });
  const first = await holding.add([{ op: 'rate-limited', ms: 900 }]);
  await holding.inState(first, 'delayed');
  assert.ok((await holding.queue.getRateLimitTtl()) > 0);
  const begun = Date.now();
  assert.equal(await holding.result(await holding.add(value('after'))), 'after');
  assert.ok(Date.now() - begun >= 500, `after ${Date.now() - begun} ms`);
  assert.equal((await holding.fresh(first)).attemptsMade, 0);
  await worker.stop();
});
