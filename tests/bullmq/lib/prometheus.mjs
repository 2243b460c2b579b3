// A strict reader of the Prometheus text format: whatever a scraper would refuse is an error here.
import assert from 'node:assert/strict';

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? ([^ ]+)(?: (-?[0-9.]+))?$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,\s*|$)/y;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$/;
const KINDS = ['counter', 'gauge', 'histogram', 'summary', 'untyped', 'unknown', 'info'];
const PARTS = /_(?:bucket|sum|count|total|created|info)$/;

/** The families of a page: `Map` of name to `{kind, samples: [{name, labels, value}]}`. */
export function parse(text) {
  assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
  const families = new Map();
  const seen = new Set();
  let current;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '' || line === '# EOF') continue;
    if (line.startsWith('#')) {
      const [, word, name, rest] = /^# (HELP|TYPE|UNIT) (\S+)(?: (.*))?$/.exec(line) ?? [];
      if (!word) continue; // a plain comment
      if (word !== 'TYPE') continue;
      assert.match(name, new RegExp(`^${NAME}$`), line);
      assert.ok(KINDS.includes(rest), line);
      assert.ok(!families.has(name), `a second type for ${name}`);
      current = { name, kind: rest, samples: [] };
      families.set(name, current);
      continue;
    }
    const match = SAMPLE.exec(line);
    assert.ok(match, `not a sample: ${line.slice(0, 300)}`);
    const [, name, labelText = '', value] = match;
    assert.match(value, VALUE, line.slice(0, 300));
    const labels = readLabels(labelText, line);
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    assert.ok(!seen.has(key), `a second sample for ${key.slice(0, 300)}`);
    seen.add(key);
    if (!current || !belongs(name, current)) {
      assert.ok(!families.has(name), `the samples of ${name} are not together`);
      current = { name, kind: 'untyped', samples: [] };
      families.set(name, current);
    }
    current.samples.push({ name, labels, value: number(value) });
  }
  for (const family of families.values()) if (family.kind === 'histogram') checkHistogram(family);
  return families;
}

/** Every sample that the test accepts. */
export function samples(families, accepts) {
  return [...families.values()].flatMap((family) => family.samples.filter((sample) => accepts(sample, family)));
}

/** The value of one of a worker's series, or the sum of those that fit; 0 where there is none. */
export async function metric(worker, name, labels = {}) {
  const fits = (sample) => sample.name === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === v);
  return samples(parse(await worker.metrics()), fits).reduce((sum, { value }) => sum + value, 0);
}

function belongs(name, family) {
  return name === family.name || (name.startsWith(family.name) && name.replace(PARTS, '') === family.name);
}

function readLabels(text, line) {
  const labels = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    LABEL.lastIndex = at;
    const match = LABEL.exec(text);
    assert.ok(match, `labels that cannot be read: ${line.slice(0, 300)}`);
    assert.ok(!(match[1] in labels), `label ${match[1]} twice: ${line.slice(0, 300)}`);
    labels[match[1]] = match[2].replace(/\\(["\\n])/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

function number(text) {
  return text.endsWith('Inf') ? (text[0] === '-' ? -Infinity : Infinity) : Number(text);
}

/** Buckets grow, end with +Inf, and agree with the count. */
function checkHistogram({ name, samples: all }) {
  const series = new Map();
  for (const { name: part, labels, value } of all) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (part.endsWith('_bucket')) one.buckets.push([number(le === '+Inf' ? '+Inf' : le), value]);
    else if (part.endsWith('_count')) one.count = value;
    else if (part.endsWith('_sum')) one.sum = value;
  }
  for (const [key, { buckets, count, sum }] of series) {
    const where = `${name} ${key.slice(0, 300)}`;
    assert.ok(sum !== undefined && count !== undefined && buckets.length > 1, where);
    for (let i = 1; i < buckets.length; i++) {
      assert.ok(buckets[i][0] > buckets[i - 1][0] && buckets[i][1] >= buckets[i - 1][1], where);
    }
    assert.equal(buckets.at(-1)[0], Infinity, where);
    assert.equal(buckets.at(-1)[1], count, where);
  }
}
