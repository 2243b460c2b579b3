// What producers and observers read about a job that ran: result, reason, progress, logs, counters.
import assert from 'node:assert/strict';
import { it, ours, until } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const NAME = 'results-worker';
const lab = new Lab({ worker: { name: NAME } });

const VALUES = {
  null: null,
  'a number': 42,
  'a fraction': -0.125,
  zero: 0,
  false: false,
  'an empty string': '',
  'an empty list': [],
  'an empty object': {},
  'a nested object': { a: [1, { b: null, c: [[], {}] }], 'key with "quotes"': 'and \\ / slashes\n\t' },
  Unicode: { text: 'naïve – Здравствуйте – 日本語 – 👩‍🚀 – \u0000\u001f\u2028' },
  'a large whole number': 9007199254740991,
  'a text of 200 KB': 'grist ünd mill '.repeat(12_500),
};

for (const client of clients) {
  const quiet = lab.queue(client, 'quiet');
  const busy = lab.queue(client, 'busy');
  const title = (text) => `${client.label}: ${text}`;

  it(title('waitUntilFinished gives each kind of value back [row-34] [row-35] [trap-1]'), async () => {
    for (const [label, value] of Object.entries(VALUES)) {
      const job = await busy.add([{ op: 'return', value }]);
      assert.deepEqual(await busy.result(job), value, label);
      assert.deepEqual((await busy.fresh(job)).returnvalue, value, label);
    }
  });

  it(title('a handler that returns nothing gives null [row-34] [trap-1]'), async () => {
    const job = await busy.add([]);
    assert.equal(await busy.result(job), null);
    assert.equal(await busy.keys.hget(busy.key(job.id), 'returnvalue'), 'null');
  });

  it(title('waitUntilFinished works for a job that finished before [row-35]'), async () => {
    const good = await busy.add([{ op: 'return', value: { kept: true } }]);
    const bad = await busy.add([{ op: 'fail', message: 'gone wrong' }]);
    await Promise.all([busy.inState(good, 'completed'), busy.inState(bad, 'failed')]);
    assert.deepEqual(await busy.result(good), { kept: true });
    await assert.rejects(busy.result(bad), { message: 'gone wrong' });
  });

  it(title('a failed job carries its reason and one stack trace for each attempt'), async () => {
    const message = 'no such customer: "Zoë" \\ 7';
    const once = await busy.add([{ op: 'fail', message }]);
    await assert.rejects(busy.result(once), { message });
    const thrice = await busy.add([{ op: 'fail', message }], { attempts: 3 });
    await assert.rejects(busy.result(thrice), { message });

    for (const [job, attempts] of [[once, 1], [thrice, 3]]) {
      const { failedReason, stacktrace, returnvalue, attemptsMade } = await busy.fresh(job);
      assert.equal(failedReason, message);
      assert.equal(returnvalue, null);
      assert.equal(attemptsMade, attempts);
      assert.equal(stacktrace.length, attempts);
      for (const trace of stacktrace) assert.ok(trace.includes(message), trace);
    }
    const failed = (await busy.history('failed')).find((entry) => entry.jobId === thrice.id);
    assert.deepEqual({ reason: failed.failedReason, prev: failed.prev }, { reason: message, prev: 'active' });
  });

  it(title('stackTraceLimit keeps the newest traces'), async () => {
    const opts = { attempts: 4, stackTraceLimit: 2 };
    const job = await busy.add([{ op: 'fail', message: 'again' }], opts);
    await assert.rejects(busy.result(job), { message: 'again' });
    assert.equal((await busy.fresh(job)).stacktrace.length, 2);
  });

  it(title('progress arrives as a number, an object, a text and a boolean [row-4] [trap-1]'), async () => {
    const values = [42, { done: 1, of: { total: 3 }, note: 'ä' }, 'half "way"', true];
    const events = [];
    busy.events.on('progress', (event) => events.push(event));
    const steps = values.map((value) => ({ op: 'progress', value }));
    const job = await busy.add([...steps, { op: 'return', value: 'done' }]);
    assert.equal(await busy.result(job), 'done');
    const mine = () => events.filter((event) => event.jobId === job.id).map((event) => event.data);
    await until(() => mine().length === 4, () => `four progress events; there are ${mine().length}`);
    assert.deepEqual(mine(), values);
    assert.equal((await busy.fresh(job)).progress, true);
  });

  it(title('logs hold log lines and printed lines in order'), async () => {
    const steps = [
      { op: 'log', line: 'first line' },
      { op: 'print', line: 'printed ünicode' },
      { op: 'log', line: 'last line', level: 'warn' },
    ];
    const job = await busy.add(steps);
    await busy.result(job);
    const { logs, count } = await busy.queue.getJobLogs(job.id);
    assert.equal(count, 3, JSON.stringify(logs));
    steps.forEach((step, i) => assert.ok(logs[i].includes(step.line), logs[i]));
  });

  it(title('keepLogs keeps the newest lines'), async () => {
    const steps = [1, 2, 3, 4, 5].map((n) => ({ op: 'log', line: `line ${n}` }));
    const job = await busy.add(steps, { keepLogs: 2 });
    await busy.result(job);
    const { logs } = await busy.queue.getJobLogs(job.id);
    assert.equal(logs.length, 2);
    assert.match(logs[0], /line 4/);
    assert.match(logs[1], /line 5/);
  });

  it(title('attempts, times and the worker name are recorded [row-5]'), async () => {
    const before = Date.now();
    const job = await quiet.add([{ op: 'sleep', ms: 30 }]);
    await quiet.result(job);
    const done = await quiet.fresh(job);
    assert.equal(done.attemptsMade, 1);
    assert.equal(done.attemptsStarted, 1);
    assert.equal(done.processedBy, NAME);
    assert.equal(done.stalledCounter, 0);
    assert.ok(done.processedOn >= before && done.processedOn >= done.timestamp);
    assert.ok(done.finishedOn - done.processedOn >= 25, `${done.finishedOn - done.processedOn} ms for a sleep of 30`);
    assert.ok(done.finishedOn <= Date.now());
  });

  it(title('the events of one job come in order, with BullMQ’s fields [row-34] [trap-6]'), async () => {
    const job = await quiet.add([{ op: 'progress', value: 1 }, { op: 'return', value: [1] }]);
    await quiet.result(job);
    const mine = (await quiet.history()).filter((entry) => entry.jobId === job.id);
    const seen = mine.map(({ at, jobId, ...rest }) => rest);
    assert.deepEqual(seen, [
      { event: 'added', name: 'job' },
      { event: 'waiting' },
      { event: 'active', prev: 'waiting' },
      { event: 'progress', data: '1' },
      { event: 'completed', returnvalue: '[1]', prev: 'active' },
    ]);
    await quiet.seen('drained', 1);
  });

  it(title('a handler sees id, name, queue, attempt and data as they were given'), async () => {
    const data = { steps: [{ op: 'echo' }], extra: { deep: ['ä', null, 1.5] } };
    const job = await busy.queue.add('greet: the world', data, { jobId: `own-id-${client.tag}` });
    const { digest, ...echo } = await busy.result(job);
    assert.deepEqual(echo, { id: job.id, name: 'greet: the world', queue: busy.name, attempt: 1, data });
    if (ours) assert.match(digest, /^(sha256:)?[0-9a-f]{64}$/);
  });

  it(title('getWorkers sees the worker on each of its queues [row-39] [trap-16]'), async () => {
    for (const queue of [quiet, busy]) {
      const listed = await queue.queue.getWorkers();
      const encoded = Buffer.from(queue.name).toString('base64');
      assert.deepEqual(listed.map((worker) => worker.rawname), [`${lab.redis.prefix}:${encoded}:w:${NAME}`]);
    }
  });

  it(title('nothing is left active or locked, and QueueEvents saw no error [own-producer-5]'), async () => {
    for (const queue of [quiet, busy]) {
      const { active, waiting, delayed } = await queue.counts();
      assert.deepEqual({ active, waiting, delayed }, { active: 0, waiting: 0, delayed: 0 });
      assert.deepEqual(await queue.locks(), []);
      assert.deepEqual(queue.errors, []);
    }
  });
}
