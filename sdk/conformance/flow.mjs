// A Python job whose children are served by handlers in JavaScript, Rust, C and Go: the flow of docs/languages.md, on a real
// worker. GRISTMILL_CONFORMANCE=DIR node --test flow.mjs, with the handlers as DIR/flow/NAME.wasm.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { it } from '../../tests/bullmq/harness.mjs';
import { v6 } from '../../tests/bullmq/lib/clients.mjs';
import { Lab } from '../../tests/bullmq/lib/lab.mjs';

const folder = path.resolve(process.env.GRISTMILL_CONFORMANCE ?? 'target/conformance', 'flow');
const lab = new Lab({ only: 'ours', autostart: false });

/** The queue `flow-PART`, and who serves it. */
function queue(part, handler, allow = {}) {
  const type = { handler: path.join(folder, `${handler}.wasm`), memory: '128MiB', timeout: '30s', allow };
  return lab.queue({ ...v6, tag: part }, 'flow', { jobs: { '*': type } });
}

const children = {
  'flow-pages': queue('pages', 'markdown-page'),
  'flow-hashes': queue('hashes', 'hash'),
  'flow-checksums': queue('checksums', 'checksum-c'),
  'flow-archives': queue('archives', 'archive'),
};
const reports = queue('reports', 'flow', { enqueue: Object.keys(children) });

it('a Python job collects what children in JavaScript, Rust, C and Go return', { timeout: 600_000 }, async () => {
  await lab.start({ worker: { cache_dir: path.join(folder, 'cache'), compile_timeout: '10m' } });
  const markdown = '# Grüße\n\nfrom the *mill*\n';
  const job = await reports.queue.add('report', { markdown });
  const done = await reports.result(job, 60_000);
  const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

  assert.deepEqual(Object.keys(done).sort(), Object.keys(children).sort());
  assert.match(done['flow-pages'].html, /<em>mill<\/em>/);
  assert.equal(done['flow-pages'].title, 'Grüße');
  assert.equal(done['flow-hashes'], sha256(markdown));
  assert.equal(done['flow-checksums'].checksum, sha256(markdown));
  const archive = Buffer.from(done['flow-archives'].bytes, 'base64');
  assert.equal(done['flow-archives'].sha256, sha256(archive));
  assert.ok(archive.includes('text.md'));

  for (const child of Object.values(children)) assert.equal((await child.queue.getJobCounts()).completed, 1, child.name);
  assert.equal((await reports.fresh(job)).attemptsMade, 1);
});

it('docs/languages.md shows this flow', async () => {
  const read = (file) => readFile(new URL(file, import.meta.url), 'utf8');
  assert.ok((await read('../../docs/languages.md')).includes(await read('flow/handler.py')), 'the handler in the page is another');
});
