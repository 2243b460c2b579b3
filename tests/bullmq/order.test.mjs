// Which job runs next: list ends, priorities, due times, pause, global concurrency.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();

/** The most jobs that were active at once, by the order of the queue's own events. */
function mostAtOnce(history) {
  let now = 0;
  let most = 0;
  for (const { event } of history) {
    if (event === 'active') most = Math.max(most, ++now);
    if (event === 'completed') now--;
  }
  return most;
}

const ids = (jobs) => jobs.map((job) => job.id);
const named = (name, opts) => [[{ op: 'return', value: name }], opts, name];

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const one = { concurrency: 1 };
  let first, reversed, ranked;

  // These three wait in full before the worker exists, so it must find them without any wake-up.
  const fifo = lab.queue(client, 'fifo', one, async (queue) => {
    first = await queue.addAll(Array.from({ length: 40 }, (_, n) => named(`n${n}`)));
    await queue.keys.del(queue.key('marker'));
  });
  const lifo = lab.queue(client, 'lifo', one, async (queue) => {
    reversed = await queue.addAll(Array.from({ length: 10 }, (_, n) => named(`n${n}`, { lifo: true })));
  });
  const ladder = lab.queue(client, 'ladder', one, async (queue) => {
    const priorities = [['five', 5], ['last', 2_097_151], ['one', 1], ['five again', 5], ['none'], ['one again', 1]];
    ranked = await queue.addAll(priorities.map(([name, priority]) => named(name, { priority })));
  });

  it(title('jobs added before the worker started run first in, first out [row-3] [trap-13]'), async () => {
    await fifo.finished(first.length);
    assert.deepEqual(await fifo.started(), ids(first));
  });

  it(title('jobs added to a running worker run first in, first out [row-1]'), async () => {
    await fifo.finished(first.length);
    const more = await fifo.addAll(Array.from({ length: 40 }, (_, n) => named(`n${n}`)));
    await fifo.finished(first.length + more.length);
    assert.deepEqual((await fifo.started()).slice(first.length), ids(more));
  });

  it(title('lifo jobs run last in, first out [row-2]'), async () => {
    await lifo.finished(reversed.length);
    assert.deepEqual(await lifo.started(), ids(reversed).reverse());
  });

  it(title('priorities run lowest number first, first in, first out inside one, and none before all [row-11]'), async () => {
    await ladder.finished(ranked.length);
    const names = new Map(ranked.map((job) => [job.id, job.name]));
    const order = (await ladder.started()).map((id) => names.get(id));
    assert.deepEqual(order, ['none', 'one', 'one again', 'five', 'five again', 'last']);
  });

  const chain = lab.queue(client, 'chain', one);
  it(title('a prioritized job added during the last active job starts right after it [row-12]'), async () => {
    const running = await chain.add([{ op: 'sleep', ms: 600 }]);
    await chain.inState(running, 'active');
    const next = await chain.add([], { priority: 3 });
    await Promise.all([chain.result(running), chain.result(next)]);
    const gap = (await chain.fresh(next)).processedOn - (await chain.fresh(running)).finishedOn;
    assert.ok(gap >= 0 && gap < 1_000, `started ${gap} ms after the running one`);
  });

  const later = lab.queue(client, 'later', one);
  it(title('delayed jobs run when they are due and not before [row-33]'), async () => {
    const jobs = await later.addAll([700, 250, 1_200].map((delay) => named('due', { delay })));
    await later.finished(3);
    for (const job of jobs) {
      const { processedOn, timestamp } = await later.fresh(job);
      const late = processedOn - (timestamp + job.opts.delay);
      assert.ok(late >= 0 && late < 1_500, `delay ${job.opts.delay}: started ${late} ms after it was due`);
    }
    assert.deepEqual(await later.started(), [jobs[1].id, jobs[0].id, jobs[2].id]);
    const promoted = (await later.history('waiting')).map((entry) => entry.prev);
    assert.deepEqual(promoted, ['delayed', 'delayed', 'delayed']);
  });

  const ties = lab.queue(client, 'ties', one);
  it(title('jobs due in the same millisecond run in the order in which they were added [row-33] [trap-20]'), async () => {
    const opts = { timestamp: Date.now(), delay: 400 };
    const jobs = await ties.addAll(Array.from({ length: 20 }, () => named('tie', opts)));
    await ties.finished(jobs.length);
    assert.deepEqual(await ties.started(), ids(jobs));
  });

  const nightly = lab.queue(client, 'nightly', one);
  it(title('a delayed job keeps its priority when it becomes due [row-33]'), async () => {
    const opts = { timestamp: Date.now(), delay: 300 };
    const jobs = await nightly.addAll([9, 2, 4].map((priority) => named(`p${priority}`, { ...opts, priority })));
    await nightly.finished(3);
    assert.deepEqual(await nightly.started(), [jobs[1].id, jobs[2].id, jobs[0].id]);
  });

  const tap = lab.queue(client, 'tap', { concurrency: 4 });
  const beside = lab.queue(client, 'beside');
  it(title('a paused queue finishes what runs, starts nothing, and goes on when resumed [row-32]'), async () => {
    const running = await tap.add([{ op: 'sleep', ms: 400 }]);
    await tap.inState(running, 'active');
    await tap.queue.pause();
    const held = await tap.addAll([named('a'), named('b', { priority: 1 })]);
    await tap.result(running);
    // The same worker starts a delayed job of another queue after all of these were runnable.
    await beside.result(await beside.add([], { delay: 500 }));
    for (const job of held) assert.equal((await tap.fresh(job)).processedOn, undefined, job.name);

    await tap.queue.resume();
    await Promise.all(held.map((job) => tap.result(job)));
    const word = (await tap.history()).filter(({ event }) => event === 'paused' || event === 'resumed');
    assert.deepEqual(word.map(({ event }) => event), ['paused', 'resumed']);
  });

  const hush = lab.queue(client, 'hush');
  // A version 6 worker puts the job into `wait`, and version 5's resume then overwrites that list.
  const overwritten = client.tag === 'v5' ? it.ours : it;
  overwritten(title('a job that becomes due while its queue is paused runs after the resume [row-32]'), async () => {
    await hush.queue.pause();
    const [due] = await hush.addAll([named('due', { delay: 50 }), named('held')]);
    await beside.result(await beside.add([], { delay: 500 }));
    assert.equal((await hush.fresh(due)).processedOn, undefined);
    await hush.queue.resume();
    await hush.result(due);
  });

  const shared = lab.queue(client, 'shared', { concurrency: 8 });
  it(title('global concurrency holds across two workers and is used in full [row-28]'), async () => {
    await shared.queue.setGlobalConcurrency(3);
    const second = await lab.start({ queues: [shared], worker: { name: 'second' } });
    const jobs = await shared.addAll(Array.from({ length: 24 }, () => [[{ op: 'sleep', ms: 60 }]]));
    await shared.finished(jobs.length);
    assert.equal(mostAtOnce(await shared.history()), 3);

    await shared.queue.removeGlobalConcurrency();
    const more = await shared.addAll(Array.from({ length: 8 }, () => [[{ op: 'sleep', ms: 300 }]]));
    await until(async () => (await shared.counts()).active > 3, 'more than three jobs run once the limit is gone');
    await shared.finished(jobs.length + more.length);
    await second.stop();
  });

  it(title('a job added to an idle worker starts at once [row-40]'), async () => {
    await until(async () => (await beside.counts()).active === 0, 'the queue is idle');
    for (let n = 0; n < 5; n++) {
      const job = await beside.add([]);
      await beside.result(job);
      const { processedOn, timestamp } = await beside.fresh(job);
      assert.ok(processedOn - timestamp < 1_000, `job ${n} waited ${processedOn - timestamp} ms`);
    }
  });
}
