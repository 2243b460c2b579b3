// The HTTP API: what it adds, changes and refuses, seen through BullMQ's own clients.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ only: 'ours' });
const queue = lab.queue(v6, 'served');
const base = `/api/v1/queues/${queue.name}`;
const value = (value) => ({ steps: [{ op: 'return', value }] });

/** One call; resolves with status and JSON body. */
async function call(method, where, body, headers = {}) {
  const response = await fetch(`${(call.worker ?? lab.worker).base}${where}`, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text && response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text };
}

/** The same with headers that fetch does not let through. */
function raw(where, headers) {
  const { hostname, port } = new URL(lab.worker.base);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: where, method: 'POST', headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on('error', reject).end();
  });
}

it.ours('one job and many are added, with BullMQ’s options', async () => {
  const one = await call('POST', `${base}/jobs`, { name: 'n', data: value('one'), opts: { jobId: 'mine', priority: 4 } });
  assert.deepEqual(one, { status: 201, body: { id: 'mine', existing: false } });
  assert.equal(await queue.result(await queue.fresh('mine')), 'one');
  assert.equal((await call('POST', `${base}/jobs`, { name: 'n', opts: { jobId: 'mine' } })).body.existing, true);
  const many = await call('POST', `${base}/jobs`, [1, 2, 3].map((n) => ({ name: 'n', data: value(n) })));
  assert.equal(many.status, 201);
  const results = await Promise.all(many.body.map(async ({ id }) => queue.result(await queue.fresh(id))));
  assert.deepEqual(results, [1, 2, 3]);
});

it.ours('of a list with a mistake none is added, and every mistake is named', async () => {
  const before = await queue.keys.get(queue.key('id'));
  const { status, body } = await call('POST', `${base}/jobs`, [
    { name: 'n' }, { name: 'n', opts: { atempts: 3 } }, { name: 'n', opts: { delay: -1 } },
  ]);
  assert.equal(status, 400);
  assert.equal(body.problems.length, 2);
  assert.match(body.problems[0], /job 1: .*did you mean `attempts`/);
  assert.equal(await queue.keys.get(queue.key('id')), before);
  assert.equal((await call('POST', `${base}/jobs`, { nam: 'n' })).status, 400);
  assert.equal((await call('POST', '/api/v1/queues/a:b/jobs', { name: 'n' })).status, 400);
});

it.ours('a flow is added whole', async () => {
  const leaf = (n) => ({ name: 'leaf', queueName: queue.name, data: value(n) });
  const { status, body } = await call('POST', '/api/v1/flows', { name: 'top', queueName: queue.name, data: value('all'), children: [leaf(1), leaf(2)] });
  assert.equal(status, 201);
  assert.equal(await queue.result(await queue.fresh(body.id)), 'all');
  assert.equal(body.children.length, 2);
});

it.ours('jobs are shown, listed, changed, retried, promoted, cancelled and removed', async () => {
  const once = { steps: [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'no', kind: 'permanent' }] }] };
  const { body: { id } } = await call('POST', `${base}/jobs`, { name: 'n', data: once });
  await queue.inState({ id }, 'failed');
  assert.equal((await call('GET', `${base}/jobs/${id}`)).body.fields.failedReason, 'no');
  assert.deepEqual((await call('GET', `${base}/jobs?state=failed`)).body.map((job) => job.id), [id]);
  assert.equal((await call('POST', `${base}/jobs/${id}/retry`)).status, 204);
  await queue.inState({ id }, 'completed');
  assert.equal((await call('POST', `${base}/jobs/${id}/retry`)).status, 409);
  assert.equal((await call('PATCH', `${base}/jobs/${id}`, { priority: 5 })).status, 409, 'a finished job has no priority');
  assert.equal((await queue.fresh(id)).priority, 0);

  const { body: later } = await call('POST', `${base}/jobs`, { name: 'n', data: value(1), opts: { delay: 3_600_000 } });
  assert.equal((await call('PATCH', `${base}/jobs/${later.id}`, { priority: 3, delay_ms: 7_200_000 })).status, 204);
  const changed = await queue.fresh(later.id);
  assert.deepEqual([changed.priority, changed.delay], [3, 7_200_000]);
  assert.equal((await call('POST', `${base}/jobs/${later.id}/cancel`)).status, 409);
  assert.equal((await call('POST', `${base}/jobs/${later.id}/promote`)).status, 204);
  await queue.result(changed);
  assert.equal((await call('DELETE', `${base}/jobs/${later.id}`)).status, 204);
  assert.equal((await call('GET', `${base}/jobs/${later.id}`)).status, 404);

  const { body: endless } = await call('POST', `${base}/jobs`, { name: 'n', data: { steps: [{ op: 'log', line: 'on' }, { op: 'loop' }] } });
  await queue.inState(endless, 'active');
  // A worker that has just started may not listen yet, so whoever cancels asks until one has heard.
  await until(async () => (await call('POST', `${base}/jobs/${endless.id}/cancel`)).body.workers === 1, 'the worker hears it');
  await queue.inState(endless, 'failed');
  assert.deepEqual((await call('GET', `${base}/jobs/${endless.id}/logs`)).body, { logs: ['on'], count: 1 });
});

it.ours('queues are paused, limited, drained, cleaned and obliterated', async () => {
  assert.equal((await call('POST', `${base}/pause`)).status, 204);
  assert.equal(await queue.queue.isPaused(), true);
  await queue.add([]);
  assert.deepEqual((await call('POST', `${base}/drain`)).body, { removed: 1 });
  const limits = await call('PATCH', `${base}/limits`, { concurrency: 2, rate: '5/min' });
  assert.deepEqual(limits.body, { concurrency: 2, max: 5, duration_ms: 60_000, held_ms: null });
  assert.deepEqual((await call('PATCH', `${base}/limits`, { rate: null })).body, { concurrency: 2, max: null, duration_ms: null, held_ms: null });
  assert.equal((await call('PATCH', `${base}/limits`, { rate: 'often' })).status, 400);
  assert.equal((await call('GET', base)).body.limits.concurrency, 2);
  assert.equal((await call('POST', `${base}/resume`)).status, 204);
  const { completed } = await queue.counts();
  assert.deepEqual((await call('POST', `${base}/clean`, { state: 'completed' })).body, { removed: completed });
  assert.equal((await call('GET', '/api/v1/queues')).body[0].queue, queue.name);
  assert.equal((await call('DELETE', base)).status, 400);
  assert.equal((await call('DELETE', `${base}?confirm=${queue.name}&force=true`)).status, 204);
  assert.equal(await queue.keys.exists(queue.key('meta')), 0);
});

it.ours('schedulers are put and removed', async () => {
  const put = await call('PUT', `${base}/schedulers/nightly`, { pattern: '0 3 * * *', zone: 'Europe/Berlin', name: 'report', data: value(1) });
  assert.equal(put.status, 200);
  assert.equal((await queue.queue.getJobScheduler('nightly')).tz, 'Europe/Berlin');
  assert.equal((await call('GET', `${base}/schedulers`)).body[0].id, 'nightly');
  assert.equal((await call('PUT', `${base}/schedulers/nightly`, { pattern: 'soon', name: 'report' })).status, 400);
  assert.equal((await call('DELETE', `${base}/schedulers/nightly`)).status, 204);
  assert.equal((await call('DELETE', `${base}/schedulers/nightly`)).status, 404);
});

it.ours('every change leaves an audit row, looking leaves none', async () => {
  await call('GET', base);
  await call('POST', `${base}/pause`);
  await call('POST', `${base}/resume`);
  const rows = (await call('GET', '/api/v1/audit?count=2')).body;
  assert.deepEqual(rows.map(({ who, what, status }) => [who, what, status]), [
    ['loopback', `POST ${base}/resume`, 204], ['loopback', `POST ${base}/pause`, 204],
  ]);
});

it.ours('a page of another origin in a browser on this machine is refused', async () => {
  const { host } = new URL(lab.worker.base);
  assert.equal(await raw(`${base}/pause`, { host, origin: 'http://evil.example' }), 403);
  assert.equal(await raw(`${base}/pause`, { host: 'evil.example' }), 403);
  assert.equal(await queue.queue.isPaused(), false);
  assert.equal(await raw(`${base}/resume`, { host, origin: `http://${host}` }), 204);
});

it.ours('tokens have roles', async () => {
  const token = (role, secret) => ({ role, sha256: createHash('sha256').update(secret).digest('hex') });
  const tokens = { eyes: token('viewer', 'look'), hands: token('operator', 'turn'), boss: token('admin', 'rule') };
  call.worker = await lab.start({ server: { tokens } });
  const as = (secret) => ({ authorization: `Bearer ${secret}` });
  assert.equal((await call('GET', base)).status, 401);
  assert.equal((await call('GET', base, undefined, as('guess'))).status, 401);
  assert.equal((await call('GET', base, undefined, as('look'))).status, 200);
  assert.equal((await call('POST', `${base}/pause`, undefined, as('look'))).status, 403);
  assert.equal((await call('POST', `${base}/pause`, undefined, as('turn'))).status, 204);
  assert.equal((await call('DELETE', `${base}?confirm=${queue.name}`, undefined, as('turn'))).status, 403);
  assert.equal((await call('POST', `${base}/resume`, undefined, as('rule'))).status, 204);
  const [{ who }] = (await call('GET', '/api/v1/audit?count=1', undefined, as('look'))).body;
  assert.equal(who, 'boss');
  assert.equal(await call.worker.status('/healthz/ready'), 200, 'health needs no token');
  call.worker = undefined;
});

it.ours('the document describes the routes', async () => {
  const { body } = await call('GET', '/api/v1/openapi.json');
  assert.ok(body.paths['/api/v1/queues/{queue}/jobs'].post);
  assert.equal(Object.keys(body.paths).length, 46);
});

it.ours('errors have one form, and odd numbers are no harm', async () => {
  for (const [method, where, status, body] of [
    ['GET', `${base}/jobs`, 400], ['GET', '/api/v1/nothing', 404], ['PUT', '/api/v1/queues', 405],
    ['DELETE', `${base}/jobs/nope`, 404], ['GET', `${base}/jobs/nope/logs`, 404], ['PATCH', `${base}/jobs/nope`, 400, {}],
    ['POST', '/api/v1/queues/nope/pause', 404], ['POST', '/api/v1/queues/nope/resume', 404], ['PATCH', '/api/v1/queues/nope/limits', 404, {}],
    // One byte more than a body may have; what comes after it would be cut off together with the answer.
    ['POST', `${base}/jobs`, 413, 'x'.repeat((16 << 20) - 1)],
  ]) {
    const answer = await call(method, where, body);
    assert.equal(answer.status, status, `${method} ${where}`);
    assert.ok(Array.isArray(answer.body.problems), `${method} ${where}: ${JSON.stringify(answer.body)}`);
  }
  const far = 18_446_744_073_709_551_615n;
  assert.deepEqual((await call('GET', `${base}/jobs?state=failed&from=${far}&count=1`)).status, 200);
  for (const opts of [{ repeat: { every: 1000 } }, { parent: { id: '1', queue: 'bull:x' } }]) {
    assert.equal((await call('POST', `${base}/jobs`, { name: 'n', opts })).status, 400);
  }
});

it.ours('idle connections neither stay nor take the place of health checks', async () => {
  const { hostname, port } = new URL(lab.worker.base);
  const idle = await Promise.all(Array.from({ length: 200 }, () => new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
    socket.on('error', () => {});
  })));
  assert.equal(await lab.worker.status('/healthz/live'), 200);
  let closed = 0;
  for (const socket of idle) socket.on('close', () => closed++);
  await until(() => closed === idle.length, () => `all are closed; ${closed} are`, 20_000);
});
