// How a handler ends other than by returning a value.

/** What all ends of this kind have in common. */
export class JobError extends Error {
  constructor(message, options) {
    super(String(message), options);
    this.name = new.target.name;
  }
}

export class RetryableError extends JobError {
  constructor(message, { code, detail, cause } = {}) {
    super(message, { cause });
    Object.assign(this, { code, detail });
  }
}

export class PermanentError extends JobError {
  constructor(message, { code, detail, cause } = {}) {
    super(message, { cause });
    Object.assign(this, { code, detail });
  }
}

export class RateLimitedError extends JobError {
  constructor(message, { retryAfter } = {}) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

export class DeferredError extends JobError {
  constructor(message, { delay }) {
    super(message);
    this.delay = delay;
  }
}

export class WaitForChildren extends JobError {
  constructor() {
    super('waits for its children');
  }
}

/** What a service of the host refused or could not do. */
export class ServiceError extends Error {
  constructor(kind, message, { retryAfter } = {}) {
    super(message);
    this.name = new.target.name;
    Object.assign(this, { kind, retryAfter });
  }
}

export class BreakerError extends ServiceError {}
export class EnqueueError extends ServiceError {}
export class LimitError extends ServiceError {}
export class ProgressError extends ServiceError {}
export class SecretError extends ServiceError {}
export class StateError extends ServiceError {}

/** Whether it may be otherwise in another attempt. */
function mayPass(error) {
  if (error.kind === 'unavailable' || error instanceof ProgressError) return true;
  return error instanceof StateError && error.kind === 'quota-exceeded';
}

/** Whatever a handler threw, as an end of the job. */
export function ending(thrown) {
  try {
    return classified(thrown);
  } catch {
    // A proxy may refuse even to say what it is.
    return new RetryableError(NO_TEXT);
  }
}

function classified(thrown) {
  if (thrown instanceof JobError) return thrown;
  if (thrown instanceof LimitError && thrown.kind === 'limited') {
    return new RateLimitedError(thrown.message, { retryAfter: thrown.retryAfter });
  }
  if (thrown instanceof BreakerError && thrown.kind === 'open') {
    return new DeferredError(thrown.message, { delay: thrown.retryAfter });
  }
  const End = thrown instanceof ServiceError && !mayPass(thrown) ? PermanentError : RetryableError;
  return Object.assign(new End(textOf(thrown)), { thrown });
}

const NO_TEXT = 'something was thrown that has no text';

/** A text for anything that can be thrown, getters and proxies that throw themselves included. */
export function textOf(thrown) {
  try {
    if (thrown instanceof Error) {
      return String(thrown.message) || `${thrown.name} without a message`;
    }
    if (typeof thrown === 'string') return thrown || 'an empty text was thrown';
    if (typeof thrown === 'object' && thrown !== null) {
      return typeof thrown.message === 'string' && thrown.message !== '' ? thrown.message : `an object was thrown: ${shown(thrown)}`;
    }
    return `${String(thrown)} was thrown`;
  } catch {
    return NO_TEXT;
  }
}

function shown(object) {
  try {
    return JSON.stringify(object) ?? Object.prototype.toString.call(object);
  } catch {
    return Object.prototype.toString.call(object);
  }
}
