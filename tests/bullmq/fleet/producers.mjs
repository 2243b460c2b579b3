// Adds the units of a plan in bulk, with the client and to the queue that each names.
import { v5, v6 } from '../lib/clients.mjs';
import { QUEUES } from './plan.mjs';

/** Nothing may be trimmed before the slowest observer has read it. */
const EVENTS = 2_000_000;

const bulk = ({ id, steps, opts }) => ({ name: 'job', data: { steps }, opts: id ? { ...opts, jobId: id } : opts });

export class Producers {
  constructor(connection) {
    const versions = Object.entries({ v5, v6 });
    const options = { connection, streams: { events: { maxLen: EVENTS } } };
    this.queues = new Map();
    for (const [tag, { Queue }] of versions) {
      for (const name of QUEUES) this.queues.set(`${tag} ${name}`, new Queue(name, options));
    }
    this.flows = new Map(versions.map(([tag, { FlowProducer }]) => [tag, new FlowProducer({ connection })]));
  }

  queue(name, tag = 'v6') {
    return this.queues.get(`${tag} ${name}`);
  }

  open() {
    return Promise.all([...this.queues.values()].map((queue) => queue.waitUntilReady()));
  }

  /** Adds units; afterwards each of their jobs knows its id. */
  async add(units) {
    const batches = new Map();
    const flows = { v5: [], v6: [] };
    const single = [];
    for (const unit of units) {
      if (unit.add === 'flow') flows[unit.client].push(unit);
      else if (unit.add === 'scheduler') single.push(this.#schedule(unit));
      else {
        const key = `${unit.client} ${unit.jobs[0].queue}`;
        if (!batches.has(key)) batches.set(key, []);
        batches.get(key).push(...unit.jobs);
      }
    }
    for (const [key, jobs] of batches) single.push(this.#addJobs(this.queues.get(key), jobs));
    for (const [tag, list] of Object.entries(flows)) if (list.length > 0) single.push(this.#addFlows(tag, list));
    await Promise.all(single);
  }

  async #addJobs(queue, jobs) {
    const added = await queue.addBulk(jobs.map(bulk));
    jobs.forEach((job, n) => (job.id ??= job.opts.jobId ?? added[n].id));
  }

  #addFlows(tag, units) {
    const node = (job) => ({ ...bulk(job), queueName: job.queue });
    return this.flows.get(tag).addBulk(units.map(({ root, children }) => ({ ...node(root), children: children.map(node) })));
  }

  #schedule({ client, id, repeat, job }) {
    const template = { name: 'job', data: { steps: job.steps }, opts: job.opts };
    return this.queue(job.queue, client).upsertJobScheduler(id, repeat, template);
  }

  close() {
    return Promise.all([...this.queues.values(), ...this.flows.values()].map((one) => one.close()));
  }
}
