export * as circuitBreaker from './circuit-breaker.js';
export * as context from './context.js';
export * as enqueue from './enqueue.js';
export * as log from './log.js';
export * as metrics from './metrics.js';
export * as progress from './progress.js';
export * as rateLimit from './rate-limit.js';
export * as secrets from './secrets.js';
export * as state from './state.js';
export {
  BreakerError,
  DeferredError,
  EnqueueError,
  JobError,
  LimitError,
  PermanentError,
  ProgressError,
  RateLimitedError,
  RetryableError,
  SecretError,
  ServiceError,
  StateError,
  WaitForChildren,
} from './errors.js';
export { handler, parse } from './handler.js';
