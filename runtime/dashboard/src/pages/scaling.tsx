// How many workers each queue should have, and why.
import { get } from '../lib/api';
import { count, duration, percent, short } from '../lib/format';
import { useLoad } from '../lib/load';
import { PAGE, page } from '../lib/paging';
import { having, to } from '../lib/route';
import { go, route } from '../lib/router';
import type { Scaling, ScalingStep } from '../lib/types';
import { Pager } from '../parts/pager';
import { Table } from '../parts/table';
import { Ago, Page, Panel, Show, Tag } from '../parts/ui';

const ACTIONS = { up: 'more workers', down: 'fewer workers', hold: 'as it is' };

export function ScalingPage() {
  const { queue = '', page: asked } = route.value.query;
  const at = page(asked, undefined);
  const current = useLoad('scaling', (signal) => get<Scaling>(['scaling'], {}, signal));
  const history = useLoad(`${queue}/${at.from}`, (signal) => get<ScalingStep[]>(['scaling', 'history'], { queue, from: at.from, count: PAGE }, signal));
  const names = current.data?.queues.map((row) => row.queue) ?? [];
  return (
    <Page
      title="Scaling"
      lead={current.data && !current.data.enabled ? 'It is off: what follows is advice that nobody acts on.' : 'Orchestrators read these figures and start or stop workers.'}
    >
      <Panel title="Now" flush>
        <Show of={current}>
          {({ queues }) => (
            <Table
              caption="Workers that each queue has and should have" rows={queues} keyOf={(row) => row.queue} empty="No queue is scaled."
              columns={[
                {
                  head: 'Queue', names: true, grow: true,
                  cell: (row) => <><a href={to.queue(row.queue)}>{row.queue}</a><span class="under">{row.reason}</span></>,
                },
                { head: 'Class', wide: true, cell: (row) => <span class="dim">{row.class}</span> },
                { head: 'Decision', cell: (row) => <Tag value={row.action} text={ACTIONS[row.action]} /> },
                { head: 'Workers', num: true, cell: (row) => count(row.workers) },
                { head: 'Wanted', num: true, cell: (row) => <b>{count(row.desired)}</b> },
                { head: 'Bounds', num: true, wide: true, cell: (row) => `${count(row.min)}–${count(row.max)}` },
                { head: 'Backlog', num: true, cell: (row) => short(row.signals.backlog) },
                { head: 'Oldest', num: true, wide: true, cell: (row) => duration(row.signals.oldest_wait_ms) },
                { head: 'CPU', num: true, wide: true, cell: (row) => percent(row.signals.cpu_percent) },
                { head: 'Memory', num: true, wide: true, cell: (row) => percent(row.signals.memory_percent) },
                { head: 'Drained in', num: true, wide: true, cell: (row) => duration(row.signals.drain_ms) },
                { head: 'Decided', num: true, cell: (row) => <Ago at={row.decided_ms} /> },
              ]}
            />
          )}
        </Show>
      </Panel>
      <Panel
        title="Decisions" note="newest first" flush
        actions={(
          <label class="inline">Queue{' '}
            <select value={queue} onChange={(event) => go(having(route.value, { queue: event.currentTarget.value, page: undefined }))}>
              <option value="">all</option>
              {names.map((name) => <option key={name} value={name}>{name}</option>)}
            </select>
          </label>
        )}
      >
        <Show of={history}>
          {(rows) => (
            <>
              <Table
                caption="Decisions of the past" rows={rows} keyOf={(row) => `${row.queue}/${row.at_ms}`} empty="Nothing was decided yet."
                columns={[
                  { head: 'When', cell: (row) => <Ago at={row.at_ms} /> },
                  { head: 'Queue', names: true, cell: (row) => <a href={to.queue(row.queue)}>{row.queue}</a> },
                  { head: 'Workers', num: true, cell: (row) => `${count(row.from)} → ${count(row.to)}` },
                  {
                    head: 'Why', grow: true,
                    cell: (row) => (row.explanation.length === 0 ? row.reason : (
                      <details><summary>{row.reason}</summary><ul class="plain">{row.explanation.map((line) => <li key={line}>{line}</li>)}</ul></details>
                    )),
                  },
                ]}
              />
              <Pager at={at} shown={rows.length} total={undefined} more={rows.length === PAGE} />
            </>
          )}
        </Show>
      </Panel>
    </Page>
  );
}
