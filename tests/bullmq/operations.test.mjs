// What `gristmill job`, `queue`, `flow` and `schedule` do, seen through BullMQ's own clients.
import assert from 'node:assert/strict';
import { it } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { gristmill as command } from './lib/command.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab({ only: 'ours' });
const value = (value) => JSON.stringify({ steps: [{ op: 'return', value }] });

const gristmill = (...args) => command(lab.redis, ...args);

const queue = lab.queue(v6, 'operated');
const name = queue.name;
const brisk = lab.queue(v6, 'brisk');

it.ours('what is said of a queue that is not there is refused, and makes none', async () => {
  const wrong = `${name}x`;
  for (const said of [['pause', wrong], ['resume', wrong], ['limit', wrong, '--concurrency', '1'], ['show', wrong], ['drain', wrong],
    ['clean', wrong, '--state', 'completed'], ['obliterate', wrong, '--yes']]) {
    await assert.rejects(gristmill('queue', ...said), ({ stderr }) =>
      stderr.includes(`there is no queue \`${wrong}\``) && stderr.includes(`did you mean \`${name}\`?`));
  }
  const there = (await gristmill('queue', 'list', '--json')).map((row) => row.queue);
  assert.ok(there.includes(name) && !there.includes(wrong), there.join());
});

it.ours('a paused queue starts nothing until it is resumed', async () => {
  await gristmill('queue', 'pause', name);
  assert.equal(await queue.queue.isPaused(), true);
  const job = await queue.add([{ op: 'return', value: 1 }]);
  const delayed = await queue.add([], { delay: 60_000 });
  assert.equal((await gristmill('queue', 'show', name, '--json')).counts.waiting, 1);
  await gristmill('queue', 'resume', name);
  assert.equal(await queue.result(job), 1);
  await gristmill('job', 'promote', name, delayed.id);
  await queue.result(delayed);
});

it.ours('failed jobs are listed, retried and removed', async () => {
  const once = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'not yet', kind: 'permanent' }] }];
  const jobs = await queue.addAll([[once], [once]]);
  for (const job of jobs) await queue.inState(job, 'failed');
  const listed = await gristmill('job', 'list', name, '--state', 'failed', '--json');
  assert.deepEqual(listed.map((job) => job.id).sort(), jobs.map((job) => job.id).sort());
  assert.deepEqual(await gristmill('job', 'retry', name, '--all', '--json'), { retried: 2 });
  for (const job of jobs) await queue.inState(job, 'completed');
  assert.deepEqual(await gristmill('job', 'remove', name, jobs[0].id, '--json'), { removed: 1 });
  assert.equal(await queue.fresh(jobs[0]), undefined);
  await assert.rejects(gristmill('job', 'retry', name, 'none'), /there is no such job/);
});

it.ours('options are checked, and deduplication holds', async () => {
  const once = '{"deduplication":{"id":"only"},"delay":60000}';
  const first = await gristmill('job', 'add', name, 'n', '--options', once);
  assert.equal(await gristmill('job', 'add', name, 'n', '--options', once), first);
  assert.equal(await queue.queue.getDeduplicationJobId('only'), first);
  await assert.rejects(gristmill('job', 'add', name, 'n', '--options', '{"atempts":3}'), /did you mean `attempts`/);
  await gristmill('job', 'remove', name, first);
  assert.equal(await queue.queue.getDeduplicationJobId('only'), null);
});

it.ours('a flow is added whole and read by Node', async () => {
  const flow = {
    name: 'sum', queueName: name, data: { steps: [{ op: 'return', value: 'all' }] },
    children: [1, 2].map((n) => ({ name: 'part', queueName: name, data: { steps: [{ op: 'return', value: n }] } })),
  };
  const added = await gristmill('flow', 'add', JSON.stringify(flow), '--json');
  const root = await queue.fresh(added.id);
  assert.equal(await queue.result(root), 'all');
  const producer = new v6.FlowProducer({ connection: lab.redis.connection, prefix: lab.redis.prefix });
  const tree = await producer.getFlow({ id: added.id, queueName: name });
  assert.deepEqual(tree.children.map((child) => child.job.returnvalue).sort(), [1, 2]);
  await producer.close();
});

it.ours('a scheduler is created, listed, changed and removed', async () => {
  const upsert = (...more) => gristmill('schedule', 'upsert', name, 'nightly', 'report', '--data', value(5), ...more);
  const next = await upsert('--pattern', '0 3 * * *', '--zone', 'Europe/Berlin');
  const seen = await queue.queue.getJobScheduler('nightly');
  assert.equal(seen.pattern, '0 3 * * *');
  assert.equal(seen.tz, 'Europe/Berlin');
  assert.equal(next, `repeat:nightly:${seen.next}`);
  await upsert('--every', '1h');
  const [listed] = await gristmill('schedule', 'list', name, '--json');
  assert.equal(listed.fields.every, '3600000');
  await queue.inState({ id: `repeat:nightly:${Math.min(listed.next_ms, listed.next_ms - 3_600_000)}` }, 'completed');
  await gristmill('schedule', 'remove', name, 'nightly');
  assert.equal((await queue.queue.getJobSchedulers()).length, 0);
  await assert.rejects(upsert('--pattern', 'often'), /no cron pattern/);
});

it.ours('cleaning and obliterating leave nothing behind', async () => {
  const { removed } = await gristmill('queue', 'clean', name, '--json');
  assert.ok(removed > 0);
  assert.equal(await queue.queue.getCompletedCount(), 0);
  await assert.rejects(gristmill('queue', 'obliterate', name), /add `--yes`/);
  await gristmill('queue', 'obliterate', name, '--yes');
  assert.deepEqual(await queue.keys.keys(queue.key('*')), []);
});

it.ours('a running job is cancelled: its guest stops and it is not tried again', async () => {
  for (const steps of [[{ op: 'loop' }], [{ op: 'sleep', ms: 60_000 }]]) {
    const job = await queue.add(steps, { attempts: 5 });
    await queue.inState(job, 'active');
    const ended = await gristmill('job', 'cancel', name, job.id, '--json');
    assert.deepEqual(ended, { id: job.id, state: 'failed', failedReason: 'cancelled' });
    assert.equal((await queue.fresh(job)).attemptsMade, 1);
  }
  const waiting = await queue.add([], { delay: 60_000 });
  await assert.rejects(gristmill('job', 'cancel', name, waiting.id), /is delayed, it does not run; use `gristmill job remove`/);
  await assert.rejects(gristmill('job', 'cancel', name, 'none'), /there is no job `none`/);
  await waiting.remove();
});

it.ours('limits of a queue are those that Node reads, and hold', async () => {
  const set = await gristmill('queue', 'limit', name, '--concurrency', '1', '--rate', '50/s', '--json');
  assert.deepEqual(set, { concurrency: 1, max: 50, duration_ms: 1000, held_ms: null });
  assert.equal(await queue.queue.getGlobalConcurrency(), 1);
  const jobs = await queue.addAll([[[{ op: 'sleep', ms: 100 }]], [[{ op: 'sleep', ms: 100 }]]]);
  for (const job of jobs) await queue.result(job);
  const [first, second] = await Promise.all(jobs.map((job) => queue.fresh(job)));
  assert.ok(second.processedOn >= first.finishedOn || first.processedOn >= second.finishedOn, 'one after the other');
  const none = await gristmill('queue', 'limit', name, '--no-concurrency', '--no-rate', '--json');
  assert.deepEqual(none, { concurrency: null, max: null, duration_ms: null, held_ms: null });
  assert.equal(await queue.queue.getGlobalConcurrency(), null);

  await gristmill('queue', 'limit', name, '--hold', '1h');
  const held = await queue.add([{ op: 'return', value: 'released' }]);
  // Taken from in the order of arrival, so it would have run by the time that the other queue's job has.
  await brisk.result(await brisk.add([]));
  assert.equal(await queue.queue.getJobState(held.id), 'waiting');
  assert.match(await gristmill('queue', 'show', name), /held for/);
  await gristmill('queue', 'limit', name, '--hold', '0s');
  assert.equal(await queue.result(held), 'released');
});
