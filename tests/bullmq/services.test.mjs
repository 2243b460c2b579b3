// What running jobs ask for: child jobs and their results, follow-up jobs, state, moves that use no attempt.
import assert from 'node:assert/strict';
import { it } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const value = (value) => [{ op: 'return', value }];

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const leaves = lab.queue(client, 'grown');
  const allow = { enqueue: [leaves.name] };
  const top = lab.queue(client, 'growing', { jobs: { '*': { allow }, keeper: { allow } } });

  const child = (steps, opts) => ({
    op: 'enqueue', queue: leaves.name, name: 'leaf', data: { steps }, child: true, ...(opts && { opts }),
  });

  it(title('a job adds children as it runs, waits for them and gets their results [row-34]'), async () => {
    const slow = [{ op: 'sleep', ms: 100 }, { op: 'return', value: 'slow' }];
    const steps = [child(slow), child(value(2)), { op: 'wait-children' }, { op: 'children' }];
    const job = await top.add(steps);
    assert.deepEqual((await top.result(job)).map(String).sort(), ['2', 'slow']);
    const fresh = await top.fresh(job);
    // Called again, but not as another attempt.
    assert.deepEqual([fresh.attemptsMade, fresh.attemptsStarted], [1, 2]);
    const waited = (await top.history()).filter((e) => e.jobId === job.id).map((e) => e.event);
    assert.deepEqual(waited, ['added', 'waiting', 'active', 'waiting-children', 'waiting', 'active', 'completed']);
  });

  it(title('a child that fails its parent fails it'), async () => {
    // Slow, for a child that fails before its parent waits ends the parent with other words.
    const bad = [{ op: 'sleep', ms: 500 }, { op: 'fail', message: 'no luck', kind: 'permanent' }];
    const job = await top.add([child(bad, { failParentOnFailure: true }), { op: 'wait-children' }]);
    await assert.rejects(top.result(job), /child .*:grown-.* failed|some of its children failed|failed child/);
  });

  it(title('a follow-up job has the options it was given'), async () => {
    const opts = { jobId: `follow-${client.tag}`, priority: 5, attempts: 3 };
    await top.result(await top.add([{ op: 'enqueue', queue: leaves.name, name: 'next', data: { steps: value('n') }, opts }]));
    const next = await leaves.fresh(opts.jobId);
    assert.equal(await leaves.result(next), 'n');
    assert.deepEqual([next.name, next.opts.priority, next.opts.attempts, next.parentKey], ['next', 5, 3, undefined]);
  });

  it.ours(title('a queue that is not allowed is refused for good'), async () => {
    const steps = [{ op: 'enqueue', queue: 'elsewhere', name: 'x' }];
    await assert.rejects(top.result(await top.add(steps, { attempts: 3 })), /elsewhere.*allow\.enqueue/);
    assert.equal(await top.keys.exists(`${lab.redis.prefix}:elsewhere:id`), 0);
  });

  it.ours(title('state outlives its job and belongs to the job type'), async () => {
    await top.result(await top.add([{ op: 'state-set', key: 'k', value: { n: 1 } }], {}, 'keeper'));
    const read = [{ op: 'state-get', key: 'k' }];
    assert.deepEqual(await top.result(await top.add(read, {}, 'keeper')), [{ n: 1 }]);
    assert.deepEqual(await top.result(await top.add(read)), [null]);
  });
}
