// One test file's surroundings: a Redis, queues seen through BullMQ's clients, and a worker.
import { after, before } from 'node:test';
import { stopAll } from './deployments.mjs';
import { deployment, startRedis, startWorker, until, ours } from '../harness.mjs';

/** A queue as its producers and observers see it. */
export class TestQueue {
  constructor(client, name, settings, seed) {
    Object.assign(this, { client, name, settings, seed, errors: [] });
  }

  async open(redis) {
    this.keys = redis.client();
    const { connection, prefix } = redis;
    this.prefix = prefix;
    // Tests read the whole stream afterwards, so nothing may be trimmed from it.
    this.queue = new this.client.Queue(this.name, { connection, prefix, streams: { events: { maxLen: 1_000_000 } } });
    // On a Cluster its first read may come late; from the first event on nothing is missed.
    const from = deployment === 'cluster' ? { lastEventId: '0-0' } : {};
    this.events = new this.client.QueueEvents(this.name, { connection, prefix, ...from });
    for (const source of [this.queue, this.events]) {
      source.setMaxListeners(0); // each `waitUntilFinished` listens while it waits
      source.on('error', (error) => this.errors.push(error));
    }
    await Promise.all([this.queue.waitUntilReady(), this.events.waitUntilReady()]);
  }

  async close() {
    await Promise.all([this.queue.close(), this.events.close()]);
  }

  /** The key of one of the queue's parts, or of one job. */
  key(suffix) {
    return `${this.prefix}:${this.name}:${suffix}`;
  }

  add(steps, opts, name = 'job') {
    return this.queue.add(name, { steps }, opts);
  }

  /** Adds `[steps, opts, name]` rows in one go. */
  addAll(rows) {
    return this.queue.addBulk(rows.map(([steps, opts, name = 'job']) => ({ name, data: { steps }, opts })));
  }

  /** The return value of a job, as `waitUntilFinished` sees it; rejects with its failed reason. */
  result(job, ms = 20_000) {
    return job.waitUntilFinished(this.events, ms);
  }

  /** The job as it is in Redis now. */
  fresh(job) {
    return this.queue.getJob(job.id ?? job);
  }

  counts() {
    return this.queue.getJobCounts();
  }

  /** Every entry of the events stream, oldest first; `at` is Redis' time in ms. */
  async history(event) {
    const entries = await this.keys.xrange(this.key('events'), '-', '+');
    const all = entries.map(([id, fields]) => {
      const entry = { at: Number(id.split('-')[0]) };
      for (let i = 0; i < fields.length; i += 2) entry[fields[i]] = fields[i + 1];
      return entry;
    });
    return event ? all.filter((entry) => entry.event === event) : all;
  }

  /** Ids in the order in which the jobs were started. */
  async started() {
    return (await this.history('active')).map((entry) => entry.jobId);
  }

  /** Waits until a job is in a state. */
  inState(job, state, ms = 20_000) {
    return until(
      async () => (await this.queue.getJobState(job.id)) === state,
      async () => `${this.name}: job ${job.id} gets ${state}; it is ${await this.queue.getJobState(job.id)}`,
      ms,
    );
  }

  /** Waits until `count` jobs are kept as completed or failed. */
  finished(count, ms = 30_000) {
    return until(
      async () => {
        const counts = await this.queue.getJobCounts('completed', 'failed');
        return counts.completed + counts.failed >= count;
      },
      async () => `${this.name}: ${count} jobs finish; there are ${JSON.stringify(await this.counts())}`,
      ms,
    );
  }

  /** Waits until the stream holds `count` entries of one kind. */
  seen(event, count, ms = 30_000) {
    return until(
      async () => (await this.history(event)).length >= count,
      async () => `${this.name}: ${count} events \`${event}\`; there are ${(await this.history(event)).length}`,
      ms,
    );
  }

  /** Lock keys that exist now. */
  locks() {
    return this.keys.keys(this.key('*:lock'));
  }
}

/**
 * Owns the surroundings of a file. Queues are named while the file loads; before the first test the
 * Redis starts, the queues open, their seeds run, and only then the worker starts.
 */
export class Lab {
  #queues = [];
  #workers = [];

  /** `ready()` is called once, when the worker runs and before the first test. */
  constructor({ redis = {}, worker = {}, autostart = true, only, ready } = {}) {
    this.options = { redis, worker, autostart, ready };
    if (only === 'ours' && !ours) return;
    before(() => this.#open());
    after(() => this.#close());
  }

  /** A queue of the lab's worker; `seed(queue)` adds jobs before the worker starts. */
  queue(client, name, settings = {}, seed) {
    const queue = new TestQueue(client, `${name}-${client.tag}`, settings, seed);
    this.#queues.push(queue);
    return queue;
  }

  /** Starts a further worker, by default on all queues; it is killed at the end of the file. */
  async start({ queues = this.#queues, ...options } = {}) {
    const sections = Object.fromEntries(queues.map((queue) => [queue.name, queue.settings]));
    const worker = await startWorker({ redis: this.redis, queues: sections, ...options });
    this.#workers.push(worker);
    return worker;
  }

  async #open() {
    // Servers of a start that failed would keep the process.
    this.redis = await startRedis(this.options.redis).catch(async (error) => {
      await stopAll();
      throw error;
    });
    await Promise.all(this.#queues.map((queue) => queue.open(this.redis)));
    for (const queue of this.#queues) await queue.seed?.(queue);
    if (this.options.autostart) this.worker = await this.start({ worker: this.options.worker });
    await this.options.ready?.();
  }

  async #close() {
    await Promise.all(this.#workers.map((worker) => worker.kill()));
    await Promise.all(this.#queues.filter((queue) => queue.queue).map((queue) => queue.close()));
    await this.redis?.stop();
  }
}
