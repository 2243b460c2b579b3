// What becomes of an attempt that fails or is put off: retries, backoff, deferral.
import assert from 'node:assert/strict';
import { it } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const fail = { op: 'fail', message: 'boom' };
const failIn = (...attempts) => attempts.map((attempt) => ({ op: 'if', attempt, steps: [fail] }));
const LONG = 3_600_000;

/**
 * The backoff of each retry, between what its due time shows at least and at most: the host computed
 * the due time after the attempt had started and before the event was written.
 */
function backoffs(history, job) {
  const mine = history.filter((entry) => entry.jobId === job.id);
  return mine.flatMap((entry, i) => {
    if (entry.event !== 'delayed') return [];
    const due = Number(entry.delay);
    const started = mine.slice(0, i).findLast(({ event }) => event === 'active');
    const again = mine.slice(i).find(({ event }) => event === 'active');
    return [{ atMost: due - started.at, atLeast: due - entry.at, early: due - again.at }];
  });
}

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const open = lab.queue(client, 'open');

  const single = lab.queue(client, 'single', { concurrency: 1 }, async (queue) => {
    await queue.addAll([[failIn(1), { attempts: 2, jobId: 'a' }], [[], { jobId: 'b' }], [[], { jobId: 'c' }]]);
  });

  it(title('without a backoff a failed job goes to the back of the queue [trap-3]'), async () => {
    await single.finished(3);
    assert.deepEqual(await single.started(), ['a', 'b', 'c', 'a']);
    const waiting = (await single.history('waiting')).filter(({ jobId }) => jobId === 'a');
    assert.deepEqual(waiting.map(({ prev }) => prev), [undefined, 'active']);
    assert.deepEqual(await single.history('failed'), []);
  });

  it(title('an `if` step runs in its attempt only, and each attempt counts once'), async () => {
    const job = await open.add([...failIn(1, 2), { op: 'echo' }], { attempts: 5 });
    assert.equal((await open.result(job)).attempt, 3);
    const { attemptsMade, attemptsStarted, stacktrace } = await open.fresh(job);
    assert.deepEqual({ attemptsMade, attemptsStarted }, { attemptsMade: 3, attemptsStarted: 3 });
    assert.equal(stacktrace.length, 2);
  });

  it(title('fixed backoff waits the same time before each retry'), async () => {
    const job = await open.add([...failIn(1, 2)], { attempts: 3, backoff: { type: 'fixed', delay: 300 } });
    await open.result(job);
    const found = backoffs(await open.history(), job);
    assert.equal(found.length, 2);
    for (const { atLeast, atMost, early } of found) {
      assert.ok(atLeast <= 300 && atMost >= 300, `${atLeast} to ${atMost} ms for 300`);
      assert.ok(early <= 20, `started ${early} ms early`);
    }
  });

  it(title('exponential backoff doubles'), async () => {
    const job = await open.add(failIn(1, 2, 3), { attempts: 4, backoff: { type: 'exponential', delay: 150 } });
    await open.result(job);
    const found = backoffs(await open.history(), job);
    assert.equal(found.length, 3);
    found.forEach(({ atLeast, atMost, early }, i) => {
      const wanted = 150 * 2 ** i;
      assert.ok(atLeast <= wanted && atMost >= wanted, `${atLeast} to ${atMost} ms for ${wanted}`);
      assert.ok(early <= 20, `started ${early} ms early`);
    });
  });

  it(title('jitter spreads the backoff over its range [row-15]'), async () => {
    const opts = { attempts: 2, backoff: { type: 'fixed', delay: 10_000, jitter: 0.5 } };
    const jobs = await open.addAll(Array.from({ length: 20 }, () => [[fail], opts]));
    await Promise.all(jobs.map((job) => open.inState(job, 'delayed')));
    const delays = await Promise.all(jobs.map(async (job) => (await open.fresh(job)).delay));
    for (const delay of delays) assert.ok(delay >= 5_000 && delay <= 10_000, `${delay} ms`);
    assert.ok(new Set(delays).size > 5, `hardly spread: ${delays}`);
    assert.ok(Math.max(...delays) - Math.min(...delays) > 1_000, `hardly spread: ${delays}`);
    await Promise.all(jobs.map((job) => job.remove()));
  });

  it(title('a number as backoff is a fixed one'), async () => {
    const job = await open.add([fail], { attempts: 2, backoff: 120_000 });
    await open.inState(job, 'delayed');
    assert.equal((await open.fresh(job)).delay, 120_000);
  });

  it.ours(title('a backoff of another type than fixed and exponential ends the job, which says so'), async () => {
    const job = await open.add([fail], { attempts: 3, backoff: { type: 'own', delay: 10 } });
    await assert.rejects(open.result(job), /backoff.*own/);
    assert.equal((await open.fresh(job)).attemptsMade, 1);
  });

  it(title('a job that waits for its retry shows reason, trace and attempts [row-17]'), async () => {
    const opts = { attempts: 3, backoff: { type: 'fixed', delay: LONG } };
    const job = await open.add([...failIn(1), { op: 'return', value: 'at last' }], opts);
    await open.inState(job, 'delayed');
    const waiting = await open.fresh(job);
    assert.equal(waiting.failedReason, 'boom');
    assert.equal(waiting.attemptsMade, 1);
    assert.equal(waiting.stacktrace.length, 1);
    assert.equal(waiting.finishedOn, undefined);
    assert.equal(waiting.delay, LONG);
    await waiting.promote();
    assert.equal(await open.result(job), 'at last');
    assert.equal((await open.fresh(job)).attemptsMade, 2);
  });

  it(title('a permanent failure is not retried and does not exhaust the retries [row-16] [row-18]'), async () => {
    const job = await open.add([{ ...fail, kind: 'permanent' }], { attempts: 5, backoff: 10 });
    await assert.rejects(open.result(job), { message: 'boom' });
    assert.equal((await open.fresh(job)).attemptsMade, 1);
    const later = await open.add([fail]); // one attempt of one: exhausted, and after the other in the stream
    await assert.rejects(open.result(later));
    const exhausted = (await open.history('retries-exhausted')).map(({ jobId }) => jobId);
    assert.ok(exhausted.includes(later.id) && !exhausted.includes(job.id), String(exhausted));
  });

  it(title('the last failed attempt says that the retries are exhausted [row-16] [trap-6]'), async () => {
    const job = await open.add([fail], { attempts: 3 });
    await assert.rejects(open.result(job), { message: 'boom' });
    const mine = (await open.history()).filter(({ jobId }) => jobId === job.id).slice(-2);
    assert.deepEqual(mine.map(({ event }) => event), ['failed', 'retries-exhausted']);
    assert.equal(mine[1].attemptsMade, '3');
  });

  it(title('a retried job keeps its priority'), async () => {
    const job = await open.add([...failIn(1)], { attempts: 2, priority: 7, backoff: 50 });
    await open.result(job);
    assert.equal((await open.fresh(job)).priority, 7);
    assert.equal((await open.fresh(job)).attemptsMade, 2);
  });

  for (const op of ['delay', 'rate-limited']) {
    it(title(`\`${op}\` puts a job off without using an attempt [row-19] [row-24]`), async () => {
      const job = await open.add([{ op, ms: LONG }], { attempts: 2 });
      await open.inState(job, 'delayed');
      const off = await open.fresh(job);
      assert.deepEqual([off.attemptsMade, off.attemptsStarted], [0, 1]);
      const [event] = (await open.history('delayed')).filter(({ jobId }) => jobId === job.id);
      assert.ok(Number(event.delay) - event.at <= LONG && Number(event.delay) - off.processedOn >= LONG, event.delay);
      assert.deepEqual(await open.keys.exists(open.key(`${job.id}:lock`)), 0);

      await off.updateData({ steps: [{ op: 'echo' }] });
      await off.promote();
      assert.equal((await open.result(job)).attempt, 1);
      const { attemptsMade, attemptsStarted } = await open.fresh(job);
      assert.deepEqual({ attemptsMade, attemptsStarted }, { attemptsMade: 1, attemptsStarted: 2 });
    });
  }

  it(title('a job put off for a moment comes back by itself'), async () => {
    const job = await open.add([{ op: 'delay', ms: 300 }]);
    await open.seen('active', (await open.history('active')).length + 1);
    await open.keys.hset(open.key(job.id), 'data', JSON.stringify({ steps: [{ op: 'return', value: 'back' }] }));
    assert.equal(await open.result(job), 'back');
  });

  // The producer's own word comes first; a configured policy counts only where it said nothing.
  const policy = { jobs: { '*': { retry: { attempts: 3, backoff: 'fixed:50ms' } } } };
  const ruled = lab.queue(client, 'ruled', policy);
  it.ours(title('the configured retry policy serves jobs whose producer set none'), async () => {
    const plain = await ruled.add([fail]);
    const own = await ruled.add([fail], { attempts: 2 });
    await Promise.all([plain, own].map((job) => assert.rejects(ruled.result(job), { message: 'boom' })));
    assert.equal((await ruled.fresh(plain)).attemptsMade, 3);
    assert.equal((await ruled.fresh(own)).attemptsMade, 2);
    assert.equal(backoffs(await ruled.history(), plain).length, 2);
  });

  it(title('nothing is left active or locked'), async () => {
    assert.equal((await open.counts()).active, 0);
    assert.deepEqual(await open.locks(), []);
    assert.deepEqual(open.errors, []);
  });
}
