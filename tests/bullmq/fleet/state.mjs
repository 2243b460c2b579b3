// The queues as they are in Redis, read whole or in pages.
import { QUEUES } from './plan.mjs';

const PAGE = 1_000;
const LISTS = { wait: 'waiting', active: 'active', paused: 'paused' };
const SETS = ['prioritized', 'delayed', 'waiting-children', 'completed', 'failed'];

export const key = (queue, suffix) => `bull:${queue}:${suffix}`;

/** How many jobs are in each state, of all queues at one moment: `{queue: {waiting, …}}`. */
export async function counts(redis) {
  const read = redis.multi();
  for (const queue of QUEUES) {
    for (const list of Object.keys(LISTS)) read.llen(key(queue, list));
    for (const set of SETS) read.zcard(key(queue, set));
  }
  const numbers = (await read.exec()).map(([, number]) => number);
  const names = [...Object.values(LISTS), ...SETS];
  return Object.fromEntries(
    QUEUES.map((queue) => [queue, Object.fromEntries(names.map((name) => [name, numbers.shift()]))]),
  );
}

/** The state of every job of a queue; `twice(id)` is told of one that is in two places. */
export async function states(redis, queue, twice) {
  const found = new Map();
  const note = (ids, state) => {
    for (const id of ids) {
      if (found.has(id)) twice(id, found.get(id), state);
      found.set(id, state);
    }
  };
  for (const [list, state] of Object.entries(LISTS)) note(await redis.lrange(key(queue, list), 0, -1), state);
  for (const set of SETS) note(await redis.zrange(key(queue, set), 0, -1), set);
  return found;
}

/** Calls `visit(id, fields)` for each job; `fields` holds `null` for what the hash has not. */
export async function eachJob(redis, queue, ids, names, visit) {
  for (let at = 0; at < ids.length; at += PAGE) {
    const page = ids.slice(at, at + PAGE);
    const read = redis.pipeline();
    for (const id of page) read.hmget(key(queue, id), ...names);
    const rows = await read.exec();
    page.forEach((id, n) => {
      const [error, values] = rows[n];
      if (error) throw error;
      visit(id, Object.fromEntries(names.map((name, m) => [name, values[m]])));
    });
  }
}

/** Every key that fits a pattern. */
export async function keysLike(redis, pattern) {
  const found = [];
  for await (const page of redis.scanStream({ match: pattern, count: 5_000 })) found.push(...page);
  return found;
}
