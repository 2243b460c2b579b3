// Every page as it looks: accessible in light and dark, whole on a phone, usable by the keyboard alone.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startFake } from '../../runtime/dashboard/dev/fake-api.mjs';
import { screenshots, scripted, startMill, until } from './lib/mill.mjs';
import { accessible, fits, openBrowser, openPage, visit } from './lib/screen.mjs';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
let mill;
let browser;
let pages;
before(async () => {
  browser = await openBrowser();
  mill = await startMill();
  pages = await fill();
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

/** Something to see on every page; answers `[name, address, heading]` of each. */
async function fill() {
  const text = (n) => ({ op: 'log', line: `sheet ${n} of 12 is bound` });
  await mill.command('handler', 'push', scripted, '--queue', 'letters', '--name', 'letters', '--version', '1.0.0', '--reason', 'the first one');
  await mill.addMany('orders', Array.from({ length: 60 }, (_, n) => ({ name: ['mail', 'invoice', 'parcel'][n % 3], data: { steps: [{ op: 'sleep', ms: (n * 7) % 50 }, { op: 'return', value: n }] } })));
  const done = await mill.add('orders', [...Array(12).keys()].map(text).concat([{ op: 'progress', value: 100 }, { op: 'return', value: { sheets: 12, weight: 1.25 } }]), { name: 'book' });
  const failed = await mill.add('orders', [text(1), { op: 'fail', message: 'paper jam in tray 2' }], { name: 'book', attempts: 2 });
  await mill.add('orders', [], { name: 'parcel', delay: 3_600_000 });
  for (const _ of [1, 2]) await mill.add('orders', [{ op: 'fail', message: 'closed today' }], { name: 'shop' });
  const leaf = (name) => ({ name, queueName: 'orders', data: { steps: [] } });
  const { id: flow } = await mill.call('POST', 'flows', { name: 'volume', queueName: 'orders', data: { steps: [{ op: 'children' }] }, children: [leaf('sheet'), leaf('sheet')] });
  await mill.call('PUT', 'queues/reports/schedulers/nightly', { pattern: '0 3 * * *', name: 'report', data: { steps: [] } });
  await mill.call('PUT', 'settings/queues.orders.concurrency', { value: 4 });
  await mill.call('POST', 'queues/reports/pause');
  await mill.addMany('reports', Array.from({ length: 100 }, () => ({ name: 'report', data: { steps: [] } })));
  await mill.inState('orders', done, 'completed');
  await mill.inState('orders', failed, 'failed');
  await mill.inState('orders', flow, 'completed');
  await mill.add('orders', [{ op: 'sleep', ms: 600_000 }], { name: 'press' });
  await until(async () => (await mill.call('GET', 'alerts?state=active')).length > 0, 'an alert is raised', 40_000);
  await until(async () => (await mill.call('GET', 'history?queue=orders&points=2000')).at_ms.length >= 3, 'there is a history', 40_000);
  return [
    ['overview', '', 'Overview'], ['queues', 'queues', 'Queues'], ['queue', 'queues/orders', 'orders'], ['jobs', 'queues/orders/jobs?state=completed', 'orders'],
    ['failed', 'queues/orders/jobs?state=failed', 'orders'], ['job', `queues/orders/jobs/${failed}`, `Job ${failed}`], ['flow', `queues/orders/jobs/${flow}`, `Job ${flow}`],
    ['new-job', 'queues/orders/new', 'New job for orders'], ['alerts', 'alerts', 'Alerts'], ['workers', 'workers', 'Workers'], ['scaling', 'scaling', 'Scaling'],
    ['handlers', 'handlers', 'Handlers'], ['deployment', 'handlers/letters?job=*', 'letters / *'], ['limits', 'limits', 'Limits'], ['limiter', 'limits/mail', 'mail'],
    ['schedules', 'schedules', 'Schedules'], ['new-schedule', 'schedules/new', 'New schedule'], ['settings', 'settings', 'Settings'], ['audit', 'audit', 'Audit'],
    ['missing', 'nowhere', 'No such page'],
  ];
}

for (const colorScheme of ['light', 'dark']) {
  test(`every page is accessible, ${colorScheme}`, async () => {
    const page = await openPage(browser, { colorScheme });
    for (const [name, hash, heading] of pages) {
      await visit(page, mill, hash, heading);
      await accessible(page, `${name}, ${colorScheme}`);
      await fits(page, name);
      assert.equal(await page.locator('h1').count(), 1, name);
    }
    await visit(page, mill, 'queues/orders', 'orders');
    await page.getByRole('button', { name: 'Clean' }).click();
    await accessible(page, `a dialog, ${colorScheme}`);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });
}

test('every page is whole and accessible on a phone', async () => {
  const page = await openPage(browser, PHONE);
  for (const [name, hash, heading] of pages) {
    await visit(page, mill, hash, heading);
    await fits(page, name);
    await accessible(page, `${name}, on a phone`);
  }
  await page.getByRole('button', { name: 'Menu' }).tap();
  await page.getByRole('link', { name: 'Workers' }).tap();
  await page.getByRole('heading', { level: 1, name: 'Workers' }).waitFor();
  await until(async () => !(await page.getByRole('link', { name: 'Scaling' }).isVisible()), 'the menu is closed again');
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

/** Presses Tab until the focus is on something with this text. */
async function tabTo(page, text, most = 60) {
  for (let presses = 0; presses < most; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => (document.activeElement?.textContent || document.activeElement?.getAttribute('placeholder') || '').trim());
    if (focused.startsWith(text)) return;
  }
  assert.fail(`Tab does not come to ${text}`);
}

test('the keyboard alone finds a failed job and retries it', async () => {
  const id = await mill.add('orders', [{ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'needs a hand', kind: 'permanent' }] }]);
  await mill.inState('orders', id, 'failed');
  const page = await openPage(browser);
  await visit(page, mill, '', 'Overview');
  await tabTo(page, 'Skip to the content', 2);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.goto('about:blank');
  await visit(page, mill, '', 'Overview');
  await tabTo(page, 'Queues');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Queues' }).waitFor();
  // The focus goes with the page, so that a screen reader reads on from its heading.
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  await tabTo(page, 'orders');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'orders');
  await tabTo(page, 'Failed');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: id, exact: true }).waitFor();
  await tabTo(page, id);
  await page.keyboard.press('Enter');
  await page.waitForFunction((name) => document.activeElement?.textContent === name, `Job ${id}`);
  await page.getByRole('button', { name: 'Retry' }).waitFor();
  await tabTo(page, 'Retry', 12);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  // The focus stays inside until the question is answered.
  for (let n = 0; n < 8; n += 1) {
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null));
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Retry');
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await tabTo(page, 'Retry', 6);
  await page.keyboard.press('Enter');
  await mill.inState('orders', id, 'completed');
  await page.context().close();
});

test('less motion is moved where it is asked for', async () => {
  const page = await openPage(browser, { reducedMotion: 'reduce' });
  await visit(page, mill, 'queues/orders', 'orders');
  const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
    const style = getComputedStyle(element);
    return style.animationName !== 'none' || style.transitionDuration.split(', ').some((time) => time !== '0s');
  }).length);
  assert.equal(moving, 0);
  await page.context().close();
});

test('pictures for the documentation', { skip: process.env.SCREENSHOTS ? false : 'set SCREENSHOTS=1 to write them' }, async () => {
  // Of made-up queues: they are the same every time, and have a past.
  const fake = await startFake();
  await mkdir(screenshots, { recursive: true });
  const shoot = async (name, hash, heading, options) => {
    const page = await openPage(browser, options);
    await visit(page, fake, hash, heading);
    await page.waitForFunction(() => document.fonts.status === 'loaded' && document.querySelector('.live.live'));
    await page.screenshot({ path: path.join(screenshots, `${name}.png`) });
    await page.context().close();
  };
  const screen = { viewport: { width: 1180, height: 860 } };
  const dark = { ...screen, colorScheme: 'dark' };
  await shoot('overview', '', 'Overview', screen);
  await shoot('queue', 'queues/payment-processing', 'payment-processing', dark);
  await shoot('failed', 'queues/email-delivery/jobs?state=failed', 'email-delivery', { viewport: { width: 1180, height: 600 } });
  await shoot('job', 'queues/email-delivery/jobs/failed-1', 'Job failed-1', screen);
  await shoot('deployment', 'handlers/email-delivery?job=*', 'email-delivery / *', screen);
  await shoot('workers', 'workers', 'Workers', screen);
  await shoot('limits', 'limits', 'Limits', dark);
  await shoot('phone', '', 'Overview', PHONE);
  fake.close();
});
