// BullMQ's Node worker as a contender of the benchmark: a processor that does nothing, either in
// this process or as a sandboxed processor in child processes. Runs until SIGTERM.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import noop from './noop-processor.cjs';

// The packages are those of the BullMQ tests; `npm ci` in tests/bullmq installs them.
const { Worker } = createRequire(new URL('../../bullmq/package.json', import.meta.url))('bullmq');

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    queue: { type: 'string' },
    concurrency: { type: 'string' },
    mode: { type: 'string' },
    remove: { type: 'boolean', default: false },
  },
});
const { queue } = values;
const port = Number(values.port);
const concurrency = Number(values.concurrency);
const processors = { inprocess: noop, sandboxed: fileURLToPath(new URL('noop-processor.cjs', import.meta.url)) };
const processor = processors[values.mode];
if (!(port > 0) || !queue || !(concurrency > 0) || !processor) {
  console.error('usage: node-worker.mjs --port P --queue Q --concurrency N --mode inprocess|sandboxed [--remove]');
  process.exit(64);
}

const worker = new Worker(queue, processor, {
  connection: { host: '127.0.0.1', port },
  concurrency,
  ...(values.remove ? { removeOnComplete: { count: 0 } } : {}),
});
worker.on('error', (error) => console.error(error.message));
await worker.waitUntilReady();
console.log('ready');

process.once('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
