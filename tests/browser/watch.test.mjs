// What is seen by itself: health, alerts, workers, scaling; and that the page says so when the worker goes.
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

test('the overview follows what happens without being asked', async () => {
  await visit(page, mill, '', 'Overview');
  await page.getByText('Live', { exact: true }).waitFor();
  await row(page, 'orders').getByText('healthy').waitFor();
  await mill.add('orders', [{ op: 'sleep', ms: 20_000 }]);
  await row(page, 'orders').getByTitle('1 active').waitFor();
});

test('a worker shows what its slots run', async () => {
  const id = await mill.add('orders', [{ op: 'sleep', ms: 20_000 }], { name: 'slow-one' });
  await visit(page, mill, 'workers', 'Workers');
  await page.getByRole('heading', { level: 2, name: 'mill-1' }).waitFor();
  await page.getByRole('row').filter({ hasText: 'slow-one' }).waitFor();
  await page.getByRole('link', { name: id, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: `Job ${id}` }).waitFor();
});

test('a deep queue turns critical with its reason, raises an alert, and that is acknowledged', async () => {
  await mill.call('POST', 'queues/reports/pause');
  await mill.addMany('reports', Array.from({ length: 100 }, () => ({ name: 'report', data: { steps: [] } })));
  await visit(page, mill, '', 'Overview');
  await row(page, 'reports').locator('.issues').waitFor({ timeout: 30_000 });
  const alert = await until(async () => (await mill.call('GET', 'alerts?state=active')).find(({ queue }) => queue === 'reports'), 'an alert is raised', 40_000);
  await page.getByRole('heading', { name: 'Active alerts' }).waitFor();
  await visit(page, mill, 'alerts', 'Alerts');
  await page.getByRole('button', { name: `Acknowledge ${alert.summary}` }).click();
  await answer(page, 'Acknowledge', { Note: 'the paper is on its way', 'Quiet for': '2h' });
  await told(page, 'acknowledged');
  await page.getByText('the paper is on its way').waitFor();
  const { acknowledged } = (await mill.call('GET', 'alerts?state=active')).find(({ id }) => id === alert.id);
  assert.equal(acknowledged.note, 'the paper is on its way');
  assert.ok(Math.abs(acknowledged.until_ms - Date.now() - 7_200_000) < 60_000);
  await mill.call('POST', 'queues/reports/resume');
  await until(async () => !(await mill.call('GET', 'alerts?state=active')).some(({ id }) => id === alert.id), 'it is resolved', 40_000);
  await page.getByRole('link', { name: 'Resolved' }).click();
  await row(page, alert.summary).first().waitFor();
});

test('scaling shows what is wanted and why', async () => {
  await visit(page, mill, 'scaling', 'Scaling');
  await row(page, 'orders').first().waitFor();
  await page.getByRole('combobox', { name: 'Queue' }).selectOption('orders');
  await page.waitForURL(/queue=orders/);
});

test('an unknown address is said to be one', async () => {
  await visit(page, mill, 'nowhere/at/all', 'No such page');
  await visit(page, mill, 'queues/orders/nowhere', 'No such page');
});

test('when the worker goes the page says so and keeps what it shows; when it comes back it goes on', async () => {
  await visit(page, mill, '', 'Overview');
  await row(page, 'orders').waitFor();
  await mill.kill();
  await page.getByText('The connection is lost.').waitFor({ timeout: 20_000 });
  await page.getByText('Not connected').waitFor();
  await row(page, 'orders').waitFor();
  assert.match(await page.locator('p[aria-live=polite]').innerText(), /lost/);
  await mill.start();
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 5_000 }).catch(() => {}); // it may be quicker by itself
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 40_000 });
  assert.equal(await page.getByText('The connection is lost.').count(), 0);
  assert.deepEqual(page.errors, []);
});
