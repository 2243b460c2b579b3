// Keys and passwords that the operator grants.
import { secrets as host } from '#host';
import { SecretError } from './errors.js';
import { asked } from './service.js';

export function get(name) {
  return asked(SecretError, `secret \`${name}\``, () => host.get(name));
}
