// BullMQ's `addBulk` as a contender of the benchmark: adds jobs in bulks and prints how long that took, in ms.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { Queue } = createRequire(new URL('../../bullmq/package.json', import.meta.url))('bullmq');

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    queue: { type: 'string' },
    jobs: { type: 'string' },
    bulk: { type: 'string' },
    data: { type: 'string' },
  },
});
const bulk = Number(values.bulk);
const data = JSON.parse(values.data);
const queue = new Queue(values.queue, { connection: { host: '127.0.0.1', port: Number(values.port) } });
await queue.waitUntilReady();
const begun = performance.now();
for (let left = Number(values.jobs); left > 0; left -= bulk) {
  await queue.addBulk(Array.from({ length: Math.min(left, bulk) }, () => ({ name: 'bench', data })));
}
console.log(performance.now() - begun);
await queue.close();
