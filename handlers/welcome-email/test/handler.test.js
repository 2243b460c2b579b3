import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { call, job } from '@gristmill/sdk/testing';
import welcome from '../src/handler.js';

test('the sample', async () => {
  const data = JSON.parse(await readFile(new URL('../sample.json', import.meta.url), 'utf8'));
  const { value, metrics } = await call(welcome, job(data));
  assert.equal(value.subject, 'Willkommen, Ada <Lovelace>');
  assert.match(value.html, /<h1>Guten Tag Ada &lt;Lovelace&gt;<\/h1>/);
  assert.match(value.html, /<li>Rechenmaschine: 1234,50 €<\/li>/);
  assert.match(value.text, /^Guten Tag Ada <Lovelace>\n/);
  assert.deepEqual(metrics, [{ kind: 'counter', name: 'welcome_mails_total', value: 1, labels: { language: 'de' } }]);
});

test('no offers, no list', async () => {
  const { value } = await call(welcome, job({ to: 'a@example.com', name: 'Ada' }));
  assert.doesNotMatch(value.html, /<ul>/);
  assert.equal(value.subject, 'Welcome, Ada');
});

test('data that does not fit names the place', async () => {
  const { error } = await call(welcome, job({ to: 'a@example.com', name: 'Ada', offers: [{ title: 'x', cents: -1 }] }));
  assert.match(error.message, /at `offers\[0\]\.cents`/);
});
