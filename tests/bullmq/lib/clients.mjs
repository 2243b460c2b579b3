// BullMQ's own clients, in the two major versions that producers run today.
import * as six from 'bullmq';
import * as five from 'bullmq5';

/** `tag` goes into queue names, so that both versions can use one Redis. */
export const v6 = { ...six, label: 'bullmq 6', tag: 'v6' };
export const v5 = { ...five, label: 'bullmq 5', tag: 'v5' };
export const clients = [v6, v5];
