// Calls of the host that can be refused.
import { EnqueueError } from './errors.js';

/** What each error of the host says to people. */
const WORDS = {
  limited: () => 'the limiter has no room',
  open: () => 'the breaker is open',
  'unknown-limiter': () => 'the worker knows no such limiter',
  'unknown-breaker': () => 'the worker knows no such breaker',
  'too-large': () => 'the value is larger than 64 KiB',
  'quota-exceeded': () => 'the attempt has used up what it may do of this',
  invalid: (why) => why,
  unavailable: (why) => why,
};

/**
 * Calls the host; an error that it answers becomes one of class `Kind`, about `what`.
 *
 * Inside a component an error carries its variant as `payload`.
 */
export function asked(Kind, what, call) {
  try {
    return call();
  } catch (error) {
    const payload = error?.payload;
    if (payload === undefined) throw error;
    if (typeof payload === 'string') throw new Kind('invalid', `${what}: ${payload}`);
    const { tag, val } = payload;
    const retryAfter = typeof val === 'bigint' ? Number(val) : undefined;
    const words = tag === 'denied' ? denied(Kind, val) : WORDS[tag]?.(val) ?? tag;
    throw new Kind(tag, `${what}: ${words}`, { retryAfter });
  }
}

function denied(Kind, val) {
  const why = typeof val === 'string' && val !== '' ? `: ${val}` : '';
  return Kind === EnqueueError ? `the job type may not do this${why}` : `the job type may not use it${why}`;
}

/** A duration in ms as the host takes it; `undefined` stays. */
export function millis(value, what) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value >= 0) || !Number.isFinite(value)) {
    throw new TypeError(`${what} is a number of milliseconds, not ${String(value)}`);
  }
  return BigInt(Math.ceil(value));
}

/** Texts by name as the host takes them. */
export function attributes(fields = {}) {
  return Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value : textOf(value)]);
}

function textOf(value) {
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
