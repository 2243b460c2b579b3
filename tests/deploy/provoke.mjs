// Makes happen what metrics tell of: whatever a worker counts only when something is out of the ordinary has a row here.
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { scripted, until } from '../bullmq/harness.mjs';
import { v6 } from '../bullmq/lib/clients.mjs';
import { gristmill } from '../bullmq/lib/command.mjs';
import { makeFolder } from '../bullmq/lib/process.mjs';
import { metric } from '../bullmq/lib/prometheus.mjs';
import { withSchema } from '../browser/lib/mill.mjs';

const folder = await makeFolder('provoke');
const replaced = path.join(folder, 'replaced.wasm');
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:1';
const HOUR = 3_600_000;
const times = (count, step) => Array.from({ length: count }, () => step);
/** A queue is named after BullMQ's version too. */
const named = (name) => `${name}-${v6.tag}`;

/** By queue: what happens to it, the metrics that tell of that, the queue's settings, and how it is made to happen. */
const TOGETHER = {
  limited: ['a limiter has room for one of two jobs', ['gristmill_limiter_calls_total'],
    { jobs: { '*': { limiters: ['scarce'] } } },
    (queue) => queue.addAll(times(2, [[]]))],
  guarded: ['a job passes a breaker', ['gristmill_breaker_calls_total', 'gristmill_breaker_state'],
    { jobs: { '*': { breakers: ['service'] } } },
    (queue) => queue.add([])],
  denied: ['a handler asks for a host that it may not', ['gristmill_denied_total'],
    {},
    (queue) => queue.add([{ op: 'http', url: NOWHERE }])],
  slow: ['an attempt passes its soft timeout', ['gristmill_soft_limits_total'],
    { jobs: { '*': { soft_timeout: '50ms' } } },
    (queue) => queue.add([{ op: 'sleep', ms: 500 }])],
  trapping: ['a job traps again and again', ['gristmill_poison_jobs_total', 'gristmill_core_dumps_total', 'bullmq_jobs_retried_total'],
    { jobs: { '*': { core_dumps: 1 } } },
    (queue) => queue.add([{ op: 'trap' }], { attempts: 10 })],
  talkative: ['a handler logs more than the ceiling', ['gristmill_dropped_total'],
    {},
    (queue) => queue.add(times(1_001, { op: 'log', line: 'more' }))],
  rude: ['a handler records a metric whose name cannot be', ['gristmill_metric_refusals_total'],
    {},
    (queue) => queue.add([{ op: 'metric', kind: 'counter', name: 'with space', value: 1 }])],
  reused: ['an instance serves two jobs, and is let go', ['gristmill_reused_attempts_total', 'gristmill_instances_recycled_total'],
    { concurrency: 1, jobs: { '*': { isolation: 'reuse', recycle_after_jobs: 2 } } },
    (queue) => queue.addAll(times(4, [[]]))],
  learning: ['a timeout follows the attempts', ['gristmill_timeout_seconds', 'gristmill_limit_changes_total'],
    { jobs: { '*': { adaptive_timeout: { warm_up: 1 } } } },
    (queue) => queue.add([])],
  family: ['a job waits for its child', ['bullmq_jobs_waiting_children_total'],
    { jobs: { '*': { allow: { enqueue: [named('family')] } } } },
    (queue) => queue.add([{ op: 'enqueue', name: 'child', child: true }, { op: 'wait-children' }])],
  late: ['a job puts itself off, of which an alert tells a target', ['bullmq_jobs_delayed_total', 'gristmill_alerts', 'gristmill_notifications_total'],
    {},
    (queue) => queue.add([{ op: 'delay', ms: HOUR }])],
  traced: ['spans go to a collector', ['gristmill_otlp_exports_total'],
    {},
    (queue) => queue.add([])],
  odd: ['an option cannot be read', ['gristmill_odd_options_total'],
    {},
    (queue) => queue.add([], { removeOnComplete: 'soon' })],
  haunted: ['an id without a job stands before a job', ['gristmill_strangers_total'],
    {},
    async (queue) => {
      await queue.keys.rpush(queue.key('wait'), 'nobody');
      await queue.add([]);
    }],
  robbed: ['a job that runs loses its lock', ['gristmill_locks_lost_total', 'gristmill_stalled_jobs_total'],
    {},
    async (queue) => {
      const job = await queue.add([{ op: 'sleep', ms: 3_000 }]);
      await until(() => queue.keys.del(queue.key(`${job.id}:lock`)), 'the job has a lock to lose');
    }],
  broken: ['a scheduler’s pattern is broken by hand', ['gristmill_not_scheduled_total'],
    {},
    async (queue) => {
      const job = await queue.queue.upsertJobScheduler('yearly', { pattern: '0 0 1 1 *' }, { name: 'job', data: {} });
      await queue.keys.hset(queue.key(job.id), 'opts', JSON.stringify({ repeat: { pattern: 'never' } }));
      await job.promote();
    }],
  torn: ['a key has the wrong type', ['gristmill_redis_errors_total'],
    {},
    async (queue) => {
      await queue.keys.set(queue.key('wait'), 'this is not a list');
      await queue.keys.zadd(queue.key('marker'), 0, '0'); // the worker is told to look
    }],
  deployed: ['a canary is tried, and promoted by what it comes to',
    ['gristmill_deployment_changes_total', 'gristmill_canary_percent', 'gristmill_canary_ends_total'],
    { jobs: { '*': { handler: 'deployed' } } },
    async (queue, { lab, worker }) => {
      const push = (file, ...more) => gristmill(lab.redis, 'handler', 'push', file, '--queue', queue.name, '--name', 'deployed', ...more);
      await push(scripted);
      await queue.result(await queue.add([]), 60_000); // it waits until that is served
      await push(await withSchema(folder, true), '--canary', '99%', '--promote-after', '1s');
      const part = () => metric(worker, 'gristmill_canary_percent', { queue: queue.name });
      await until(async () => (await part()) === 99, 'the canary is served', 60_000);
      await queue.addAll(times(80, [[]])); // it is not promoted before it has had fifty
    }],
};

/** The same for a second worker: pressure lets go instances that rest, and HUP reads all handlers again. */
const APART = {
  crowded: ['a worker is above its soft memory limit', ['gristmill_memory_pressure_total'],
    {},
    () => {}], // from the start: its limit is below what any worker needs
  swapped: ['a handler’s file is changed', ['gristmill_handler_swaps_total'],
    { jobs: { '*': { handler: replaced } } },
    async (_, { apart }) => {
      await copyFile(await withSchema(folder, true, 'next.wasm'), replaced);
      apart.program.child.kill('SIGHUP');
    }],
};

/** The event that each of these metrics waits for. */
export const waitsFor = new Map(
  Object.values({ ...TOGETHER, ...APART }).flatMap(([what, metrics]) => metrics.map((name) => [name, what])),
);

/**
 * Opens the queues to which all of it happens. The function that it answers starts workers on them and on `queues`, and answers
 * these workers with `provoke()`, which makes it happen.
 */
export function provoked(lab, queues) {
  const open = (table) => Object.entries(table).map(([name, [what, , settings, provoke]]) => ({
    what, provoke, queue: lab.queue(v6, name, settings),
  }));
  const [together, others] = [open(TOGETHER), open(APART)];
  const served = (rows) => rows.map(({ queue }) => queue);
  return async () => {
    await copyFile(scripted, replaced);
    const worker = await lab.start({
      queues: [...queues, ...served(together)],
      // Lost locks and stalled jobs are found within seconds.
      worker: { lock_duration: '3s', stalled_interval: '500ms' },
      limiters: { scarce: { tiers: ['1/h'] } },
      breakers: { service: {} },
      sections: {
        monitoring: { interval: '1s', health_interval: '500ms' },
        alerts: {
          rules: { late: { when: 'delayed > 0', queues: [named('late')] } },
          targets: { hook: { kind: 'webhook', url: NOWHERE } },
        },
        telemetry: { otlp: NOWHERE },
      },
      env: { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_METRIC_EXPORT_INTERVAL: '200' },
    });
    const apart = await lab.start({
      queues: served(others),
      worker: { memory_soft_limit: '1MiB' },
      sections: { monitoring: { enabled: false } }, // the alerts are the other worker's
    });
    const happen = async ({ what, queue, provoke }) => {
      try {
        await provoke(queue, { lab, worker, apart });
      } catch (error) {
        throw new Error(`${what}: ${error.message}`, { cause: error });
      }
    };
    return { workers: [worker, apart], provoke: () => Promise.all([...together, ...others].map(happen)) };
  };
}
