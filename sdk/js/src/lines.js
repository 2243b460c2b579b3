// Traces in terms of the user's files: the component runs one bundled file.

/** Frames that are kept. */
const FRAMES = 20;

let table;

/** Where each line of the bundle comes from: `{ files, lines: [[file, line, …], …] }`, written by `gristmill-build`. */
function places() {
  if (table === undefined) {
    const text = globalThis[Symbol.for('gristmill.lines')];
    table = text === undefined ? null : JSON.parse(text);
  }
  return table;
}

/** The stack of what was thrown, the SDK's own frames left out; its causes below it. */
export function traceOf(thrown) {
  const parts = [];
  let next = thrown;
  for (let depth = 0; depth < 8 && typeof next === 'object' && next !== null; depth += 1) {
    let frames;
    try {
      frames = stackOf(next);
      if (depth > 0) parts.push(`caused by: ${String(next.message ?? next)}`);
      next = next.cause;
    } catch {
      break;
    }
    if (frames !== '') parts.push(frames);
  }
  return parts.length === 0 ? undefined : parts.join('\n');
}

function stackOf({ stack }) {
  if (typeof stack !== 'string') return '';
  const lines = stack.split('\n').filter((line) => line.includes('@') || line.trimStart().startsWith('at '));
  return lines.map(placed).filter((line) => line !== undefined).slice(0, FRAMES).join('\n');
}

/** A frame `function@file:line:column` with the user's file and line; `undefined` for one that is not the user's. */
function placed(frame) {
  const found = /^(.*)@(.*?):(\d+)(?::(\d+))?$/.exec(frame.trim());
  const known = places();
  if (found === null || known === null) return frame.trim();
  const [, name, file, line, column] = found;
  if (!file.endsWith('bundle.js')) return undefined;
  const segments = known.lines[Number(line) - 1] ?? [];
  let at;
  for (let i = 0; i < segments.length && segments[i] <= Number(column ?? 1) - 1; i += 3) at = i;
  at ??= segments.length > 0 ? 0 : undefined;
  if (at === undefined) return undefined;
  const source = known.files[segments[at + 1]];
  if (source === '') return undefined;
  return `at ${name.replace(/[/<*]+$/, '') || 'top level'} (${source}:${segments[at + 2]})`;
}
