// Bull Board as people see it: its pages in Chromium, over queues that our worker serves.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import express from 'express';
import { it, until } from './harness.mjs';
import { executable, openPage } from './lib/browser.mjs';
import { v6 } from './lib/clients.mjs';
import { Lab } from './lib/lab.mjs';

const NAME = 'screen-worker';
const lab = new Lab({ worker: { name: NAME }, autostart: Boolean(executable), ready: open });
const seen = (title, body) => it(title, { skip: executable ? false : 'no Chromium here; set CHROMIUM to its path' }, body);

const screen = lab.queue(v6, 'screen');
const pages = lab.queue(v6, 'pages');
let flows;
let server;
let browser;
let page;
let base;

async function open() {
  if (!executable) return;
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath('/board');
  const queues = [screen, pages].map(({ queue }) => new BullMQAdapter(queue));
  const uiConfig = { showMetrics: true, pollingInterval: { forceInterval: 1 } };
  createBullBoard({ queues, serverAdapter, options: { uiConfig } });
  const app = express();
  app.use('/board', serverAdapter.getRouter());
  server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  base = `http://127.0.0.1:${server.address().port}/board`;
  flows = new v6.FlowProducer({ connection: lab.redis.connection });
  browser = await openPage();
  page = browser.page;
  page.setDefaultTimeout(20_000);
}
after(async () => {
  await browser?.close();
  await flows?.close();
  server?.closeAllConnections();
  server?.close();
});

/** Everything but the menus around it. */
const main = () => page.locator('main');
const visit = (path) => page.goto(`${base}${path}`);
const tab = (name) => page.getByRole('tab', { name, exact: true }).click();
const text = (wanted) => main().getByText(wanted).first().waitFor();

/** The card of a job in a list of one state. */
const card = (job) => main().locator('[class*=card]').filter({ has: page.locator(`a[href*="/${job.id}?status="]`) }).first();

/** Presses one of a card's buttons, which have pictures only, and confirms what it asks. */
async function press(job, icon, question) {
  await card(job).locator(`button:has(svg.lucide-${icon})`).click();
  await confirm(question);
}

async function confirm(question) {
  const dialog = page.getByRole('alertdialog');
  await dialog.getByText(question).waitFor();
  await dialog.getByRole('button', { name: 'Confirm' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

const RIGHT = [
  { op: 'progress', value: 70 },
  { op: 'log', line: 'halfway there' },
  { op: 'print', line: 'said aloud' },
  { op: 'return', value: { sheets: [11, 12] } },
];
const WRONG = [{ op: 'fail', message: 'paper jam' }];

let good;
let bad;
let later;

seen('the overview counts the jobs of each queue', async () => {
  good = await screen.add(RIGHT, {}, 'good');
  bad = await screen.add(WRONG, { attempts: 2, jobId: 'paper-jam-1' }, 'bad');
  later = await screen.add([{ op: 'return', value: 'promoted' }], { delay: 3_600_000 }, 'later');
  await screen.result(good);
  await assert.rejects(screen.result(bad), { message: 'paper jam' });

  await visit('/');
  const tile = main().getByRole('listitem').filter({ has: page.getByRole('link', { name: screen.name, exact: true }) });
  await tile.getByRole('button', { name: '3 Jobs' }).waitFor();
  await tile.getByRole('link', { name: 'Failed 1' }).waitFor();
  await visit(`/queue/${screen.name}`);
  for (const name of ['COMPLETED 1', 'FAILED 1', 'DELAYED 1']) await main().getByRole('link', { name }).waitFor();
});

seen('a completed job shows data, return value, progress, logs and its worker', async () => {
  await visit(`/queue/${screen.name}/${good.id}`);
  await text('#1');
  await text(`by ${NAME}`);
  await text('Finished at');
  const panel = page.getByRole('tabpanel');
  await panel.getByText('returnValue').waitFor();
  const shown = (await panel.innerText()).replace(/\s/g, '');
  assert.match(shown, /jobData:\{steps:\[/);
  assert.match(shown, /returnValue:\{▾?sheets:\[▾?11,12\]/);
  await page.getByRole('img', { name: '70%' }).or(main().getByText('70%')).first().waitFor();
  await tab('Logs');
  await text('halfway there');
  await text('said aloud');
});

seen('a failed job shows its reason, its attempts and a stack trace for each', async () => {
  await visit(`/queue/${screen.name}?status=failed`);
  await text('Failed at');
  await tab('Error');
  const trace = await page.getByRole('tabpanel').innerText();
  assert.equal(trace.match(/paper jam/g)?.length, 2, trace);
  await text('attempt #2');
});

seen('the worker is listed', async () => {
  await visit(`/queue/${screen.name}`);
  await page.getByRole('button', { name: 'Queue info' }).click();
  const info = page.getByRole('dialog', { name: 'Queue info' });
  await info.getByRole('button', { name: 'Connected workers' }).click();
  await info.getByText(NAME).waitFor();
  await info.getByRole('button', { name: 'Close' }).click();
});

seen('a flow shows the parent and its children', async () => {
  const child = (n) => ({ name: `sheet-${n}`, queueName: pages.name, data: { steps: [{ op: 'return', value: n }] } });
  const { job } = await flows.add({
    name: 'book', queueName: screen.name, data: { steps: [{ op: 'children' }] }, children: [child(1), child(2)],
  });
  await screen.inState(job, 'completed');
  await visit(`/queue/${screen.name}/${job.id}`);
  await text('Job flow');
  for (const name of ['book', 'sheet-1', 'sheet-2']) {
    await main().getByLabel(new RegExp(`^${name}, completed`)).waitFor();
  }
});

seen('a scheduler shows its next run and how often it ran', async () => {
  await screen.queue.upsertJobScheduler('hourly', { every: 3_600_000 }, { name: 'tick', data: { steps: [] } });
  await until(async () => (await screen.queue.getJobScheduler('hourly'))?.iterationCount === 2, 'the first run starts');
  await visit('/job-schedulers');
  const row = page.getByRole('row').filter({ hasText: 'hourly' });
  await row.waitFor();
  const cells = await row.getByRole('cell').allInnerTexts();
  assert.match(cells[1], /hourly\s+tick/);
  assert.equal(cells[2], screen.name);
  assert.match(cells[4], /in (1 hour|59 minutes|60 minutes)/);
  assert.notEqual(cells[5].trim(), '-', 'the last run is known');
  assert.equal(cells[6], '2');
  await screen.queue.removeJobScheduler('hourly');
});

seen('throughput per minute is drawn', async () => {
  await until(async () => (await screen.counts()).active === 0, 'nothing runs');
  // What ended so far moves two minutes into the past, so that the next end closes its minute.
  const { count } = (await screen.queue.getMetrics('completed')).meta;
  assert.ok(count > 0);
  await screen.keys.hset(screen.key('metrics:completed'), { prevTS: Date.now() - 120_000, prevCount: 0 });
  await screen.keys.del(screen.key('metrics:completed:data')); // a minute may have ended since the first job
  await screen.result(await screen.add([]));
  await visit(`/queue/${screen.name}`);
  await text('Peak / min');
  const shown = (await main().innerText()).replace(/\s+/g, ' ');
  assert.match(shown, new RegExp(`\\b${count} Peak / min`, 'i'));
  assert.match(shown, new RegExp(`\\b${count + 1} Completed \\(last 60 min\\)`, 'i'));
});

seen('the retry button runs a failed job again', async () => {
  await (await screen.fresh(bad)).updateData({ steps: [{ op: 'return', value: 'repaired' }] });
  await visit(`/queue/${screen.name}?status=failed`);
  await press(bad, 'refresh-cw', 'Are you sure that you want to retry this job?');
  await screen.inState(bad, 'completed');
  assert.equal((await screen.fresh(bad)).returnvalue, 'repaired');
  await text('No failed jobs');
});

seen('the promote button runs a delayed job now', async () => {
  await visit(`/queue/${screen.name}?status=delayed`);
  await press(later, 'corner-up-left', 'Are you sure that you want to promote this job?');
  await screen.inState(later, 'completed');
  assert.equal((await screen.fresh(later)).returnvalue, 'promoted');
});

seen('the clean button removes one job, and all of a state', async () => {
  await visit(`/queue/${screen.name}?status=completed`);
  await press(good, 'trash-2', 'Are you sure that you want to clean this job?');
  await until(async () => !(await screen.fresh(good)), 'the job is gone');
  assert.equal(await screen.keys.exists(screen.key(good.id), screen.key(`${good.id}:logs`)), 0);
  // The board spares what ended in the last five seconds, so all of it moves into the past.
  const ended = await screen.keys.zrange(screen.key('completed'), 0, -1);
  assert.ok(ended.length > 2);
  for (const id of ended) await screen.keys.zincrby(screen.key('completed'), -10_000, id);
  await main().getByRole('button', { name: 'Clean all' }).click();
  await confirm('Are you sure that you want to clean all completed jobs?');
  await until(async () => (await screen.counts()).completed === 0, 'no completed job is left');
  assert.equal(await screen.keys.exists(...ended.map((id) => screen.key(id))), 0);
});

seen('retry all runs all failed jobs again', async () => {
  const jobs = await screen.addAll(Array.from({ length: 12 }, () => [WRONG]));
  await screen.finished(12);
  for (const { id } of jobs) await (await screen.fresh(id)).updateData({ steps: [{ op: 'return', value: id }] });
  await visit(`/queue/${screen.name}?status=failed`);
  await main().getByRole('button', { name: 'Retry all' }).click();
  await confirm('Are you sure that you want to retry all failed jobs?');
  const far = async () => `all run again: ${JSON.stringify(await screen.counts())}`;
  await until(async () => (await screen.counts()).completed === 12, far);
  for (const { id } of jobs) assert.equal((await screen.fresh(id)).returnvalue, id);
  assert.deepEqual(screen.errors, []);
  assert.deepEqual(browser.errors, [], 'the pages had no errors');
});
