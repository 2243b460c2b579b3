// The jobs of one state, a page at a time.
import { useState } from 'preact/hooks';
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { count, cut, number, plural } from '../lib/format';
import { mayOperate, seesPayloads } from '../lib/live';
import { useLoad } from '../lib/load';
import { PAGE, page } from '../lib/paging';
import { having, to } from '../lib/route';
import { go, route } from '../lib/router';
import { STATES } from '../lib/types';
import type { Job, QueueDetail, State } from '../lib/types';
import { Pager } from '../parts/pager';
import { QueueActions } from '../parts/queue-actions';
import { QueueTabs, stateName } from '../parts/queue-tabs';
import type { Column } from '../parts/table';
import { Table } from '../parts/table';
import { Ago, Page, Panel, Show, Tag } from '../parts/ui';

export function Jobs({ queue }: { queue: string }) {
  const { state: asked = 'waiting', search = '', name = '', page: number_ } = route.value.query;
  const state = (STATES as readonly string[]).includes(asked) ? (asked as State) : 'waiting';
  const detail = useLoad(queue, (signal) => get<QueueDetail>(['queues', queue], {}, signal));
  const searching = search !== '' || name !== '';
  const total = searching ? undefined : detail.data?.counts[state];
  const at = page(number_, total);
  const list = useLoad(
    `${queue}/${state}/${search}/${name}/${at.from}`,
    (signal) => get<Job[]>(['queues', queue, 'jobs'], { state, from: at.from, count: PAGE, search, name }, signal),
  );
  const reload = () => {
    detail.reload();
    list.reload();
  };
  return (
    <Page
      title={queue}
      crumbs={[{ href: '#/queues', text: 'Queues' }]}
      lead={detail.data?.paused ? <Tag value="paused" /> : undefined}
      actions={detail.data && <QueueActions row={detail.data} reload={reload} />}
    >
      <QueueTabs queue={queue} at={state} counts={detail.data?.counts} />
      <Panel title={`${stateName(state)} jobs`} flush actions={<Search key={`${state}${search}${name}`} search={search} name={name} />}>
        <Show of={list}>
          {(rows) => (
            <>
              <Table
                caption={`${stateName(state)} jobs of ${queue}`} rows={rows} keyOf={({ id }) => id}
                columns={columns(queue, state, reload)}
                empty={at.beyond && total
                  ? <>Page {count(at.number)} is behind the end. <a href={having(route.value, { page: at.last })}>The last one is {count(at.last)}</a>.</>
                  : at.number > 1
                    ? <>Nothing on this page. <a href={having(route.value, { page: undefined })}>To the first one</a>.</>
                    : searching
                      ? 'No job fits. The search looks at the newest 10 000 jobs of this state.'
                      : `No job is ${stateName(state).toLowerCase()}.`}
              />
              {rows.length < PAGE && total !== undefined && at.from + rows.length < total && rows.length > 0 && (
                <Rest queue={queue} state={state} from={at.from + rows.length} want={Math.min(PAGE, total - at.from) - rows.length} reload={reload} />
              )}
              <Pager at={at} shown={rows.length} total={total} more={rows.length === PAGE} />
            </>
          )}
        </Show>
      </Panel>
    </Page>
  );
}

/** A page of very large jobs ends early; the rest of it comes when somebody wants it. */
function Rest({ queue, state, from, want, reload }: { queue: string; state: State; from: number; want: number; reload: () => void }) {
  const [open, setOpen] = useState(false);
  if (!open) {
    return (
      <p class="empty">
        These jobs are large, so {plural(want, 'more one', 'more')} of this page wait.{' '}
        <button type="button" class="small" onClick={() => setOpen(true)}>Show them</button>
      </p>
    );
  }
  return <RestTable queue={queue} state={state} from={from} want={want} reload={reload} />;
}

function RestTable({ queue, state, from, want, reload }: { queue: string; state: State; from: number; want: number; reload: () => void }) {
  const list = useLoad(
    `${queue}/${state}/${from}/${want}`,
    (signal) => get<Job[]>(['queues', queue, 'jobs'], { state, from, count: want }, signal),
    0,
  );
  return (
    <Show of={list}>
      {(rows) => (
        <>
          <Table caption={`More ${state} jobs of ${queue}`} rows={rows} keyOf={({ id }) => id} columns={columns(queue, state, reload)} />
          {rows.length > 0 && rows.length < want && <Rest queue={queue} state={state} from={from + rows.length} want={want - rows.length} reload={reload} />}
        </>
      )}
    </Show>
  );
}

function Search({ search, name }: { search: string; name: string }) {
  const submit = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    go(having(route.value, { search: String(form.get('search') ?? '').trim(), name: String(form.get('name') ?? '').trim(), page: undefined }));
  };
  return (
    <form class="search" role="search" onSubmit={submit}>
      <label><span class="unseen">Job name</span><input name="name" type="search" placeholder="Job name" defaultValue={name} /></label>
      <label>
        <span class="unseen">Search in id, name{seesPayloads.value ? ' and data' : ''}</span>
        <input name="search" type="search" placeholder={seesPayloads.value ? 'Id, name or data' : 'Id or name'} defaultValue={search} />
      </label>
      <button type="submit" class="small">Search</button>
      {(search || name) && <a class="button small" href={having(route.value, { search: undefined, name: undefined, page: undefined })}>Clear</a>}
    </form>
  );
}

function columns(queue: string, state: State, reload: () => void): Column<Job>[] {
  const at = (field: string) => ({ fields }: Job) => <Ago at={number(fields[field])} />;
  const finished = state === 'completed' || state === 'failed';
  const list: Column<Job>[] = [
    { head: 'Id', names: true, cell: ({ id }) => <a class="id" href={to.job(queue, id)}>{cut(id, 40)}</a> },
    { head: 'Name', cell: ({ fields }) => cut(fields.name, 60) },
  ];
  if (state === 'failed') list.push({ head: 'Reason', grow: true, cell: ({ fields }) => <span class="text-bad">{cut(fields.failedReason, 140)}</span> });
  else list.push({ head: 'Data', grow: true, wide: true, cell: (job) => <Snippet job={job} /> });
  list.push({ head: 'Attempts', num: true, wide: true, cell: ({ fields }) => count(number(fields.ats) ?? number(fields.atm) ?? 0) });
  if (state === 'prioritized') list.push({ head: 'Priority', num: true, cell: ({ fields }) => fields.priority ?? '0' });
  if (state === 'delayed') {
    list.push({
      head: 'Runs', num: true,
      // The delay counts from the addition, or from the attempt before; the exact time is in Redis only.
      cell: ({ fields }) => <Ago at={(number(fields.processedOn) ?? number(fields.timestamp) ?? 0) + (number(fields.delay) ?? 0)} />,
    });
  }
  if (state === 'active') list.push({ head: 'Started', num: true, cell: at('processedOn') });
  if (finished) list.push({ head: 'Ended', num: true, cell: at('finishedOn') });
  list.push({ head: 'Added', num: true, wide: finished || state === 'active', cell: at('timestamp') });
  if (mayOperate.value && (state === 'failed' || state === 'delayed' || state === 'active')) {
    list.push({ head: 'Action', cell: ({ id }) => <RowAction queue={queue} id={id} state={state} reload={reload} /> });
  }
  return list;
}

const Snippet = ({ job: { fields, hidden } }: { job: Job }) =>
  hidden ? <span class="dim">hidden</span> : <code class="snippet">{cut(fields.data, 100)}</code>;

function RowAction({ queue, id, state, reload }: { queue: string; id: string; state: State; reload: () => void }) {
  const path = (verb: string) => ['queues', queue, 'jobs', id, verb];
  const [verb, text, done] = state === 'failed'
    ? ['retry', 'Retry', `Job ${id} will run again.`]
    : state === 'delayed' ? ['promote', 'Promote', `Job ${id} is promoted.`] : ['cancel', 'Cancel', `Its worker is asked to stop job ${id}.`];
  const run = async () => {
    if (verb === 'cancel' && !(await ask({ title: `Cancel job ${id}?`, text: 'It fails and is not tried again.', action: 'Cancel the job', danger: true }))) return;
    if (await act(() => send('POST', path(verb), verb === 'retry' ? {} : undefined), done)) reload();
  };
  return <button type="button" class="small" onClick={run}>{text}<span class="unseen"> job {id}</span></button>;
}
