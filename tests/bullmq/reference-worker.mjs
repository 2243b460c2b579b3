// BullMQ's Node worker behind gristmill's command line, configuration and health pages. Tests run
// against it (PEER=node) to check that they expect what BullMQ does, and as a peer on shared queues.
// BULLMQ_PACKAGE=bullmq5 makes it a worker of version 5.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Cluster } from 'ioredis';
import { parse } from 'smol-toml';
import { perform } from './lib/steps.mjs';

const bullmq = await import(process.env.BULLMQ_PACKAGE ?? 'bullmq');
const { values } = parseArgs({ options: { config: { type: 'string' } }, allowPositionals: true });
const config = parse(readFileSync(values.config, 'utf8'));
const { url, nodes = [], master, prefix = 'bull' } = config.redis;
const { hostname: host, port, username, password } = new URL(url);
const settings = config.worker ?? {};

const UNITS = { ms: 1, s: 1_000, m: 60_000 };

function duration(text, otherwise) {
  if (text === undefined) return otherwise;
  const [, amount, unit] = /^(\d+)(ms|s|m)$/.exec(text);
  return Number(amount) * UNITS[unit];
}

function connect() {
  const first = { host, port: Number(port) };
  if (master) return { sentinels: [first], name: master };
  if (nodes.length === 0) return { ...first, username: username || undefined, password: password || undefined };
  const others = nodes.map((node) => ({ host: node.split(':')[0], port: Number(node.split(':')[1]) }));
  return new Cluster([first, ...others], { redisOptions: { maxRetriesPerRequest: null } });
}

const connection = connect();
const workers = Object.entries(config.queues).map(([queue, section]) => {
  const worker = new bullmq.Worker(queue, (job, token) => perform(job, token, { ...bullmq, connection, prefix }), {
    connection,
    prefix,
    name: settings.name,
    concurrency: section.concurrency,
    lockDuration: duration(settings.lock_duration, 30_000),
    stalledInterval: duration(settings.stalled_interval, 30_000),
    maxStalledCount: settings.max_stalled_count ?? 1,
    metrics: { maxDataPoints: 20_160 },
  });
  worker.on('error', (error) => console.error(`${queue}: ${error.message}`));
  return worker;
});

await Promise.all(workers.map((worker) => worker.waitUntilReady()));

const [address, listenPort] = config.server.listen.split(':');
const server = createServer((request, response) => {
  response.statusCode = request.url.startsWith('/healthz/') ? 200 : 404;
  response.end();
});
server.listen(Number(listenPort), address);

process.once('SIGTERM', async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  process.exit(0);
});
