// The guest that every SDK builds; see ../../README.md.
import {
  DeferredError, PermanentError, RateLimitedError, RetryableError, ServiceError, WaitForChildren,
  circuitBreaker, context, enqueue, handler, log, metrics, parse, progress, rateLimit, secrets, state,
} from '@gristmill/sdk';
import { z } from 'zod';

const orNull = (value) => value ?? null;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const Typed = z.object({ to: z.string(), count: z.int() });

const steps = {
  return: ({ value }) => value,
  job: (_, { id, name, queue, attempt, maxAttempts }) => ({ id, name, queue, attempt, maxAttempts }),
  context: ({ name = 'none' }) => ({
    enqueuedAt: context.enqueuedAt(),
    scheduledAt: context.scheduledAt(),
    deadline: orNull(context.deadline()),
    remaining: orNull(context.remaining()),
    cancelled: context.cancelled(),
    header: orNull(context.header(name)),
    headers: context.headers(),
    traceparent: orNull(context.traceparent()),
    tracestate: orNull(context.tracestate()),
    digest: context.digest(),
  }),
  log: ({ level, message, fields }) => log.write(level, message, fields),
  logEnabled: ({ level }) => log.enabled(level),
  print: ({ line }) => console.log(line),
  progress: ({ done, total, message }) => progress.report(done, total, message),
  progressSet: ({ value }) => progress.set(value),
  saveCheckpoint: ({ value }) => progress.saveCheckpoint(value),
  loadCheckpoint: () => progress.loadCheckpoint(),
  updateData: ({ value }) => progress.updateData(value),
  counter: ({ name, value, labels }) => metrics.counter(name, value, labels),
  gauge: ({ name, value, labels }) => metrics.gauge(name, value, labels),
  histogram: ({ name, value, labels }) => metrics.histogram(name, value, labels),
  enqueue: ({ job }) => enqueue.submit(job),
  enqueueMany: ({ jobs }) => enqueue.submitMany(jobs),
  children: () => enqueue.children().map(({ value }) => value).sort(),
  failedChildren: () => enqueue.failedChildren().map(({ reason }) => reason).sort(),
  stateGet: ({ key }) => state.get(key),
  stateSet: ({ key, value, ttl }) => state.set(key, value, { ttl }),
  stateDelete: ({ key }) => state.delete(key),
  stateIncrement: ({ key, delta, ttl }) => state.increment(key, delta, { ttl }),
  stateCompareAndSet: ({ key, expected, value, ttl }) => state.compareAndSet(key, expected, value, { ttl }),
  secret: ({ name }) => secrets.get(name).length,
  tryAcquire: ({ limiter, key, cost }) => rateLimit.tryAcquire(limiter, { key, cost }),
  acquire: ({ limiter, key, cost, maxWait }) => rateLimit.acquire(limiter, { key, cost, maxWait }) >= 100,
  enter: ({ breaker, key, outcome }) => circuitBreaker.enter(breaker, { key }).complete(outcome),
  async http({ method = 'GET', url, headers, body }) {
    const response = await fetch(url, { method, headers, body });
    return { status: response.status, body: await response.text(), header: response.headers.get('x-answer') };
  },
  async httpStream({ url }) {
    const response = await fetch(url);
    const reader = response.body.getReader();
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length;
      length += value.length;
    }
  },
  fail({ kind, message, code, detail, retryAfter, delay }) {
    switch (kind) {
      case 'retryable': throw new RetryableError(message, { code, detail });
      case 'permanent': throw new PermanentError(message, { code, detail });
      case 'rate-limited': throw new RateLimitedError(message, { retryAfter });
      case 'deferred': throw new DeferredError(message, { delay });
      case 'wait-for-children': throw new WaitForChildren();
      default: throw new PermanentError(`there is no error \`${kind}\``);
    }
  },
  throw({ what, message }) {
    const odd = {};
    odd.self = odd;
    switch (what) {
      case 'error': throw new Error(message);
      case 'empty': throw new Error();
      case 'odd': throw odd;
      case 'text': throw message;
      default: return endless();
    }
  },
  never: () => new Promise(() => {}),
  hoard: () => endless(),
  once: ({ key, step }, job) => (state.increment(key) === 1 ? perform(step, job) : undefined),
  clock: () => Date.now(),
  random: () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
  sleep: ({ ms }) => sleep(ms),
  async untilCancelled() {
    while (!context.cancelled()) await sleep(10);
    return 'cancelled';
  },
  async typed({ value }) {
    const { to, count } = await parse(Typed, value);
    return to.repeat(count);
  },
};

/** Nothing that a script does ends the engine but using up its memory. */
function endless() {
  const kept = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
}

async function perform(step, job) {
  const run = steps[step.op];
  if (run === undefined) throw new PermanentError(`there is no operation \`${step.op}\``);
  try {
    return orNull(await run(step, job));
  } catch (error) {
    if (step.catch && error instanceof ServiceError) {
      return { error: error.kind, ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }) };
    }
    if (step.catch && step.op.startsWith('http') && error instanceof TypeError) return { error: 'failed' };
    throw error;
  }
}

export default handler(async (job, data) => {
  if (!Array.isArray(data)) return data.op === 'nothing' ? undefined : perform(data, job);
  const values = [];
  for (const step of data) values.push(await perform(step, job));
  return values;
});
