// The workers on this Redis, and what their slots run now.
import { get } from '../lib/api';
import { bytes, count, cut, duration, percent, plural, short } from '../lib/format';
import { now, workers as live } from '../lib/live';
import { useLoad } from '../lib/load';
import { to } from '../lib/route';
import type { Running, Worker } from '../lib/types';
import { Table } from '../parts/table';
import { Ago, Facts, Figures, Meter, Page, Panel, Show, Tag } from '../parts/ui';

export function Workers() {
  const fetched = useLoad('workers', (signal) => get<Worker[]>(['workers'], {}, signal), live.value === null ? 1 : 0);
  const known = live.value ? { ...fetched, data: live.value, error: undefined } : fetched;
  return (
    <Page title="Workers">
      <Show of={known}>
        {(rows) => (
          <>
            <Figures
              label="All workers"
              of={[
                { name: 'Workers', value: count(rows.length) },
                { name: 'Slots', value: count(sum(rows, 'slots')) },
                { name: 'Busy', value: count(sum(rows, 'busy')), note: percent(rows.length ? (sum(rows, 'busy') / Math.max(1, sum(rows, 'slots'))) * 100 : null) },
                { name: 'Jobs done', value: short(sum(rows, 'jobs_total')) },
              ]}
            />
            {rows.length === 0 && <p class="empty">No worker tells of itself.</p>}
            {[...rows].sort((a, b) => a.name.localeCompare(b.name)).map((worker) => <One key={worker.id} worker={worker} />)}
          </>
        )}
      </Show>
    </Page>
  );
}

const sum = (rows: Worker[], field: 'slots' | 'busy' | 'jobs_total') => rows.reduce((all, worker) => all + worker[field], 0);

function One({ worker }: { worker: Worker }) {
  const { name, phase, host, pid, version, running, busy, slots } = worker;
  return (
    <Panel title={name} id={`worker-${worker.id}`} note={<><Tag value={phase} /> {host} · process {pid} · {version}</>}>
      <Facts
        of={[
          ['Slots', <Full key="s" value={busy} max={slots} text={`${count(busy)} of ${count(slots)} busy`} />],
          ['Memory', <Full key="m" value={worker.memory_bytes} max={worker.memory_limit_bytes} text={`${bytes(worker.memory_bytes)} of ${bytes(worker.memory_limit_bytes)}`} />],
          ['CPU', percent(worker.cpu_percent)],
          ['Jobs done', count(worker.jobs_total)],
          ['Started', <Ago key="a" at={worker.started_ms} />],
          ['Last seen', <Ago key="b" at={worker.seen_ms} />],
          ['Listens at', worker.listen ?? '–'],
          ['Queues', <span key="q" class="list">{worker.queues.map((queue) => <a key={queue} href={to.queue(queue)}>{queue}</a>)}</span>],
        ]}
      />
      <h3>What runs now</h3>
      <Table
        caption={`What ${name} runs now`}
        rows={[...running].sort((a, b) => a.started_ms - b.started_ms)}
        keyOf={(row: Running) => `${row.queue}/${row.id}`}
        empty="Every slot is free."
        columns={[
          { head: 'Job', names: true, cell: (row) => <a class="id" href={to.job(row.queue, row.id)}>{cut(row.id, 40)}</a> },
          { head: 'Queue', cell: (row) => <a class="quiet" href={to.queue(row.queue)}>{row.queue}</a> },
          { head: 'Name', grow: true, cell: (row) => cut(row.job, 60) },
          { head: 'Attempt', num: true, wide: true, cell: (row) => count(row.attempt) },
          { head: 'For', num: true, cell: (row) => duration(Math.max(0, Math.round((now.value - row.started_ms) / 1000) * 1000)) },
        ]}
      />
      {busy > running.length && <p class="dim">{plural(busy - running.length, 'more job')} not listed.</p>}
    </Panel>
  );
}

const Full = ({ value, max, text }: { value: number; max: number; text: string }) => (
  <span class="full">{text}<Meter value={value} max={max} label={text} /></span>
);
