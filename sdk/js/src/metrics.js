// The handler's own metrics.
import { metrics as host } from '#host';
import { attributes } from './service.js';

export function counter(name, value = 1, labels) {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`a counter grows by a whole number, not by ${value}`);
  host.counterAdd(name, BigInt(value), attributes(labels));
}

export function gauge(name, value, labels) {
  host.gaugeSet(name, Number(value), attributes(labels));
}

export function histogram(name, value, labels) {
  host.histogramRecord(name, Number(value), attributes(labels));
}
