// Alerts from the cause to the message: real load raises them, a receiver is told, somebody says that they know, and they end.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import { after, before, describe } from 'node:test';
import { it, ours, until } from './harness.mjs';
import { gate } from './lib/gate.mjs';
import { Place, QUICK, fails, get, good, many, post, steps } from './lib/place.mjs';
import { receiver } from './lib/receiver.mjs';

const HOUR = 3_600_000;
// The command line notes who it was that acknowledged an alert.
process.env.USER = 'tester';
const TESTER = `tester@${hostname()}`;
const OPERATOR = { authorization: 'Bearer turn' };
const TOKENS = { hands: { role: 'operator', sha256: createHash('sha256').update('turn').digest('hex') } };

/** What a receiver was told of a rule and a queue, in its order. */
const told = (hook, rule, queue) => hook.got.map(({ body }) => body).filter(({ alert }) => alert.rule === rule && alert.queue === queue);

/** The same in words. Of an end it depends on the last look how bad the alert was. */
const words = (hook, rule, queue) =>
  told(hook, rule, queue).map(({ event, alert }) => (event === 'raised' ? alert.severity : event));

/** Waits for the last of the messages that are expected of a rule and a queue by then, and answers its alert. */
async function hears(hook, rule, queue, expected, ms = 30_000) {
  await until(
    () => told(hook, rule, queue).length >= expected.length,
    () => `${rule} of ${queue}: ${expected} is told; it was ${words(hook, rule, queue)}`,
    ms,
  );
  assert.deepEqual(words(hook, rule, queue), expected, `${rule} of ${queue}`);
  const [first, last] = [0, -1].map((nth) => told(hook, rule, queue).at(nth).alert);
  assert.equal(last.id, first.id, 'it is one alert all along');
  return last;
}

/** No message came twice, neither the same one nor another that says the same of the same alert. */
function assertNothingTwice(messages) {
  for (const key of [
    ({ headers }) => headers['x-gristmill-id'],
    ({ body: { event, alert } }) => `${event} ${alert.severity} ${alert.id}`,
  ]) {
    const all = messages.map(key);
    assert.deepEqual(all.filter((one, n) => all.indexOf(one) !== n), [], 'nothing is told twice');
  }
}

/** The alerts that hold, or have another state, as a worker's API shows them. */
async function holding(worker, state = 'active') {
  const { status, body } = await get(worker, `/alerts?state=${state}`, OPERATOR);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

const shown = async (worker, id, state) => (await holding(worker, state)).find((alert) => alert.id === id);

/** Acknowledges an alert through the API, and sees that the API shows it. */
async function acknowledgeByApi(worker, id) {
  const [from, until_ms] = [Date.now(), Date.now() + HOUR];
  const answer = await post(worker, `/alerts/${encodeURIComponent(id)}/acknowledge`, { note: 'looking', until_ms }, OPERATOR);
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
  const { state, acknowledged: { at_ms, ...by } } = await shown(worker, id);
  assert.deepEqual([state, by], ['acknowledged', { who: 'hands', note: 'looking', until_ms }]);
  assert.ok(at_ms >= from && at_ms <= Date.now(), `${at_ms}`);
}

/** The same by the command line. */
async function acknowledgeByCommand(place, worker, id, lasting = '2h', ms = 2 * HOUR) {
  const program = await place.run('alert', 'ack', id, '--note', 'mine', '--for', lasting);
  assert.equal(program.code, 0, program.stderr);
  const { state, acknowledged: { who, at_ms, note, until_ms } } = await shown(worker, id);
  assert.deepEqual([state, who, note, until_ms - at_ms], ['acknowledged', TESTER, 'mine', ms]);
}

/** Adds jobs whenever none waits, until it is stopped. `next(batch)` says what is added from then on. */
function feed(t, queue, batch) {
  let [jobs, on] = [batch, true];
  const fed = until(async () => {
    if (on && (await queue.getJobCounts('waiting')).waiting === 0) await queue.addBulk(jobs);
    return !on;
  }, 'somebody stops it', 90_000);
  const stop = () => {
    on = false;
    return fed;
  };
  t.after(stop);
  return { next: (batch) => (jobs = batch), stop };
}

describe('alerts', { concurrency: 12, skip: ours ? false : 'not for a Node worker' }, () => {
  // Workers that all rules share, each rule with a queue of its own. What holds memory has a worker with a lower limit.
  let place, hook, gates, worker;
  const THRESHOLDS = {
    queue_depth_warning: 100, queue_depth_critical: 200,
    error_rate_warning: 5, error_rate_critical: 60,
    timeout_rate_warning: 4, timeout_rate_critical: 50,
    processing_time_p95_ms: 600, processing_time_p99_ms: 1500,
    memory_usage_warning: 12, memory_usage_critical: 28,
  };
  const WAIT = 300;
  const FOR = 2_000;
  const OLD = {
    when: `oldest_wait_ms > ${WAIT} and workers > 0`, for: `${FOR}ms`, severity: 'critical', queues: ['pay*'],
    summary: 'the oldest waits for {value} ms',
  };
  const start = (queues, more = {}) => {
    const targets = { hook: { kind: 'webhook', url: hook.url } };
    // Rates are of two to four seconds, so that there are always some attempts among them.
    const sections = { monitoring: { ...QUICK, interval: '2s' }, alerts: { ...THRESHOLDS, rules: { old: OLD }, targets } };
    return place.start({ queues, sections, server: { tokens: TOKENS }, ...more });
  };

  before(async () => {
    [place, hook, ...gates] = await Promise.all([Place.open(), receiver(), gate(), gate(), gate()]);
    // What waits at a gate waits until it is opened.
    const [deep, payments, heavy] = gates.map(({ address }) => ({ timeout: '5m', allow: { http: [address] } }));
    const one = (settings) => ({ concurrency: 1, jobs: { '*': settings } });
    const memory = { memory_hard_limit: '1GiB', memory_soft_limit: '1GiB' };
    [worker] = await Promise.all([
      start({ deep: one(deep), payments: one(payments), broken: one({}), stuck: one({ timeout: '500ms' }), slow: {}, well: {} }),
      start({ heavy: { concurrency: 2, jobs: { '*': { memory: '250MiB', ...heavy } } } }, { worker: memory }),
    ]);
    await place.queue('well').addBulk(many(20, good));
  });
  after(async () => {
    if (!place) return;
    for (const one of [place, hook, ...gates]) await one.close();
    // Of an acknowledgement that is over there is a second message; that rule's test looks at its messages itself.
    assertNothingTwice(hook.got.filter(({ body }) => body.alert.rule !== 'old'));
    assert.deepEqual(hook.got.filter(({ body }) => body.alert.queue === 'well'), [], 'nothing is told of a queue that is well');
  });

  /** What becomes of a rule with two bounds: `worse` brings it from one to the other, and `end` takes the cause away. */
  async function story(rule, queue, [warning, critical], { worse, end }) {
    const first = await hears(hook, rule, queue, ['warning']);
    assert.equal(first.threshold, warning);
    assert.ok(first.value > warning && first.value <= critical, `${first.value}`);
    const row = await shown(worker, first.id);
    assert.deepEqual([row.state, row.severity, row.acknowledged], ['raised', 'warning', null]);
    await acknowledgeByApi(worker, first.id);

    await worse();
    const second = await hears(hook, rule, queue, ['warning', 'critical']);
    assert.equal(second.threshold, critical);
    assert.ok(second.value > critical, `${second.value}`);
    const worst = await shown(worker, first.id);
    assert.deepEqual([worst.state, worst.severity, worst.acknowledged], ['raised', 'critical', null], 'of the worse nobody knows');
    await acknowledgeByCommand(place, worker, first.id);
    await ends(rule, queue, ['warning', 'critical'], TESTER, end);
  }

  /** Takes the cause away, and sees that the alert ends then and not before. */
  async function ends(rule, queue, before, who, end) {
    assert.deepEqual(words(hook, rule, queue), before, `${rule} of ${queue} holds as long as its cause is there`);
    const from = Date.now();
    await end();
    const { id, resolved_ms } = await hears(hook, rule, queue, [...before, 'resolved']);
    assert.ok(resolved_ms > from, `it ended ${from - resolved_ms} ms before its cause did`);
    assert.equal(await shown(worker, id), undefined);
    const row = await shown(worker, id, 'resolved');
    assert.deepEqual([row.state, row.resolved_ms, row.acknowledged.who], ['resolved', resolved_ms, who]);
  }

  it.ours('queue-depth', async () => {
    const [queue, [held]] = [place.queue('deep'), gates];
    await queue.addBulk([...many(1, steps(held.wait)), ...many(120, good)]);
    await story('queue-depth', 'deep', [100, 200], {
      worse: () => queue.addBulk(many(120, good)),
      end: () => held.open(),
    });
  });

  it.ours('error-rate', async (t) => {
    const brief = { op: 'sleep', ms: 20 };
    const load = feed(t, place.queue('broken'), [...many(9, steps(brief)), ...many(1, fails)]);
    await story('error-rate', 'broken', [5, 60], {
      worse: () => load.next(many(10, steps(brief, ...fails.steps))),
      end: () => load.next(many(10, steps(brief))),
    });
  });

  it.ours('timeout-rate', async (t) => {
    const [brief, endless] = [20, 20_000].map((ms) => steps({ op: 'sleep', ms }));
    const load = feed(t, place.queue('stuck'), [...many(9, brief), ...many(1, endless)]);
    await story('timeout-rate', 'stuck', [4, 50], {
      worse: () => load.next(many(2, endless)),
      end: () => load.next(many(10, brief)),
    });
    // They are failures too.
    assert.deepEqual(words(hook, 'error-rate', 'stuck').slice(0, 2), ['warning', 'critical']);
  });

  it.ours('processing-time', async (t) => {
    // They start together; unlike times keep them from ending together, with nothing in between.
    const lasting = (ms) => Array.from({ length: 8 }, (_, n) => many(1, steps({ op: 'sleep', ms: ms + 40 * n }))[0]);
    const load = feed(t, place.queue('slow'), lasting(700));
    await story('processing-time', 'slow', [600, 1500], {
      worse: () => load.next(lasting(1_700)),
      end: () => load.next(lasting(10)),
    });
  });

  it.ours('memory-usage', async () => {
    const [queue, held] = [place.queue('heavy'), gates[2]];
    const holds = many(1, steps({ op: 'leak', mib: 160 }, held.wait));
    await queue.addBulk(holds);
    await story('memory-usage', 'heavy', [12, 28], {
      worse: () => queue.addBulk(holds),
      end: () => held.open(),
    });
  });

  it.ours('no-worker', { timeout: 150_000 }, async () => {
    const queues = { orphan: { concurrency: 1 } };
    const queue = place.queue('orphan');
    const leaving = await start(queues);
    await queue.addBulk(many(4, steps({ op: 'sleep', ms: 1_000 })));
    await until(async () => {
      const { body } = await get(worker, '/health', OPERATOR);
      return body.queueHealth.find((row) => row.queue === 'orphan')?.counts.waiting >= 2;
    }, 'the workers that stay have seen its jobs');
    const from = Date.now();
    assert.equal(await leaving.stop(), 0);
    // That nobody serves a queue for less than a minute, as while a worker is renewed, is no alert.
    const { id, raised_ms, value, threshold } = await hears(hook, 'no-worker', 'orphan', ['critical'], 100_000);
    assert.ok(raised_ms - from >= 60_000, `raised after ${raised_ms - from} ms`);
    assert.deepEqual([value, threshold], [0, 1], 'of workers');
    await acknowledgeByCommand(place, worker, id);
    await ends('no-worker', 'orphan', ['critical'], TESTER, () => start(queues));
  });

  it.ours('a rule of the user, with a time for which it must hold', async () => {
    const [queue, held] = [place.queue('payments'), gates[1]];
    const jobs = await queue.addBulk([...many(1, steps(held.wait)), ...many(2, good)]);
    const first = await hears(hook, 'old', 'payments', ['critical']);
    assert.ok(first.raised_ms - jobs[1].timestamp > WAIT + FOR, `raised after ${first.raised_ms - jobs[1].timestamp} ms`);
    assert.equal(first.threshold, WAIT);
    assert.equal(first.summary, `the oldest waits for ${first.value} ms`);
    // Once the time of an acknowledgement is over, it is told again.
    await acknowledgeByCommand(place, worker, first.id, '2s', 2_000);
    await hears(hook, 'old', 'payments', ['critical', 'critical']);
    const row = await shown(worker, first.id);
    assert.deepEqual([row.state, row.acknowledged], ['raised', null]);
    await acknowledgeByApi(worker, first.id);
    await ends('old', 'payments', ['critical', 'critical'], 'hands', () => held.open());
  });

  it.ours('workers are killed between the cause and the end of alerts, and each change is told once', async (t) => {
    const [own, hook] = await Promise.all([Place.open(), receiver()]);
    t.after(async () => {
      await own.close();
      await hook.close();
    });
    const rules = {
      later: { when: 'delayed > 3', severity: 'critical', queues: ['al*'], summary: '{value} for later' },
      last: { when: 'delayed > 0', queues: ['mark'] },
    };
    const targets = { hook: { kind: 'webhook', url: hook.url, secret: 'HOOK_KEY' } };
    const alerts = { queue_depth_warning: 5, queue_depth_critical: 1000, rules, targets };
    const both = () => Promise.all([1, 2].map(() => own.start({
      queues: { alarm: {}, mark: {} }, sections: { monitoring: QUICK, alerts }, server: { tokens: TOKENS }, env: { HOOK_KEY: 'k' },
    })));
    const client = own.redis.client();
    const unsent = () => client.hlen(`gristmill:{monitoring}:${own.redis.prefix}:messages`);
    const queue = own.queue('alarm');
    await queue.pause();

    let workers = await both();
    await queue.addBulk(many(9, good));
    const depth = await hears(hook, 'queue-depth', 'alarm', ['warning']);
    assert.equal(depth.value, 9);
    const { headers, text } = hook.got[0];
    const expected = createHmac('sha256', 'k').update(`${headers['x-gristmill-timestamp']}.${text}`).digest('hex');
    assert.equal(headers['x-gristmill-signature'], `sha256=${expected}`);
    // A message that was taken and not crossed off yet goes out again, as documented; this is about those that were.
    await until(async () => (await unsent()) === 0, 'the message is crossed off');

    // Both end while one message is told and another cannot be.
    await hook.close();
    await queue.addBulk(many(5, good, { delay: HOUR }));
    const later = await until(async () => (await holding(workers[0])).find(({ rule }) => rule === 'later'), 'it is raised');
    const failed = async (worker) => /gristmill_notifications_total\{result="failed",target="hook"\} [1-9]/.test(await worker.metrics());
    await until(async () => (await Promise.all(workers.map(failed))).includes(true), 'it was tried to tell it');
    await Promise.all(workers.map((worker) => worker.kill()));
    assert.equal(await unsent(), 1);
    await hook.listen();
    workers = await both();
    const heard = await hears(hook, 'later', 'alarm', ['critical'], 45_000);
    assert.deepEqual([heard.id, heard.summary], [later.id, '5 for later'], 'what was raised before');
    await until(async () => (await unsent()) === 0, 'that message is crossed off too');

    await acknowledgeByCommand(own, workers[0], depth.id);
    await acknowledgeByApi(workers[1], later.id);
    // Whoever has the turn is killed once more, and the other goes on.
    const turn = await client.get(`gristmill:{monitoring}:${own.redis.prefix}:leader`);
    const { name } = (await get(workers[0], '/workers', OPERATOR)).body.find(({ id }) => id === turn);
    const [leader, other] = workers[0].name === name ? workers : workers.toReversed();
    await leader.kill();
    for (const [id, who] of [[depth.id, TESTER], [later.id, 'hands']]) {
      const row = await shown(other, id);
      assert.deepEqual([row.state, row.acknowledged.who], ['acknowledged', who]);
    }
    await queue.drain(true);
    await hears(hook, 'queue-depth', 'alarm', ['warning', 'resolved'], 45_000);
    await hears(hook, 'later', 'alarm', ['critical', 'resolved']);
    assert.equal((await own.run('alert', 'ack', depth.id)).code, 1, 'it is over');

    // One target hears of changes in their order: with this one it has heard all that there was before.
    await own.queue('mark').add('n', good, { delay: HOUR });
    await hears(hook, 'last', 'mark', ['warning']);
    assert.equal(hook.got.length, 5, `${hook.got.map(({ headers }) => headers['x-gristmill-id'])}`);
    assertNothingTwice(hook.got);
    assert.deepEqual(await holding(other, 'resolved').then((rows) => rows.map(({ rule }) => rule).sort()), ['later', 'queue-depth']);
  });

  it.ours('a target that hangs or is overloaded gets its message later, and delays no other', async (t) => {
    const [own, slow, quick, hang] = await Promise.all([Place.open(), receiver(), receiver(), receiver()]);
    t.after(async () => {
      for (const one of [own, slow, quick, hang]) await one.close();
    });
    slow.answer = (nth) => (nth === 1 ? 503 : 204);
    hang.answer = () => 299;
    const target = ({ url }) => ({ kind: 'webhook', url });
    const alerts = { queue_depth_warning: 2, queue_depth_critical: 1000, targets: { hang: target(hang), slow: target(slow), quick: target(quick) } };
    const worker = await own.start({ queues: { patient: {} }, sections: { monitoring: QUICK, alerts } });
    await own.queue('patient').pause();
    await own.queue('patient').addBulk(many(4, good));
    await until(() => quick.got.length === 1, 'the quick one is told');
    await until(() => slow.got.length === 2, 'the overloaded one is told again', 30_000);
    assert.equal(slow.got[0].headers['x-gristmill-id'], slow.got[1].headers['x-gristmill-id']);
    assert.match(await worker.metrics(), /gristmill_notifications_total\{result="failed",target="slow"\} 1/);
  });

  it.ours('while one target hangs, the others hear of what comes next too', async (t) => {
    const [own, quick, hang] = await Promise.all([Place.open(), receiver(), receiver()]);
    t.after(async () => {
      for (const one of [own, quick, hang]) await one.close();
    });
    hang.answer = () => 299;
    const target = ({ url }) => ({ kind: 'webhook', url });
    const alerts = { queue_depth_warning: 2, queue_depth_critical: 1000, targets: { hang: target(hang), quick: target(quick) } };
    const worker = await own.start({ queues: { first: {}, second: {} }, sections: { monitoring: QUICK, alerts } });
    for (const [at, name] of ['first', 'second'].entries()) {
      await own.queue(name).pause();
      await own.queue(name).addBulk(many(4, good));
      await until(() => quick.got.length === at + 1 && hang.got.length === 1, `the quick one is told of the ${name} queue`);
    }
    // The hanging one has had its first message all the time, and no answer of it was waited for.
    assert.doesNotMatch(await worker.metrics(), /gristmill_notifications_total\{result="failed",target="hang"\}/);
  });

  it.ours('a target that was away hears of an alert before it hears of its end', async (t) => {
    const [own, hook] = await Promise.all([Place.open(), receiver()]);
    t.after(async () => {
      await own.close();
      await hook.close();
    });
    // Each time in vain makes the next pause longer; the end has no pause behind it.
    let away = true;
    // Whatever it says: one that is being replaced is not found for a while.
    hook.answer = (nth) => (away ? [503, 404, 302][nth % 3] : 204);
    const alerts = { queue_depth_warning: 2, queue_depth_critical: 1000, targets: { hook: { kind: 'webhook', url: hook.url } } };
    await own.start({ queues: { patient: {} }, sections: { monitoring: QUICK, alerts } });
    const queue = own.queue('patient');
    await queue.pause();
    await queue.addBulk(many(4, good));
    await until(() => hook.got.length === 3, 'it is told of the alert in vain, and the next pause is four seconds', 30_000);
    away = false;
    await queue.drain();
    const told = () => hook.got.slice(3).map(({ body }) => body.event);
    await until(() => told().length === 2, () => `two messages are taken; ${told()}`, 30_000);
    assert.deepEqual(told(), ['raised', 'resolved']);
  });
});
