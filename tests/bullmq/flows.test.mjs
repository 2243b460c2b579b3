// Trees of jobs: results and failures of children reach the parent.
import assert from 'node:assert/strict';
import { it } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const value = (value) => [{ op: 'return', value }];

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const top = lab.queue(client, 'flow-top');
  const leaves = lab.queue(client, 'flow-leaves');

  async function grow(children, data = { steps: value('parent') }) {
    const producer = new client.FlowProducer({ connection: lab.redis.connection, prefix: lab.redis.prefix });
    const made = children.map(([steps, opts], n) => ({
      name: `child-${n}`, queueName: leaves.name, data: { steps }, opts,
    }));
    const flow = await producer.add({ name: 'parent', queueName: top.name, data, children: made });
    await producer.close();
    // The producer's jobs end with its connection.
    flow.job = await top.fresh(flow.job);
    return flow;
  }

  it(title('a parent runs after its children and can read what they returned [row-36]'), async () => {
    const flow = await grow([[value(1)], [value({ two: [2] })], [value(null), { removeOnComplete: true }]]);
    assert.equal(await top.result(flow.job), 'parent');
    const values = await (await top.fresh(flow.job)).getChildrenValues();
    assert.deepEqual(Object.values(values).map((v) => JSON.stringify(v)).sort(), ['1', 'null', '{"two":[2]}'].sort());
    const ended = await Promise.all(flow.children.slice(0, 2).map((child) => leaves.fresh(child.job)));
    const parent = await top.fresh(flow.job);
    for (const child of ended) assert.ok(child.finishedOn <= parent.processedOn, 'the child ended first');
  });

  const bad = [{ op: 'fail', message: 'no luck', kind: 'permanent' }];

  it(title('a child whose failure fails the parent does'), async () => {
    const flow = await grow([[bad, { failParentOnFailure: true }], [value(1)]]);
    await assert.rejects(top.result(flow.job), /child .* failed/);
    const { failed } = await (await top.fresh(flow.job)).getDependenciesCount({ failed: true });
    assert.equal(failed, 1);
  });

  it(title('a child whose failure is ignored leaves its reason'), async () => {
    const flow = await grow([[bad, { ignoreDependencyOnFailure: true }], [value(1)]]);
    assert.equal(await top.result(flow.job), 'parent');
    const ignored = await (await top.fresh(flow.job)).getIgnoredChildrenFailures();
    assert.deepEqual(Object.values(ignored), ['no luck']);
  });

  it(title('a child whose failure removes it from its parent leaves nothing'), async () => {
    const flow = await grow([[bad, { removeDependencyOnFailure: true }], [value(7)]]);
    assert.equal(await top.result(flow.job), 'parent');
    const parent = await top.fresh(flow.job);
    assert.deepEqual(Object.values(await parent.getChildrenValues()), [7]);
    assert.deepEqual(await parent.getIgnoredChildrenFailures(), {});
  });

  it(title('a parent goes on at once after a failure that continues it'), async () => {
    const slow = [{ op: 'sleep', ms: 4_000 }];
    const flow = await grow([[bad, { continueParentOnFailure: true }], [slow]]);
    // It is released while a child is pending, and cannot complete then: BullMQ fails it too.
    await assert.rejects(top.result(flow.job, 3_500));
    assert.equal(await leaves.queue.getJobState(flow.children[1].job.id), 'active');
  });

  it(title('a failed child that is retried and completes releases its parent [row-37]'), async () => {
    const steps = [{ op: 'if', attempt: 1, steps: bad }, ...value('second try')];
    const flow = await grow([[steps]]);
    const child = flow.children[0].job;
    await leaves.inState(child, 'failed');
    assert.equal(await top.queue.getJobState(flow.job.id), 'waiting-children');
    await (await leaves.fresh(child)).retry('failed');
    assert.equal(await top.result(flow.job), 'parent');
  });
}
