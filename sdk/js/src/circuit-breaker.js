// No calls to a service that fails.
import { breaker as host } from '#host';
import { BreakerError } from './errors.js';
import { asked } from './service.js';

/** A call that the breaker let pass. */
export class Permit {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  complete(outcome) {
    if (this.#handle === undefined) throw new TypeError('this call has been completed already');
    const handle = this.#handle;
    this.#handle = undefined;
    host.Permit.complete(handle, outcome);
  }
}

export function enter(breaker, { key = '' } = {}) {
  return new Permit(asked(BreakerError, `breaker \`${breaker}\``, () => host.enter(breaker, key)));
}

export async function guard(breaker, call, { key = '' } = {}) {
  const permit = enter(breaker, { key });
  try {
    const value = await call();
    permit.complete('success');
    return value;
  } catch (error) {
    permit.complete('failure');
    throw error;
  }
}
