// Every queue under the prefix, also those that no worker of ours serves.
import { useState } from 'preact/hooks';
import { get } from '../lib/api';
import { count, plural } from '../lib/format';
import { health } from '../lib/live';
import { useLoad } from '../lib/load';
import { to } from '../lib/route';
import type { QueueRow, State } from '../lib/types';
import { Table } from '../parts/table';
import { Page, Panel, Show, Tag } from '../parts/ui';

export function Queues() {
  const [search, setSearch] = useState('');
  const list = useLoad('queues', (signal) => get<QueueRow[]>(['queues'], {}, signal));
  const known = new Map((health.value?.queueHealth ?? []).map((queue) => [queue.queue, queue]));
  const number = (state: State) => ({
    head: state === 'waiting-children' ? 'Children' : state[0]?.toUpperCase() + state.slice(1),
    num: true,
    wide: !['waiting', 'active', 'failed'].includes(state),
    cell: ({ queue, counts }: QueueRow) => {
      const value = counts[state] ?? 0;
      return <a class={value === 0 ? 'quiet zero' : 'quiet'} href={to.jobs(queue, { state })}>{count(value)}</a>;
    },
  });
  return (
    <Page title="Queues">
      <Show of={list}>
        {(rows) => {
          const found = rows.filter(({ queue }) => queue.toLowerCase().includes(search.toLowerCase()));
          return (
            <Panel
              title="All queues" flush note={plural(found.length, 'queue')}
              actions={(
                <label class="inline">
                  <span class="unseen">Filter by name</span>
                  <input type="search" placeholder="Filter by name" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
                </label>
              )}
            >
              <Table
                caption="Queues and their jobs"
                rows={found}
                keyOf={({ queue }) => queue}
                empty={search ? 'No queue has such a name.' : 'There is no queue yet. One appears with its first job.'}
                columns={[
                  {
                    head: 'Queue', names: true, grow: true,
                    cell: ({ queue, paused }) => <><a href={to.queue(queue)}>{queue}</a>{paused && <> <Tag value="paused" /></>}</>,
                  },
                  {
                    head: 'Status',
                    cell: ({ queue }) => {
                      const status = known.get(queue)?.status;
                      return status ? <Tag value={status} /> : <span class="dim">not served</span>;
                    },
                  },
                  ...(['waiting', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed'] as const).map(number),
                ]}
              />
            </Panel>
          );
        }}
      </Show>
    </Page>
  );
}
