// Damaged or hostile data in Redis: it costs at most the one job that it belongs to.
import assert from 'node:assert/strict';
import { it, ours, until } from './harness.mjs';
import { clients, v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const lab = new Lab();
const fine = [{ op: 'return', value: 'fine' }];

/** Adds a job, damages its hash before anyone sees it, and lets it go. */
async function damaged(queue, steps, damage, opts) {
  await queue.queue.pause();
  const job = await queue.add(steps, opts);
  await damage(queue.keys, queue.key(job.id));
  await queue.queue.resume();
  return job;
}

/** The queue still runs an ordinary job. */
async function goesOn(queue) {
  assert.equal(await queue.result(await queue.add(fine)), 'fine');
}

/** Raw fields, for jobs that BullMQ's own classes can no longer read. */
async function ended(queue, job, state = 'failed') {
  await until(
    async () => (await queue.keys.zscore(queue.key(state), job.id)) !== null,
    async () => `job ${job.id} ends ${state}; its hash is ${JSON.stringify(await queue.keys.hgetall(queue.key(job.id)))}`,
  );
  return queue.keys.hgetall(queue.key(job.id));
}

for (const client of clients) {
  const title = (text) => `${client.label}: ${text}`;

  const haunted = lab.queue(client, 'haunted', { concurrency: 2 });
  it(title('ids without a job do not stop the jobs behind them [own-ghost]'), async () => {
    await haunted.queue.pause();
    await haunted.addAll(Array.from({ length: 5 }, () => [fine]));
    const list = client.tag === 'v5' ? 'paused' : 'wait';
    await haunted.keys.lpush(haunted.key(list), ...Array.from({ length: 40 }, (_, n) => `ghost-${n}`));
    await haunted.keys.rpush(haunted.key(list), 'ghost-in-front');
    await haunted.addAll(Array.from({ length: 5 }, () => [fine]));
    await haunted.queue.resume();
    const real = async () => (await haunted.history('completed')).filter(({ jobId }) => !jobId.startsWith('ghost'));
    await until(async () => (await real()).length === 10, async () => `10 jobs complete, not ${(await real()).length}`);
    await until(async () => (await haunted.counts()).active === 0, 'nothing stays active');
    if (!ours) return; // BullMQ brings ghosts to life as jobs without a name
    assert.equal((await haunted.history('completed')).length, 10);
    assert.deepEqual(await haunted.keys.keys(haunted.key('ghost*')), []);
  });

  const deferred = lab.queue(client, 'deferred');
  it(title('a job with a deferred failure fails with that text and does not run [trap-5]'), async () => {
    const text = 'job stalled more than allowable limit';
    const steps = [{ op: 'log', line: 'it ran' }, ...fine];
    const job = await damaged(deferred, steps, (keys, key) => keys.hset(key, 'defa', text), { attempts: 5 });
    await assert.rejects(deferred.result(job), { message: text });
    const { logs } = await deferred.queue.getJobLogs(job.id);
    assert.deepEqual(logs, []);
    const { failedReason, deferredFailure, attemptsMade } = await deferred.fresh(job);
    assert.deepEqual({ failedReason, deferredFailure, attemptsMade }, { failedReason: text, deferredFailure: undefined, attemptsMade: 1 });
    await goesOn(deferred);
  });
}

const broken = lab.queue(v6, 'broken');
for (const [label, data] of Object.entries({
  'is not JSON': '{"steps": [oops',
  'is not UTF-8': Buffer.from([0x22, 0xff, 0xfe, 0x22]),
})) {
  it.ours(`a job whose data ${label} fails and says so`, async () => {
    const job = await damaged(broken, fine, (keys, key) => keys.hset(key, 'data', data), { attempts: 3 });
    const hash = await ended(broken, job);
    assert.match(hash.failedReason, /data/i);
    assert.match(hash.failedReason, /JSON|UTF-8/i);
    assert.equal(hash.atm, '1', 'no retry makes bad data good');
    await goesOn(broken);
  });
}

const odd = lab.queue(v6, 'odd');
const asText = (opts) => (typeof opts === 'string' ? opts : JSON.stringify(opts));
const failing = [{ op: 'fail', message: 'broken' }];
const failOnce = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'once' }] }, ...fine];
for (const [label, opts, steps, state, check] of [
  ['attempts is a text', { attempts: 'x', removeOnFail: true }, failing, 'gone'],
  ['attempts is an object', { attempts: { n: 3 }, removeOnFail: true }, failing, 'gone'],
  ['attempts is written as a fraction', '{"attempts":2.0}', failOnce, 'completed', { atm: '2' }],
  ['attempts is negative', { attempts: -4 }, failing, 'failed', { atm: '1' }],
  ['backoff is an odd object', { attempts: 2, backoff: { weird: [true] } }, failOnce, 'completed', { atm: '2' }],
  ['backoff is a number', { attempts: 2, backoff: 5 }, failOnce, 'completed', { atm: '2' }],
  ['backoff delays are texts', { attempts: 2, backoff: { type: 'fixed', delay: 'soon' } }, failOnce, 'completed', { atm: '2' }],
  ['removeOnComplete is an empty object', { attempts: 2, removeOnComplete: {} }, failOnce, 'completed', { atm: '2' }],
  ['removeOnComplete is a text', { attempts: 2, removeOnComplete: 'yes' }, failOnce, 'completed', { atm: '2' }],
  ['removeOnFail is a list', { attempts: 2, removeOnFail: [1, 2] }, failing, 'failed', { atm: '2' }],
  ['removeOnComplete has odd parts', { removeOnComplete: { age: 'old', count: null } }, fine, 'completed', { atm: '1' }],
  ['lifo and keepLogs are odd', { attempts: 2, lifo: { a: 1 }, kl: 'many' }, failOnce, 'completed', { atm: '2' }],
  ['stackTraceLimit is a text', { attempts: 2, stackTraceLimit: 'all' }, failing, 'failed', { atm: '2' }],
  ['everything is null', { attempts: null, backoff: null, removeOnComplete: null, delay: null }, fine, 'completed', { atm: '1' }],
]) {
  it.ours(`opts where ${label} lose only that [trap-18]`, async () => {
    const job = await damaged(odd, steps, (keys, key) => keys.hset(key, 'opts', asText(opts)));
    if (state === 'gone') {
      await until(async () => !(await odd.keys.exists(odd.key(job.id))), 'the job is removed, as the other option says');
    } else {
      const hash = await ended(odd, job, state);
      for (const [field, value] of Object.entries(check)) assert.equal(hash[field], value, field);
    }
    await goesOn(odd);
  });
}

it.ours('opts that are no object at all count as none [own-no-opts] [trap-18]', async () => {
  for (const opts of ['not json', '[]', '7', '']) {
    const job = await damaged(odd, fine, (keys, key) => keys.hset(key, 'opts', opts));
    const hash = await ended(odd, job, 'completed');
    assert.equal(hash.returnvalue, '"fine"', opts);
  }
  await goesOn(odd);
});

const torn = lab.queue(v6, 'torn');
const whole = lab.queue(v6, 'whole');
it('a queue whose key has the wrong type holds up no other, and recovers', async () => {
  await goesOn(torn);
  await torn.keys.set(torn.key('wait'), 'this is not a list');
  await assert.rejects(torn.add(fine), /WRONGTYPE/);
  await torn.keys.zadd(torn.key('marker'), 0, '0'); // the worker is told to look
  for (let n = 0; n < 20; n++) await goesOn(whole);
  await torn.keys.del(torn.key('wait'));
  await goesOn(torn);
});

const strange = lab.queue(v6, 'strange', { jobs: { known: {} } });
it.ours('a job name without a handler fails as handler', async () => {
  const job = await strange.add(fine, { attempts: 1 }, 'unknown');
  await strange.inState(job, 'failed');
  assert.match((await strange.fresh(job)).failedReason, /^handler: .*unknown/);
  assert.equal(await strange.result(await strange.add(fine, {}, 'known')), 'fine');
});

const stringy = lab.queue(v6, 'stringy', { concurrency: 4 });
it.ours('an id whose key is not a hash costs its neighbours nothing', async () => {
  await stringy.queue.pause();
  const before = await stringy.add(fine);
  await stringy.keys.set(stringy.key('poison'), 'a string');
  await stringy.keys.lpush(stringy.key('wait'), 'poison');
  const behind = await stringy.add(fine);
  await stringy.queue.resume();
  assert.equal(await stringy.result(before), 'fine');
  assert.equal(await stringy.result(behind), 'fine');
  await goesOn(stringy);
  await until(async () => (await stringy.counts()).active === 0, 'nothing stays active');
  assert.deepEqual(await stringy.keys.lrange(stringy.key('wait'), 0, -1), []);
});

it('the worker is still the same process, and ready', async () => {
  assert.ok(lab.worker.alive());
  assert.equal(await lab.worker.status('/healthz/ready'), 200);
});
