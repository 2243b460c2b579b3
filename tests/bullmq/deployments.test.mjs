// The worker and the command line on every kind of Redis deployment, with BullMQ 6 as producer and observer.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after } from 'node:test';
import path from 'node:path';
import { promisify } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { binary, freePort, it, scripted, startWorker, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { end } from './lib/process.mjs';
import { cluster, folder, sentinel, server, stopAll, tls } from './lib/deployments.mjs';

const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
  await stopAll();
});

/** Queues of one deployment, and our worker on all of them. */
async function deployment({ redis, connection, prefix = 'bull', names, env, jobs = {} }) {
  const types = { '*': { handler: scripted, ...jobs } };
  const queues = Object.fromEntries(names.map((name) => [name, { concurrency: 4, jobs: types }]));
  const config = { redis: { ...redis, prefix }, server: { listen: `127.0.0.1:${await freePort()}` }, queues };
  const worker = await startWorker({ config, env, peer: 'gristmill' });
  closing.push(() => worker.kill());
  const options = { connection, prefix };
  const opened = names.map((name) => ({
    queue: new v6.Queue(name, options),
    // From the first event on: on a Cluster its first read may come after the first job has ended.
    events: new v6.QueueEvents(name, { ...options, lastEventId: '0-0' }),
  }));
  for (const { queue, events } of opened) {
    for (const source of [queue, events]) source.on('error', () => {});
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    closing.push(() => Promise.all([queue.close(), events.close()]));
  }
  return { worker, opened };
}

const value = (value) => ({ steps: [{ op: 'return', value }] });

async function runs({ queue, events }, opts = {}) {
  const job = await queue.add('job', value(queue.name), opts);
  const result = await job.waitUntilFinished(events, 20_000).catch(async (error) => {
    throw new Error(`${error.message}; the job is ${await queue.getJobState(job.id)}`);
  });
  assert.equal(result, queue.name);
}

async function gristmill(args, env = {}) {
  const { stdout } = await promisify(execFile)(binary, args, { env: { ...process.env, ...env } });
  return JSON.parse(stdout);
}

it.ours('Cluster: queues in several slots, delays, retries, flows and schedulers [row-41]', async () => {
  const nodes = await cluster();
  const url = `redis://127.0.0.1:${nodes[0].port}`;
  const connection = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })), { redisOptions: { maxRetriesPerRequest: null } });
  closing.push(() => connection.disconnect());
  const names = ['{orders}', '{mails}', '{reports}', 'tree-{reports}'];
  const redis = { url, nodes: nodes.slice(1).map(({ port }) => `127.0.0.1:${port}`) };
  const { opened } = await deployment({ redis, connection, names, jobs: { allow: { enqueue: ['{reports}', '{orders}'] } } });
  for (const one of opened) {
    await runs(one);
    await runs(one, { delay: 300 });
    await runs(one, { priority: 3 });
  }
  const [orders, , reports, tree] = opened;
  const flaky = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, { op: 'return', value: 'again' }];
  const retried = await orders.queue.add('job', { steps: flaky }, { attempts: 2, backoff: 100 });
  assert.equal(await retried.waitUntilFinished(orders.events, 20_000), 'again');

  const child = { op: 'enqueue', queue: '{reports}', name: 'leaf', data: value(7), child: true };
  const parent = await tree.queue.add('job', { steps: [child, { op: 'wait-children' }, { op: 'children' }, { op: 'state-set', key: 'k', value: 1 }] });
  assert.deepEqual(await parent.waitUntilFinished(tree.events, 20_000), [7]);
  const elsewhere = await reports.queue.add('job', { steps: [{ ...child, queue: '{orders}' }] });
  await assert.rejects(elsewhere.waitUntilFinished(reports.events, 20_000), /must be in queues with the same hash tag/);

  await reports.queue.upsertJobScheduler('often', { every: 200, limit: 3 }, { data: value('tick') });
  await until(async () => (await reports.queue.getCompleted()).filter((job) => job.repeatJobKey === 'often').length >= 2, 'the scheduler goes on');
  await reports.queue.removeJobScheduler('often');

  const looping = await orders.queue.add('job', { steps: [{ op: 'loop' }] });
  await until(async () => (await orders.queue.getJobState(looping.id)) === 'active', 'the job runs');
  const ended = await gristmill(['--redis', url, 'job', 'cancel', '{orders}', looping.id, '--json']);
  assert.equal(ended.failedReason, 'cancelled');
  const listed = await gristmill(['--redis', url, 'queue', 'list', '--json']);
  assert.deepEqual(listed.map((row) => row.queue), [...names].sort());
});

it.ours('Cluster: a queue without a hash tag is refused with the remedy [trap-12]', async () => {
  const nodes = await cluster();
  const url = `redis://127.0.0.1:${nodes[0].port}`;
  await assert.rejects(gristmill(['--redis', url, 'job', 'add', 'plain', 'n', '--json']), /hash tag.*prefix = "\{bull\}"/s);
  const queues = { plain: { jobs: { '*': { handler: scripted } } } };
  const config = { redis: { url }, server: { listen: `127.0.0.1:${await freePort()}` }, queues };
  await assert.rejects(startWorker({ config, peer: 'gristmill' }), /hash tag/);
});

it.ours('Sentinel: work goes on after a failover and nothing is lost', async () => {
  const { master, watcher, current, close } = await sentinel();
  closing.push(close);
  const sentinels = { sentinels: [{ host: '127.0.0.1', port: watcher.port }], name: 'mill', maxRetriesPerRequest: null };
  const redis = { url: `redis://127.0.0.1:${watcher.port}`, master: 'mill' };
  const { opened: [one] } = await deployment({ redis, connection: sentinels, names: ['guarded'] });
  await runs(one);
  const before = Array.from({ length: 50 }, (_, n) => ({ name: 'job', data: { steps: [{ op: 'sleep', ms: 200 }, { op: 'return', value: n }] } }));
  const jobs = await one.queue.addBulk(before);
  const client = new Redis({ host: '127.0.0.1', port: master.port });
  await client.call('WAIT', 1, 5_000);
  client.disconnect();
  await end(master.program, 'SIGKILL');
  await until(async () => (await current()) !== master.port, 'the Sentinel has a new master', 30_000);
  await until(async () => {
    const counts = await one.queue.getJobCounts('completed', 'failed');
    return counts.completed + counts.failed >= jobs.length + 1;
  }, async () => `all jobs end; there are ${JSON.stringify(await one.queue.getJobCounts())}`, 80_000);
  assert.equal((await one.queue.getJobCounts('failed')).failed, 0);
  await runs(one);
});

it.ours('TLS: the server’s certificate is checked', async () => {
  const { port, ca, trusted } = await tls();
  const connection = { host: 'localhost', port, tls: { ca: trusted } };
  const redis = { url: `rediss://localhost:${port}` };
  const env = { SSL_CERT_FILE: ca };
  const { opened: [one] } = await deployment({ redis, connection, names: ['sealed'], env });
  await runs(one);
  assert.equal((await gristmill(['--redis', redis.url, 'queue', 'show', 'sealed', '--json'], env)).counts.completed, 1);
  await assert.rejects(gristmill(['--redis', redis.url, 'queue', 'list', '--json'], { SSL_CERT_FILE: undefined }), /certificate|Issuer/i);
});

it.ours('a unix socket', async () => {
  const socket = path.join(await folder(), 'redis.sock');
  await server(['--unixsocket', socket]);
  const { opened: [one] } = await deployment({ redis: { url: `redis+unix://${socket}` }, connection: { path: socket }, names: ['local'] });
  await runs(one);
});

it.ours('a user with few rights works, and one with too few is told', async () => {
  const { port } = await server([]);
  const admin = new Redis({ host: '127.0.0.1', port });
  closing.push(() => admin.disconnect());
  await admin.call('ACL', 'SETUSER', 'miller', 'on', '>stone', '~bull:*', '~gristmill:*', '&gristmill:*',
    '+@read', '+@write', '+@connection', '+@scripting', '+@pubsub', '+@blocking', '+info');
  await admin.call('ACL', 'SETUSER', 'guest', 'on', '>stone', '~bull:*', '+ping');
  const url = `redis://miller:stone@127.0.0.1:${port}`;
  const { opened: [one] } = await deployment({ redis: { url }, connection: { host: '127.0.0.1', port }, names: ['fenced'] });
  await runs(one);
  await assert.rejects(gristmill(['--redis', `redis://guest:stone@127.0.0.1:${port}`, 'queue', 'list', '--json']), /NOPERM|permission/i);
  await assert.rejects(gristmill(['--redis', `redis://miller:wrong@127.0.0.1:${port}`, 'queue', 'list', '--json']), /WRONGPASS|password|authentication/i);
});
