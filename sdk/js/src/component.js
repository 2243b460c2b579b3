// What the host calls. `gristmill-build` makes a module that exports `component` of the user's handler.
import { decode, encode } from './bytes.js';
import { DeferredError, PermanentError, RateLimitedError, WaitForChildren, ending } from './errors.js';
import { typeOf } from './handler.js';
import { traceOf } from './lines.js';
import { millis } from './service.js';

/** Milliseconds that a handler asks to wait, whatever it gave as such. */
function wait(value) {
  try {
    return millis(value, 'a delay') ?? 0n;
  } catch {
    return 0n;
  }
}

/** An end of the job as the host takes it. */
export function variant(thrown) {
  const end = ending(thrown);
  if (end instanceof RateLimitedError) {
    const retryAfter = end.retryAfter === undefined ? undefined : wait(end.retryAfter);
    return { tag: 'rate-limited', val: { retryAfter, message: end.message } };
  }
  if (end instanceof DeferredError) return { tag: 'deferred', val: { delay: wait(end.delay), reason: end.message } };
  if (end instanceof WaitForChildren) return { tag: 'wait-for-children' };
  const { message, code } = end;
  const detail = end.detail ?? traceOf('thrown' in end ? end.thrown : end);
  const val = { message, code: code === undefined ? undefined : String(code), detail: detail === undefined ? undefined : String(detail) };
  return { tag: end instanceof PermanentError ? 'permanent' : 'retryable', val };
}

/** What a handler returned, as bytes; nothing without a value. */
export async function outcome(made, job) {
  const { data: bytes, ...rest } = job;
  const data = await typeOf(made).parse(decode(bytes));
  const value = await made({ ...rest, data }, data);
  return value === undefined ? undefined : encode(value, 'the return value');
}

export function component(made) {
  typeOf(made);
  return {
    async run(job) {
      try {
        return await outcome(made, job);
      } catch (thrown) {
        throw variant(thrown);
      }
    },
  };
}
