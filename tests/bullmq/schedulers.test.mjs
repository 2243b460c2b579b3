// Job schedulers, deduplication and per-minute counts, as Node producers set them up.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const template = (steps, opts) => ({ name: 'tick', data: { steps }, opts });

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;

  const ticking = lab.queue(client, 'ticking');
  it(title('an `every` scheduler goes on run after run, also when runs fail [row-38]'), async () => {
    const fails = [{ op: 'fail', message: 'again', kind: 'permanent' }];
    await ticking.queue.upsertJobScheduler('beat', { every: 400 }, template(fails));
    await ticking.finished(4);
    const scheduler = await ticking.queue.getJobScheduler('beat');
    assert.ok(scheduler.iterationCount >= 4, `${scheduler.iterationCount} runs`);
    assert.ok(await ticking.queue.removeJobScheduler('beat'));
    const jobs = (await ticking.queue.getFailed()).reverse();
    const due = jobs.map((job) => Number(job.id.split(':').at(-1)));
    for (let i = 1; i < due.length; i++) assert.equal(due[i] - due[i - 1], 400, `runs at ${due}`);
    const counts = jobs.map((job) => job.opts.repeat.count);
    assert.deepEqual(counts, counts.map((_, n) => n + 1));
    assert.equal(jobs[1].data.steps[0].message, 'again');
  });

  const cron = lab.queue(client, 'cron');
  it(title('a cron scheduler with a zone makes its next job as the present one starts [row-38] [trap-15]'), async () => {
    const slow = [{ op: 'sleep', ms: 1_500 }];
    await cron.queue.upsertJobScheduler('second', { pattern: '* * * * * *', tz: 'Asia/Tokyo' }, template(slow));
    await until(async () => (await cron.queue.getActiveCount()) > 0, 'a run starts');
    await until(async () => (await cron.queue.getDelayedCount()) === 1, 'the next one is there');
    await cron.finished(2);
    await cron.queue.removeJobScheduler('second');
    const [job] = await cron.queue.getCompleted();
    assert.equal(Number(job.id.split(':').at(-1)) % 1_000, 0);
    assert.equal(job.opts.repeat.tz, 'Asia/Tokyo');
  });

  const few = lab.queue(client, 'few');
  it(title('a limit ends the series [row-38]'), async () => {
    await few.queue.upsertJobScheduler('thrice', { every: 200, limit: 3 }, template([], { attempts: 2 }));
    await few.finished(3);
    await until(async () => (await few.queue.getDelayedCount()) === 0, 'no further job');
    const done = await few.queue.getCompleted();
    assert.equal(done.length, 3);
    assert.equal(done[0].opts.attempts, 2);
  });

  const retried = lab.queue(client, 'retried');
  it(title('a run that is retried makes no second next run [row-38]'), async () => {
    const steps = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }];
    await retried.queue.upsertJobScheduler('r', { every: 3_600_000 }, template(steps, { attempts: 2 }));
    await retried.finished(1);
    assert.equal(await retried.queue.getDelayedCount(), 1);
    assert.equal((await retried.queue.getJobScheduler('r')).iterationCount, 2);
  });

  const once = lab.queue(client, 'once', { concurrency: 2 });
  it(title('the newest of the jobs that came while one ran is run after it'), async () => {
    const keep = { deduplication: { id: 'd', keepLastIfActive: true } };
    const first = await once.add([{ op: 'sleep', ms: 700 }], keep);
    await once.inState(first, 'active');
    for (const n of [1, 2, 3]) await once.add([{ op: 'return', value: n }], keep);
    await once.finished(2);
    const values = (await once.queue.getCompleted()).map((job) => job.returnvalue);
    assert.deepEqual(values, [3, null]);
    await until(async () => (await once.keys.exists(once.key('de:d'), once.key('dn:d'))) === 0, 'the id is free');
  });

  const counted = lab.queue(client, 'counted');
  it(title('jobs that end are counted for getMetrics'), async () => {
    await counted.addAll(Array.from({ length: 5 }, () => [[]]));
    await counted.add([{ op: 'fail', message: 'no', kind: 'permanent' }]);
    await counted.finished(6);
    const [completed, failed] = await Promise.all(['completed', 'failed'].map((t) => counted.queue.getMetrics(t)));
    assert.deepEqual([completed.meta.count, failed.meta.count], [5, 1]);
    assert.ok(completed.meta.prevTS > 0);
  });
}
