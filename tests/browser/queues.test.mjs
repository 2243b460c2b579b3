// What can be done to a whole queue, each asked for and seen in the API.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMill, until } from './lib/mill.mjs';
import { answer, openBrowser, openPage, row, told, visit } from './lib/screen.mjs';

let mill;
let browser;
let page;
before(async () => {
  browser = await openBrowser();
  mill = await startMill();
  page = await openPage(browser);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

const queue = () => mill.call('GET', 'queues/orders');
const press = (name) => page.locator('.page-head').getByRole('button', { name, exact: true }).click();

test('queues are listed, found by name, and lead to their jobs', async () => {
  const id = await mill.add('orders', [{ op: 'return', value: 1 }]);
  await mill.inState('orders', id, 'completed');
  await visit(page, mill, 'queues', 'Queues');
  await row(page, 'orders').waitFor();
  await page.getByPlaceholder('Filter by name').fill('ord');
  assert.equal(await page.locator('main tbody tr').count(), 1);
  await page.getByRole('link', { name: 'orders', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
  await page.getByRole('link', { name: /^Completed/ }).click();
  await page.getByRole('link', { name: id, exact: true }).waitFor();
});

test('charts and job types show what ran', async () => {
  await mill.addMany('orders', Array.from({ length: 20 }, (_, n) => ({ name: 'mail', data: { steps: [{ op: 'sleep', ms: 5 * n }] } })));
  await until(async () => (await mill.call('GET', 'statistics?queue=orders&window=1h')).some(({ job, count }) => job === 'mail' && count >= 20), 'the statistics know them', 30_000);
  await until(async () => (await mill.call('GET', 'history?queue=orders&points=2000')).at_ms.length >= 2, 'there is a history', 30_000);
  await visit(page, mill, 'queues/orders', 'orders');
  await row(page, 'mail').waitFor();
  await page.locator('.plot canvas').first().waitFor();
  await page.getByText('As a table').first().click();
  await page.locator('.chart-table tbody tr').first().waitFor();
  await page.getByRole('button', { name: '1 h', exact: true }).click();
  assert.equal(await page.getByRole('button', { name: '1 h', exact: true }).getAttribute('aria-pressed'), 'true');
});

test('pause holds jobs back, resume lets them go', async () => {
  await visit(page, mill, 'queues/orders', 'orders');
  await press('Pause');
  await answer(page, 'Pause');
  await told(page, 'orders is paused');
  assert.equal((await queue()).paused, true);
  const id = await mill.add('orders', [{ op: 'return', value: 1 }]);
  await page.getByText('paused').first().waitFor();
  await press('Resume');
  await told(page, 'orders is resumed');
  await mill.inState('orders', id, 'completed');
});

test('a question that is left changes nothing', async () => {
  await visit(page, mill, 'queues/orders', 'orders');
  await press('Pause');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Pause');
  assert.equal((await queue()).paused, false);
});

test('drain removes what waits, and delayed jobs if asked', async () => {
  await mill.call('POST', 'queues/orders/pause');
  await mill.add('orders', []);
  await mill.add('orders', [], { delay: 3_600_000 });
  await visit(page, mill, 'queues/orders', 'orders');
  await press('Drain');
  await answer(page, 'Remove them', { 'Delayed jobs too': true });
  await told(page, 'removed');
  const { counts } = await queue();
  assert.deepEqual([counts.waiting + counts.paused, counts.delayed], [0, 0]);
  await mill.call('POST', 'queues/orders/resume');
});

test('retry all, promote all and clean', async () => {
  const twice = [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'first', kind: 'permanent' }] }];
  const ids = [await mill.add('orders', twice), await mill.add('orders', twice)];
  for (const id of ids) await mill.inState('orders', id, 'failed');
  const later = await mill.add('orders', [], { delay: 3_600_000 });
  await visit(page, mill, 'queues/orders', 'orders');
  await press('Retry all');
  await answer(page, 'Retry all');
  for (const id of ids) await mill.inState('orders', id, 'completed');
  await press('Promote all');
  await answer(page, 'Promote all');
  await mill.inState('orders', later, 'completed');
  await press('Clean');
  await answer(page, 'Remove them', { State: 'completed', 'Older than': '0' });
  await told(page, 'removed');
  await until(async () => (await queue()).counts.completed === 0, 'no completed job is left');
});

test('limits are set and lifted', async () => {
  await visit(page, mill, 'queues/orders', 'orders');
  await page.getByRole('button', { name: 'Change the limits' }).click();
  await answer(page, 'Set', { 'Jobs at a time': '3', Rate: 'often' });
  await page.locator('.notice.bad').waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).first().click();
  await page.getByRole('button', { name: 'Change the limits' }).click();
  await answer(page, 'Set', { 'Jobs at a time': '3', Rate: '200/s' });
  await page.getByText('3 jobs at a time, 200 jobs per 1').first().waitFor();
  const { concurrency, max } = (await queue()).limits;
  assert.deepEqual([concurrency, max], [3, 200]);
  await page.getByRole('button', { name: 'Change the limits' }).click();
  await answer(page, 'Set', { 'Jobs at a time': '', Rate: '' });
  await until(async () => (await queue()).limits.concurrency === null, 'the limits are lifted');
});

test('a queue is removed only by its name', async () => {
  await mill.add('reports', [], { delay: 3_600_000 });
  await visit(page, mill, 'queues/reports', 'reports');
  await press('Remove');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Write reports to go on').fill('orders');
  await dialog.getByRole('button', { name: 'Remove the queue' }).click();
  assert.equal(await dialog.isVisible(), true);
  await answer(page, 'Remove the queue', { 'Write reports to go on': 'reports' });
  await told(page, 'reports is removed');
  assert.equal((await mill.call('GET', 'queues/reports')).counts.delayed, 0);
  assert.deepEqual(page.errors, []);
});
