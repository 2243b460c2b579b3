// Small durable values of the job type.
import { state as host } from '#host';
import { decode, encode } from './bytes.js';
import { StateError } from './errors.js';
import { asked, millis } from './service.js';

const about = (key) => `state \`${key}\``;

export function get(key) {
  const found = asked(StateError, about(key), () => host.get(key));
  return found === undefined ? undefined : decode(found);
}

export function set(key, value, { ttl } = {}) {
  asked(StateError, about(key), () => host.set(key, encode(value, about(key)), millis(ttl, '`ttl`')));
}

function remove(key) {
  return asked(StateError, about(key), () => host.delete(key));
}
export { remove as delete };

export function increment(key, delta = 1, { ttl } = {}) {
  if (!Number.isSafeInteger(delta)) throw new TypeError(`${about(key)} is incremented by a whole number, not by ${delta}`);
  if (delta < 0) return decrease(key, delta, ttl);
  return Number(asked(StateError, about(key), () => host.increment(key, BigInt(delta), millis(ttl, '`ttl`'))));
}

/** The engine cannot pass a negative number of 64 bits to the host, so it compares and sets until nobody comes between. */
function decrease(key, delta, ttl) {
  for (;;) {
    const before = get(key);
    if (before !== undefined && !Number.isSafeInteger(before)) {
      throw new StateError('invalid', `${about(key)}: the value is not a whole number`);
    }
    const sum = (before ?? 0) + delta;
    if (compareAndSet(key, before, sum, { ttl })) return sum;
  }
}

export function compareAndSet(key, expected, value, { ttl } = {}) {
  const before = expected === undefined ? undefined : encode(expected, about(key));
  const after = encode(value, about(key));
  return asked(StateError, about(key), () => host.compareAndSet(key, before, after, millis(ttl, '`ttl`')));
}
