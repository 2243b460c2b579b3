// The state of everything on one page.
import { get } from '../lib/api';
import { bytes, count, percent, short } from '../lib/format';
import { alerts, beat, health } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import { to } from '../lib/route';
import type { Anomaly, Health, History } from '../lib/types';
import { AlertList } from '../parts/alert-list';
import { Chart } from '../parts/chart';
import { QueueTable } from '../parts/queue-table';
import { Ago, Empty, Figures, Meter, Page, Panel, Show, Tag } from '../parts/ui';

const HOUR = 3_600_000;

export function Overview() {
  const fetched = useLoad('health', (signal) => get<Health>(['health'], {}, signal), beat.value === 0 ? 1 : 0);
  const seen = health.value ?? fetched.data;
  const history = useLoad('history', (signal) => get<History>(['history'], { from_ms: Date.now() - 6 * HOUR, points: 180 }, signal), SLOWLY);
  const anomalies = useLoad('anomalies', (signal) => get<Anomaly[]>(['anomalies'], {}, signal), SLOWLY);
  const active = (alerts.value ?? []).filter((alert) => alert.state !== 'resolved');
  return (
    <Page title="Overview" lead={seen ? <Verdict of={seen} /> : undefined}>
      {seen ? <Numbers of={seen} /> : <Show of={fetched}>{() => null}</Show>}
      {active.length > 0 && (
        <Panel title="Active alerts" flush actions={<a href={to.alerts()}>All alerts</a>}>
          <AlertList alerts={active.slice(0, 8)} />
        </Panel>
      )}
      <div class="pair">
        <Panel title="Throughput" note="last 6 hours">
          <Show of={history}>
            {({ at_ms, series }) => (
              <Chart
                title="Jobs per minute" atMs={at_ms} show={short}
                series={[
                  { name: 'Completed', points: series.completed_per_minute ?? [], color: '--line-a', fill: true },
                  { name: 'Failed', points: series.failed_per_minute ?? [], color: '--line-c' },
                ]}
              />
            )}
          </Show>
        </Panel>
        <Panel title="Backlog" note="last 6 hours">
          <Show of={history}>
            {({ at_ms, series }) => (
              <Chart
                title="Jobs" atMs={at_ms} show={short}
                series={[
                  { name: 'Waiting', points: series.waiting ?? [], color: '--line-b', fill: true },
                  { name: 'Active', points: series.active ?? [], color: '--line-a' },
                  { name: 'Delayed', points: series.delayed ?? [], color: '--line-d', dash: true },
                ]}
              />
            )}
          </Show>
        </Panel>
      </div>
      <Panel title="Queues" flush>
        {seen ? <QueueTable rows={seen.queueHealth} /> : <Empty>Waiting for the first figures.</Empty>}
      </Panel>
      {(anomalies.data?.length ?? 0) > 0 && (
        <Panel title="Out of the ordinary" note="against each queue’s own past">
          <ul class="lines">
            {anomalies.data?.slice(0, 8).map(({ queue, series, at_ms, value, expected }) => (
              <li key={`${queue}${series}${at_ms}`}>
                <a href={to.queue(queue)}>{queue}</a>: {series.replace(/_/g, ' ')} was {short(value)}, about {short(expected)} was expected{' '}
                <span class="dim"><Ago at={at_ms} /></span>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </Page>
  );
}

function Verdict({ of }: { of: Health }) {
  const { criticalQueues, warningQueues, healthyQueues, totalQueues } = of.queues;
  const worst = criticalQueues > 0 ? 'critical' : warningQueues > 0 ? 'warning' : 'healthy';
  return (
    <>
      <Tag value={of.healthy ? worst : 'critical'} />{' '}
      {count(healthyQueues)} of {count(totalQueues)} queues are healthy
      {warningQueues > 0 && <>, {count(warningQueues)} with a warning</>}
      {criticalQueues > 0 && <>, {count(criticalQueues)} critical</>}
    </>
  );
}

function Numbers({ of: { queues, workers, memory } }: { of: Health }) {
  return (
    <Figures
      label="All queues"
      of={[
        { name: 'Jobs per minute', value: short(queues.avgJobsPerMinute) },
        { name: 'Error rate', value: percent(queues.avgErrorRate), tone: queues.avgErrorRate >= 10 ? 'bad' : queues.avgErrorRate >= 5 ? 'warn' : '' },
        { name: 'Waiting', value: short(queues.totalWaiting) },
        { name: 'Active', value: short(queues.totalActive) },
        { name: 'Failed, kept', value: short(queues.totalFailed) },
        { name: 'Workers', value: count(workers.totalWorkers), note: `${short(workers.totalJobsProcessed)} jobs done` },
        {
          name: 'Memory of this worker',
          value: bytes(memory.usedBytes),
          note: (
            <>
              of {bytes(memory.hardLimitBytes)}
              <Meter value={memory.usedBytes} max={memory.hardLimitBytes} label={`${bytes(memory.usedBytes)} of ${bytes(memory.hardLimitBytes)}`} />
            </>
          ),
        },
      ]}
    />
  );
}
