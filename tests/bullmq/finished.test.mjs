// Jobs that have ended: running them again, and which of them are trimmed.
import assert from 'node:assert/strict';
import { it, until } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const fail = { op: 'fail', message: 'boom' };
const value = (value) => [{ op: 'return', value }];
const LONG = 3_600_000;

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;
  const again = lab.queue(client, 'again');

  /** Runs an ended job once more and answers it as it is then; `steps` are what it does now. */
  async function rerun(job, state, options, steps) {
    const found = await again.fresh(job);
    await found.updateData({ steps });
    const starts = (await again.history('active')).filter(({ jobId }) => jobId === job.id).length;
    await found.retry(state, options);
    await until(
      async () => (await again.history('active')).filter(({ jobId }) => jobId === job.id).length > starts,
      'the job starts again',
    );
    await until(async () => (await again.queue.getJobState(job.id)) === 'completed', 'the job completes');
    return again.fresh(job);
  }

  it(title('a failed job that is retried goes on counting, unless its counters are reset [row-6]'), async () => {
    const job = await again.add([fail], { attempts: 2 });
    await assert.rejects(again.result(job), { message: 'boom' });
    const kept = await rerun(job, 'failed', {}, [{ op: 'echo' }]);
    assert.deepEqual([kept.attemptsMade, kept.attemptsStarted, kept.returnvalue.attempt], [3, 3, 3]);
    assert.equal(kept.failedReason, undefined);
    assert.equal(kept.stacktrace.length, 2, 'the traces stay');
    const [, , prev] = (await again.history('waiting')).filter(({ jobId }) => jobId === job.id).map((e) => e.prev);
    assert.equal(prev, 'failed');

    const fresh = await again.add([fail], { attempts: 2 });
    await assert.rejects(again.result(fresh), { message: 'boom' });
    const reset = await rerun(fresh, 'failed', { resetAttemptsMade: true, resetAttemptsStarted: true }, [{ op: 'echo' }]);
    assert.deepEqual([reset.attemptsMade, reset.attemptsStarted, reset.returnvalue.attempt], [1, 1, 1]);
  });

  it(title('a retried job whose counters were reset has all its attempts again [row-6]'), async () => {
    const job = await again.add([fail], { attempts: 2 });
    await assert.rejects(again.result(job));
    await (await again.fresh(job)).retry('failed', { resetAttemptsMade: true });
    await again.seen('retries-exhausted', 2);
    await until(async () => (await again.fresh(job)).attemptsStarted === 4, 'both attempts are made again');
    await again.inState(job, 'failed');
    assert.equal((await again.fresh(job)).attemptsMade, 2);
  });

  it(title('a completed job that is run again gets a new result [row-7]'), async () => {
    const job = await again.add(value('first'));
    assert.equal(await again.result(job), 'first');
    const kept = await rerun(job, 'completed', {}, value('second'));
    assert.deepEqual([kept.attemptsMade, kept.returnvalue], [2, 'second']);
    const reset = await rerun(job, 'completed', { resetAttemptsMade: true, resetAttemptsStarted: true }, value('third'));
    assert.deepEqual([reset.attemptsMade, reset.attemptsStarted, reset.returnvalue], [1, 1, 'third']);
  });

  it(title('a job that is gone, retried already or active cannot be retried [row-22]'), async () => {
    const gone = await again.add([fail]);
    await assert.rejects(again.result(gone));
    const stale = await again.fresh(gone);
    await stale.remove();
    await assert.rejects(stale.retry('failed'), /Missing key/);

    const ended = await again.add([fail]);
    await assert.rejects(again.result(ended));
    const found = await again.fresh(ended);
    await found.updateData({ steps: [{ op: 'sleep', ms: 400 }] });
    await found.retry('failed');
    await assert.rejects(found.retry('failed'), /not in the failed state/);
    await again.inState(ended, 'active');
    await assert.rejects((await again.fresh(ended)).retry('failed'), /not in the failed state/);
    await again.inState(ended, 'completed');
    assert.equal((await again.fresh(ended)).attemptsStarted, 2, 'no refused retry started it');
  });

  const halted = lab.queue(client, 'halted');
  const lists = client.tag === 'v5' ? it.ours : it; // version 5's pause renames the list, see trap-11
  lists(title('a job that fails while its queue is paused waits in `wait` [row-13]'), async () => {
    const opts = { attempts: 2, jobId: 'h' };
    const job = await halted.add([{ op: 'sleep', ms: 400 }, { op: 'if', attempt: 1, steps: [fail] }], opts);
    await halted.inState(job, 'active');
    await halted.queue.pause();
    await until(async () => (await halted.history('waiting')).length === 2, 'the retry is told');
    assert.deepEqual(await halted.keys.lrange(halted.key('wait'), 0, -1), ['h']);
    assert.equal(await halted.keys.exists(halted.key('marker')), 0, 'nobody is woken');
    // Version 5's resume would put its own list, which is not there, in the place of this one.
    await halted.keys.hdel(halted.key('meta'), 'paused');
    await halted.keys.zadd(halted.key('marker'), 0, '0');
    await halted.inState(job, 'completed');
    assert.equal((await halted.fresh(job)).attemptsMade, 2);
  });

  const aged = lab.queue(client, 'aged', { concurrency: 1 });
  it(title('an age with a limit trims that many of the oldest, hashes and entries alike [row-10] [trap-8]'), async () => {
    const rows = Array.from({ length: 6 }, (_, n) => [value(n), { jobId: `old-${n}` }]);
    await aged.addAll(rows);
    await aged.finished(6);
    const past = Date.now() - 7_000;
    await aged.keys.zadd(aged.key('completed'), ...rows.flatMap((_, n) => [past + n, `old-${n}`]));
    const trim = (age, limit, id) => aged.add(value('x'), { removeOnComplete: { age, limit }, jobId: id });
    const gone = async () => {
      const left = await aged.keys.zrange(aged.key('completed'), 0, -1);
      const hashes = (await aged.keys.keys(aged.key('old-*'))).map((key) => key.split(':').at(-1));
      assert.deepEqual(hashes.sort(), left.filter((id) => id.startsWith('old-')).sort());
      return 6 - hashes.length;
    };
    await aged.result(await trim(3_600, 2, 'young'));
    assert.equal(await gone(), 0, 'an age in ms would have trimmed them');
    await aged.result(await trim(2, 2, 'first'));
    assert.equal(await gone(), 2);
    await aged.result(await trim(2, 100, 'second'));
    assert.equal(await gone(), 6);
    assert.deepEqual(await aged.history('removed'), []);
    assert.deepEqual(await aged.history('cleaned'), []);
  });

  const owned = lab.queue(client, 'owned', { concurrency: 1 });
  it(title('trimming leaves the deduplication key of what it trims alone [trap-8]'), async () => {
    const deduplication = { id: 'held', ttl: LONG };
    const first = await owned.add(value(1), { deduplication });
    await owned.result(first);
    await owned.result(await owned.add(value(2), { removeOnComplete: 1 }));
    assert.equal(await owned.fresh(first), undefined);
    assert.equal(await owned.keys.get(owned.key('de:held')), first.id);
    assert.ok((await owned.keys.pttl(owned.key('de:held'))) > 0);
  });
}
