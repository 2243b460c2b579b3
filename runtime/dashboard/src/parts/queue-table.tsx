// Queues with their status and the issues that explain it.
import { count, duration, percent, short } from '../lib/format';
import { to } from '../lib/route';
import type { QueueHealth, State } from '../lib/types';
import { Table } from './table';
import { Tag } from './ui';

const ORDER = { critical: 0, warning: 1, healthy: 2 };

/** What needs somebody comes first, then by name. */
export const byNeed = (a: QueueHealth, b: QueueHealth) => ORDER[a.status] - ORDER[b.status] || a.queue.localeCompare(b.queue);

const Count = ({ row, state }: { row: QueueHealth; state: State }) => {
  const value = row.counts[state] ?? 0;
  const href = to.jobs(row.queue, { state });
  return <a class={value === 0 ? 'quiet zero' : 'quiet'} href={href} title={`${count(value)} ${state}`}>{short(value)}</a>;
};

export function QueueTable({ rows }: { rows: QueueHealth[] }) {
  return (
    <Table
      caption="Queues, with those that need attention first"
      rows={[...rows].sort(byNeed)}
      keyOf={(row) => row.queue}
      empty="No queue has been seen yet. One appears with its first job."
      columns={[
        {
          head: 'Queue', names: true, grow: true,
          cell: (row) => (
            <>
              <a href={to.queue(row.queue)}>{row.queue}</a>
              {row.paused && <> <Tag value="paused" /></>}
              {row.issues.length > 0 && <ul class="issues">{row.issues.map((issue) => <li key={issue}>{issue}</li>)}</ul>}
            </>
          ),
        },
        { head: 'Status', cell: (row) => <Tag value={row.status} /> },
        { head: 'Class', wide: true, cell: (row) => <span class="dim">{row.class}</span> },
        { head: 'Waiting', num: true, cell: (row) => <Count row={row} state="waiting" /> },
        { head: 'Active', num: true, cell: (row) => <Count row={row} state="active" /> },
        { head: 'Delayed', num: true, wide: true, cell: (row) => <Count row={row} state="delayed" /> },
        { head: 'Failed', num: true, cell: (row) => <Count row={row} state="failed" /> },
        { head: 'Per min', num: true, cell: (row) => short(row.jobsPerMinute) },
        { head: 'Errors', num: true, wide: true, cell: (row) => percent(row.errorRate) },
        { head: 'p95', num: true, wide: true, cell: (row) => duration(row.p95Ms) },
        { head: 'Oldest', num: true, wide: true, cell: (row) => duration(row.oldestWaitMs) },
      ]}
    />
  );
}
