// Making a function the handler of its component.
import { PermanentError } from './errors.js';

/** Where a handler keeps how its data is checked. */
const TYPE = Symbol.for('gristmill.handler');

export function handler(...given) {
  const run = given.pop();
  const [type] = given;
  if (typeof run !== 'function' || given.length > 1) {
    throw new TypeError('use `handler(async (job, data) => …)` or `handler(schema, async (job, data) => …)`');
  }
  const made = (job, data) => run(job, data);
  made[TYPE] = read(type);
  return made;
}

/** How data is checked, `parse`, and the JSON Schema that says so to others, where there is one. */
function read(type) {
  if (type === undefined) return { parse: (data) => data };
  const standard = type['~standard'];
  if (standard?.validate !== undefined) {
    return { parse: (data) => validate(standard, data), schema: () => standard.jsonSchema?.input({ target: 'draft-2020-12' }) };
  }
  if (typeof type === 'object' && type !== null) return { parse: (data) => data, schema: () => type };
  throw new TypeError('a handler’s type is a schema of zod, valibot, arktype or the like, or a JSON Schema');
}

/** Data as a schema wants it; a permanent error that names the place where it does not fit. */
export const parse = async (type, data) => read(type).parse(data);

async function validate(standard, data) {
  const result = await standard.validate(data);
  if (!result.issues) return result.value;
  const lines = result.issues.map(({ message, path = [] }) => {
    const place = path.map((part) => part?.key ?? part).reduce(join, '');
    return place === '' ? message : `at \`${place}\`: ${message}`;
  });
  throw new PermanentError(`the job’s data does not fit this handler: ${lines.join('; ')}`, { code: 'bad-data' });
}

function join(place, part) {
  if (typeof part === 'number') return `${place}[${part}]`;
  return place === '' ? String(part) : `${place}.${String(part)}`;
}

/** How the data of this handler is checked. */
export function typeOf(made) {
  const type = made?.[TYPE];
  if (type === undefined) {
    throw new TypeError('the module’s default export is no handler; use `export default handler(async (job, data) => …)`');
  }
  return type;
}
