// Parents and children: where a released parent goes, whose word a child's failure follows, retried children.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { clients, v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const HOUR = 3_600_000;
const value = (value) => [{ op: 'return', value }];
const bad = [{ op: 'fail', message: 'no luck', kind: 'permanent' }];

/** Adds a parent with children, each `[steps, opts]`; answers both as the queues know them. */
async function grow(top, leaves, opts, ...children) {
  const { connection, prefix } = lab.redis;
  const producer = new top.client.FlowProducer({ connection, prefix });
  const made = children.map(([steps, childOpts], n) => ({
    name: `child-${n}`, queueName: leaves.name, data: { steps }, opts: childOpts,
  }));
  const flow = await producer.add({ name: 'parent', queueName: top.name, data: { steps: value('p') }, opts, children: made });
  await producer.close();
  return [await top.fresh(flow.job), ...(await Promise.all(flow.children.map(({ job }) => leaves.fresh(job))))];
}

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const top = lab.queue(client, 'top');
  const leaves = lab.queue(client, 'leaves');

  it(title('a child’s failure follows its `parent` field, whatever its options say [trap-7]'), async () => {
    const change = (job, edit) => {
      const parent = JSON.parse(JSON.stringify(job.parent));
      edit(parent);
      return leaves.keys.hset(leaves.key(job.id), 'parent', JSON.stringify(parent));
    };
    const [spared, silent] = await grow(top, leaves, {}, [bad, { failParentOnFailure: true, delay: HOUR }]);
    await change(silent, (parent) => delete parent.fpof);
    await silent.promote();
    await leaves.inState(silent, 'failed');
    assert.equal(await top.queue.getJobState(spared.id), 'waiting-children');

    const [doomed, strict] = await grow(top, leaves, {}, [bad, { delay: HOUR }]);
    await change(strict, (parent) => (parent.fpof = true));
    await strict.promote();
    await assert.rejects(top.result(doomed), new RegExp(`child .*:${strict.id} failed`));
  });

  it(title('retried children are pending again, and end into their parent [row-37]'), async () => {
    const once = [{ op: 'if', attempt: 1, steps: bad }, ...value('second')];
    const [parent, first, second] = await grow(top, leaves, {}, [once], [once]);
    for (const child of [first, second]) await leaves.inState(child, 'failed');
    assert.equal((await parent.getDependenciesCount({ unprocessed: true })).unprocessed, 2, 'they were never taken off');
    await leaves.queue.retryJobs({ state: 'failed' });
    assert.equal(await top.result(parent), 'p');
    assert.deepEqual(Object.values(await parent.getChildrenValues()), ['second', 'second']);
  });

  it(title('a parent keeps what its children returned when they are removed [row-36]'), async () => {
    const opts = { jobId: 'gone', removeOnComplete: true, delay: 300 };
    const [parent, child] = await grow(top, leaves, {}, [value({ kept: true }), opts]);
    assert.equal(child.id, 'gone');
    assert.equal(await top.result(parent), 'p');
    assert.equal(await leaves.fresh('gone'), undefined);
    assert.deepEqual(Object.values(await (await top.fresh(parent)).getChildrenValues()), [{ kept: true }]);
  });
}

const again = lab.queue(v6, 'again');
const kids = lab.queue(v6, 'kids');
it('an ignored child that is retried is pending again [row-37]', async () => {
  const once = [{ op: 'if', attempt: 1, steps: bad }, ...value('second')];
  const [parent, child] = await grow(again, kids, {}, [once, { ignoreDependencyOnFailure: true }], [value(1), { delay: HOUR }]);
  await kids.inState(child, 'failed');
  assert.deepEqual(Object.values(await parent.getIgnoredChildrenFailures()), ['no luck']);
  await kids.queue.pause();
  await (await kids.fresh(child)).retry('failed');
  assert.deepEqual(await parent.getIgnoredChildrenFailures(), {});
  assert.equal((await parent.getDependenciesCount({ unprocessed: true })).unprocessed, 2);
  await kids.queue.resume();
  await kids.inState(child, 'completed');
  await until(async () => Object.keys(await parent.getChildrenValues()).length === 1, 'its result is there');
  await kids.queue.promoteJobs();
  assert.equal(await again.result(parent), 'p');
});

const front = lab.queue(v6, 'front');
const cause = lab.queue(v6, 'cause');
it('a released parent goes to the front of `wait`, a prioritized one among its like [trap-3] [trap-4]', async () => {
  await front.queue.pause();
  await front.addAll([[value(1), { jobId: 'x' }], [value(2), { jobId: 'y' }], [value(3), { jobId: 'five', priority: 5 }]]);
  const [plain] = await grow(front, cause, {}, [value(1)]);
  const [ranked] = await grow(front, cause, { priority: 2 }, [value(1)]);
  const [late] = await grow(front, cause, { delay: HOUR }, [value(1)]);
  await front.seen('waiting', 5);
  await front.inState(late, 'delayed');
  assert.deepEqual(await front.keys.lrange(front.key('wait'), 0, -1), ['y', 'x', plain.id]);
  assert.deepEqual(await front.keys.zrange(front.key('prioritized'), 0, -1), [ranked.id, 'five']);
  const due = Number(await front.keys.zscore(front.key('delayed'), late.id)) / 4096;
  assert.ok(due > Date.now() + HOUR - 60_000 && due <= Date.now() + HOUR, 'the delay counts from the release');
  await front.queue.resume();
  await front.finished(5);
  assert.deepEqual(await front.started(), [plain.id, 'x', 'y', ranked.id, 'five']);
});

it('jobs of flows have ids that are no numbers [trap-19]', async () => {
  const [parent, child] = await grow(front, cause, {}, [value('c')]);
  assert.match(parent.id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.match(child.id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.equal(await front.result(parent), 'p');
  assert.deepEqual(Object.keys(await (await front.fresh(parent)).getChildrenValues()), [cause.key(child.id)]);
});
