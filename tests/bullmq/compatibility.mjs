// A reporter for node:test: writes which cases of `cases.mjs` hold, and ends the run with an error if a
// case was not tested. Its output depends on nothing but what was run and how it ended.
import { readFileSync, readdirSync } from 'node:fs';
import { cases } from './cases.mjs';

const read = (file) => readFileSync(new URL(file, import.meta.url), 'utf8');
const packages = JSON.parse(read('package.json')).dependencies;
const python = /^bullmq==(.+)$/m.exec(read('python/requirements.txt'))[1];

/** Clients by the word that starts a test's title; a title without one ran with the first. */
const CLIENTS = {
  'bullmq 6': `npm ${packages.bullmq}`,
  'bullmq 5': `npm ${packages.bullmq5.split('@').at(-1)}`,
  'PyPI bullmq': `PyPI ${python}`,
};

/** The test files; node:test says where the helper is that declares a test, not which file calls it. */
const sources = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.test.mjs'))
  .sort()
  .map((file) => ({ name: file.replace('.test.mjs', ''), text: read(file) }));

const TAG = / \[((?:row|trap|own)-[\w-]+)\]/g;

/** One finished test, as far as the page needs it. */
function result({ name, skip, todo, details }, passed) {
  const label = Object.keys(CLIENTS).find((word) => name.startsWith(`${word}: `)) ?? 'bullmq 6';
  const plain = name.replace(TAG, '');
  const ids = [...name.matchAll(TAG)].map(([, id]) => id);
  const skipped = skip !== undefined && skip !== false;
  const reason = skipped ? skip : todo;
  return {
    ids: details?.type === 'suite' ? [] : ids,
    client: CLIENTS[label],
    title: plain,
    state: skipped ? 'skipped' : passed ? 'passed' : 'failed',
    reason: typeof reason === 'string' && reason ? reason : undefined,
  };
}

const unique = (values) => [...new Set(values)].sort();
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** How a case ended, from the tests that name it. */
function judge(one, results) {
  const mine = results.filter(({ ids }) => ids.includes(one.id));
  const ran = mine.filter(({ state }) => state !== 'skipped');
  const files = sources.filter(({ text }) => text.includes(`[${one.id}]`)).map(({ name }) => name);
  const clients = Object.values(CLIENTS).filter((client) => ran.some((test) => test.client === client));
  const base = { ...one, files, clients };
  if (ran.length === 0) {
    if (one.reason) return { ...base, state: 'not applicable', why: one.reason };
    const skipped = unique(mine.map(({ reason }) => reason ?? 'skipped'));
    return { ...base, state: 'not run', why: skipped.join('; ') || 'no test names it' };
  }
  const failed = ran.filter(({ state }) => state === 'failed');
  if (failed.length === 0) return { ...base, state: 'passed', why: one.note ?? '' };
  const why = unique(failed.map(({ title, reason }) => (reason ? `${title} (${reason})` : title)));
  return { ...base, state: 'failed', why: why.join('; ') };
}

function page(judged) {
  const count = (state) => judged.filter((one) => one.state === state).length;
  const states = ['passed', 'failed', 'not run', 'not applicable'].filter(count);
  const lines = [
    '# Compatibility with BullMQ',
    '',
    'What BullMQ’s own clients see of queues that Gristmill serves. `cargo xtask test conformance` writes this page: the',
    'producers and observers are the clients named below, the worker is `gristmill worker` with a private Redis. Each case is',
    'a set of tests in `tests/bullmq`; a case passes when all of its tests do.',
    '',
    `Of ${judged.length} cases: ${states.map((state) => `${count(state)} ${state}`).join(', ')}.`,
    '',
    'Names: `row` is what BullMQ’s own tests check, `trap` what is easy to get wrong, `own` what BullMQ has no test for.',
    '',
    '| case | what | clients | result | reason or limit | tests |',
    '|---|---|---|---|---|---|',
  ];
  for (const one of judged) {
    const cells = [one.id, one.title, one.clients.join(', '), one.state, one.why, one.files.join(', ')];
    lines.push(`| ${cells.map(cell).join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

export default async function* compatibility(events) {
  const results = [];
  for await (const { type, data } of events) {
    if (type === 'test:pass' || type === 'test:fail') results.push(result(data, type === 'test:pass'));
  }
  const judged = cases.map((one) => judge(one, results));
  const known = new Set(cases.map(({ id }) => id));
  const problems = [
    ...judged.filter(({ state }) => state === 'not run').map(({ id, why }) => `case ${id} was not tested: ${why}`),
    ...unique(results.flatMap(({ ids }) => ids)).filter((id) => !known.has(id)).map((id) => `no such case: ${id}`),
  ];
  if (problems.length > 0) {
    for (const problem of problems) console.error(problem);
    process.exitCode = 1;
  }
  yield page(judged);
}
