// The job's log.
import { log as host } from '#host';
import { attributes } from './service.js';

export const enabled = (level) => host.enabled(level);

export function write(level, message, fields) {
  host.write(level, String(message), attributes(fields));
}

export const trace = (message, fields) => write('trace', message, fields);
export const debug = (message, fields) => write('debug', message, fields);
export const info = (message, fields) => write('info', message, fields);
export const warn = (message, fields) => write('warn', message, fields);
export const error = (message, fields) => write('error', message, fields);
