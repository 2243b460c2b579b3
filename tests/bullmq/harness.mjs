// Starts what the tests look at from outside: a private Redis and the worker under test.
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Cluster, Redis } from 'ioredis';
import { stringify } from 'smol-toml';
import { cluster, sentinel, stopServers } from './lib/deployments.mjs';
import { end, freePort, launch, makeFolder, removeFolder, until } from './lib/process.mjs';

export { freePort, until };

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, '../../target');

/** With PEER=node the tests run against BullMQ's own worker, to check what they expect. */
export const ours = process.env.PEER !== 'node';

export const binary = process.env.GRISTMILL_BIN ?? path.join(target, 'debug/gristmill');

/** The scripted handler, which does what its job's data says. */
export const scripted = path.join(process.env.GRISTMILL_GUESTS ?? path.join(target, 'guests'), 'scripted.wasm');

const workers = [];

/** A test that shows what the workers wrote when it fails. */
export function it(name, options, body = options) {
  const settings = { timeout: 90_000, ...(typeof options === 'object' ? options : {}) };
  return test(name, settings, async (t) => {
    try {
      await body(t);
    } catch (error) {
      for (const worker of workers) {
        t.diagnostic(`worker ${worker.name} (${worker.alive() ? 'running' : `ended ${worker.code ?? worker.signal}`}):`);
        for (const line of worker.stderr.trimEnd().split('\n').slice(-40)) t.diagnostic(`  ${line}`);
      }
      throw error;
    }
  });
}

/** A test that needs one server of its own, which it may restart. */
it.server = (name, body) => it(name, { skip: deployment === 'server' ? false : 'needs a single server' }, body);

/** A test of what only our worker does; a Node worker cannot meet it. */
it.ours = (name, options, body = options) => it(name, { ...options, skip: ours ? false : 'not for a Node worker' }, body);

/** One answer to PING over a connection of its own; false if there is none. */
function ping(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const answer = (yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(1_000, () => answer(false));
    socket.once('error', () => answer(false));
    socket.once('data', (data) => answer(data.toString().startsWith('+PONG')));
  });
}

/**
 * What the tests run on: `server` unless GRISTMILL_REDIS says `cluster` (three masters), or `sentinel` (a master
 * that has just taken over from one that is gone).
 */
export const deployment = process.env.GRISTMILL_REDIS ?? 'server';

/** A private Redis of that kind. */
export function startRedis(options) {
  if (deployment === 'cluster') return startCluster();
  if (deployment === 'sentinel') return startSentinel();
  return startServer(options);
}

const forever = { maxRetriesPerRequest: null };

/** What tests know of a Redis, whatever its kind: `config` is the section of that name for our worker. */
function described({ config, connection, prefix = 'bull', connect, stop }) {
  const clients = [];
  return {
    url: config.url,
    config: { ...config, prefix },
    connection,
    prefix,
    /** A plain client for looking at keys. */
    client() {
      const client = connect();
      client.on('error', () => {}); // it reconnects; a command that never succeeds ends in a test's own deadline
      clients.push(client);
      return client;
    },
    restart: () => Promise.reject(new Error('only a single server is restarted')),
    async stop() {
      for (const client of clients) client.disconnect();
      await stop();
    },
  };
}

async function startCluster() {
  const servers = await cluster();
  const nodes = servers.map(({ port }) => ({ host: '127.0.0.1', port }));
  const connect = () => {
    const client = new Cluster(nodes, { redisOptions: forever });
    // Of KEYS every master knows its own part only.
    client.keys = async (pattern) => (await Promise.all(client.nodes('master').map((node) => node.keys(pattern)))).flat();
    return client;
  };
  const connection = connect();
  connection.setMaxListeners(0);
  connection.on('error', () => {});
  const [first, ...others] = nodes.map(({ host, port }) => `${host}:${port}`);
  return described({
    config: { url: `redis://${first}`, nodes: others },
    connection,
    prefix: '{bull}',
    connect,
    stop: async () => {
      connection.disconnect();
      await stopServers(servers);
    },
  });
}

async function startSentinel() {
  const { master, replica, watcher, current, settled, close } = await sentinel();
  await end(master.program, 'SIGKILL');
  await until(async () => (await current()) !== master.port && settled(), 'the Sentinel has a new master', 30_000);
  const connection = { sentinels: [{ host: '127.0.0.1', port: watcher.port }], name: 'mill' };
  const connect = () => new Redis({ ...connection, ...forever });
  const probe = connect();
  probe.on('error', () => {});
  await until(() => probe.set('probe', 1).then(() => probe.del('probe'), () => false), 'the new master takes writes', 30_000);
  probe.disconnect();
  return described({
    config: { url: `redis://127.0.0.1:${watcher.port}`, master: 'mill' },
    connection,
    connect,
    stop: async () => {
      close();
      await stopServers([replica, watcher]);
    },
  });
}

/** One server on a free port with a directory of its own. */
async function startServer({ aof = false } = {}) {
  const dir = await makeFolder('redis');
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
  args.push('--appendonly', aof ? 'yes' : 'no');
  if (aof) args.push('--appendfsync', 'always');
  let server;

  const start = async () => {
    server = launch('redis-server', args);
    await until(
      async () => {
        if (!server.alive()) throw new Error(`redis-server ended: ${server.stdout}${server.stderr}`);
        return ping(port);
      },
      'redis-server answers PING',
    );
  };
  await start();

  const connection = { host: '127.0.0.1', port };
  const redis = described({
    config: { url: `redis://127.0.0.1:${port}` },
    connection,
    connect: () => new Redis({ ...connection, ...forever }),
    stop: async () => {
      await end(server, 'SIGTERM');
      await removeFolder(dir);
    },
  });
  redis.port = port;
  redis.restart = async () => {
    await end(server, 'SIGTERM');
    await start();
  };
  return redis;
}

/** Fills in what a queue's section needs to run scripted jobs. */
function queueSection({ jobs = { '*': {} }, ...settings }) {
  const types = Object.entries(jobs).map(([type, section]) => [
    type,
    { handler: scripted, memory: '64MiB', timeout: '30s', ...section },
  ]);
  return { concurrency: 8, ...settings, jobs: Object.fromEntries(types) };
}

/** The environment of what is tested; a Redis that is set in ours is none of its business. */
const { REDIS_URL, ...inherited } = process.env;
export { inherited };

/**
 * Writes a configuration file into a folder of its own.
 * `queues` maps queue names to their sections (concurrency, jobs), `worker` is the section of that
 * name; `sections` are more of the file; `config` replaces it whole.
 */
export async function configure({ redis, queues = {}, worker = {}, server = {}, secrets = {}, limiters = {}, breakers = {}, sections: more = {}, config }) {
  const dir = await makeFolder('worker');
  const address = `127.0.0.1:${await freePort()}`;
  const sections = Object.entries(queues).map(([queue, section]) => [queue, queueSection(section)]);
  const file = path.join(dir, 'gristmill.toml');
  const whole = config ?? {
    redis: redis.config,
    server: { ...server, listen: address },
    // Room for every slot of every test's worker; tests of that bound set it themselves.
    worker: { memory_hard_limit: '8GiB', ...worker },
    secrets,
    limiters,
    breakers,
    ...more,
    queues: Object.fromEntries(sections),
  };
  await writeFile(file, stringify(whole));
  return { dir, file, listen: whole.server?.listen ?? address };
}

/** Starts a worker of such a file and waits until it is ready; `peer: 'node'` starts BullMQ's worker whatever PEER says. */
export async function startWorker({ env = {}, peer = ours ? 'gristmill' : 'node', ...options }) {
  const name = options.worker?.name ?? `worker-${randomUUID().slice(0, 8)}`;
  const { dir, file, listen } = await configure({ ...options, worker: { ...options.worker, name } });
  const command = peer === 'node' ? process.execPath : binary;
  const script = peer === 'node' ? [path.join(here, 'reference-worker.mjs')] : [];
  const program = launch(command, [...script, 'worker', '--config', file], { env: { ...inherited, ...env } });
  const handle = {
    name,
    base: `http://${listen}`,
    metricsUrl: `http://${listen}/metrics`,
    program,
    get stderr() {
      return program.stderr;
    },
    get code() {
      return program.code;
    },
    get signal() {
      return program.signal;
    },
    alive: () => program.alive(),
    /** The status of one GET; 0 when nothing answers. */
    status: (where) => fetch(`${handle.base}${where}`).then(drained, () => 0),
    async metrics() {
      const response = await fetch(handle.metricsUrl);
      if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
      return response.text();
    },
    /** Asks for a drain; resolves with the exit code. */
    stop: () => end(program, 'SIGTERM').finally(tidy),
    /** kill -9. */
    kill: () => end(program, 'SIGKILL').finally(tidy),
  };
  const tidy = () => removeFolder(dir);
  workers.push(handle);
  try {
    await until(
      async () => {
        if (!program.alive()) throw new Error(`the worker ended with ${program.code}:\n${program.stderr}`);
        return (await handle.status('/healthz/ready')) === 200;
      },
      () => `the worker gets ready; it wrote:\n${program.stderr}`,
      60_000,
    );
  } catch (error) {
    await handle.kill();
    throw error;
  }
  return handle;
}

async function drained(response) {
  await response.arrayBuffer();
  return response.status;
}
