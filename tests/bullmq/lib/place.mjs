// One test's surroundings: a Redis, workers and queues of its own, as whoever has the turn looks after all of a Redis.
import { Queue } from 'bullmq';
import { binary, startRedis, startWorker } from '../harness.mjs';
import { launch } from './process.mjs';

/** The section `[monitoring]` for workers that look often. */
export const QUICK = { interval: '1s', health_interval: '500ms', dashboard_refresh: '500ms' };

/** The data of a job that the scripted handler does step by step. */
export const steps = (...list) => ({ steps: list });
export const good = steps({ op: 'return', value: 1 });
export const fails = steps({ op: 'fail', message: 'no', kind: 'permanent' });

/** So many jobs for `addBulk` that do the same. */
export const many = (count, data, opts) => Array.from({ length: count }, () => ({ name: 'n', data, opts }));

export class Place {
  #queues = new Map();
  #workers = [];

  static async open() {
    const place = new Place();
    place.redis = await startRedis();
    return place;
  }

  /** Starts a worker, which ends with the place at the latest. */
  async start(options) {
    const worker = await startWorker({ redis: this.redis, ...options });
    this.#workers.push(worker);
    return worker;
  }

  queue(name) {
    if (!this.#queues.has(name)) {
      const made = new Queue(name, { connection: this.redis.connection, prefix: this.redis.prefix });
      made.on('error', () => {});
      this.#queues.set(name, made);
    }
    return this.#queues.get(name);
  }

  /** Runs the command line and waits for its end, whatever its code. */
  async run(...args) {
    const program = launch(binary, [...args, '--redis', this.redis.url], { cwd: '/' });
    await program.exited;
    return program;
  }

  /** Leaves no worker behind. */
  async close() {
    for (const worker of this.#workers) if (worker.alive()) await worker.kill();
    for (const queue of this.#queues.values()) await queue.close();
    await this.redis.stop();
  }
}

/** One call of a worker's API. */
async function call(worker, where, options) {
  const response = await fetch(`${worker.base}/api/v1${where}`, options);
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text) };
}

export const get = (worker, where, headers = {}) => call(worker, where, { headers });
export const post = (worker, where, body, headers = {}) =>
  call(worker, where, { method: 'POST', body: JSON.stringify(body), headers });
