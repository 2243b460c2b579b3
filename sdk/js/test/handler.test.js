// Handlers on the machine that builds them: what they return, how they end, what they ask of the host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeferredError, PermanentError, RateLimitedError, RetryableError, ServiceError, WaitForChildren,
  circuitBreaker, context, enqueue, handler, log, metrics, parse, progress, rateLimit, secrets, state,
} from '../src/index.js';
import { variant } from '../src/component.js';
import { call, job } from '../src/testing.js';
import { z } from 'zod';

test('data goes in, a value comes out, both through JSON', async () => {
  const made = handler((given, data) => ({ sum: data.a + data.b, id: given.id, when: new Date(0) }));
  const { value } = await call(made, job({ a: 1, b: 2 }));
  assert.deepEqual(value, { sum: 3, id: '1', when: '1970-01-01T00:00:00.000Z' });
  assert.equal((await call(handler(() => undefined), job(0))).value, undefined);
});

test('data that does not fit its schema is a permanent error that names the place', async () => {
  const Order = z.object({ items: z.array(z.object({ price: z.number() })) });
  const made = handler(Order, (_, { items }) => items.length);
  assert.equal((await call(made, job({ items: [{ price: 1 }] }))).value, 1);
  const { error } = await call(made, job({ items: [{ price: 1 }, { price: 'x' }] }));
  assert.ok(error instanceof PermanentError);
  assert.match(error.message, /: at `items\[1\]\.price`: /);
  await assert.rejects(parse(Order, 7), PermanentError);
});

for (const [what, value, message] of [
  ['a bigint', { a: [1n] }, '`a[0]` of the return value has no JSON form: bigint'],
  ['no number', { a: { b: NaN } }, '`a.b` of the return value has no JSON form: NaN'],
  ['a function', () => 1, 'the return value has no JSON form: function'],
]) {
  test(`a return value with ${what} is an error that names the place`, async () => {
    const { error } = await call(handler(() => value), job(0));
    assert.ok(error instanceof PermanentError);
    assert.equal(error.message, message);
  });
}

test('a return value that contains itself is an error, one that repeats a value is none', async () => {
  const circular = { list: [] };
  circular.list.push(circular);
  const { error } = await call(handler(() => circular), job(0));
  assert.equal(error.message, '`list[0]` of the return value has no JSON form: it contains itself');
  const shared = { x: 1 };
  assert.deepEqual((await call(handler(() => [shared, shared]), job(0))).value, [shared, shared]);
});

const trap = new Proxy({}, { get() { throw new Error('no'); }, getPrototypeOf() { throw new Error('no'); } });
for (const [name, thrown, message] of [
  ['an error', new Error('boom'), 'boom'],
  ['an error without a message', new TypeError(), 'TypeError without a message'],
  ['a text', 'plain', 'plain'],
  ['an empty text', '', 'an empty text was thrown'],
  ['nothing', undefined, 'undefined was thrown'],
  ['null', null, 'null was thrown'],
  ['a symbol', Symbol('s'), 'Symbol(s) was thrown'],
  ['an object', { code: 7 }, 'an object was thrown: {"code":7}'],
  ['a proxy that throws', trap, 'something was thrown that has no text'],
]) {
  test(`${name} that is thrown is a retryable failure with a text`, async () => {
    const { error } = await call(handler(() => { throw thrown; }), job(0));
    assert.ok(error instanceof RetryableError);
    assert.equal(error.message, message);
    assert.equal(variant(thrown).tag, 'retryable');
  });
}

test('ends are what the host takes', () => {
  assert.deepEqual(variant(new PermanentError('no', { code: 'c', detail: 'd' })),
    { tag: 'permanent', val: { message: 'no', code: 'c', detail: 'd' } });
  assert.deepEqual(variant(new RateLimitedError('slow', { retryAfter: 5.2 })),
    { tag: 'rate-limited', val: { retryAfter: 6n, message: 'slow' } });
  assert.deepEqual(variant(new RateLimitedError('slow')), { tag: 'rate-limited', val: { retryAfter: undefined, message: 'slow' } });
  assert.deepEqual(variant(new DeferredError('later', { delay: 7 })), { tag: 'deferred', val: { delay: 7n, reason: 'later' } });
  assert.deepEqual(variant(new DeferredError('later', { delay: -1 })), { tag: 'deferred', val: { delay: 0n, reason: 'later' } });
  assert.deepEqual(variant(new WaitForChildren()), { tag: 'wait-for-children' });
  const { val } = variant(new Error('outer', { cause: new Error('inner') }));
  assert.match(val.detail, /at .*handler\.test\.js[^]*caused by: inner/);
});

test('what the host refuses ends the job as the refusal says', async () => {
  const end = async (run, answers) => (await call(handler(run), job(0), answers)).error;
  const limited = await end(() => rateLimit.tryAcquire('mail'), { limiters: { mail: { error: 'limited', retryAfter: 9 } } });
  assert.ok(limited instanceof RateLimitedError);
  assert.equal(limited.retryAfter, 9);
  const open = await end(() => circuitBreaker.enter('smtp'), { breakers: { smtp: { error: 'open', retryAfter: 9 } } });
  assert.ok(open instanceof DeferredError);
  assert.equal(open.delay, 9);
  assert.ok(await end(() => rateLimit.tryAcquire('mail')) instanceof PermanentError);
  const unavailable = { limiters: { mail: { error: 'unavailable', message: 'away' } } };
  const away = await end(() => rateLimit.tryAcquire('mail'), unavailable);
  assert.ok(away instanceof RetryableError);
  assert.equal(away.message, 'limiter `mail`: away');
  assert.ok(await end(() => secrets.get('KEY')) instanceof PermanentError);
  const caught = await call(handler(() => {
    try { return secrets.get('KEY'); } catch (error) { return [error instanceof ServiceError, error.kind]; }
  }), job(0));
  assert.deepEqual(caught.value, [true, 'denied']);
});

test('what a handler asks is recorded, and answered', async () => {
  const made = handler(async (given, data) => {
    log.info('begins', { attempt: given.attempt, data });
    progress.report(1, 2);
    progress.report(1, 2, 'half');
    progress.saveCheckpoint({ at: 3 });
    progress.updateData({ next: true });
    metrics.counter('mails_total', 2, { kind: 'x' });
    const { id } = enqueue.submit({ name: 'next', data: { a: 1 }, delay: 10, child: true, options: { priority: 2 } });
    await circuitBreaker.guard('smtp', () => 'sent');
    await circuitBreaker.guard('smtp', () => { throw new Error('down'); }).catch(() => {});
    const response = await fetch('https://example.com/x', { method: 'POST', body: 'hi' });
    return {
      id, secret: secrets.get('KEY'), children: enqueue.children(), n: state.increment('n', 2),
      swapped: [state.compareAndSet('v', 1, 2), state.compareAndSet('v', 1, 3)], gone: state.get('none') ?? null,
      header: context.header('x'), answer: await response.text(), checkpoint: progress.loadCheckpoint(),
    };
  });
  const done = await call(made, job({ x: [1] }), {
    secrets: { KEY: 's' }, children: { 'bull:q:1': { r: 1 } }, state: { n: 1, v: 1 }, breakers: { smtp: true },
    context: { headers: { x: 'y' } }, fetch: async (request) => new Response(`got ${await request.text()}`),
  });
  assert.equal(done.error, undefined, String(done.error));
  assert.deepEqual(done.value, {
    id: 'added-1', secret: 's', children: [{ key: 'bull:q:1', value: { r: 1 } }], n: 3, swapped: [true, false], gone: null,
    header: 'y', answer: 'got hi', checkpoint: { at: 3 },
  });
  assert.deepEqual(done.logs, [{ level: 'info', message: 'begins', fields: { attempt: '1', data: '{"x":[1]}' } }]);
  assert.deepEqual(done.progress, [50, { done: 1, total: 2, message: 'half' }]);
  assert.deepEqual(done.metrics, [{ kind: 'counter', name: 'mails_total', value: 2, labels: { kind: 'x' } }]);
  assert.deepEqual(done.enqueued[0].options, { priority: 2 });
  assert.deepEqual(done.guarded, [['smtp', 'success'], ['smtp', 'failure']]);
  assert.equal(done.requests[0].url, 'https://example.com/x');
  assert.deepEqual(done.state, { n: 3, v: 2 });
  assert.deepEqual(done.data, [{ next: true }]);
});

test('calls beside each other have hosts of their own', async () => {
  const made = handler(async (_, n) => {
    log.info(`before ${n}`);
    await new Promise((done) => setImmediate(done));
    log.info(`after ${n}`);
  });
  const all = await Promise.all([1, 2, 3].map((n) => call(made, job(n))));
  assert.deepEqual(all.map(({ logs }) => logs.map(({ message }) => message)),
    [1, 2, 3].map((n) => [`before ${n}`, `after ${n}`]));
});

test('wrong use says what is right', async () => {
  assert.throws(() => handler('x', () => 1), /schema of zod/);
  assert.throws(() => handler(), /use `handler/);
  await assert.rejects(call(() => 1, job(0)).then(({ error }) => { throw error; }), /no handler/);
  const { error } = await call(handler(() => enqueue.submit({ name: 'x', priority: 3 })), job(0));
  assert.match(error.message, /a new job has no `priority`/);
  assert.throws(() => log.info('x'), /there is no host here/);
});
