// The model of the fleet run, by cases that BullMQ's documentation states.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ending, keptKey, predict } from './model.mjs';
import { jobsOf, plan, randomness } from './plan.mjs';

const value = (value) => ({ op: 'return', value });
const fail = (message, kind) => ({ op: 'fail', message, kind });
const once = (...steps) => ({ op: 'if', attempt: 1, steps });

test('a job ends as its steps say', () => {
  const cases = [
    [{ steps: [] }, { state: 'completed', attempts: 1, value: null }],
    [{ steps: [value(7), fail('late')] }, { state: 'completed', attempts: 1, value: 7 }],
    [{ steps: [value(7)], opts: { removeOnComplete: true } }, { state: 'removed', attempts: 1, value: 7 }],
    [{ steps: [fail('x')] }, { state: 'failed', attempts: 1, reason: 'x' }],
    [{ steps: [fail('x')], opts: { attempts: 3 } }, { state: 'failed', attempts: 3, reason: 'x' }],
    [{ steps: [fail('x', 'permanent')], opts: { attempts: 3 } }, { state: 'failed', attempts: 1, reason: 'x' }],
    [{ steps: [once(fail('x')), value(1)], opts: { attempts: 2 } }, { state: 'completed', attempts: 2, value: 1 }],
    [{ steps: [once(fail('x')), value(1)], opts: { attempts: 0 } }, { state: 'failed', attempts: 1, reason: 'x' }],
  ];
  for (const [job, expected] of cases) assert.deepEqual(ending(job), expected, JSON.stringify(job));
});

function family(policy, steps = [{ op: 'children' }]) {
  const child = (id, steps, opts = {}) => ({ queue: 'q', id, steps, opts });
  const children = [child('c0', [value(1)]), child('c1', [fail('x')], policy ? { [policy]: true } : {})];
  const [{ state, value: returned, reason }] = predict({ add: 'flow', root: child('p', steps), children });
  return { state, ...(returned !== undefined && { value: returned }), ...(reason && { reason }) };
}

test('a failed child does to its parent what its policy says', () => {
  assert.deepEqual(family(undefined), { state: 'waiting-children' });
  assert.deepEqual(family('failParentOnFailure'), { state: 'failed', reason: 'child bull:q:c1 failed' });
  assert.deepEqual(family('ignoreDependencyOnFailure'), { state: 'completed', value: [1] });
  assert.deepEqual(family('removeDependencyOnFailure', [value(5)]), { state: 'completed', value: 5 });
});

test('a parent returns what its children returned', () => {
  const root = { queue: 'q', id: 'p', steps: [{ op: 'children' }, value('own')] };
  const children = [1, 2].map((n) => ({ queue: 'q', id: `c${n}`, steps: [value(n)], opts: {} }));
  const [parent, ...others] = predict({ add: 'flow', root, children });
  assert.deepEqual([parent.state, parent.value, parent.anyOrder], ['completed', ['own', 1, 2], true]);
  assert.deepEqual(others.map(({ value }) => value), [1, 2]);
});

test('a deduplication id lets one job be', () => {
  const jobs = [0, 1, 2].map((k) => ({ queue: 'q', id: `d-${k}`, steps: [value(k)], opts: {} }));
  const states = (mode) => predict({ add: 'jobs', mode, jobs }).map(({ state, perhaps }) => (perhaps ? 'perhaps' : state));
  assert.deepEqual(states('dedup first'), ['completed', 'absent', 'absent']);
  assert.deepEqual(states('dedup last'), ['absent', 'absent', 'completed']);
  assert.deepEqual(states('dedup time'), ['completed', 'absent', 'absent']);
  assert.deepEqual(states('dedup kept'), ['completed', 'perhaps', 'perhaps']);
  assert.equal(keptKey({ mode: 'dedup time', deduplication: 'd', jobs }), 'bull:q:de:d');
  assert.equal(keptKey({ mode: 'dedup first', deduplication: 'd', jobs }), undefined);
});

test('a scheduler runs to its limit, or has its next job waiting', () => {
  const job = { queue: 'q', steps: [value(1)], opts: {} };
  const series = (repeat) => predict({ add: 'scheduler', id: 's', repeat, job })[0];
  assert.deepEqual([series({ every: 1, limit: 4 }).runs, series({ every: 1, limit: 4 }).next], [4, false]);
  assert.deepEqual([series({ every: 1 }).runs, series({ every: 1 }).next], [1, true]);
});

test('a seed decides the whole plan', () => {
  const units = plan(3, 4_000);
  assert.deepEqual(units, plan(3, 4_000));
  assert.notDeepEqual(units, plan(4, 4_000));
  const jobs = units.flatMap(jobsOf);
  assert.ok(jobs.length >= 4_000 && jobs.length < 4_010, `${jobs.length} jobs`);
  const named = jobs.map(({ id, opts }) => id ?? opts.jobId).filter(Boolean);
  assert.equal(new Set(named).size, named.length, 'ids are unique');
  assert.equal(new Set(jobs.map(({ kind }) => kind)).size, 19, 'every kind occurs');
  for (const unit of units) for (const { state } of predict(unit)) assert.ok(state);
});

test('random numbers are spread over their range', () => {
  const random = randomness(1);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 8_000; i++) counts[random.between(0, 3)]++;
  for (const count of counts) assert.ok(Math.abs(count - 2_000) < 200, String(counts));
});
