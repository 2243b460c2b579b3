// What the attempts of a job left behind.
import { plural, traces } from '../lib/format';
import type { Job } from '../lib/types';
import { Panel } from './ui';

export function Attempts({ job: { fields } }: { job: Job }) {
  const all = traces(fields.stacktrace);
  if (all.length === 0) return null;
  return (
    <Panel title="Failed attempts" note={plural(all.length, 'stack trace')}>
      <ol class="traces">
        {[...all].reverse().map((trace, n) => (
          <li key={all.length - n} value={all.length - n}>
            <details open={n === 0}>
              <summary>{trace.split('\n')[0]}</summary>
              <pre class="code" tabIndex={0} aria-label={`Stack trace ${all.length - n}`}>{trace}</pre>
            </details>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
