// Jobs and children of the handler's own.
import { enqueue as host } from '#host';
import { decode, encode } from './bytes.js';
import { EnqueueError } from './errors.js';
import { asked, millis } from './service.js';

function newJob({ name, data = {}, queue, delay, uniqueKey, child = false, options, ...unknown }) {
  const [odd] = Object.keys(unknown);
  if (odd !== undefined) throw new TypeError(`a new job has no \`${odd}\`; BullMQ's options go into \`options\``);
  if (typeof name !== 'string' || name === '') throw new TypeError('a new job needs a name');
  return {
    name,
    queue,
    data: encode(data, 'the data of the new job'),
    delay: millis(delay, '`delay`'),
    uniqueKey,
    child,
    options: options === undefined ? undefined : JSON.stringify(options),
  };
}

export function submit(job) {
  return asked(EnqueueError, `adding \`${job.name}\``, () => host.submit(newJob(job)));
}

export function submitMany(jobs) {
  return asked(EnqueueError, `adding ${jobs.length} jobs`, () => host.submitMany(jobs.map(newJob)));
}

export function children() {
  const found = asked(EnqueueError, 'reading the children', () => host.children());
  return found.map(([key, value]) => ({ key, value: decode(value) }));
}

export function failedChildren() {
  const found = asked(EnqueueError, 'reading the children', () => host.failedChildren());
  return found.map(([key, reason]) => ({ key, reason }));
}
