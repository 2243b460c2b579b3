import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, job } from '@gristmill/sdk/testing';
import page from '../src/handler.js';

test('headings are in the contents, each with a word of its own', async () => {
  const { value, progress } = await call(page, job({ markdown: '# Grüße\n\n## A b\n\ntext *x*\n\n## A b' }));
  assert.deepEqual(value.contents.map(({ id }) => id), ['grüße', 'a-b', 'a-b-1']);
  assert.match(value.html, /<h1 id="grüße">Grüße<\/h1>/);
  assert.match(value.html, /<em>x<\/em>/);
  assert.deepEqual(progress, [50, 100]);
});

test('HTML in the text is shown and not obeyed', async () => {
  const { value } = await call(page, job({ markdown: '<script>alert(1)</script>' }));
  assert.doesNotMatch(value.html, /<script>/);
});

test('a text is fetched', async () => {
  const fetch = async () => new Response('# Far away');
  const { value, requests } = await call(page, job({ url: 'https://example.com/a.md' }), { fetch });
  assert.equal(value.title, 'Far away');
  assert.equal(requests[0].url, 'https://example.com/a.md');
  const down = await call(page, job({ url: 'https://example.com/' }), { fetch: async () => new Response('', { status: 503 }) });
  assert.equal(down.error.message, 'https://example.com/ answered 503');
});

test('nothing to do is a permanent error', async () => {
  const { error } = await call(page, job({}));
  assert.equal(error.code, 'bad-data');
});
