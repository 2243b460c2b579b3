// One queue: how it fares, and what can be done to it.
import { useState } from 'preact/hooks';
import { get } from '../lib/api';
import { count, duration, percent, short, trend } from '../lib/format';
import { health, mayOperate } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import { to } from '../lib/route';
import type { History, QueueDetail, Statistic } from '../lib/types';
import { Chart } from '../parts/chart';
import { QueueActions, changeLimits, limitsText } from '../parts/queue-actions';
import { QueueTabs } from '../parts/queue-tabs';
import { Table } from '../parts/table';
import { Facts, Figures, Page, Panel, Show, Tag } from '../parts/ui';

const SPANS = [['1 h', 3_600_000], ['6 h', 21_600_000], ['24 h', 86_400_000], ['7 d', 604_800_000]] as const;

export function QueuePage({ queue }: { queue: string }) {
  const detail = useLoad(queue, (signal) => get<QueueDetail>(['queues', queue], {}, signal));
  const state = health.value?.queueHealth.find((one) => one.queue === queue);
  const { data } = detail;
  return (
    <Page
      title={queue}
      crumbs={[{ href: '#/queues', text: 'Queues' }]}
      lead={(
        <>
          {state ? <Tag value={state.status} /> : <span class="dim">not served by a worker that tells its health</span>}
          {data?.paused && <> <Tag value="paused" /></>}
          {state && <span class="dim"> class {state.class}</span>}
        </>
      )}
      actions={data && <QueueActions row={data} reload={detail.reload} />}
    >
      <QueueTabs queue={queue} at="" counts={data?.counts} />
      {state && state.issues.length > 0 && (
        <ul class="issues box">{state.issues.map((issue) => <li key={issue}>{issue}</li>)}</ul>
      )}
      {state && (
        <Figures
          label={`Figures of ${queue}`}
          of={[
            { name: 'Jobs per minute', value: short(state.jobsPerMinute) },
            { name: 'Error rate', value: percent(state.errorRate) },
            { name: 'Timeout rate', value: percent(state.timeoutRate) },
            { name: 'p50', value: duration(state.p50Ms) },
            { name: 'p95', value: duration(state.p95Ms) },
            { name: 'p99', value: duration(state.p99Ms) },
            { name: 'Oldest waits', value: duration(state.oldestWaitMs), note: `p95 ${duration(state.waitP95Ms)}` },
          ]}
        />
      )}
      <Charts queue={queue} />
      <Statistics queue={queue} />
      <Show of={detail}>
        {({ limits, completed, failed }) => (
          <Panel
            title="Limits and totals"
            actions={mayOperate.value && <button type="button" class="small" onClick={() => changeLimits(queue, limits, detail.reload)}>Change the limits</button>}
          >
            <Facts
              of={[
                ['Limits on all workers', limitsText(limits)],
                ['Completed since counting', count(completed.count)],
                ['Failed since counting', count(failed.count)],
                ['Schedules', <a key="s" href={to.schedules(queue)}>of this queue</a>],
                ['Handlers', <a key="h" href={`#/handlers?queue=${encodeURIComponent(queue)}`}>deployed for it</a>],
              ]}
            />
          </Panel>
        )}
      </Show>
    </Page>
  );
}

function Charts({ queue }: { queue: string }) {
  const [span, setSpan] = useState<number>(SPANS[1][1]);
  const history = useLoad(`${queue}/${span}`, (signal) => get<History>(['history'], { queue, from_ms: Date.now() - span, points: 200 }, signal), SLOWLY);
  return (
    <Panel
      title="History"
      actions={(
        <div class="segments" role="group" aria-label="Time span">
          {SPANS.map(([text, ms]) => <button key={ms} type="button" aria-pressed={span === ms} onClick={() => setSpan(ms)}>{text}</button>)}
        </div>
      )}
    >
      <Show of={history}>
        {({ at_ms, series }) => (
          <div class="charts">
            <Chart title="Jobs per minute" atMs={at_ms} show={short} series={[
              { name: 'Completed', points: series.completed_per_minute ?? [], color: '--line-a', fill: true },
              { name: 'Failed', points: series.failed_per_minute ?? [], color: '--line-c' },
            ]} />
            <Chart title="Jobs" atMs={at_ms} show={short} series={[
              { name: 'Waiting', points: series.waiting ?? [], color: '--line-b', fill: true },
              { name: 'Active', points: series.active ?? [], color: '--line-a' },
              { name: 'Delayed', points: series.delayed ?? [], color: '--line-d', dash: true },
            ]} />
            <Chart title="Time of an attempt" atMs={at_ms} show={duration} series={[
              { name: 'p50', points: series.p50_ms ?? [], color: '--line-a' },
              { name: 'p95', points: series.p95_ms ?? [], color: '--line-b' },
              { name: 'p99', points: series.p99_ms ?? [], color: '--line-c', dash: true },
            ]} />
            <Chart title="Rates" atMs={at_ms} show={percent} series={[
              { name: 'Errors', points: series.error_rate ?? [], color: '--line-c', fill: true },
              { name: 'Timeouts', points: series.timeout_rate ?? [], color: '--line-d', dash: true },
            ]} />
            <Chart title="Time before the start" atMs={at_ms} show={duration} series={[
              { name: 'p95', points: series.wait_p95_ms ?? [], color: '--line-b', fill: true },
              { name: 'Oldest', points: series.oldest_wait_ms ?? [], color: '--line-d', dash: true },
            ]} />
            <Chart title="Workers" atMs={at_ms} show={short} series={[
              { name: 'Workers', points: series.workers ?? [], color: '--line-a', fill: true },
            ]} />
          </div>
        )}
      </Show>
    </Panel>
  );
}

const WINDOWS = ['15m', '1h', '6h', '24h', '7d'];

function Statistics({ queue }: { queue: string }) {
  const [window_, setWindow] = useState('1h');
  const list = useLoad(`${queue}/${window_}`, (signal) => get<Statistic[]>(['statistics'], { queue, window: window_ }, signal), SLOWLY);
  return (
    <Panel
      title="Job types" flush
      actions={(
        <label class="inline">Window{' '}
          <select value={window_} onChange={(event) => setWindow(event.currentTarget.value)}>
            {WINDOWS.map((one) => <option key={one}>{one}</option>)}
          </select>
        </label>
      )}
    >
      <Show of={list}>
        {(rows) => (
          <Table
            caption={`Job types of ${queue}`} rows={rows} keyOf={({ job }) => job}
            empty="No attempt ended in this time."
            columns={[
              { head: 'Job type', names: true, grow: true, cell: ({ job }) => <a href={to.jobs(queue, { state: 'completed', name: job })}>{job}</a> },
              { head: 'Attempts', num: true, cell: (row) => count(row.count) },
              { head: 'Failed', num: true, cell: (row) => count(row.failed) },
              { head: 'Min', num: true, wide: true, cell: (row) => duration(row.min_ms) },
              { head: 'Mean', num: true, cell: (row) => duration(row.mean_ms) },
              { head: 'p50', num: true, wide: true, cell: (row) => duration(row.p50_ms) },
              { head: 'p95', num: true, cell: (row) => duration(row.p95_ms) },
              { head: 'p99', num: true, wide: true, cell: (row) => duration(row.p99_ms) },
              { head: 'Max', num: true, wide: true, cell: (row) => duration(row.max_ms) },
              {
                head: 'Trend', num: true,
                cell: ({ trend: change }) => <span class={change != null && change > 20 ? 'text-warn' : ''} title="The mean against the window before">{trend(change)}</span>,
              },
            ]}
          />
        )}
      </Show>
    </Panel>
  );
}
