// Alerts, and taking note of them.
import { act, ask } from '../lib/actions';
import { send } from '../lib/api';
import { exact, parseDuration, time } from '../lib/format';
import { mayOperate, now } from '../lib/live';
import { to } from '../lib/route';
import type { Alert } from '../lib/types';
import { Table } from './table';
import { Ago, Tag } from './ui';

export async function acknowledge(alert: Alert, done: () => void) {
  const answer = await ask({
    title: 'Acknowledge the alert',
    text: alert.summary,
    action: 'Acknowledge',
    fields: [
      { name: 'note', label: 'Note', kind: 'long', hint: 'Others see it: what you found, what you are doing.' },
      { name: 'until', label: 'Quiet for', value: '1h', pattern: '\\s*(\\d+(\\.\\d+)?\\s*(ms|s|m|min|h|d)?)?\\s*', hint: 'Such as 30m, 4h or 2d. Empty: until it is resolved.' },
    ],
  });
  if (!answer) return;
  const length = parseDuration(answer.until ?? '');
  const body = { note: answer.note ?? '', ...(length === undefined ? {} : { until_ms: Date.now() + length }) };
  if (await act(() => send('POST', ['alerts', alert.id, 'acknowledge'], body), 'The alert is acknowledged.')) done();
}

export function AlertList({ alerts, changed = () => {} }: { alerts: Alert[]; changed?: () => void }) {
  return (
    <Table
      caption="Alerts"
      rows={alerts}
      keyOf={(alert) => alert.id}
      empty="No alerts."
      columns={[
        { head: 'Severity', cell: (alert) => <Tag value={alert.severity} /> },
        {
          head: 'Alert', names: true, grow: true,
          cell: (alert) => (
            <>
              {alert.summary}
              {alert.acknowledged && (
                <span class="under">
                  {alert.acknowledged.who}{alert.acknowledged.note && <>: {alert.acknowledged.note}</>}
                  {alert.acknowledged.until_ms && <> · quiet until <span title={exact(alert.acknowledged.until_ms)}>{time(alert.acknowledged.until_ms, now.value)}</span></>}
                </span>
              )}
            </>
          ),
        },
        { head: 'Queue', cell: (alert) => (alert.queue ? <a href={to.queue(alert.queue)}>{alert.queue}</a> : <span class="dim">all</span>) },
        { head: 'State', cell: (alert) => <Tag value={alert.state} /> },
        { head: 'Raised', num: true, cell: (alert) => <Ago at={alert.raised_ms} /> },
        ...(mayOperate.value
          ? [{
              head: 'Action',
              cell: (alert: Alert) => alert.state === 'raised' && (
                <button type="button" class="small" onClick={() => acknowledge(alert, changed)}>
                  Acknowledge<span class="unseen"> {alert.summary}</span>
                </button>
              ),
            }]
          : []),
      ]}
    />
  );
}
