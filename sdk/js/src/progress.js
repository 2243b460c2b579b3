// BullMQ's progress, checkpoints and the job's data.
import { progress as host } from '#host';
import { decode, encode } from './bytes.js';
import { ProgressError } from './errors.js';
import { asked } from './service.js';

export function report(done, total, message) {
  host.report(BigInt(Math.trunc(done)), total === undefined ? undefined : BigInt(Math.trunc(total)), message);
}

export function set(value) {
  asked(ProgressError, 'progress', () => host.set(encode(value, 'the progress')));
}

export function saveCheckpoint(value) {
  asked(ProgressError, 'checkpoint', () => host.saveCheckpoint(encode(value, 'the checkpoint')));
}

export function loadCheckpoint() {
  const found = asked(ProgressError, 'checkpoint', () => host.loadCheckpoint());
  return found === undefined ? undefined : decode(found);
}

export function updateData(data) {
  asked(ProgressError, 'the job’s data', () => host.updateData(encode(data, 'the job’s data')));
}
