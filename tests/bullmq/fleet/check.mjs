// Compares what is in Redis, and what the observers were told, with what the model predicts.
import { isDeepStrictEqual } from 'node:util';
import { keptKey, predict } from './model.mjs';
import { QUEUES } from './plan.mjs';
import { eachJob, key, keysLike, states } from './state.mjs';

const FIELDS = ['name', 'returnvalue', 'failedReason', 'atm', 'ats', 'stc', 'finishedOn', 'opts', 'pb'];
const FINISHED = ['completed', 'failed'];

const sorted = (values) => values.map((value) => JSON.stringify(value)).sort();

/** Predictions by queue. */
export function predictions(units) {
  const byQueue = new Map(QUEUES.map((queue) => [queue, []]));
  for (const unit of units) for (const one of predict(unit)) byQueue.get(one.job.queue).push(one);
  return byQueue;
}

/** What stays in a queue although all is done: next runs and parents of children that failed. */
export function leftovers(expected) {
  const count = (fits) => expected.filter(fits).length;
  return { delayed: count(({ next }) => next), 'waiting-children': count(({ state }) => state === 'waiting-children') };
}

/** Checks one queue; counts into `table(kind)` and `share(worker)`, and tells `deviate(text)` of all that is not as predicted. */
export async function checkQueue({ redis, queue, expected, observers, caught, table, share, deviate }) {
  const say = (id, text) => deviate(`${queue} job ${id}: ${text}`);
  const found = await states(redis, queue, (id, one, other) => say(id, `is ${one} and ${other}`));
  const wanted = new Map();
  for (const one of expected) {
    if (!one.series) wanted.set(one.job.id, one);
    else for (const [id, run] of runsOf(one, found, say)) wanted.set(id, run);
  }
  for (const [id, state] of found) if (!wanted.has(id)) say(id, `is ${state}, and nobody asked for it`);

  const counts = new Map();
  await eachJob(redis, queue, [...wanted.keys()], FIELDS, (id, job) => {
    const want = wanted.get(id);
    const row = table(want.job.kind);
    const state = found.get(id) ?? (Object.values(job).some((field) => field !== null) ? 'nowhere' : 'absent');
    row.planned++;
    if (job.pb !== null) share(job.pb);
    if (FINISHED.includes(state)) row[state]++;
    else row.other++;
    row.caught += caught.get(id) ?? 0;
    row.extra += checkJob({ id, want, job, state, told: tellings(observers, id), caught: caught.get(id) ?? 0, say });
    if (want.series && FINISHED.includes(state)) {
      const numbers = counts.get(want.series) ?? [];
      counts.set(want.series, numbers);
      numbers.push(JSON.parse(job.opts).repeat?.count);
    }
  });
  for (const [series, numbers] of counts) {
    const inOrder = numbers.sort((a, b) => a - b).every((number, n) => number === n + 1);
    if (!inOrder) deviate(`${queue} scheduler ${series}: its runs are numbered ${numbers}`);
  }
  for (const { label, ...observer } of observers) {
    for (const event of FINISHED) {
      for (const id of observer[event].keys()) if (!wanted.has(id)) say(id, `${label} was told ${event}, and nobody asked for it`);
    }
  }
}

/** The runs of a scheduler as predictions of single jobs. */
function runsOf({ series, runs, next, ...one }, found, say) {
  const ids = [...found.keys()].filter((id) => id.startsWith(`repeat:${series}:`));
  const waiting = ids.filter((id) => !FINISHED.includes(found.get(id)));
  if (ids.length - waiting.length !== runs) say(`repeat:${series}:*`, `${ids.length - waiting.length} runs instead of ${runs}`);
  if (waiting.length !== (next ? 1 : 0)) say(`repeat:${series}:*`, `${waiting.length} further runs are planned`);
  const single = (id) => ({ ...one, series, job: { ...one.job, id } });
  return ids.map((id) => [id, waiting.includes(id) ? { ...single(id), state: 'delayed', attempts: 0 } : single(id)]);
}

/** What each observer was told of one job. */
function tellings(observers, id) {
  return observers.map(({ label, completed, failed, stalled, values }) => ({
    label,
    completed: completed.get(id) ?? 0,
    failed: failed.get(id) ?? 0,
    stalled: stalled.get(id) ?? 0,
    value: values.get(id),
  }));
}

/** Checks one job; answers how often it was started without an attempt being counted. */
function checkJob({ id, want, job, state, told, caught, say }) {
  const gone = want.state === 'removed' || want.state === 'absent' || want.perhaps;
  const fits = state === want.state || (gone && state === 'absent');
  if (!fits) say(id, `is ${state} instead of ${want.state} (${job.failedReason ?? job.returnvalue})`);
  const end = want.state === 'removed' ? 'completed' : state;
  for (const { label, completed, failed, stalled, value } of told) {
    const ends = [completed, failed];
    const right = FINISHED.map((event) => (event === end ? 1 : 0));
    if (!isDeepStrictEqual(ends, right)) say(id, `${label} was told completed ${completed} and failed ${failed} times`);
    if (stalled !== caught) say(id, `${label} was told stalled ${stalled} times; kills caught it ${caught} times`);
    if (want.state === 'removed' && completed > 0 && !isDeepStrictEqual(value, want.value)) {
      say(id, `${label} was told the value ${JSON.stringify(value)}`);
    }
  }
  if (state === 'absent') return want.state === 'removed' ? caught : 0;
  const { atm, ats, stc } = Object.fromEntries(['atm', 'ats', 'stc'].map((name) => [name, Number(job[name] ?? 0)]));
  if (fits) checkEnd({ id, want, job, atm, say });
  if (ats - atm !== caught) say(id, `was started ${ats} times for ${atm} attempts; kills caught it ${caught} times`);
  if (stc !== caught) say(id, `is counted as stalled ${stc} times; kills caught it ${caught} times`);
  return ats - atm;
}

function checkEnd({ id, want, job, atm, say }) {
  if (atm !== want.attempts) say(id, `made ${atm} attempts instead of ${want.attempts}`);
  if (FINISHED.includes(want.state) !== (job.finishedOn !== null)) say(id, `finished on ${job.finishedOn}`);
  if (want.state === 'failed' && job.failedReason !== want.reason) say(id, `failed with ${job.failedReason} instead of ${want.reason}`);
  if (want.state !== 'completed') return;
  let value;
  try {
    value = JSON.parse(job.returnvalue);
  } catch {
    return say(id, `returned what is no JSON: ${job.returnvalue}`);
  }
  const right = want.echo
    ? isDeepStrictEqual([value.id, value.queue, value.name, value.attempt], [id, want.job.queue, 'job', want.attempts])
    : want.anyOrder && Array.isArray(want.value)
      ? Array.isArray(value) && isDeepStrictEqual(sorted(value), sorted(want.value))
      : isDeepStrictEqual(value, want.value);
  if (!right) say(id, `returned ${job.returnvalue} instead of ${JSON.stringify(want.value)}`);
}

/** Deduplication ids that outlived their jobs, or did not although they should. */
export async function checkKeys({ redis, units, deviate }) {
  const kept = new Set(units.filter(({ mode }) => mode).map(keptKey).filter(Boolean));
  for (const queue of QUEUES) {
    for (const name of [...(await keysLike(redis, key(queue, 'de:*'))), ...(await keysLike(redis, key(queue, 'dn:*')))]) {
      if (!kept.delete(name)) deviate(`the key ${name} is left`);
    }
  }
  for (const name of kept) deviate(`the key ${name} is gone before its time`);
}
