// `gristmill` from the command line, on a lab's Redis.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'smol-toml';
import { binary } from '../harness.mjs';
import { makeFolder } from './process.mjs';

const files = new Map();

async function configuration(redis) {
  if (!files.has(redis)) {
    const file = path.join(await makeFolder('command'), 'gristmill.toml');
    await writeFile(file, stringify({ redis: redis.config }));
    files.set(redis, file);
  }
  return files.get(redis);
}

/** Runs the command line; resolves with its JSON, or its text. */
export async function gristmill(redis, ...args) {
  const { stdout } = await promisify(execFile)(binary, ['--config', await configuration(redis), ...args]);
  return args.includes('--json') ? JSON.parse(stdout) : stdout.trim();
}
