// Bull Board, through the JSON that its page reads.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import express from 'express';
import { it } from './harness.mjs';
import { clients } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const NAME = 'board-worker';
const lab = new Lab({ worker: { name: NAME }, ready: openBoard });
const board = clients.map((client) => lab.queue(client, 'board'));
let server;
let base;

async function openBoard() {
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath('/board');
  createBullBoard({ queues: board.map(({ queue }) => new BullMQAdapter(queue)), serverAdapter });
  const app = express();
  app.use('/board', serverAdapter.getRouter());
  server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  base = `http://127.0.0.1:${server.address().port}/board/api`;
}
after(() => server?.close());

async function get(path) {
  const response = await fetch(`${base}${path}`);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

async function listed(queue, status) {
  const { queues } = await get(`/queues?activeQueue=${queue.name}&status=${status}&page=1&jobsPerPage=50`);
  return queues.find(({ name }) => name === queue.name);
}

for (const [n, client] of clients.entries()) {
  const queue = board[n];
  it(`${client.label}: the board lists completed and failed jobs with all that they left`, async () => {
    const steps = [
      { op: 'progress', value: { done: 7, of: 10 } },
      { op: 'log', line: 'halfway there' },
      { op: 'print', line: 'said aloud' },
    ];
    const good = await queue.add([...steps, { op: 'return', value: { pages: [1, 2] } }], {}, 'good');
    const bad = await queue.add([...steps, { op: 'fail', message: 'paper jam' }], { attempts: 2 }, 'bad');
    const later = await queue.add([], { delay: 3_600_000 }, 'later');
    await queue.result(good);
    await assert.rejects(queue.result(bad));

    const completed = await listed(queue, 'completed');
    assert.equal(completed.counts.completed, 1);
    assert.equal(completed.counts.failed, 1);
    assert.equal(completed.counts.delayed, 1);
    assert.equal(completed.counts.active, 0);
    assert.equal(completed.hasWorkers, true);
    const [done] = completed.jobs;
    assert.equal(completed.jobs.length, 1);
    assert.equal(done.id, good.id);
    assert.equal(done.name, 'good');
    assert.deepEqual(done.returnValue, { pages: [1, 2] });
    assert.deepEqual(done.progress, { done: 7, of: 10 });
    assert.equal(done.attempts, 1);
    assert.equal(done.isFailed, false);
    assert.equal(done.processedBy, NAME);
    assert.ok(done.timestamp <= done.processedOn && done.processedOn <= done.finishedOn);

    const [failed] = (await listed(queue, 'failed')).jobs;
    assert.equal(failed.id, bad.id);
    assert.equal(failed.failedReason, 'paper jam');
    assert.equal(failed.isFailed, true);
    assert.equal(failed.attempts, 2);
    assert.equal(failed.stacktrace.length, 2);
    assert.deepEqual(failed.progress, { done: 7, of: 10 });

    for (const [job, runs] of [[good, 1], [bad, 2]]) {
      const logs = await get(`/queues/${queue.name}/${job.id}/logs`);
      assert.equal(logs.length, 2 * runs, JSON.stringify(logs));
      assert.match(logs[0], /halfway there/);
      assert.match(logs[1], /said aloud/);
    }
    const one = await get(`/queues/${queue.name}/${bad.id}`);
    assert.equal(one.status, 'failed');
    assert.equal((await get(`/queues/${queue.name}/${later.id}`)).status, 'delayed');
  });

  it(`${client.label}: the board’s retry button runs the failed job again`, async () => {
    const [failed] = (await listed(queue, 'failed')).jobs;
    const job = await queue.fresh(failed.id);
    await job.updateData({ steps: [{ op: 'return', value: 'repaired' }] });
    const response = await fetch(`${base}/queues/${queue.name}/${job.id}/retry`, { method: 'PUT' });
    assert.ok(response.ok, `${response.status} ${await response.text()}`);
    await queue.inState(job, 'completed');
    assert.equal((await queue.fresh(job)).returnvalue, 'repaired');
  });

  it(`${client.label}: the board lists the worker`, async () => {
    const { workers } = await get(`/queues/${queue.name}/workers`);
    assert.deepEqual(workers.map(({ name }) => name), [NAME]);
  });
}
