// PyPI bullmq as producer and observer; its cases are in python/client_cases.py, each a process of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before } from 'node:test';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deployment, it } from './harness.mjs';
import { Lab } from './lib/lab.mjs';
import { launch } from './lib/process.mjs';
import { v6 } from './lib/clients.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const file = (name) => path.join(here, 'python', name);
const packages = path.join(here, 'node_modules/.cache/python');
const python = path.join(packages, 'bin/python');

const CASES = {
  add: 'a job that it adds runs with its data, and its result is read back',
  add_bulk: 'jobs that it adds in bulk all run',
  options: 'own ids, priorities, delays and removal hold',
  failures: 'failed attempts, reasons and traces are seen, and retries work',
  states: 'states and counts are right, and delayed jobs can be promoted',
  logs_and_progress: 'progress and log lines are read back',
  events: 'QueueEvents tells of a job’s life in order and without errors',
  flows: 'a flow’s parent runs after its children and keeps their results',
  schedulers: 'schedulers run with their interval and limit',
  control: 'pause, resume, deduplication and cleaning work',
};

/** Why the cases cannot run here; undefined when they can. */
function missing() {
  if (deployment !== 'server') return 'the cases are for a single server';
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv']);
  return status === 0 ? undefined : 'there is no python3 with venv';
}

async function run(command, ...args) {
  const program = launch(command, args);
  const code = await program.exited;
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${program.stdout}${program.stderr}`);
}

/** Installs the requirements, unless the same ones are installed already. */
async function install() {
  const wanted = await readFile(file('requirements.txt'), 'utf8');
  const stamp = path.join(packages, 'requirements.txt');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return;
  await rm(packages, { recursive: true, force: true });
  await mkdir(path.dirname(packages), { recursive: true });
  await run('python3', '-m', 'venv', packages);
  await run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', file('requirements.txt'));
  await writeFile(stamp, wanted);
}

const lab = new Lab();
const skip = missing();
if (!skip) before(install, { timeout: 300_000 });

for (const [name, title] of Object.entries(CASES)) {
  const queue = lab.queue(v6, `python-${name.replaceAll('_', '-')}`, { concurrency: 4 });
  it(`PyPI bullmq: ${title} [own-python]`, { skip: skip ?? false }, async () => {
    await run(python, file('client_cases.py'), lab.redis.url, queue.name, name);
    assert.equal((await queue.counts()).active, 0);
    assert.deepEqual(queue.errors, []);
  });
}
