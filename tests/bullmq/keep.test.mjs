// Which finished jobs stay: removeOnComplete and removeOnFail as true, a count, an age, and mixed.
import assert from 'node:assert/strict';
import { it } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const ENDS = [
  { option: 'removeOnComplete', state: 'completed', step: { op: 'return', value: 'fine' } },
  { option: 'removeOnFail', state: 'failed', step: { op: 'fail', message: 'broken' } },
];

for (const client of clients) {
  for (const { option, state, step } of ENDS) {
    const title = (text) => `${client.label}: ${option} ${text}`;
    const kept = async (queue) => (await queue.queue.getJobs([state], 0, -1, true)).map((job) => job.id);
    const hashes = async (queue, ids) => queue.keys.exists(...ids.map((id) => queue.key(id)));

    const gone = lab.queue(client, `gone-${state}`);
    it(title('true leaves nothing but the event [row-8] [row-9] [row-35]'), async () => {
      const steps = [{ op: 'log', line: 'a line that goes too' }, step];
      // Nothing is left to ask once it has ended, so the observer must be there before it starts.
      const job = await gone.add(steps, { [option]: true, delay: 500 });
      const end = gone.result(job);
      if (state === 'completed') assert.equal(await end, 'fine');
      else await assert.rejects(end, { message: 'broken' });
      assert.equal(await gone.fresh(job), undefined);
      assert.deepEqual(await gone.keys.keys(gone.key(`${job.id}*`)), []);
      assert.deepEqual(await kept(gone), []);
      assert.equal((await gone.history(state)).length, 1);
    });

    const few = lab.queue(client, `few-${state}`, { concurrency: 1 });
    it(title('as a count keeps the newest [row-8] [row-9]'), async () => {
      // Ids that sort as they were added: jobs that finish in the same millisecond rank by id.
      const rows = Array.from({ length: 12 }, (_, n) => [[step], { [option]: 3, jobId: `k${10 + n}` }]);
      const jobs = await few.addAll(rows);
      await few.seen(state, jobs.length);
      const newest = jobs.slice(-3).map((job) => job.id);
      assert.deepEqual(await kept(few), newest);
      assert.equal(await hashes(few, jobs.map((job) => job.id)), 3);

      const [last] = await few.addAll([[[step], { [option]: { count: 1 }, jobId: 'z' }]]);
      await few.seen(state, jobs.length + 1);
      assert.deepEqual(await kept(few), [last.id]);
    });

    const aging = lab.queue(client, `aging-${state}`, { concurrency: 1 });
    it(title('as an age drops what is older when another job finishes [row-10] [trap-8]'), async () => {
      const opts = { [option]: { age: 1 } };
      const old = await aging.addAll([[[step], opts], [[step], opts]]);
      await aging.seen(state, 2);
      assert.deepEqual(await kept(aging), old.map((job) => job.id));
      const next = await aging.add([step], { ...opts, delay: 1_300 });
      await aging.seen(state, 3);
      assert.deepEqual(await kept(aging), [next.id]);
      assert.equal(await hashes(aging, old.map((job) => job.id)), 0);
    });

    // All wait before the worker starts, so that jobs of different policies finish together.
    const POLICIES = [undefined, true, false, 1_000, { age: 3_600 }, { count: 0 }, { age: 3_600, count: 1_000 }];
    const removes = (policy) => policy === true || policy?.count === 0;
    let mixed;
    const batch = lab.queue(client, `batch-${state}`, { concurrency: 16 }, async (queue) => {
      const rows = Array.from({ length: 140 }, (_, n) => [[step], { [option]: POLICIES[n % POLICIES.length] }]);
      mixed = await queue.addAll(rows);
    });
    it(title('is each job’s own, also among jobs that finish together [own-batch-keep]'), async () => {
      await batch.seen(state, mixed.length);
      const wanted = mixed.filter((job) => !removes(job.opts[option])).map((job) => job.id);
      assert.deepEqual((await kept(batch)).sort(), wanted.sort());
      assert.equal(await hashes(batch, mixed.map((job) => job.id)), wanted.length);

      const last = await batch.add([step], { [option]: 5, jobId: 'z' });
      await batch.seen(state, mixed.length + 1);
      const left = await kept(batch);
      assert.equal(left.length, 5);
      assert.equal(left.at(-1), last.id);
      assert.equal(await hashes(batch, mixed.map((job) => job.id)), 4);
    });

    const crowd = lab.queue(client, `crowd-${state}`, { concurrency: 16 });
    it(title('as a count holds however many jobs finish together'), async () => {
      const jobs = await crowd.addAll(Array.from({ length: 200 }, () => [[step], { [option]: 10 }]));
      await crowd.seen(state, jobs.length);
      assert.equal((await kept(crowd)).length, 10);
      assert.equal(await hashes(crowd, jobs.map((job) => job.id)), 10);
    });
  }
}
