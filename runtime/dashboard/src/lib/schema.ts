// The form of a new job, from the JSON Schema of its handler. What the form cannot show is edited as JSON.

import type { Json } from './types';

type Object_ = { [key: string]: Json };

export interface Field {
  name: string;
  label: string;
  hint: string;
  required: boolean;
  kind: 'text' | 'long' | 'number' | 'integer' | 'boolean' | 'choice' | 'json';
  choices: Json[];
  /** What the field holds before anybody writes: text, or `true` and `false` of a check box. */
  initial: string;
  min?: number;
  max?: number;
  pattern?: string;
}

const isObject = (value: Json | undefined): value is Object_ =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: Json | undefined) => (typeof value === 'string' ? value : '');
const numeric = (value: Json | undefined) => (typeof value === 'number' ? value : undefined);

/** `#/$defs/…` and `#/definitions/…` within the same document; others stay unknown. */
function resolve(schema: Json | undefined, root: Object_, depth = 0): Object_ {
  if (!isObject(schema) || depth > 8) return {};
  const ref = text(schema.$ref);
  if (!ref.startsWith('#/')) return schema;
  let found: Json | undefined = root;
  for (const part of ref.slice(2).split('/')) {
    const key = part.replace(/~1/g, '/').replace(/~0/g, '~');
    found = isObject(found) ? found[key] : undefined;
  }
  return { ...resolve(found, root, depth + 1), ...without(schema, '$ref') };
}

function without(value: Object_, key: string): Object_ {
  const { [key]: _, ...rest } = value;
  return rest;
}

/** The one type that a schema names beside `null`. */
function typeOf(schema: Object_): string {
  const { type } = schema;
  if (typeof type === 'string') return type;
  if (!Array.isArray(type)) return '';
  const some = type.filter((one) => one !== 'null');
  return some.length === 1 ? text(some[0]) : '';
}

function kindOf(schema: Object_): Field['kind'] {
  if (Array.isArray(schema.enum)) return 'choice';
  switch (typeOf(schema)) {
    case 'string':
      return (numeric(schema.maxLength) ?? 0) > 200 || text(schema.format) === 'markdown' ? 'long' : 'text';
    case 'number':
      return 'number';
    case 'integer':
      return 'integer';
    case 'boolean':
      return 'boolean';
    default:
      return 'json';
  }
}

function initial(schema: Object_, kind: Field['kind'], required: boolean): string {
  const given = schema.default ?? (Array.isArray(schema.examples) ? schema.examples[0] : undefined);
  if (given !== undefined) return kind === 'json' || kind === 'choice' ? JSON.stringify(given) : String(given);
  if (kind === 'boolean') return 'false';
  if (!required || kind !== 'json') return '';
  return typeOf(schema) === 'array' ? '[]' : '{}';
}

/** The fields of a schema of an object; `undefined` where the whole is better written as JSON. */
export function fields(schema: Json | undefined): Field[] | undefined {
  if (!isObject(schema)) return undefined;
  const whole = resolve(schema, schema);
  const { properties } = whole;
  if (!isObject(properties) || Object.keys(properties).length === 0) return undefined;
  const required = Array.isArray(whole.required) ? whole.required : [];
  return Object.entries(properties).map(([name, property]) => {
    const one = resolve(property, schema);
    const kind = kindOf(one);
    const needed = required.includes(name);
    return {
      name,
      label: text(one.title) || name,
      hint: text(one.description),
      required: needed,
      kind,
      choices: Array.isArray(one.enum) ? one.enum : [],
      initial: initial(one, kind, needed),
      min: numeric(one.minimum),
      max: numeric(one.maximum),
      pattern: text(one.pattern) || undefined,
    };
  });
}

export type Read = { value: Object_ } | { problems: Record<string, string> };

/** The data that a filled form stands for. A field that is empty and not required is left out. */
export function read(form: Field[], values: Record<string, string>): Read {
  const value: Object_ = {};
  const problems: Record<string, string> = {};
  for (const field of form) {
    const given = values[field.name] ?? field.initial;
    if (field.kind === 'boolean') {
      // An optional one that nobody touched is left to the handler's own default.
      if (given === 'true' || field.required || field.initial === 'true') value[field.name] = given === 'true';
    } else if (given === '') {
      if (field.required && field.kind !== 'text' && field.kind !== 'long') problems[field.name] = 'is required';
      else if (field.required) value[field.name] = '';
    } else if (field.kind === 'number' || field.kind === 'integer') {
      const number = Number(given);
      if (!Number.isFinite(number)) problems[field.name] = 'is not a number';
      else if (field.kind === 'integer' && !Number.isInteger(number)) problems[field.name] = 'is not a whole number';
      else value[field.name] = number;
    } else if (field.kind === 'json' || field.kind === 'choice') {
      try {
        value[field.name] = JSON.parse(given) as Json;
      } catch {
        problems[field.name] = 'is not JSON';
      }
    } else {
      value[field.name] = given;
    }
  }
  return Object.keys(problems).length > 0 ? { problems } : { value };
}
