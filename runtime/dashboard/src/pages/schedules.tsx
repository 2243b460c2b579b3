// Job schedulers of all queues, or of one.
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { count, duration, number } from '../lib/format';
import { mayOperate } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import { href, to } from '../lib/route';
import { go, route } from '../lib/router';
import type { QueueRow, Scheduler } from '../lib/types';
import { Table } from '../parts/table';
import { Ago, Page, Panel, Show } from '../parts/ui';

interface Row extends Scheduler {
  queue: string;
}

/** Queues that are asked when none is chosen; more would be many requests at each beat. */
const MOST = 50;

async function load(queue: string, signal: AbortSignal): Promise<{ rows: Row[]; names: string[] }> {
  const names = (await get<QueueRow[]>(['queues'], {}, signal)).map((row) => row.queue);
  const asked = queue ? [queue] : names.slice(0, MOST);
  const lists = await Promise.all(asked.map(async (name) => {
    const list = await get<Scheduler[]>(['queues', name, 'schedulers'], {}, signal);
    return list.map((one) => ({ ...one, queue: name }));
  }));
  return { names, rows: lists.flat().sort((a, b) => a.next_ms - b.next_ms) };
}

const when = ({ fields: { pattern, every, tz } }: Scheduler) =>
  pattern ? `${pattern}${tz ? ` (${tz})` : ''}` : every ? `every ${duration(number(every))}` : '–';

export function Schedules() {
  const { queue = '' } = route.value.query;
  const list = useLoad(`schedules/${queue}`, (signal) => load(queue, signal), SLOWLY);
  const remove = async (row: Row) => {
    const sure = await ask({
      title: `Remove the schedule ${row.id}?`,
      text: `${row.queue} gets no more of its jobs. The next one goes with it.`,
      action: 'Remove',
      danger: true,
    });
    if (sure && (await act(() => send('DELETE', ['queues', row.queue, 'schedulers', row.id]), `The schedule ${row.id} is removed.`))) list.reload();
  };
  return (
    <Page title="Schedules" actions={mayOperate.value && <a class="button primary" href={to.newSchedule(queue)}>New schedule</a>}>
      <Show of={list}>
        {({ rows, names }) => (
          <Panel
            title={queue || 'All queues'} id="schedules" flush
            note={!queue && names.length > MOST ? `of the first ${MOST} queues; choose one for others` : undefined}
            actions={(
              <label class="inline">Queue{' '}
                <select value={queue} onChange={(event) => go(href(['schedules'], { queue: event.currentTarget.value }))}>
                  <option value="">all</option>
                  {names.map((name) => <option key={name} value={name}>{name}</option>)}
                </select>
              </label>
            )}
          >
            <Table
              caption="Schedules, the next to run first" rows={rows} keyOf={(row) => `${row.queue}/${row.id}`} empty="There is no schedule."
              columns={[
                { head: 'Schedule', names: true, cell: (row) => row.id },
                { head: 'Queue', cell: (row) => <a class="quiet" href={to.queue(row.queue)}>{row.queue}</a> },
                { head: 'Job', cell: (row) => row.fields.name ?? '' },
                { head: 'When', grow: true, cell: (row) => <code>{when(row)}</code> },
                { head: 'Next', num: true, cell: (row) => <Ago at={row.next_ms} /> },
                { head: 'Made', num: true, wide: true, cell: (row) => count(number(row.fields.ic) ?? 0) },
                { head: 'Ends', num: true, wide: true, cell: (row) => (row.fields.limit ? `after ${count(number(row.fields.limit))}` : <Ago at={number(row.fields.endDate)} />) },
                ...(mayOperate.value
                  ? [{ head: 'Action', cell: (row: Row) => <button type="button" class="small" onClick={() => remove(row)}>Remove<span class="unseen"> {row.id}</span></button> }]
                  : []),
              ]}
            />
          </Panel>
        )}
      </Show>
    </Page>
  );
}
