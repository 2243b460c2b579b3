// Rate limits that all workers share.
import { limit as host } from '#host';
import { LimitError } from './errors.js';
import { asked, millis } from './service.js';

export function tryAcquire(limiter, { key = '', cost = 1 } = {}) {
  asked(LimitError, `limiter \`${limiter}\``, () => host.tryAcquire(limiter, key, cost));
}

export function acquire(limiter, { key = '', cost = 1, maxWait }) {
  const wait = millis(maxWait, '`maxWait`');
  if (wait === undefined) throw new TypeError('`acquire` needs `maxWait`, in ms');
  return Number(asked(LimitError, `limiter \`${limiter}\``, () => host.acquire(limiter, key, cost, wait)));
}
