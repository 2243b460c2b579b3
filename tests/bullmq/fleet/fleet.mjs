// A mixed fleet: a Node worker of BullMQ 6, one of BullMQ 5 and two of ours share three queues while a random one
// of them is killed every few seconds. Every job must end once, as the model says, and every run beyond those that
// the model says must be explained by a kill.
import { parseArgs } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import { startRedis, until } from '../harness.mjs';
import { checkKeys, checkQueue, leftovers, predictions } from './check.mjs';
import { Observers } from './observers.mjs';
import { jobsOf, plan, QUEUES, randomness } from './plan.mjs';
import { Producers } from './producers.mjs';
import { counts, keysLike } from './state.mjs';
import { Workers } from './workers.mjs';

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    'kill-every': { type: 'string', default: '5000' },
  },
});
const [jobs, seed, killEvery] = ['jobs', 'seed', 'kill-every'].map((name) => {
  const number = Number(options[name]);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`--${name} takes a whole number above 0, not \`${options[name]}\``);
  process.exit(64);
});

/** Units that are added together. */
const CHUNK = 400;
/** Jobs that may wait when more are added, so that adding lasts as long as the run and the workers are never idle. */
const BACKLOG = Math.min(3_000, Math.max(300, jobs / 20));
/** A run in which nothing moves for this long has lost something. */
const STUCK_MS = 60_000;
const SHOWN = 20;
const NUMBERS = ['planned', 'completed', 'failed', 'other', 'extra', 'caught'];

const began = Date.now();
const seconds = () => ((Date.now() - began) / 1_000).toFixed(1);
const deviations = [];
const deviate = (text) => {
  deviations.push(text);
  if (deviations.length <= SHOWN) console.log(`deviation: ${text}`);
};

const units = plan(seed, jobs);
const total = units.reduce((sum, unit) => sum + jobsOf(unit).length, 0);
const expected = predictions(units);
console.log(`seed ${seed}: ${total} jobs in ${units.length} units on ${QUEUES.length} queues, a kill every ${killEvery} ms`);

const redis = await startRedis();
const keys = redis.client();
const producers = new Producers(redis.connection);
const observers = new Observers(redis.connection, deviate);
const workers = new Workers(redis, deviate);
let added = 0;
const over = new AbortController();

const sumOf = (all, ...names) => Object.values(all).reduce((sum, queue) => names.reduce((n, name) => n + queue[name], sum), 0);
const pending = (all) => sumOf(all, 'waiting', 'active', 'paused', 'prioritized', 'delayed', 'waiting-children');

async function produce() {
  for (let at = 0; at < units.length; at += CHUNK) {
    await until(async () => sumOf(await counts(keys), 'waiting', 'prioritized') < BACKLOG, `fewer than ${BACKLOG} jobs wait`, 300_000);
    const chunk = units.slice(at, at + CHUNK);
    await producers.add(chunk);
    added += chunk.reduce((sum, unit) => sum + jobsOf(unit).length, 0);
  }
}

/** The pauses between kills; it ends when the run does. */
async function* ticks(ms) {
  for (let due = Date.now() + ms; ; due = Math.max(due + ms, Date.now())) {
    if (!(await pause(due - Date.now(), true, { signal: over.signal }).catch(() => false))) return;
    yield;
  }
}

async function kill() {
  const random = randomness(seed ^ 0x5eed);
  for await (const _ of ticks(killEvery)) {
    if (workers.ready.length > 0) await workers.kill(random.pick(workers.ready));
  }
}

async function report() {
  for await (const _ of ticks(4_000)) {
    const all = await counts(keys);
    const finished = observers.all.reduce((sum, { ends }) => sum + ends, 0) / 2;
    const moving = `${added} added, ${finished} ended, ${pending(all)} pending`;
    console.log(`${seconds()} s: ${moving}, ${workers.kills} kills, ${workers.ready.length} workers`);
  }
}

/** Waits until nothing is left to do; gives up when nothing moves any more. */
async function settle() {
  const left = new Map(QUEUES.map((queue) => [queue, leftovers(expected.get(queue))]));
  let before;
  let since;
  await until(
    async () => {
      const all = await counts(keys);
      const quiet = Object.entries(all).every(([queue, count]) => {
        const stay = left.get(queue);
        const still = ['waiting', 'active', 'paused', 'prioritized'].every((state) => count[state] === 0);
        return still && count.delayed === stay.delayed && count['waiting-children'] === stay['waiting-children'];
      });
      const now = JSON.stringify(all);
      if (now !== before) [before, since] = [now, Date.now()];
      if (!quiet && Date.now() - since > STUCK_MS) {
        deviate(`nothing moved for ${STUCK_MS} ms: ${now}`);
        return true;
      }
      return quiet;
    },
    () => `the queues get quiet: ${before}`,
    3_600_000,
  );
}

/** Checks all; answers the rows of the table. */
async function check() {
  const rows = new Map();
  for (const queue of QUEUES) {
    const table = (kind) => {
      const name = `${queue} ${kind}`;
      if (!rows.has(name)) rows.set(name, { queue, kind, ...Object.fromEntries(NUMBERS.map((number) => [number, 0])) });
      return rows.get(name);
    };
    const seen = observers.of(queue);
    const caught = workers.caught.get(queue);
    const share = (name) => workers.slotOf(name).ran++;
    await checkQueue({ redis: keys, queue, expected: expected.get(queue), observers: seen, caught, table, share, deviate });
  }
  await checkKeys({ redis: keys, units, deviate });
  return [...rows.values()].sort((a, b) => a.queue.localeCompare(b.queue) || a.kind.localeCompare(b.kind));
}

/** Observers lag behind; a last entry in each stream tells when they have read all. */
async function observed() {
  await Promise.all(QUEUES.map((queue) => keys.xadd(`bull:${queue}:events`, '*', 'event', 'fleet-over')));
  const late = () => observers.all.filter(({ over }) => !over).map(({ label, queue }) => `${label} on ${queue}`);
  await until(() => late().length === 0, () => `the observers read to the end: ${late()}`, 120_000);
}

function show(rows) {
  const columns = ['queue', 'kind', ...NUMBERS];
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const pad = (cell, n) => (n < 2 ? String(cell).padEnd(widths[n]) : String(cell).padStart(widths[n]));
  const line = (cells) => cells.map(pad).join('  ');
  console.log(line(columns));
  for (const row of rows) console.log(line(columns.map((name) => row[name])));
}

try {
  await Promise.all([producers.open(), observers.open()]);
  await workers.start();
  console.log(`${seconds()} s: the workers are ready`);
  const running = [kill(), report()];
  await Promise.race([produce().then(settle), ...running]);
  over.abort();
  await Promise.all(running);
  console.log(`${seconds()} s: all is quiet`);
  await observed();
  const locks = () => keysLike(keys, 'bull:*:lock');
  await until(async () => (await locks()).length === 0, 'no lock outlives its time', 15_000).catch(async (error) =>
    deviate(`${error.message}: ${(await locks()).slice(0, 5)}`),
  );
  const rows = await check();
  await workers.stop();
  const sum = (name) => rows.reduce((all, row) => all + row[name], 0);
  const all = Object.fromEntries(NUMBERS.map((name) => [name, sum(name)]));
  show([...rows, { queue: 'all', kind: '', ...all }]);
  for (const { kind, kills, ran } of workers.slots) {
    console.log(`${kind}: ${kills} kills, ran ${ran} jobs last`);
    if (ran === 0) deviate(`${kind} ran nothing`);
  }
  if (all.caught === 0) deviate('no kill caught a job, so nothing was proved about kills');
  const most = Math.max(0, ...[...workers.caught.values()].flatMap((caught) => [...caught.values()]));
  console.log(`${workers.kills} kills caught jobs ${all.caught} times, one of them ${most} times`);
  console.log(`${seconds()} s: ${total} jobs, ${all.extra} extra runs, ${deviations.length} deviations`);
} catch (error) {
  deviate(error.stack);
} finally {
  over.abort();
  await Promise.allSettled([workers.stop(), producers.close(), observers.close()]);
  await redis.stop();
}
process.exit(deviations.length === 0 ? 0 : 1);
