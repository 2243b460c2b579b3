// `gristmill supervisor`: as many workers on this machine as the queues need, at every hour of a day.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach } from 'node:test';
import { randomness } from './fleet/plan.mjs';
import { binary, configure, inherited, it, until } from './harness.mjs';
import { v6 } from './lib/clients.mjs';
import { gate } from './lib/gate.mjs';
import { TestQueue } from './lib/lab.mjs';
import { Place, QUICK, get, good, many, steps } from './lib/place.mjs';
import { launch, removeFolder } from './lib/process.mjs';

let place;
const opened = [];

// Whoever has the turn looks after all, so each test has a Redis of its own.
beforeEach(async () => {
  place = await Place.open();
});
afterEach(async () => {
  // While their Redis is there.
  for (const one of opened.splice(0)) await one.close();
  await place?.close();
});

/** A supervisor and the workers that it starts. */
class Supervisor {
  static async start(options, ...args) {
    const supervisor = new Supervisor();
    const { dir, file, listen } = await configure({ redis: place.redis, ...options });
    const program = launch(binary, ['supervisor', ...args, '--config', file], { env: inherited });
    Object.assign(supervisor, { dir, file, program, listen, base: `http://${listen}` });
    opened.push(supervisor);
    process.once('exit', supervisor.sweep);
    return supervisor;
  }

  /** Processes of its configuration, be they its own or those that a dead supervisor left. */
  processes() {
    const lines = execFileSync('ps', ['-ww', '-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
    return lines.filter((line) => line.includes(this.file)).map((line) => Number.parseInt(line, 10));
  }

  sweep = () => {
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  };

  /** The workers that take jobs, as the one with the known address lists them; none before it answers. */
  async taking() {
    const { body } = await get(this, '/workers').catch(() => ({ body: [] }));
    return body.filter(({ phase }) => phase === 'taking');
  }

  /** Waits until so many take jobs, and answers them. */
  crew(count, ms = 30_000) {
    return until(
      async () => {
        const crew = await this.taking();
        return crew.length === count && crew;
      },
      async () => `${count} workers take jobs; there are ${(await this.taking()).length}:\n${this.program.stderr}`,
      ms,
    );
  }

  /** Asks for an end and waits for it. Workers of one that died keep its output open, so it is not the output's end. */
  async ended() {
    const { child } = this.program;
    child.kill('SIGTERM');
    await until(() => (child.exitCode ?? child.signalCode) !== null, () => `it ends:\n${this.program.stderr}`, 30_000);
    return child.exitCode;
  }

  /** An end as it should be. */
  async stop() {
    assert.equal(await this.ended(), 0, this.program.stderr);
    assert.deepEqual(this.processes(), [], 'no worker outlives its supervisor');
  }

  /** An end in any case. */
  async close() {
    await this.ended().catch(() => {});
    this.sweep();
    process.off('exit', this.sweep);
    await this.program.exited;
    await removeFolder(this.dir);
  }
}

// A day of 84 seconds.
const HOUR = 3_500;
const DAY = 24 * HOUR;
const SEED = Number(process.env.SEED ?? 3);
/** Workers that the busiest hours need, and attempts at a time in each. */
const MOST = 5;
const SLOTS = 4;
const DOWN_COOLDOWN = 2_000;
/**
 * What a job may wait: twice the mark at which workers are added. They are asked for ahead of it, and help after half a second
 * to the next look, one to the supervisor's next, and what a worker needs to start.
 */
const TARGET = 4_000;

/** The jobs of a day by the time at which they come, `{at, ms, opts}`; the seed decides them, and nothing that happens meanwhile. */
function plan(seed) {
  const random = randomness(seed);
  const jobs = [];
  const come = (hour, opts) => {
    const slow = hour >= 18 && hour < 19 ? 3 : 1; // as what they call is, for an hour
    jobs.push({ at: hour * HOUR, ms: slow * random.between(500, 900), opts });
  };
  // The tide is lowest at 2 and highest at 14.
  const perSecond = (hour) => 1 + 23 * (0.5 - 0.5 * Math.cos((Math.PI * (hour - 2)) / 12)) ** 3;
  const next = (hour) => hour - (Math.log(1 - random.next()) * 1_000) / perSecond(hour) / HOUR;
  for (let hour = next(0); hour < 24; hour = next(hour)) come(hour);
  for (const around of [8, 16, 21]) {
    const from = around + random.next();
    for (let n = 0; n < 20; n++) come(from + random.next() / 4);
  }
  for (let n = 0; n < 60; n++) come(1, { priority: random.between(1, 100) });
  return jobs.sort((a, b) => a.at - b.at);
}

/** How often decisions go the other way than the one before. */
const reversals = (decisions) => {
  const up = decisions.map(({ from, decision }) => decision.desired > from);
  return up.filter((one, n) => n > 0 && one !== up[n - 1]).length;
};

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

it.ours('the crew follows a day’s load: few workers, few waits, no back and forth, no job lost', { timeout: 180_000 }, async (t) => {
  const jobs = plan(SEED);
  const scaling = {
    min_workers: 1, max_workers: MOST,
    up_latency: '2s', down_latency: '1s', up_depth: 20, down_depth: 4, up_cooldown: '1s', down_cooldown: `${DOWN_COOLDOWN}ms`,
    // On a machine where all else is busy too, CPU tells nothing of this load.
    up_cpu: 100, down_cpu: 99,
  };
  const queues = { day: { concurrency: SLOTS } };
  const supervisor = await Supervisor.start({ queues, sections: { monitoring: QUICK, scaling } }, '--max', `${MOST}`);
  const queue = new TestQueue(v6, 'day');
  await queue.open(place.redis);
  opened.push(queue);
  await supervisor.crew(1, 60_000);

  const begun = Date.now();
  const lives = new Map();
  const looks = [];
  let added = 0;
  await until(async () => {
    const now = Date.now() - begun;
    // However late this comes, what has become due meanwhile is added.
    const rows = [];
    for (; jobs[added]?.at <= now; added++) {
      const { ms, opts } = jobs[added];
      rows.push([[{ op: 'sleep', ms }, { op: 'return', value: added }], { jobId: `job-${added}`, ...opts }]);
    }
    if (rows.length > 0) await queue.addAll(rows);
    if (now - (looks.at(-1)?.at ?? 0) >= 200) {
      const { body } = await get(supervisor, '/workers');
      for (const { id, started_ms } of body) lives.set(id, { from: Math.max(started_ms - begun, 0), to: now });
      looks.push({ at: now, crew: body.filter(({ phase }) => phase === 'taking').length });
    }
    return now >= DAY;
  }, 'a day goes by', 2 * DAY);
  await queue.finished(jobs.length);
  const history = JSON.parse((await place.run('scale', 'history', '--queue', 'day', '--count', '1000', '--json')).stdout).reverse();
  const done = await queue.queue.getJobs(['completed'], 0, -1);

  const waits = done.map((job) => job.processedOn - job.timestamp);
  const missed = waits.filter((wait) => wait > TARGET).length;
  const spent = sum([...lives.values()].map(({ from, to }) => to - from)) / (MOST * DAY);
  /** The least and the most that were there between two hours. */
  const crew = (from, to) => {
    const there = looks.filter(({ at }) => at >= from * HOUR && at < to * HOUR).map(({ crew }) => crew);
    return [Math.min(...there), Math.max(...there)];
  };
  const told = history.map(({ at_ms, from, decision }) => `${((at_ms - begun) / HOUR).toFixed(1)} h: ${from} → ${decision.desired}, ${decision.reason}`).join('\n');
  const hours = Array.from({ length: 24 }, (_, hour) => crew(hour, hour + 1).join('–'));
  t.diagnostic(`${jobs.length} jobs of seed ${SEED}, ${missed} waited for more than ${TARGET} ms, the longest for ${Math.max(...waits)} ms`);
  t.diagnostic(`${((spent * MOST * DAY) / 1_000).toFixed(0)} worker-seconds, ${(100 * spent).toFixed(0)} % of ${MOST} all day; ${reversals(history)} reversals in ${history.length} decisions`);
  t.diagnostic(`workers by the hour: ${hours.join(' ')}`);

  // Every job ran once, from its beginning to its end.
  const { completed, ...others } = await queue.counts();
  assert.deepEqual([completed, sum(Object.values(others))], [jobs.length, 0], JSON.stringify(others));
  for (const { id, returnvalue, attemptsStarted, attemptsMade, stalledCounter } of done) {
    assert.deepEqual([id, attemptsStarted, attemptsMade, stalledCounter], [`job-${returnvalue}`, 1, 1, 0]);
  }
  assert.equal(new Set(done.map(({ id }) => id)).size, jobs.length);
  for (const [event, count] of [['completed', jobs.length], ['failed', 0], ['stalled', 0]]) {
    assert.equal((await queue.history(event)).length, count, event);
  }
  assert.deepEqual([await queue.locks(), queue.errors], [[], []]);

  // The crew follows the load, each decision has its reason and goes on from the one before, and no worker comes without one.
  const [noon, backlog, night] = [crew(12, 16), crew(1, 3), crew(6, 7)];
  assert.ok(noon[1] >= MOST - 1, `at noon there were ${noon}\n${told}`);
  assert.ok(backlog[1] >= MOST - 1, `in the backlog there were ${backlog}\n${told}`);
  assert.ok(night[1] <= 2, `at the end of the night there were ${night}\n${told}`);
  assert.ok(crew(0, 24)[1] <= MOST, `there were ${crew(0, 24)}`);
  assert.ok(history.every(({ decision: { reason } }) => reason.length > 5), told);
  assert.deepEqual(history.map(({ from }) => from), [1, ...history.slice(0, -1).map(({ decision }) => decision.desired)]);
  assert.ok(lives.size <= 1 + sum(history.map(({ from, decision }) => Math.max(0, decision.desired - from))), `${lives.size} lived`);

  // No back and forth: nobody is let go while the last change is fresh, so that within a cooldown the way is changed once at
  // most (a removal that proves wrong is taken back at once). In all it is not more often than twice for each of what comes:
  // a backlog, the tide, an outage and three bursts.
  const fresh = history.filter((one, n) => n > 0 && one.decision.desired < one.from && one.at_ms - history[n - 1].at_ms < DOWN_COOLDOWN);
  assert.deepEqual(fresh, [], told);
  const within = history.map(({ at_ms }, n) => reversals(history.slice(n).filter((one) => one.at_ms < at_ms + DOWN_COOLDOWN)));
  assert.ok(Math.max(...within) <= 1, told);
  assert.ok(reversals(history) <= 12, told);

  // The busiest hour of the tide is more than MOST - 1 workers can do, so a crew that stays the same would be MOST all day. The
  // day's work is a third of what they could do. Some two thirds are spent, as workers are let go one by one, each after a
  // cooldown; a quarter must be saved even where the machine is slow.
  const needs = Array.from({ length: 24 }, (_, hour) => sum(jobs.filter(({ at }) => Math.floor(at / HOUR) === hour).map(({ ms }) => ms)) / HOUR / SLOTS);
  assert.ok(Math.max(...needs.slice(12, 16)) > MOST - 1, `${needs}`);
  assert.ok(spent <= 0.75, `${spent} of the time of ${MOST} workers\n${told}`);
  assert.ok(missed <= 0.03 * jobs.length, `${missed} jobs waited for more than ${TARGET} ms\n${told}`);

  await supervisor.stop();
  assert.deepEqual(JSON.parse((await place.run('worker', 'list', '--json')).stdout), []);
  assert.deepEqual(await queue.queue.getWorkers(), []);
});

it.ours('a worker that somebody kills is replaced, and another does its job', async (t) => {
  const held = await gate();
  t.after(held.close);
  const settings = { concurrency: 1, jobs: { '*': { allow: { http: [held.address] } } } };
  // An idle queue needs one worker; who supervises says that there are two.
  const supervisor = await Supervisor.start(
    { queues: { killed: settings }, worker: { lock_duration: '1s', stalled_interval: '1s' }, sections: { monitoring: QUICK } },
    '--min', '2', '--max', '2',
  );
  const queue = place.queue('killed');
  await supervisor.crew(2);
  await queue.addBulk(many(2, steps(held.wait, ...good.steps)));
  const crew = await until(async () => {
    const crew = await supervisor.taking();
    return crew.length === 2 && crew.every(({ running }) => running.length === 1) && crew;
  }, 'each has a job');
  const [victim, other] = crew[0].listen === supervisor.listen ? crew : crew.toReversed();
  process.kill(victim.pid, 'SIGKILL');
  const killed = Date.now();
  await until(
    async () => (await supervisor.taking()).find(({ listen, pid }) => listen === supervisor.listen && pid !== victim.pid),
    () => `another has its address:\n${supervisor.program.stderr}`,
    30_000,
  );
  held.open();
  await until(async () => (await queue.getJobCounts('completed')).completed === 2, 'both jobs are done', 30_000);
  const [its, others] = await Promise.all([victim, other].map(({ running }) => queue.getJob(running[0].id)));
  assert.deepEqual([its.stalledCounter, its.attemptsStarted, its.attemptsMade], [1, 2, 1]);
  assert.ok(its.processedOn > killed, 'it ran anew once its first worker was dead');
  assert.deepEqual([others.stalledCounter, others.attemptsStarted, others.attemptsMade], [0, 1, 1]);
  await supervisor.stop();
});
