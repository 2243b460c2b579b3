// Asks the guest of every language the cases, and writes what it found as a table:
// GRISTMILL_CONFORMANCE=DIR node --test run.mjs, with DIR/LANG.wasm for each language.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { after } from 'node:test';
import { freePort, it, until } from '../../tests/bullmq/harness.mjs';
import { v6 } from '../../tests/bullmq/lib/clients.mjs';
import { gristmill } from '../../tests/bullmq/lib/command.mjs';
import { Lab } from '../../tests/bullmq/lib/lab.mjs';
import { parse, samples } from '../../tests/bullmq/lib/prometheus.mjs';
import { cases } from './cases.mjs';

const TITLES = { rust: 'Rust', js: 'JavaScript', python: 'Python', c: 'C', go: 'Go' };
const folder = process.env.GRISTMILL_CONFORMANCE ?? 'target/conformance';
const built = new Set(readdirSync(folder).filter((name) => name.endsWith('.wasm')).map((name) => name.slice(0, -5)));
const languages = Object.keys(TITLES).filter((language) => built.has(language));
assert.ok(languages.length > 0, `no guest is in ${folder}`);

const lab = new Lab({ only: 'ours', autostart: false });
const leaf = lab.queue(v6, 'leaf');
const other = lab.queue(v6, 'other');
const ALLOW = {
  http: [], enqueue: [other.name, leaf.name], secrets: ['KEY'], limiters: ['roomy', 'narrow', 'quick'], breakers: ['service'],
};
const queues = Object.fromEntries(languages.map((language) => {
  const type = { handler: path.resolve(folder, `${language}.wasm`), allow: ALLOW, memory: '256MiB', output: '16MiB', timeout: '30s' };
  const jobs = { '*': type, hasty: { ...type, timeout: '1s', soft_timeout: '300ms' } };
  return [language, lab.queue(v6, language, { concurrency: 2, jobs })];
}));

ALLOW.enqueue.push(...Object.values(queues).map(({ name }) => name));

let server;
let url;
let nobody;
let worker;
let running;

/** Starts the worker, once. */
function started() {
  running ??= start();
  return running;
}

async function start() {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.url === '/echo') {
      response.writeHead(201, { 'x-answer': request.headers['x-ask'] ?? 'none' }).end(`${request.method} ${body}`);
    } else if (request.url === '/stream') {
      response.writeHead(200);
      for (let n = 0; n < 30; n += 1) response.write(Buffer.alloc(100_000, n));
      response.end();
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const host = `127.0.0.1:${server.address().port}`;
  url = `http://${host}`;
  const closed = `127.0.0.1:${await freePort()}`;
  nobody = `http://${closed}/`;
  ALLOW.http = [host, closed];
  worker = await lab.start({
    queues: [leaf, ...Object.values(queues)],
    limiters: { roomy: { tiers: ['1000/s'] }, narrow: { tiers: ['1/h'] }, quick: { tiers: ['1/300ms'] } },
    breakers: { service: { consecutive: 2, open_for: '1h', probes: 1 } },
    secrets: { KEY: { env: 'SECRET_KEY' } },
    env: { SECRET_KEY: 'top-s3cr3t' },
    worker: { cache_dir: path.resolve(folder, 'cache'), compile_timeout: '10m' },
  });
}
after(() => server?.close());

async function ended(queue, job) {
  await until(
    async () => ['completed', 'failed'].includes(await queue.queue.getJobState(job.id)),
    async () => `job ${job.id} ends; it is ${await queue.queue.getJobState(job.id)}`, 60_000,
  );
  return queue.fresh(job);
}

async function ask(asked, language, number, surroundings) {
  const queue = queues[language];
  const data = typeof asked.data === 'function' ? asked.data(surroundings) : asked.data;
  const job = await queue.queue.add(asked.job ?? 'case', data, asked.opts);
  if (asked.cancel) {
    await queue.inState(job, 'active');
    await gristmill(lab.redis, 'job', 'cancel', queue.name, job.id);
  }
  if (asked.waits) {
    await until(async () => /rate.limited|deferred|limit/i.test((await queue.queue.getJobLogs(job.id)).logs.join()), 'it is put off');
  }
  const done = await ended(queue, job);
  const sample = async (name, labels) => {
    const all = { queue: queue.name, job: 'case', ...labels };
    const fits = (found) => found.name.endsWith(name) && Object.entries(all).every(([key, value]) => found.labels[key] === value);
    return samples(parse(await worker.metrics()), fits)[0]?.value;
  };
  const seen = { ...surroundings, language, job: done, queue, sample, logs: async () => (await queue.queue.getJobLogs(done.id)).logs };
  const state = await queue.queue.getJobState(done.id);
  if (asked.failed) {
    assert.equal(state, 'failed', `it returned ${JSON.stringify(done.returnvalue)}`);
    assert.match(done.failedReason, asked.failed);
    assert.doesNotMatch(done.failedReason, /s3cr3t/);
  } else {
    assert.equal(state, 'completed', `${done.failedReason}\n${done.stacktrace?.join('\n')}`);
    if (asked.waits) assert.equal(done.attemptsMade, 1);
    else if (typeof asked.value === 'function') await asked.value(done.returnvalue, seen);
    else assert.deepEqual(done.returnvalue, asked.value);
  }
  await asked.check?.(seen);
}

const results = new Map(cases.map(({ name }) => [name, {}]));
for (const language of languages) {
  const seen = new Set();
  for (const [number, asked] of cases.entries()) {
    it(`${TITLES[language]}: ${asked.name}`, async () => {
      await started();
      results.get(asked.name)[language] = false;
      for (let time = 0; time < (asked.times ?? 1); time += 1) {
        const key = `${language}-${number}`;
        await ask(asked, language, number, { key, unique: key, other, leaf, url, nobody, seen, languages: Object.values(queues) });
      }
      results.get(asked.name)[language] = true;
    });
  }
}

/** A case that was left out, as by a pattern of names, is none that failed. */
const word = (passed) => (passed === undefined ? 'not asked' : passed ? 'passed' : 'failed');

after(async () => {
  const file = process.env.GRISTMILL_PARITY;
  if (file === undefined) return;
  const row = (cells) => `| ${cells.join(' | ')} |`;
  const counts = languages.map((language) => [...results.values()].filter((found) => found[language]).length);
  const lines = [
    '# What the SDKs of all languages do',
    '',
    'The same cases for the guest of every SDK, each on a real worker: `cargo xtask test sdk` asks them and writes this file.',
    'What a case is, and what its guest does, is in [sdk/conformance](../../sdk/conformance/README.md).',
    '',
    row(['case', ...languages.map((language) => TITLES[language])]),
    row(Array(languages.length + 1).fill('---')),
    ...[...results].map(([name, found]) => row([name, ...languages.map((language) => word(found[language]))])),
    row(['passed', ...counts.map((count) => `${count} of ${cases.length}`)]),
    '',
  ];
  await writeFile(file, lines.join('\n'));
});
