// Jobs: lists, pages, one job, new ones. Whatever a job holds is shown as text.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMill, until, withSchema } from './lib/mill.mjs';
import { answer, openBrowser, openPage, row, told, visit } from './lib/screen.mjs';

const HTML = '<img src=x onerror="alert(1)"><script>alert(2)</script><b>bold</b>';
const fail = (message) => [{ op: 'fail', message, kind: 'permanent' }];
const MILLION = 1_000_000;
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

test('a finished job shows all that it left', async () => {
  const id = await mill.add('orders', [{ op: 'progress', value: 70 }, { op: 'log', line: 'halfway there' }, { op: 'print', line: 'said aloud' }, { op: 'return', value: { sheets: [11, 12] } }]);
  await mill.inState('orders', id, 'completed');
  await visit(page, mill, `queues/orders/jobs/${id}`, `Job ${id}`);
  await page.locator('pre[aria-label=Data]').filter({ hasText: '"halfway there"' }).waitFor();
  assert.match(await page.locator('pre[aria-label="Return value"]').innerText(), /"sheets": \[\s*11,\s*12\s*\]/);
  const log = page.getByLabel('Log lines');
  await log.getByText('halfway there').waitFor();
  await log.getByText('said aloud').waitFor();
  await page.getByText('70 %').waitFor();
  assert.match(await page.locator('main').innerText(), /Ran\s+\d/);
});

test('a failed job shows its reason and each attempt; retry runs it again', async () => {
  const id = await mill.add('orders', [{ op: 'if', attempt: 3, steps: [{ op: 'return', value: 'at last' }] }, { op: 'fail', message: 'paper jam' }], { attempts: 2 });
  await mill.inState('orders', id, 'failed');
  await visit(page, mill, `queues/orders/jobs/${id}`, `Job ${id}`);
  await page.getByText('paper jam').first().waitFor();
  assert.equal(await page.locator('.traces > li').count(), 2);
  await page.getByRole('button', { name: 'Retry' }).click();
  await answer(page, 'Retry');
  await told(page, `Job ${id} will run again`);
  await mill.inState('orders', id, 'completed');
  await page.locator('pre[aria-label="Return value"]').getByText('at last').waitFor();
});

test('a delayed job is promoted, a running one is cancelled, a finished one is removed', async () => {
  const later = await mill.add('orders', [{ op: 'return', value: 'early' }], { delay: 3_600_000 });
  await visit(page, mill, `queues/orders/jobs/${later}`, `Job ${later}`);
  await page.getByRole('button', { name: 'Promote' }).click();
  await mill.inState('orders', later, 'completed');

  const endless = await mill.add('orders', [{ op: 'loop' }]);
  await mill.inState('orders', endless, 'active');
  await visit(page, mill, `queues/orders/jobs/${endless}`, `Job ${endless}`);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').getByText('It fails and is not tried again.').waitFor();
  await page.keyboard.press('Escape');
  assert.equal((await mill.job('orders', endless)).state, 'active');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await answer(page, 'Cancel the job');
  await mill.inState('orders', endless, 'failed');

  await page.getByRole('button', { name: 'Remove' }).click();
  await answer(page, 'Remove the job');
  await told(page, `Job ${endless} is removed`);
  await page.waitForURL(/#\/queues\/orders\/jobs\?state=/);
  await assert.rejects(mill.job('orders', endless), /404/);
  await visit(page, mill, `queues/orders/jobs/${endless}`, `Job ${endless}`);
  await page.getByRole('alert').getByText('there is no job').waitFor();
});

test('a flow is a tree with this job in it', async () => {
  const leaf = (name) => ({ name, queueName: 'reports', data: { steps: [{ op: 'return', value: 1 }] } });
  const { id } = await mill.call('POST', 'flows', { name: 'book', queueName: 'orders', data: { steps: [{ op: 'children' }] }, children: [leaf('sheet-1'), leaf('sheet-2')] });
  await mill.inState('orders', id, 'completed');
  await visit(page, mill, `queues/orders/jobs/${id}`, `Job ${id}`);
  const tree = page.locator('.tree');
  await tree.getByRole('link', { name: 'sheet-2' }).waitFor();
  assert.equal(await tree.locator('[aria-current=page]').innerText(), 'book');
  await tree.getByRole('link', { name: 'sheet-1' }).click();
  await page.locator('.tree [aria-current=page]').getByText('sheet-1').waitFor();
});

test('markup in data, results, log lines, names, ids and reasons stays text', async () => {
  const opts = { name: HTML, jobId: `<i>${Date.now()}` };
  const id = await mill.add('orders', [{ op: 'log', line: HTML }, { op: 'progress', value: { html: HTML } }, { op: 'return', value: HTML }], opts);
  await mill.inState('orders', id, 'completed').catch(() => {});
  const bad = await mill.add('orders', fail(HTML));
  await mill.inState('orders', bad, 'failed');
  await visit(page, mill, `queues/orders/jobs/${encodeURIComponent(id)}`, `Job ${id}`);
  await page.getByLabel('Log lines').getByText(HTML).waitFor();
  await page.locator('.page-title').getByText(HTML).waitFor();
  await visit(page, mill, `queues/orders/jobs/${bad}`, `Job ${bad}`);
  await page.getByText(HTML).first().waitFor();
  await visit(page, mill, 'queues/orders/jobs?state=failed', 'orders');
  await page.getByText(HTML.slice(0, 60)).first().waitFor();
  await visit(page, mill, 'queues/orders/jobs?state=completed', 'orders');
  assert.equal(await page.locator('main img, main script, main b').count(), 0);
  assert.deepEqual(page.errors, []);
});

test('lists are searched, and turned page by page', async () => {
  await mill.call('POST', 'queues/reports/pause');
  const jobs = Array.from({ length: 120 }, (_, n) => ({ name: n % 2 ? 'odd' : 'even', data: { steps: [], mark: `number-${n}-` } }));
  await mill.addMany('reports', jobs);
  const state = (await mill.call('GET', 'queues/reports')).counts.paused ? 'paused' : 'waiting';
  await visit(page, mill, `queues/reports/jobs?state=${state}`, 'reports');
  const rows = page.locator('main tbody tr');
  await page.getByText('1–50 of 120').waitFor();
  assert.equal(await rows.count(), 50);
  await page.getByRole('link', { name: 'Next' }).click();
  await page.getByText('51–100 of 120').waitFor();
  await page.getByLabel('Page', { exact: true }).fill('3');
  await page.keyboard.press('Enter');
  await page.getByText('101–120 of 120').waitFor();
  assert.equal(await rows.count(), 20);

  await visit(page, mill, `queues/reports/jobs?state=${state}&page=999`, 'reports');
  await page.getByText('Page 999 is behind the end').waitFor();
  await page.getByRole('link', { name: 'The last one is 3' }).click();
  await page.getByText('101–120 of 120').waitFor();
  for (const odd of ['0', '-5', 'x', '99999999999999999999']) {
    await visit(page, mill, `queues/reports/jobs?state=${state}&page=${odd}`, 'reports');
    await page.getByText('1–50 of 120').waitFor();
  }

  await page.getByPlaceholder('Id, name or data').fill('number-77-');
  await page.keyboard.press('Enter');
  await until(async () => (await rows.count()) === 1, 'one job is found');
  await page.getByRole('link', { name: 'Clear' }).click();
  await page.getByPlaceholder('Job name').fill('odd');
  await page.getByRole('button', { name: 'Search' }).click();
  await until(async () => (await rows.count()) === 50 && !(await page.locator('main tbody').innerText()).includes('even'), 'only odd ones are shown');
  await page.getByPlaceholder('Id, name or data').fill('nowhere');
  await page.keyboard.press('Enter');
  await page.getByText('No job fits').waitFor();
  await mill.call('POST', 'queues/reports/drain', {});
  await mill.call('POST', 'queues/reports/resume');
});

test('a million jobs open as fast as few', async () => {
  const fill = "for i = 1, ARGV[1] / 1000 do local ids = {} for j = 1, 1000 do ids[j] = (i - 1) * 1000 + j end redis.call('RPUSH', KEYS[1], unpack(ids)) end return 1";
  await mill.redis('EVAL', fill, 1, 'bull:vast:wait', MILLION);
  const hash = (id) => mill.redis('HSET', `bull:vast:${id}`, 'name', 'grain', 'data', '{"steps":[]}', 'opts', '{}', 'timestamp', Date.now(), 'delay', 0, 'priority', 0);
  const looked = [...Array(100).keys()].flatMap((n) => [n + 1, MILLION - n, MILLION / 2 + n - 50]);
  for (const id of looked) await hash(id);
  await mill.redis('HSET', 'bull:vast:meta', 'version', 'bullmq:6.0.0');
  await visit(page, mill, 'queues', 'Queues');

  const asked = [];
  page.on('request', (request) => request.url().includes('/jobs?') && asked.push(new URL(request.url()).searchParams));
  const open = async (queue, number) => {
    const begun = performance.now();
    await visit(page, mill, `queues/${queue}/jobs?state=${queue === 'vast' ? 'waiting' : 'completed'}&page=${number}`, queue);
    await page.locator('main tbody tr').first().waitFor();
    return performance.now() - begun;
  };
  const few = await open('orders', 1);
  const many = [await open('vast', 1), await open('vast', MILLION / 100), await open('vast', MILLION / 50)];
  assert.ok(Math.max(...many) < few * 3 + 1_000, `${few.toFixed()} ms, and of a million ${many.map((ms) => ms.toFixed())} ms`);
  assert.ok(asked.length >= 4);
  for (const query of asked) assert.equal(query.get('count'), '50');
  await page.getByText(/999.951–1.000.000 of 1.000.000/).waitFor();
  await mill.redis('DEL', 'bull:vast:wait', 'bull:vast:meta');
});

test('a new job is written as JSON, with its options', async () => {
  await visit(page, mill, 'queues/orders', 'orders');
  await page.getByRole('link', { name: 'New job' }).click();
  await page.getByRole('heading', { level: 1, name: 'New job for orders' }).waitFor();
  await page.getByLabel('Name').fill('by-hand');
  await page.getByLabel('Data as JSON').fill('{"steps": [');
  await page.getByRole('button', { name: 'Add the job' }).click();
  await page.getByRole('alert').getByText('is not JSON').waitFor();
  await page.getByLabel('Data as JSON').fill('{"steps": [{"op": "return", "value": "from a page"}]}');
  await page.getByLabel('Job id').fill('hand-made');
  await page.getByLabel('Priority').fill('3');
  await page.getByRole('button', { name: 'Add the job' }).click();
  await page.getByRole('heading', { level: 1, name: 'Job hand-made' }).waitFor();
  await mill.inState('orders', 'hand-made', 'completed');
  assert.equal(JSON.parse((await mill.job('orders', 'hand-made')).fields.opts).priority, 3);
});

test('where the handler has a schema, its form makes the job', async () => {
  const schema = {
    type: 'object', required: ['steps', 'title'], additionalProperties: false,
    properties: {
      steps: { type: 'array', items: {}, description: 'What the handler does' },
      title: { type: 'string', minLength: 3, title: 'Title' },
      copies: { type: 'integer', minimum: 1, maximum: 9 },
      paper: { enum: ['plain', 'thick'] },
      rush: { type: 'boolean' },
    },
  };
  await mill.command('handler', 'push', await withSchema(mill.folder, schema), '--queue', 'letters', '--name', 'letters');
  await until(async () => (await mill.call('GET', 'deployments')).length > 0, 'it is deployed');
  await visit(page, mill, 'queues/letters/new', 'New job for letters');
  await page.getByLabel('Name').fill('letter');
  await page.getByLabel('Name').blur();
  await page.getByLabel(/^steps/).fill('[{"op":"echo"}]');
  await page.getByLabel('Title').fill('no');
  await page.getByLabel('copies').fill('2');
  await page.getByLabel('paper').selectOption('thick');
  await page.getByLabel('rush').check();
  await page.getByRole('button', { name: 'Add the job' }).click();
  // The handler's own schema has the last word.
  await page.locator('.notice.bad').getByText('/title').waitFor();
  await page.getByLabel('Title').fill('Dear reader');
  await page.getByRole('button', { name: 'Add the job' }).click();
  await page.getByRole('heading', { level: 1, name: /^Job \d+/ }).waitFor();
  const id = page.url().split('/').at(-1);
  assert.deepEqual(JSON.parse((await mill.job('letters', id)).fields.data), { steps: [{ op: 'echo' }], title: 'Dear reader', copies: 2, paper: 'thick', rush: true });
  assert.deepEqual(page.errors, []);
});
