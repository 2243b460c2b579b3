// Values as the host carries them: JSON text in UTF-8.
import { PermanentError } from './errors.js';

const NO_JSON = { code: 'bad-return-value' };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A value as JSON; what has none is an error that says where it is, under the name `what`. */
export function encode(value, what) {
  const text = JSON.stringify(value, checked(what));
  if (text === undefined) throw new PermanentError(`${what} has no JSON form: ${kindOf(value)}`, NO_JSON);
  return encoder.encode(text);
}

export function decode(bytes) {
  return JSON.parse(decoder.decode(bytes));
}

function kindOf(value) {
  return value === null ? 'null' : typeof value;
}

/** Refuses what `JSON.stringify` fails on without a place, or silently leaves out. */
function checked(what) {
  const path = [];
  return function check(key, value) {
    while (path.length > 0 && path.at(-1).value !== this) path.pop();
    const parent = path.at(-1)?.place ?? '';
    const place = key === '' && path.length === 0 ? '' : Array.isArray(this) ? `${parent}[${key}]` : parent ? `${parent}.${key}` : key;
    const at = place === '' ? what : `\`${place}\` of ${what}`;
    if (typeof value === 'bigint') throw new PermanentError(`${at} has no JSON form: bigint`, NO_JSON);
    if (typeof value === 'number' && !Number.isFinite(value)) throw new PermanentError(`${at} has no JSON form: ${value}`, NO_JSON);
    if (typeof value === 'object' && value !== null) {
      if (path.some((level) => level.value === value)) throw new PermanentError(`${at} has no JSON form: it contains itself`, NO_JSON);
      path.push({ value, place });
    }
    return value;
  };
}
