/** Handlers for Gristmill: what each name is, in one place. Durations and times are in ms; bytes are UTF-8. */

/** A job, as its handler gets it. */
export interface Job<T = unknown> {
  /** Unique in its queue, the same in every attempt: a key for what must happen once. */
  id: string;
  /** BullMQ's job name. */
  name: string;
  queue: string;
  /** 1 for the first attempt. */
  attempt: number;
  maxAttempts: number;
  /** The data as the producer wrote it, before a schema has changed anything. */
  data: T;
}

/** What schema libraries (zod, valibot, arktype and others) have in common: https://standardschema.dev. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

type OutputOf<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer O } ? O : unknown
  : unknown;

/** What a handler returns: anything with a JSON form; `undefined` ends the job without a value. */
type Run<T> = (job: Job, data: T) => unknown;

/**
 * Makes a function the handler of its component: `export default handler(async (job, data) => …)`.
 *
 * With a schema, data that does not fit ends the job with a permanent error that names the place. A JSON Schema says what
 * data must be to others, who may refuse it before it is a job; it is not checked here.
 */
export function handler<T = any>(run: Run<T>): Run<T>;
export function handler<S extends StandardSchema>(schema: S, run: Run<OutputOf<S>>): Run<unknown>;
export function handler<T = any>(jsonSchema: object, run: Run<T>): Run<T>;

/** Data as a schema wants it. Throws a permanent error that names the place where it does not fit. */
export function parse<S extends StandardSchema>(schema: S, value: unknown): Promise<OutputOf<S>>;

interface FailureOptions {
  /** Stable word of few distinct values, to group failures by. At most 64 bytes are kept. */
  code?: string;
  /** Whatever explains more, in BullMQ's `stacktrace` [default: the stack]. At most 64 KiB are kept. */
  detail?: string;
  cause?: unknown;
}

/** How a handler ends other than by returning a value. Any other error that it throws is taken as retryable. */
export class JobError extends Error {}
/** May work later: retried under the job's policy; uses an attempt. */
export class RetryableError extends JobError {
  constructor(message: string, options?: FailureOptions);
}
/** Will never work: failed at once. */
export class PermanentError extends JobError {
  constructor(message: string, options?: FailureOptions);
}
/** Something that was called said "slow down": delayed, uses no attempt. */
export class RateLimitedError extends JobError {
  /** `retryAfter`: no sooner than this, in ms; without it the job's backoff says when. */
  constructor(message: string, options?: { retryAfter?: number });
}
/** Not now: delayed by `delay` ms, uses no attempt. */
export class DeferredError extends JobError {
  constructor(message: string, options: { delay: number });
}
/** Call again when this job's children have finished; uses no attempt. */
export class WaitForChildren extends JobError {}

/** What a service of the host refused or could not do. Uncaught, it ends the job as its kind says. */
export class ServiceError extends Error {
  /** The error's name: `denied`, `invalid`, `unavailable`, `limited`, `open`, `unknown-limiter`, … */
  kind: string;
  /** For `limited` and `open`: ms after which it is worth trying again. */
  retryAfter?: number;
}
export class BreakerError extends ServiceError {}
export class EnqueueError extends ServiceError {}
export class LimitError extends ServiceError {}
export class ProgressError extends ServiceError {}
export class SecretError extends ServiceError {}
export class StateError extends ServiceError {}

/** The attempt and its surroundings. Times are in ms since the Unix epoch. */
export namespace context {
  function enqueuedAt(): number;
  /** When the attempt was due. */
  function scheduledAt(): number;
  /** When the attempt is stopped. */
  function deadline(): number | undefined;
  /** Ms until the soft timeout. */
  function remaining(): number | undefined;
  /** Whether the result is no longer wanted; a handler that runs long looks now and then. */
  function cancelled(): boolean;
  function header(name: string): string | undefined;
  function headers(): Record<string, string>;
  /** W3C trace context. */
  function traceparent(): string | undefined;
  function tracestate(): string | undefined;
  /** Digest of the component that runs. */
  function digest(): string;
}

type Fields = Record<string, unknown>;

/** The job's log. `console.log` goes there too, as `info`. */
export namespace log {
  type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** Whether lines of this level are kept. */
  function enabled(level: Level): boolean;
  function write(level: Level, message: string, fields?: Fields): void;
  function trace(message: string, fields?: Fields): void;
  function debug(message: string, fields?: Fields): void;
  function info(message: string, fields?: Fields): void;
  function warn(message: string, fields?: Fields): void;
  function error(message: string, fields?: Fields): void;
}

/** BullMQ's progress, checkpoints, and the job's data. */
export namespace progress {
  /** `done` of `total` units are done. BullMQ's progress becomes the whole percentage, or an object with the message. */
  function report(done: number, total?: number, message?: string): void;
  /** Sets BullMQ's progress to any value. */
  function set(value: unknown): void;
  /** Keeps a value, at most 256 KiB as JSON, for the job's next attempt. */
  function saveCheckpoint(value: unknown): void;
  /** The value that was kept last, by this attempt or an earlier one. */
  function loadCheckpoint<T = unknown>(): T | undefined;
  /** Replaces the job's data for later attempts and for all who look at the job. */
  function updateData(data: unknown): void;
}

type Labels = Record<string, string>;

/** The handler's own metrics, on the worker's metrics page. Names as Prometheus has them. */
export namespace metrics {
  /** Adds a whole number [default: 1]. */
  function counter(name: string, value?: number, labels?: Labels): void;
  function gauge(name: string, value: number, labels?: Labels): void;
  function histogram(name: string, value: number, labels?: Labels): void;
}

/** Jobs and children of the handler's own, on queues that the job type allows. */
export namespace enqueue {
  interface NewJob {
    name: string;
    data?: unknown;
    /** [default: this job's queue, if it is allowed] */
    queue?: string;
    /** Not before these ms have passed. */
    delay?: number;
    /** While a job with this key (BullMQ's deduplication id) lives, no other is added. */
    uniqueKey?: string;
    /** A child of this job: this job can wait for it and gets its result. */
    child?: boolean;
    /** BullMQ's job options by their long names, such as `priority` and `attempts`. */
    options?: Record<string, unknown>;
  }
  interface Added {
    id: string;
    /** It was there already; nothing was added. */
    existing: boolean;
  }
  function submit(job: NewJob): Added;
  /** All or none; at most 1000. */
  function submitMany(jobs: NewJob[]): Added[];
  /** What this job's children that completed have returned, with BullMQ's key of each. */
  function children<T = unknown>(): { key: string; value: T }[];
  /** Why children have failed whose failure this job survives. */
  function failedChildren(): { key: string; reason: string }[];
}

/** Small durable values of the job type; at most 64 KiB each as JSON. `ttl` is in ms; without it a value stays. */
export namespace state {
  function get<T = unknown>(key: string): T | undefined;
  function set(key: string, value: unknown, options?: { ttl?: number }): void;
  /** False if there was none. */
  function _delete(key: string): boolean;
  export { _delete as delete };
  /** Adds to a whole number, 0 if there is none, and gives the sum. The `ttl` is that of a
   * number that is made; a negative delta sets it anew. */
  function increment(key: string, delta?: number, options?: { ttl?: number }): number;
  /** Sets a value if the present one is `expected`, `undefined` for none. False: it was another, and stays. */
  function compareAndSet(key: string, expected: unknown, value: unknown, options?: { ttl?: number }): boolean;
  export { get, set, increment, compareAndSet };
}

/** Keys and passwords that the operator grants. */
export namespace secrets {
  function get(name: string): string;
}

/** Rate limits that all workers share. `key` counts apart, such as a tenant. */
export namespace rateLimit {
  /** Charges `cost` units [default: 1] and never waits. Throws a `LimitError` of kind `limited` where there is no room. */
  function tryAcquire(limiter: string, options?: { key?: string; cost?: number }): void;
  /** Waits for room, up to `maxWait` ms, and gives the ms that it waited. */
  function acquire(limiter: string, options: { key?: string; cost?: number; maxWait: number }): number;
}

/** No calls to a service that fails, as all workers see it. */
export namespace circuitBreaker {
  type Outcome = 'success' | 'failure' | 'ignore';
  interface Permit {
    /** Says how the call ended; one that is never completed counts as failed. */
    complete(outcome: Outcome): void;
  }
  /** Throws a `BreakerError` of kind `open` while no calls are let pass. */
  function enter(breaker: string, options?: { key?: string }): Permit;
  /** Enters, calls, and completes with `failure` if that throws. */
  function guard<T>(breaker: string, call: () => T | Promise<T>, options?: { key?: string }): Promise<T>;
}
