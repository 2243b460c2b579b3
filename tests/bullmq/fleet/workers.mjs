// The workers of the run: started again whenever one is killed, and asked what the dead one left.
import { startWorker, until } from '../harness.mjs';
import { QUEUES } from './plan.mjs';

const KINDS = [
  { kind: 'node6', peer: 'node', env: { BULLMQ_PACKAGE: 'bullmq' } },
  { kind: 'node5', peer: 'node', env: { BULLMQ_PACKAGE: 'bullmq5' } },
  { kind: 'ours1', peer: 'gristmill' },
  { kind: 'ours2', peer: 'gristmill' },
];

/** Short, so that what a kill leaves is found soon; any number of kills is forgiven. */
const SETTINGS = { lock_duration: '5s', stalled_interval: '2s', max_stalled_count: 1_000_000 };

const SECTION = { concurrency: 12, jobs: { '*': { memory: '16MiB', allow: { enqueue: QUEUES } } } };

export class Workers {
  /** `deviate(text)` is told of a worker that ends by itself. */
  constructor(redis, deviate) {
    this.redis = redis;
    this.deviate = deviate;
    this.keys = redis.client();
    this.slots = KINDS.map((kind) => ({ ...kind, life: 0, kills: 0, ran: 0 }));
    this.kills = 0;
    this.stopping = false;
    /** How often a job was in the hands of a worker that was killed, by queue and id. */
    this.caught = new Map(QUEUES.map((queue) => [queue, new Map()]));
  }

  async start() {
    await Promise.all(this.slots.map((slot) => this.#launch(slot)));
  }

  get ready() {
    return this.slots.filter(({ worker }) => worker);
  }

  /** Whose life bore this name. */
  slotOf(name) {
    return this.slots.find(({ kind }) => name.startsWith(`${kind}-`));
  }

  /** Each life has a Redis user of its own, which tells its connections from all others. */
  async #launch(slot) {
    const name = `${slot.kind}-${++slot.life}`;
    await this.keys.call('ACL', 'SETUSER', name, 'on', '>fleet', '~*', '&*', '+@all');
    const redis = { config: { url: this.redis.url.replace('://', `://${name}:fleet@`) } };
    const queues = Object.fromEntries(QUEUES.map((queue) => [queue, SECTION]));
    const worker = await startWorker({ redis, queues, worker: { ...SETTINGS, name }, peer: slot.peer, env: slot.env });
    slot.worker = worker;
    worker.program.exited.then(() => {
      if (slot.worker !== worker) return;
      slot.worker = undefined;
      this.deviate(`worker ${name} ended by itself (${worker.code ?? worker.signal}): ${worker.stderr.slice(-2_000)}`);
    });
  }

  /** Kills one worker, notes which jobs it held, and starts it again. */
  async kill(slot) {
    const { worker } = slot;
    slot.worker = undefined;
    slot.kills++;
    this.kills++;
    await worker.kill();
    const again = this.#launch(slot);
    again.catch(() => {}); // awaited below
    await until(async () => !(await this.keys.call('CLIENT', 'LIST')).includes(` user=${worker.name} `), `Redis drops ${worker.name}`);
    await this.#note(worker.name);
    await again;
  }

  async #note(name) {
    for (const queue of QUEUES) {
      const ids = await this.keys.lrange(`bull:${queue}:active`, 0, -1);
      const read = this.keys.pipeline();
      for (const id of ids) read.hget(`bull:${queue}:${id}`, 'pb');
      const owners = await read.exec();
      const caught = this.caught.get(queue);
      ids.forEach((id, n) => {
        if (owners[n][1] === name) caught.set(id, (caught.get(id) ?? 0) + 1);
      });
    }
  }

  /** Drains all; each must end well. */
  async stop() {
    const stopped = this.ready.map(async (slot) => {
      const { worker } = slot;
      slot.worker = undefined;
      const code = await worker.stop();
      const how = `${code ?? worker.signal}: ${worker.stderr.slice(-2_000)}`;
      if (code !== 0) this.deviate(`worker ${worker.name} ended its drain with ${how}`);
    });
    await Promise.all(stopped);
  }
}
