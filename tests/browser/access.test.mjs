// Who may look and who may do what, and how the files are served.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMill } from './lib/mill.mjs';
import { openBrowser, openPage, settled, visit } from './lib/screen.mjs';

const SECRET = 'for your eyes only 4711';
const tokens = { eyes: { role: 'viewer', secret: 'look' }, hands: { role: 'operator', secret: 'turn' }, boss: { role: 'admin', secret: 'rule' } };
let mill;
let browser;
before(async () => {
  browser = await openBrowser();
  mill = await startMill({ tokens });
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

async function enter(page, secret) {
  await page.goto(mill.base);
  await page.getByLabel('Token').fill(secret);
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('the files need no token, keep strangers out, and are cached by their names', async () => {
  const index = await fetch(mill.base);
  assert.equal(index.status, 200);
  assert.equal(index.headers.get('cache-control'), 'no-cache');
  assert.match(index.headers.get('content-security-policy'), /script-src 'self'.*frame-ancestors 'none'/);
  assert.doesNotMatch(index.headers.get('content-security-policy'), /unsafe/);
  assert.equal(index.headers.get('x-content-type-options'), 'nosniff');
  const names = [...(await index.text()).matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => name);
  assert.ok(names.length >= 2);
  let bytes = 0;
  for (const name of names) {
    const response = await fetch(mill.base + name, { headers: { 'accept-encoding': 'gzip' } });
    assert.match(response.headers.get('cache-control'), /immutable/);
    assert.equal(response.headers.get('content-encoding'), 'gzip');
    bytes += Number(response.headers.get('content-length'));
  }
  assert.ok(bytes > 10_000 && bytes < 80_000, `${bytes} bytes`);
  assert.equal((await fetch(`${mill.base}assets/none.js`)).status, 404);
  assert.equal((await fetch(`${mill.base}none`)).status, 404);
});

test('a token is asked for, a wrong one is refused, a right one is kept in the tab only', async () => {
  const page = await openPage(browser);
  await enter(page, 'guess');
  await page.getByRole('alert').getByText('does not know this token').waitFor();
  await page.getByLabel('Token').fill('turn');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await page.getByText('hands').first().waitFor();
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  const other = await page.context().newPage();
  await other.goto(mill.base);
  await other.getByLabel('Token').waitFor();
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await page.getByLabel('Token').waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('a viewer sees no payloads and no actions', async () => {
  const id = await mill.add('orders', [{ op: 'log', line: SECRET }, { op: 'return', value: SECRET }]);
  await mill.inState('orders', id, 'completed');
  const page = await openPage(browser);
  await enter(page, 'look');
  await page.getByText('This role looks and changes nothing.').waitFor();
  for (const [hash, heading] of [
    [`queues/orders/jobs/${id}`, `Job ${id}`], ['queues/orders/jobs?state=completed', 'orders'], ['queues/orders', 'orders'], ['alerts', 'Alerts'],
    ['limits', 'Limits'], ['schedules', 'Schedules'], ['settings', 'Settings'], ['handlers', 'Handlers'],
  ]) {
    await visit(page, mill, hash, heading);
    assert.doesNotMatch(await page.locator('main').innerText(), new RegExp(SECRET), hash);
    for (const action of ['Retry', 'Remove', 'Pause', 'Drain', 'Clean', 'New job', 'Reset', 'New schedule', 'New setting']) {
      assert.equal(await page.locator('main').getByRole('button', { name: action, exact: true }).count(), 0, `${hash}: ${action}`);
      assert.equal(await page.locator('main').getByRole('link', { name: action, exact: true }).count(), 0, `${hash}: ${action}`);
    }
  }
  await visit(page, mill, `queues/orders/jobs/${id}`, `Job ${id}`);
  assert.equal(await page.getByText('may not see').count(), 3);
  // Not even what travels holds it.
  const travelled = await page.evaluate(async (where) => {
    const response = await fetch(where, { headers: { authorization: 'Bearer look' } });
    return response.text();
  }, `api/v1/queues/orders/jobs/${id}`);
  assert.doesNotMatch(travelled, new RegExp(SECRET));
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('an operator may change jobs, and only an admin remove a queue', async () => {
  const id = await mill.add('orders', [{ op: 'fail', message: 'no', kind: 'permanent' }]);
  await mill.inState('orders', id, 'failed');
  const page = await openPage(browser);
  await enter(page, 'turn');
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await visit(page, mill, 'queues/orders', 'orders');
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Remove', exact: true }).count(), 0);
  await visit(page, mill, `queues/orders/jobs/${id}`, `Job ${id}`);
  await settled(page);
  await page.getByRole('button', { name: 'Retry' }).waitFor();
  await page.context().close();
});
