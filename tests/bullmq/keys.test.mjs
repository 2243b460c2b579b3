// The same jobs with our worker and with BullMQ's, each on a Redis of its own: they leave the same keys.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { deployment, it, ours, startRedis, startWorker, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { difference, dump, sorted } from './lib/dump.mjs';
import { TestQueue } from './lib/lab.mjs';

const HOUR = 3_600_000;
const skip = !ours ? 'compares two workers already' : deployment === 'server' ? false : 'the keys are the same on all kinds of Redis';
const value = (value) => [{ op: 'return', value }];
const fail = { op: 'fail', message: 'boom' };
const permanent = { ...fail, kind: 'permanent' };

/**
 * What differs on purpose: `of` names the scenarios, `change` brings a Node worker's dump to what ours is.
 * Everything else must be equal.
 */
const INTENDED = [
  {
    why: 'a job that puts itself off says why in its log',
    of: /^a job moves itself to delayed$/,
    change: (node, queue) => {
      node[`bull:${queue}:1:logs`] = { type: 'list', is: ['deferred: the script says so'] };
    },
  },
  {
    why: 'every run of a scheduler knows its offset; with Node only the first does',
    of: /^the job of a scheduler$/,
    change: (node, queue) => {
      const { repeat } = node[`bull:${queue}:repeat:hourly:<run 2>`].is.opts;
      assert.equal(repeat.offset, undefined);
      repeat.offset = '<offset>';
    },
  },
  {
    why: 'the handler’s checkpoint is kept in its job: the step at which it goes on after the wait',
    of: /^a job adds a child and waits for it$/,
    change: (node, queue) => {
      node[`bull:${queue}:p`].is['gristmill:checkpoint'] = '{"next":2,"added":[]}';
    },
  },
];

const scenarios = [];
/** Declares a scenario: `play({queue, leaves, side})` ends when the state to compare is reached. */
const scenario = (name, play, { served = true } = {}) => scenarios.push({ name, play, served });

scenario('add, complete and keep', async ({ queue }) => {
  await queue.add(value({ a: [1, null] }), { jobId: 'a' });
  await queue.finished(1);
});

scenario('complete and remove', async ({ queue }) => {
  await queue.add([{ op: 'log', line: 'x' }, ...value(1)], { removeOnComplete: true });
  await queue.seen('completed', 1);
});

scenario('fail', async ({ queue }) => {
  await queue.add([fail]);
  await queue.finished(1);
});

scenario('fail and remove', async ({ queue }) => {
  await queue.add([fail], { removeOnFail: true });
  await queue.seen('failed', 1);
});

scenario('retry at once', async ({ queue }) => {
  await queue.add([{ op: 'if', attempt: 1, steps: [fail] }, ...value('second')], { attempts: 2 });
  await queue.finished(1);
});

scenario('retry after a backoff', async ({ queue }) => {
  const opts = { attempts: 3, backoff: { type: 'fixed', delay: 80 } };
  await queue.add([{ op: 'if', attempt: 1, steps: [fail] }, ...value('second')], opts);
  await queue.finished(1);
});

scenario('wait for a backoff', async ({ queue }) => {
  const job = await queue.add([fail], { attempts: 3, backoff: { type: 'exponential', delay: 60_000 } });
  await queue.inState(job, 'delayed');
});

scenario('use all attempts', async ({ queue }) => {
  await queue.add([fail], { attempts: 3, stackTraceLimit: 2 });
  await queue.finished(1);
});

scenario('fail for good', async ({ queue }) => {
  await queue.add([permanent], { attempts: 3 });
  await queue.finished(1);
});

scenario('delayed', async ({ queue }) => {
  await queue.addAll([[value(1), { delay: 50, jobId: 'soon' }], [value(2), { delay: HOUR, jobId: 'later' }]]);
  await queue.finished(1);
});

scenario('prioritized', async ({ queue }) => {
  await queue.addAll([5, 1, 5].map((priority) => [value(priority), { priority }]));
  await queue.finished(3);
});

scenario('progress and log lines', async ({ queue }) => {
  const steps = [{ op: 'progress', value: 5 }, { op: 'log', line: 'one' }, { op: 'progress', value: { at: 'two' } }];
  await queue.add([...steps, { op: 'log', line: 'two' }, { op: 'log', line: 'three' }], { keepLogs: 2 });
  await queue.finished(1);
});

scenario('a job moves itself to delayed', async ({ queue }) => {
  const job = await queue.add([{ op: 'delay', ms: HOUR }]);
  await queue.inState(job, 'delayed');
});

scenario('keep by count', async ({ queue }) => {
  const rows = Array.from({ length: 5 }, (_, n) => [value(n), { removeOnComplete: 2 }]);
  await queue.addAll([...rows, [[fail], { removeOnFail: 1 }], [[fail], { removeOnFail: 1 }]]);
  await queue.seen('completed', 5);
  await queue.seen('failed', 2);
});

scenario('a deduplicated job', async ({ queue }) => {
  const held = { deduplication: { id: 'd' } };
  await queue.queue.pause();
  await queue.addAll([[value(1), held], [value(2), held], [value(3), { deduplication: { id: 'ttl', ttl: HOUR } }]]);
  await queue.queue.resume();
  await queue.finished(2);
});

scenario('a job parked behind an active one', async ({ queue }) => {
  const keep = { deduplication: { id: 'd', keepLastIfActive: true } };
  const first = await queue.add([{ op: 'sleep', ms: 400 }], keep);
  await queue.inState(first, 'active');
  await queue.add(value(2), keep);
  await queue.finished(2);
});

scenario('the job of a scheduler', async ({ queue }) => {
  const template = { name: 'tick', data: { steps: value('tick') }, opts: { attempts: 2 } };
  await queue.queue.upsertJobScheduler('hourly', { every: HOUR }, template);
  await queue.finished(1);
});

scenario('pause and resume', async ({ queue }) => {
  await queue.queue.pause();
  await queue.addAll([[value(1)], [value(2), { priority: 3 }]]);
  await queue.queue.resume();
  await queue.finished(2);
});

const tree = async ({ queue, leaves }, ...children) => {
  const producer = new v6.FlowProducer({ connection: queue.connection });
  const made = children.map(([steps, opts], n) => ({
    name: 'child', queueName: leaves.name, data: { steps }, opts: { jobId: `c${n}`, ...opts },
  }));
  await producer.add({ name: 'parent', queueName: queue.name, data: { steps: value('p') }, opts: { jobId: 'p' }, children: made });
  await producer.close();
};

scenario('a flow with two children', async (side) => {
  await tree(side, [value(1)], [value({ b: 2 }), { removeOnComplete: true }]);
  await side.queue.finished(1);
});

for (const policy of ['failParentOnFailure', 'ignoreDependencyOnFailure', 'removeDependencyOnFailure', 'continueParentOnFailure']) {
  scenario(`a child fails with ${policy}`, async (side) => {
    await tree(side, [[permanent], { [policy]: true }]);
    await side.queue.finished(1);
  });
}

scenario('a child fails without a policy', async (side) => {
  await tree(side, [[permanent]], [value(1)]);
  await side.leaves.finished(2);
});

scenario('a job adds a child and waits for it', async ({ queue, leaves }) => {
  const child = { op: 'enqueue', queue: leaves.name, name: 'leaf', data: { steps: value(4) }, child: true };
  await leaves.queue.pause(); // a child that ends before the wait would leave nothing to wait for
  const job = await queue.add([{ ...child, opts: { jobId: 'leaf' } }, { op: 'wait-children' }, ...value('done')], { jobId: 'p' });
  await queue.inState(job, 'waiting-children');
  await leaves.queue.resume();
  await queue.finished(1);
});

scenario('a job handed back by a drain', async ({ queue, side }) => {
  const worker = await side.start(queue, { shutdown_timeout: '200ms' });
  // A Node worker waits for its jobs for ever; its job hands itself back in the way a Node job can.
  const end = side.peer === 'node' ? { op: 'delay', ms: 0 } : { op: 'sleep', ms: 60_000 };
  const job = await queue.add([{ op: 'sleep', ms: 300 }, end], { attempts: 2 });
  await queue.inState(job, 'active');
  await queue.queue.pause();
  await worker.stop();
  await queue.inState(job, 'waiting');
  await (await queue.fresh(job)).updateData({});
}, { served: false });

scenario('a stalled job is found', async ({ queue, side }) => {
  const hasty = { lock_duration: '1s', stalled_interval: '1s' };
  const first = await side.start(queue, hasty);
  const job = await queue.add([{ op: 'sleep', ms: 60_000 }], { priority: 4 });
  await queue.inState(job, 'active');
  await queue.queue.pause();
  await first.kill();
  const second = await side.start(queue, hasty);
  await queue.seen('stalled', 1);
  await second.stop();
}, { served: false });

scenario('a stalled job runs again', async ({ queue, side }) => {
  const hasty = { lock_duration: '1s', stalled_interval: '1s' };
  const first = await side.start(queue, hasty);
  const job = await queue.add([{ op: 'sleep', ms: 60_000 }]);
  await queue.inState(job, 'active');
  await first.kill();
  await (await queue.fresh(job)).updateData({ steps: value('again') });
  await side.start(queue, hasty);
  await queue.finished(1);
}, { served: false });

const sides = ['gristmill', 'node'].map((peer) => ({ peer, queues: new Map(), workers: [] }));

async function open() {
  for (const side of sides) {
    side.redis = await startRedis();
    side.keys = side.redis.client();
    const sections = {};
    side.start = async (queue, worker) => {
      const queues = { [queue.name]: { concurrency: 1, jobs: { '*': { timeout: '10m' } } } };
      const started = await startWorker({ redis: side.redis, peer: side.peer, queues, worker: { name: 'mill', ...worker } });
      side.workers.push(started);
      return started;
    };
    for (const { name, served } of scenarios) {
      for (const part of [name, `${name}, leaves`]) {
        const title = part.replaceAll(/[^a-z]+/gi, '-');
        const queue = new TestQueue(v6, title, {}, undefined);
        queue.connection = side.redis.connection;
        await queue.open(side.redis);
        side.queues.set(part, queue);
        const leaves = `${name}, leaves`.replaceAll(/[^a-z]+/gi, '-');
        if (served) sections[title] = { concurrency: 1, jobs: { '*': { allow: { enqueue: [leaves] } } } };
      }
    }
    const worker = { name: 'mill', stalled_interval: '60m' };
    side.workers.push(await startWorker({ redis: side.redis, peer: side.peer, queues: sections, worker }));
  }
}

if (!skip) before(open);

after(async () => {
  for (const side of sides) {
    await Promise.all(side.workers.map((worker) => worker.kill()));
    await Promise.all([...side.queues.values()].map((queue) => queue.close()));
    await side.redis?.stop();
  }
});

/** The keys in which the two sides of a scenario differ against intention. */
async function different({ name }) {
  const parts = [name, `${name}, leaves`].map((part) => sides[0].queues.get(part).name);
  const [ours, node] = await Promise.all(sides.map(({ keys }) => dump(keys, ...parts)));
  for (const { of, change } of INTENDED) if (of.test(name)) change(node, parts[0]);
  return difference(sorted(ours), sorted(node));
}

for (const one of scenarios) {
  it(`keys: ${one.name} [own-keys]`, { skip }, async () => {
    await Promise.all(
      sides.map((side) => {
        const [queue, leaves] = [one.name, `${one.name}, leaves`].map((part) => side.queues.get(part));
        return one.play({ queue, leaves, side });
      }),
    );
    // A worker goes on for a moment after a job's end is visible; then nothing moves any more.
    await until(async () => (await different(one)).length === 0, 'both sides agree', 2_000).catch(() => {});
    const found = await different(one);
    assert.equal(found.length, 0, `these keys differ:\n${found.join('\n')}`);
  });
}
