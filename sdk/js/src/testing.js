// Tests of handlers without WebAssembly, on the machine that builds them.
import { outcome } from './component.js';
import { ending } from './errors.js';
import { current } from './host/testing.js';

export function job(data, changes = {}) {
  return { id: '1', name: 'test', queue: 'test', attempt: 1, maxAttempts: 3, data, ...changes };
}

export async function call(handler, given, answers = {}) {
  const records = { logs: [], progress: [], metrics: [], enqueued: [], requests: [], data: [], guarded: [] };
  const state = new Map(Object.entries(answers.state ?? {}).map(([key, value]) => [key, bytes(value)]));
  const checkpoint = answers.checkpoint === undefined ? undefined : bytes(answers.checkpoint);
  const host = { answers, records, state, checkpoint };
  const run = async () => {
    try {
      const returned = await outcome(handler, { ...given, data: bytes(given.data) });
      return { value: returned === undefined ? undefined : JSON.parse(new TextDecoder().decode(returned)) };
    } catch (thrown) {
      return { error: ending(thrown) };
    }
  };
  intercept();
  const { value, error } = await current.run(host, run);
  const left = [...host.state].map(([key, value]) => [key, JSON.parse(new TextDecoder().decode(value))]);
  const kept = host.checkpoint === undefined ? undefined : JSON.parse(new TextDecoder().decode(host.checkpoint));
  return { value, error, ...records, state: Object.fromEntries(left), checkpoint: kept };
}

function bytes(value) {
  return new TextEncoder().encode(JSON.stringify(value));
}

let outside;

/** From the first call on, `fetch` of a handler under test asks the test, and of everybody else the network. */
function intercept() {
  if (outside !== undefined) return;
  outside = globalThis.fetch;
  globalThis.fetch = async (...given) => {
    const host = current.getStore();
    if (host === undefined) return outside(...given);
    const request = new Request(...given);
    host.records.requests.push(request);
    if (host.answers.fetch === undefined) throw new TypeError(`no answer to ${request.method} ${request.url}; give \`fetch\` with the answers`);
    return host.answers.fetch(request.clone());
  };
}
