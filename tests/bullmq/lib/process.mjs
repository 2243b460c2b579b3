// Child processes, ports and waiting: what every test file needs before it can talk to anything.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const running = new Set();
const folders = new Set();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * Polls `cond` until it answers something truthy and returns that; throws after `ms`, naming `what`
 * and the last answer, so that a failure says how far things had come.
 */
export async function until(cond, what, ms = 15_000) {
  const deadline = Date.now() + ms;
  let last;
  for (;;) {
    last = await cond();
    if (last) return last;
    if (Date.now() > deadline) {
      throw new Error(`waited ${ms} ms in vain: ${typeof what === 'function' ? await what() : what}`);
    }
    await pause(20);
  }
}

/** A port that nobody listens on, below the range that outgoing connections use. */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** A folder of one's own that never outlives this process. */
export async function makeFolder(use) {
  const folder = await mkdtemp(path.join(tmpdir(), `gristmill-${use}-`));
  folders.add(folder);
  return folder;
}

export async function removeFolder(folder) {
  folders.delete(folder);
  // A process that is just ending may still put a file there.
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Starts a program; its output is collected, and it never outlives this process. */
export function launch(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const program = { child, stdout: '', stderr: '', code: undefined, signal: undefined };
  running.add(child);
  child.stdout.on('data', (chunk) => (program.stdout += chunk));
  child.stderr.on('data', (chunk) => (program.stderr += chunk));
  program.exited = new Promise((resolve) => {
    const end = (code, signal) => {
      running.delete(child);
      program.code = code;
      program.signal = signal;
      resolve(code);
    };
    child.once('close', end);
    child.once('error', (error) => {
      program.stderr += `\ncannot start ${command}: ${error.message}`;
      end(127, null);
    });
  });
  program.alive = () => running.has(child);
  return program;
}

/** Sends a signal and waits for the end; after `ms` the process is killed and that is an error. */
export async function end(program, signal, ms = 60_000) {
  if (program.alive()) program.child.kill(signal);
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, 'late')));
  const first = await Promise.race([program.exited, late]);
  clearTimeout(timer);
  if (first !== 'late') return first;
  program.child.kill('SIGKILL');
  await program.exited;
  throw new Error(`the process was still alive ${ms} ms after ${signal}`);
}
