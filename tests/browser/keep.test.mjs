// Handlers, limiters, breakers, schedules, settings, and the audit of it all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { scripted, startMill, until, withSchema } from './lib/mill.mjs';
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

const deployment = () => mill.call('GET', 'deployments/letters?job=*');
const push = (file, ...more) => mill.command('handler', 'push', file, '--queue', 'letters', '--name', 'letters', ...more);

test('a deployment shows its versions; a canary is compared, promoted, and taken back', async () => {
  await push(scripted, '--version', '1.0.0', '--reason', 'the first one');
  const { stable } = await deployment();
  await push(await withSchema(mill.folder, true), '--version', '1.1.0', '--canary', '50%');
  await visit(page, mill, 'handlers', 'Handlers');
  await page.getByText('1.1.0').first().waitFor();
  await page.getByRole('link', { name: 'letters / *' }).click();
  await page.getByRole('heading', { level: 1, name: 'letters / *' }).waitFor();
  await page.getByText('the first one').waitFor();
  await mill.addMany('letters', Array.from({ length: 20 }, () => ({ name: 'letter', data: { steps: [] } })));
  await page.getByRole('heading', { name: 'Canary against stable' }).waitFor();
  await until(async () => {
    const { trial } = await deployment();
    return trial && trial.stable.attempts + trial.canary.attempts > 0;
  }, 'attempts are counted', 30_000);
  await page.getByRole('button', { name: 'Promote the canary' }).click();
  await answer(page, 'Promote', { Reason: 'it is fine' });
  await told(page, 'stable version now');
  assert.notEqual((await deployment()).stable, stable);
  await page.getByText('it is fine').waitFor();
  await page.getByRole('button', { name: 'Roll back' }).click();
  await answer(page, 'Roll back', { Reason: 'it was not' });
  await until(async () => (await deployment()).stable === stable, 'the first one is back');
  await page.getByText('it was not').waitFor();
});

test('limiters show what is used, and are reset', async () => {
  const id = await mill.add('orders', [], { name: 'limited' });
  await mill.inState('orders', id, 'completed');
  await visit(page, mill, 'limits', 'Limits');
  await row(page, 'slow').getByText('50 %').waitFor();
  await page.getByRole('link', { name: 'slow', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'slow' }).waitFor();
  await page.locator('.plot canvas').waitFor();
  await page.getByRole('button', { name: 'Reset' }).click();
  await answer(page, 'Reset');
  await told(page, 'slow is reset');
  assert.equal((await mill.call('GET', 'limiters/slow')).tiers[0].used, 0);
  await page.getByPlaceholder('Key').fill('somebody');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.getByText('for the key').waitFor();
});

test('an open breaker is closed', async () => {
  // A permanent failure would say nothing about the other side.
  for (const _ of [1, 2]) {
    const id = await mill.add('orders', [{ op: 'fail', message: 'closed today' }], { name: 'shop' });
    await mill.inState('orders', id, 'failed');
  }
  await visit(page, mill, 'limits', 'Limits');
  await row(page, 'shop').getByText('open', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Close shop' }).click();
  await answer(page, 'Close it');
  await row(page, 'shop').getByText('closed', { exact: true }).waitFor();
  assert.equal((await mill.call('GET', 'breakers')).find(({ breaker }) => breaker === 'shop').state, 'closed');
});

test('a schedule is made, listed and removed', async () => {
  await visit(page, mill, 'schedules', 'Schedules');
  await page.getByText('There is no schedule').waitFor();
  await page.getByRole('link', { name: 'New schedule' }).click();
  await page.getByRole('heading', { level: 1, name: 'New schedule' }).waitFor();
  await page.getByLabel('Queue').fill('reports');
  await page.getByLabel('Id', { exact: true }).fill('nightly');
  await page.getByRole('textbox', { name: 'Pattern' }).fill('soon');
  await page.getByLabel('Job name').fill('report');
  await page.getByLabel('Data as JSON').fill('{"steps":[]}');
  await page.getByRole('button', { name: 'Set the schedule' }).click();
  await page.locator('.notice.bad').waitFor();
  await page.getByRole('textbox', { name: 'Pattern' }).fill('0 3 * * *');
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.getByRole('button', { name: 'Set the schedule' }).click();
  await row(page, 'nightly').getByText('0 3 * * * (Europe/Berlin)').waitFor();

  await page.getByRole('link', { name: 'New schedule' }).click();
  await page.getByLabel('after a fixed time').check();
  await page.getByLabel('Queue').fill('reports');
  await page.getByLabel('Id', { exact: true }).fill('often');
  await page.getByLabel('Every').fill('6h');
  await page.getByLabel('Job name').fill('report');
  await page.getByLabel('Data as JSON').fill('{"steps":[]}');
  await page.getByRole('button', { name: 'Set the schedule' }).click();
  await row(page, 'often').getByText('every 6').waitFor();

  await page.getByRole('button', { name: 'Remove nightly' }).click();
  await answer(page, 'Remove');
  await told(page, 'nightly is removed');
  assert.deepEqual((await mill.call('GET', 'queues/reports/schedulers')).map(({ id }) => id), ['often']);
});

test('a setting is made, changed and taken away', async () => {
  await visit(page, mill, 'settings', 'Settings');
  await page.getByText('Nothing is set').waitFor();
  await page.getByRole('button', { name: 'New setting' }).click();
  await answer(page, 'Set', { Key: 'queues.nowhere.concurrency', Value: '3' });
  await page.locator('.notice.bad').waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).first().click();
  await page.getByRole('button', { name: 'New setting' }).click();
  await answer(page, 'Set', { Key: 'queues.orders.concurrency', Value: '3' });
  await row(page, 'queues.orders.concurrency').getByText('loopback').waitFor();
  await page.getByRole('button', { name: 'Change queues.orders.concurrency' }).click();
  await answer(page, 'Set', { Value: '2' });
  await until(async () => (await mill.call('GET', 'settings'))['queues.orders.concurrency']?.value === '2', 'it is changed');
  await page.getByRole('button', { name: 'Unset queues.orders.concurrency' }).click();
  await answer(page, 'Unset');
  await page.getByText('Nothing is set').waitFor();
});

test('the audit has a row for each change', async () => {
  await visit(page, mill, 'audit', 'Audit');
  await row(page, 'DELETE /api/v1/settings/queues.orders.concurrency').getByText('204').first().waitFor();
  await row(page, 'POST /api/v1/breakers/shop/reset').first().waitFor();
  assert.deepEqual(page.errors, []);
});
