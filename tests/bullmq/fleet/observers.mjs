// What BullMQ's QueueEvents of both versions tell while the run lasts.
import { clients } from '../lib/clients.mjs';
import { QUEUES } from './plan.mjs';

const bump = (map, id) => map.set(id, (map.get(id) ?? 0) + 1);

class Observer {
  constructor({ QueueEvents, label }, queue, connection, deviate) {
    Object.assign(this, { label, queue, completed: new Map(), failed: new Map(), stalled: new Map() });
    this.told = { completed: 0, failed: 0, stalled: 0 };
    this.source = new QueueEvents(queue, { connection });
    this.source.on('error', (error) => deviate(`QueueEvents of ${label} on ${queue}: ${error.message}`));
    for (const event of ['completed', 'failed', 'stalled']) {
      this.source.on(event, ({ jobId }) => {
        bump(this[event], jobId);
        this.told[event]++;
      });
    }
    this.source.on('fleet-over', () => (this.over = true));
    // A value is kept only for jobs that nothing else tells of afterwards.
    this.values = new Map();
    this.source.on('completed', ({ jobId, returnvalue }) => {
      if (jobId.startsWith('u')) this.values.set(jobId, returnvalue);
    });
  }

  /** How many ends it was told of. */
  get ends() {
    return this.told.completed + this.told.failed;
  }
}

export class Observers {
  constructor(connection, deviate) {
    this.all = QUEUES.flatMap((queue) => clients.map((client) => new Observer(client, queue, connection, deviate)));
  }

  open() {
    return Promise.all(this.all.map(({ source }) => source.waitUntilReady()));
  }

  of(queue) {
    return this.all.filter((observer) => observer.queue === queue);
  }

  close() {
    return Promise.all(this.all.map(({ source }) => source.close()));
  }
}
