// A job's log, a page at a time: it may have very many lines.
import { useState } from 'preact/hooks';
import { get } from '../lib/api';
import { count } from '../lib/format';
import { useLoad } from '../lib/load';
import { Panel, Show } from './ui';

const LINES = 200;

export function Log({ queue, id, hidden, state }: { queue: string; id: string; hidden?: boolean | undefined; state: string }) {
  const [from, setFrom] = useState(0);
  const grows = state !== 'completed' && state !== 'failed';
  const log = useLoad(
    `${queue}/${id}/${from}/${state}`,
    (signal) => get<{ logs: string[]; count: number }>(['queues', queue, 'jobs', id, 'logs'], { from, count: LINES }, signal),
    grows ? 1 : 0,
  );
  if (hidden) return <Panel title="Log"><p class="dim">Hidden: this token may not see log lines.</p></Panel>;
  return (
    <Panel title="Log" note={log.data ? `${count(log.data.count)} lines` : undefined}>
      <Show of={log}>
        {({ logs, count: total }) => (logs.length === 0 && total === 0 ? <p class="dim">It has logged nothing.</p> : (
          <>
            <ol class="log" start={from + 1} tabIndex={0} aria-label="Log lines">
              {logs.map((line, n) => <li key={from + n}><span>{line}</span></li>)}
            </ol>
            {total > LINES && (
              <div class="pager">
                <span>{count(from + 1)}–{count(from + logs.length)} of {count(total)}</span>
                <span class="pager-links">
                  <button type="button" class="small" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - LINES))}>Earlier</button>
                  <button type="button" class="small" disabled={from + LINES >= total} onClick={() => setFrom(from + LINES)}>Later</button>
                  <button type="button" class="small" disabled={from + LINES >= total} onClick={() => setFrom(Math.floor((total - 1) / LINES) * LINES)}>Newest</button>
                </span>
              </div>
            )}
          </>
        ))}
      </Show>
    </Panel>
  );
}
