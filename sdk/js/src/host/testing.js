// A host for tests: it records what handlers ask of it, and answers what the test says. The shapes are those of a component's
// imports, so that everything above is the code that runs in production.
import { AsyncLocalStorage } from 'node:async_hooks';

export const current = new AsyncLocalStorage();

function host() {
  const found = current.getStore();
  if (found === undefined) throw new Error('there is no host here; run the handler with `call` of `@gristmill/sdk/testing`');
  return found;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const parsed = (bytes) => JSON.parse(decoder.decode(bytes));
const written = (value) => encoder.encode(JSON.stringify(value));
const ms = (value) => (value === undefined ? undefined : BigInt(value));
const number = (value) => (value === undefined ? undefined : Number(value));

/** As a component sees an error of the host. */
function refuse(payload) {
  throw Object.assign(new Error('refused by the host'), { payload });
}

/** What a test gave: an error's name, `{ error, retryAfter }`, or nothing. */
function refused(given, unknown) {
  if (given === undefined) refuse({ tag: unknown });
  if (given === true) return;
  const { error, retryAfter, message } = typeof given === 'string' ? { error: given } : given;
  refuse({ tag: error, val: retryAfter === undefined ? message : ms(retryAfter) });
}

export const context = {
  enqueuedAt: () => ms(host().answers.context?.enqueuedAt ?? 0),
  scheduledAt: () => ms(host().answers.context?.scheduledAt ?? 0),
  deadline: () => ms(host().answers.context?.deadline),
  remaining: () => ms(host().answers.context?.remaining),
  cancelled: () => host().answers.context?.cancelled ?? false,
  header: (name) => host().answers.context?.headers?.[name],
  headers: () => Object.entries(host().answers.context?.headers ?? {}),
  traceparent: () => host().answers.context?.traceparent,
  tracestate: () => host().answers.context?.tracestate,
  digest: () => host().answers.context?.digest ?? '',
};

export const log = {
  enabled: () => true,
  write: (level, message, fields) => host().records.logs.push({ level, message, fields: Object.fromEntries(fields) }),
};

export const progress = {
  report(done, total, message) {
    const value = message === undefined && total !== undefined
      ? Number((done * 100n) / (total || 1n))
      : { done: Number(done), total: number(total), message };
    host().records.progress.push(value);
  },
  set: (value) => void host().records.progress.push(parsed(value)),
  saveCheckpoint: (data) => void (host().checkpoint = data),
  loadCheckpoint: () => host().checkpoint,
  updateData: (data) => void host().records.data.push(parsed(data)),
};

function record(kind, name, value, labels) {
  host().records.metrics.push({ kind, name, value: Number(value), labels: Object.fromEntries(labels) });
}

export const metrics = {
  counterAdd: (...metric) => record('counter', ...metric),
  gaugeSet: (...metric) => record('gauge', ...metric),
  histogramRecord: (...metric) => record('histogram', ...metric),
};

export const enqueue = {
  submit(job) {
    const { records } = host();
    const { data, delay, options, ...rest } = job;
    records.enqueued.push({
      ...rest, data: parsed(data), delay: number(delay), options: options === undefined ? undefined : JSON.parse(options),
    });
    return { id: `added-${records.enqueued.length}`, existing: false };
  },
  submitMany: (jobs) => jobs.map((job) => enqueue.submit(job)),
  children: () => Object.entries(host().answers.children ?? {}).map(([key, value]) => [key, written(value)]),
  failedChildren: () => Object.entries(host().answers.failedChildren ?? {}),
};

export const state = {
  get: (key) => host().state.get(key),
  set: (key, value) => void host().state.set(key, value),
  delete: (key) => host().state.delete(key),
  increment(key, delta) {
    const before = host().state.has(key) ? parsed(host().state.get(key)) : 0;
    if (!Number.isSafeInteger(before)) refuse({ tag: 'invalid', val: 'the value is not a whole number' });
    const sum = BigInt(before) + delta;
    host().state.set(key, written(Number(sum)));
    return sum;
  },
  compareAndSet(key, expected, value) {
    const text = (bytes) => (bytes === undefined ? undefined : decoder.decode(bytes));
    if (text(host().state.get(key)) !== text(expected)) return false;
    host().state.set(key, value);
    return true;
  },
};

export const secrets = {
  get: (name) => host().answers.secrets?.[name] ?? refuse({ tag: 'denied' }),
};

export const limit = {
  tryAcquire: (limiter) => refused(host().answers.limiters?.[limiter], 'unknown-limiter'),
  acquire(limiter) {
    refused(host().answers.limiters?.[limiter], 'unknown-limiter');
    return 0n;
  },
};

export const breaker = {
  enter(name) {
    refused(host().answers.breakers?.[name], 'unknown-breaker');
    return { name };
  },
  Permit: { complete: ({ name }, outcome) => void host().records.guarded.push([name, outcome]) },
};
