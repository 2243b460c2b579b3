// A private Redis and the worker under test, and its API as the tests use it.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { end, freePort, launch, makeFolder, removeFolder, until } from '../../bullmq/lib/process.mjs';

export { until };

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const binary = process.env.GRISTMILL_BIN ?? path.join(root, 'target/debug/gristmill');

/** The scripted handler, which does what its job's data says. */
export const scripted = path.join(process.env.GRISTMILL_GUESTS ?? path.join(root, 'target/guests'), 'scripted.wasm');
export const screenshots = path.join(root, 'docs/screenshots');

/** Short times, so that tests see in seconds what operators see in minutes. */
const QUICK = {
  METRICS_INTERVAL: '1000',
  HEALTH_CHECK_INTERVAL: '1000',
  DASHBOARD_REFRESH_INTERVAL: '1000',
  ALERT_QUEUE_DEPTH_WARNING: '20',
  ALERT_QUEUE_DEPTH_CRITICAL: '60',
};

const CONFIGURATION = `
[worker]
name = "mill-1"
memory_hard_limit = "4GiB"

[limiters.mail]
tiers = ["300/min", "10000/h"]

[limiters.slow]
tiers = ["2/h"]

[breakers.shop]
consecutive = 2
open_for = "10m"

[queues.orders]
class = "critical"
concurrency = 4

[queues.orders.jobs."*"]
handler = "SCRIPTED"
memory = "64MiB"
timeout = "60s"

[queues.orders.jobs.limited]
handler = "SCRIPTED"
memory = "64MiB"
timeout = "60s"
limiters = ["slow"]

[queues.orders.jobs.shop]
handler = "SCRIPTED"
memory = "64MiB"
timeout = "60s"
breakers = ["shop"]

[queues.orders.jobs.mail]
handler = "SCRIPTED"
memory = "64MiB"
timeout = "60s"
limiters = ["mail"]

[queues.letters]
class = "high"
concurrency = 4

[queues.letters.jobs."*"]
handler = "letters"
memory = "64MiB"
timeout = "60s"

[queues.reports]
class = "background"
concurrency = 2

[queues.reports.jobs."*"]
handler = "SCRIPTED"
memory = "64MiB"
timeout = "60s"
`;

/** One command of Redis, over a connection of its own; resolves with the first line of the answer. */
function redis(port, ...words) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('')}`);
    });
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      const line = data.toString().split('\r\n')[0];
      if (line.startsWith('-')) reject(new Error(line));
      else resolve(line);
    });
  });
}

/** Starts a Redis and a worker; `tokens` maps names to `{role, secret}`. */
export async function startMill({ tokens = {}, server = '' } = {}) {
  const dir = await makeFolder('browser');
  const [redisPort, port] = [await freePort(), await freePort()];
  const store = launch('redis-server', ['--port', redisPort, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'].map(String));
  await until(() => redis(redisPort, 'PING').catch(() => false), 'redis-server answers');
  const sections = Object.entries(tokens).map(([name, { role, secret }]) => {
    const sha256 = createHash('sha256').update(secret).digest('hex');
    return `\n[server.tokens.${name}]\nrole = "${role}"\nsha256 = "${sha256}"\n`;
  });
  const file = path.join(dir, 'gristmill.toml');
  const head = `[redis]\nurl = "redis://127.0.0.1:${redisPort}"\n\n[server]\nlisten = "127.0.0.1:${port}"\n${server}\n`;
  await writeFile(file, head + sections.join('') + CONFIGURATION.replaceAll('SCRIPTED', scripted));
  const secret = Object.values(tokens).at(-1)?.secret;
  const { REDIS_URL, ...inherited } = process.env;
  const environment = { ...inherited, ...QUICK };
  const mill = {
    base: `http://127.0.0.1:${port}/`,
    redis: (...words) => redis(redisPort, ...words),
    /** One call of the API; answers its JSON, or throws what it says. */
    async call(method, where, body) {
      const headers = { 'content-type': 'application/json', ...(secret ? { authorization: `Bearer ${secret}` } : {}) };
      const response = await fetch(`${mill.base}api/v1/${where}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${text}`);
      return text ? JSON.parse(text) : undefined;
    },
    add: async (queue, steps, { name = 'job', ...opts } = {}) => (await mill.call('POST', `queues/${queue}/jobs`, { name, data: { steps }, opts })).id,
    addMany: (queue, jobs) => mill.call('POST', `queues/${queue}/jobs`, jobs),
    job: (queue, id) => mill.call('GET', `queues/${queue}/jobs/${id}`),
    inState: (queue, id, state) => until(
      async () => (await mill.job(queue, id)).state === state,
      async () => `job ${id} of ${queue} gets ${state}: ${JSON.stringify(await mill.job(queue, id))}`,
      20_000,
    ),
    /** The command line on the same Redis. */
    command: (...words) => promisify(execFile)(binary, ['--config', file, ...words], { env: environment }),
    folder: dir,
    async start() {
      mill.worker = launch(binary, ['worker', '--config', file], { env: environment });
      const ready = async () => {
        if (!mill.worker.alive()) throw new Error(`the worker ended:\n${mill.worker.stderr}`);
        return (await fetch(`${mill.base}healthz/ready`).then((response) => response.status, () => 0)) === 200;
      };
      await until(ready, () => `the worker gets ready:\n${mill.worker.stderr}`, 60_000);
    },
    kill: () => end(mill.worker, 'SIGKILL'),
    async stop() {
      await Promise.all([mill.worker, store].map((program) => program && end(program, 'SIGKILL')));
      await removeFolder(dir);
    },
  };
  try {
    await mill.start();
  } catch (error) {
    await mill.stop();
    throw error;
  }
  return mill;
}

/** The scripted handler once more, as another version that says what its jobs' data looks like. */
export async function withSchema(folder, schema, name = 'described.wasm') {
  const length = (n) => {
    const bytes = [];
    for (let left = n; ; left >>>= 7) {
      if (left < 0x80) return Buffer.from([...bytes, left]);
      bytes.push((left & 0x7f) | 0x80);
    }
  };
  const title = Buffer.from('gristmill:schema');
  const content = Buffer.concat([length(title.length), title, Buffer.from(JSON.stringify(schema))]);
  const file = path.join(folder, name);
  await writeFile(file, Buffer.concat([await readFile(scripted), Buffer.from([0]), length(content.length), content]));
  return file;
}
