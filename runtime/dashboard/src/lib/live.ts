// What the whole dashboard knows: who is here, and what the stream of events tells.
import { computed, signal } from '@preact/signals';
import { ApiError, address, get, locked, request } from './api';
import { EventParser, backoff } from './events';
import type { StreamEvent } from './events';
import type { Alert, Health, Session, Worker } from './types';

export const session = signal<Session | null>(null);
export const health = signal<Health | null>(null);
export const alerts = signal<Alert[] | null>(null);
export const workers = signal<Worker[] | null>(null);

/** Grows with every beat of the stream; what pages show is fetched again then. */
export const beat = signal(0);
export const now = signal(Date.now());

export type Connection =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'lost'; since: number; next: number; why: string };
export const connection = signal<Connection>({ state: 'connecting' });

export const mayOperate = computed(() => session.value !== null && session.value.role !== 'viewer');
export const mayAdmin = computed(() => session.value?.role === 'admin');
export const seesPayloads = computed(() => session.value?.payloads !== false);

/** The server sends a comment every 15 s; after three without, the connection is dead whatever TCP says. */
const SILENCE_MS = 45_000;

let stop = new AbortController();
let wake: (() => void) | undefined;

/** Asks who we are and then follows the stream until the page goes or the token is refused. */
export async function start() {
  stop.abort();
  stop = new AbortController();
  const { signal: ended } = stop;
  let failures = 0;
  while (!ended.aborted) {
    try {
      session.value = await get<Session>(['session'], {}, ended);
      locked.value = false;
      await follow(ended, () => {
        failures = 0;
      });
      throw new ApiError(0, 'The worker closed the connection.');
    } catch (error) {
      if (ended.aborted) return;
      if (error instanceof ApiError && error.status === 401) return;
      failures += 1;
      const wait = backoff(failures, Math.random());
      const before = connection.value;
      connection.value = {
        state: 'lost',
        since: before.state === 'lost' ? before.since : Date.now(),
        next: Date.now() + wait,
        why: error instanceof Error ? error.message : String(error),
      };
      await pause(wait, ended);
    }
  }
}

/** Tries again at once. */
export const retryNow = () => wake?.();

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      wake = undefined;
      resolve();
    };
    const timer = setTimeout(done, ms);
    wake = done;
    ended.addEventListener('abort', done, { once: true });
  });
}

async function follow(ended: AbortSignal, heard: () => void) {
  const silent = new AbortController();
  const either = AbortSignal.any([ended, silent.signal]);
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const response = await request('GET', address(['events']), undefined, either);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) return;
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      const events = parser.push(value);
      if (events.length > 0) {
        heard();
        if (connection.value.state !== 'live') connection.value = { state: 'live' };
      }
      events.forEach(take);
    }
  } catch (error) {
    if (silent.signal.aborted) throw new ApiError(0, 'The worker has been silent.');
    if (error instanceof ApiError || ended.aborted) throw error;
    throw new ApiError(0, 'The connection broke.');
  } finally {
    clearTimeout(timer);
  }
}

function take({ event, data }: StreamEvent) {
  let read: unknown;
  try {
    read = JSON.parse(data);
  } catch {
    return; // a newer worker may say things that we do not know
  }
  if (event === 'health') {
    health.value = read as Health;
    beat.value += 1;
  } else if (event === 'alerts') {
    alerts.value = read as Alert[];
  } else if (event === 'workers') {
    workers.value = read as Worker[];
  }
}

/** Forgets all that a caller without a token must not see. */
export function forget() {
  stop.abort();
  session.value = null;
  health.value = null;
  alerts.value = null;
  workers.value = null;
  connection.value = { state: 'connecting' };
}
