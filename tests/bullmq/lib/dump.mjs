// Everything that Redis holds of some queues, with what differs from run to run replaced by a word for it.
const TIMES = new Set(['timestamp', 'processedOn', 'finishedOn', 'prevTS', 'prevMillis', 'next']);
const JSON_FIELDS = new Set(['opts', 'parent', 'data', 'returnvalue', 'progress']);
const HOUR = 3_600_000;

/** An hour less what the script took to write it down; shorter delays are exact. */
const delay = (ms) => (ms > HOUR - 10_000 && ms <= HOUR ? '<an hour>' : ms);

/** A value whose objects have their fields in order. */
export function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, field(name, value[name])]));
}

function field(name, value) {
  if (TIMES.has(name) && Number(value) > 1e12) return '<time>';
  if (name === 'delay' && value !== '<an hour>') return delay(Number(value));
  if (name === 'offset') return '<offset>';
  if (name === 'stacktrace' && typeof value === 'string') return JSON.parse(value).map(() => '<trace>');
  if (JSON_FIELDS.has(name) && typeof value === 'string') {
    try {
      return sorted(JSON.parse(value));
    } catch {
      return value;
    }
  }
  return sorted(value);
}

const pairs = (flat) => Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n], flat[2 * n + 1]]);

/** Due times are counted in 4096ths of a ms, ends in ms; a priority's score is below either. */
const score = (text) => (Number(text) > 1.5e12 ? (Number(text) > 1e15 ? '<due time × 4096>' : '<time>') : Number(text));

/** One entry of the events stream: its fields in their order, which observers see. */
function entry(flat) {
  const told = pairs(flat);
  const [, event] = told[0];
  return told.map(([name, value]) => [name, event === 'delayed' && name === 'delay' ? '<due time>' : value]);
}

const readers = {
  hash: async (keys, key) => sorted(await keys.hgetall(key)),
  list: (keys, key) => keys.lrange(key, 0, -1),
  set: async (keys, key) => (await keys.smembers(key)).sort(),
  zset: async (keys, key) =>
    pairs(await keys.zrange(key, 0, -1, 'WITHSCORES')).map(([member, at]) => [member, score(at)]),
  stream: async (keys, key) => (await keys.xrange(key, '-', '+')).map(([, flat]) => entry(flat)),
  string: async (keys, key) => {
    const expires = (await keys.pttl(key)) > 0;
    const value = key.endsWith(':lock') ? '<token>' : await keys.get(key);
    return { value: key.endsWith(':stalled-check') ? '<time>' : value, expires };
  },
};

/** Type and content of every key under `bull:<name>:`, by key; the marker comes and goes and is left out. */
export async function dump(keys, ...names) {
  const found = (await Promise.all(names.map((name) => keys.keys(`bull:${name}:*`)))).flat().sort();
  const content = {};
  for (const key of found) {
    if (key.endsWith(':marker')) continue;
    const type = await keys.type(key);
    if (type !== 'none') content[key] = { type, is: await readers[type](keys, key) };
  }
  return withoutRuns(content);
}

/** Numbers the runs of a scheduler, whose ids are times. */
function withoutRuns(content) {
  const runs = /repeat:([\w-]+):(\d{13})/g;
  const text = JSON.stringify(content);
  const times = [...new Set([...text.matchAll(runs)].map(([, , at]) => at))].sort();
  return JSON.parse(text.replace(runs, (_, id, at) => `repeat:${id}:<run ${times.indexOf(at) + 1}>`));
}

/** The keys whose content differs, with both contents; empty when there are none. */
export function difference(ours, node) {
  const show = (one) => (one ? JSON.stringify(one) : 'no such key');
  return [...new Set([...Object.keys(ours), ...Object.keys(node)])]
    .sort()
    .filter((key) => show(ours[key]) !== show(node[key]))
    .map((key) => `${key}\n  ours: ${show(ours[key])}\n  node: ${show(node[key])}`);
}
