// What can be done to a whole queue.
import { act, ask } from '../lib/actions';
import { send } from '../lib/api';
import { count, duration, parseDuration, plural } from '../lib/format';
import { mayAdmin, mayOperate } from '../lib/live';
import { to } from '../lib/route';
import { go } from '../lib/router';
import type { Limits, QueueRow } from '../lib/types';

/** States by the names that cleaning knows them by. */
const CLEANED = ['completed', 'failed', 'delayed', 'prioritized', 'wait', 'waiting-children', 'paused', 'active'];

const jobs = (n: number) => plural(n, 'job');

export function QueueActions({ row: { queue, paused, counts }, reload }: { row: QueueRow; reload: () => void }) {
  if (!mayOperate.value) return null;
  const path = (verb: string) => ['queues', queue, verb];
  const then = async (work: Promise<boolean>) => {
    if (await work) reload();
  };

  const toggle = async () => {
    if (paused) return then(act(() => send('POST', path('resume')), `${queue} is resumed.`));
    const sure = await ask({
      title: `Pause ${queue}?`,
      text: 'No worker takes its jobs until it is resumed. Jobs that run now come to their end.',
      action: 'Pause',
    });
    if (sure) await then(act(() => send('POST', path('pause')), `${queue} is paused.`));
  };
  const drain = async () => {
    const waiting = (counts.waiting ?? 0) + (counts.prioritized ?? 0) + (counts.paused ?? 0);
    const answer = await ask({
      title: `Drain ${queue}?`,
      text: `This removes the ${jobs(waiting)} that wait. There is no way back.`,
      action: 'Remove them',
      danger: true,
      fields: [{ name: 'delayed', kind: 'check', label: `Delayed jobs too (${count(counts.delayed ?? 0)})` }],
    });
    if (!answer) return;
    const work = () => send<{ removed: number }>('POST', path('drain'), { delayed: answer.delayed === 'true' });
    await then(act(work, ({ removed }) => `${jobs(removed)} removed.`));
  };
  const clean = async () => {
    const answer = await ask({
      title: `Clean ${queue}`,
      text: 'This removes old jobs of one state. There is no way back.',
      action: 'Remove them',
      danger: true,
      fields: [
        { name: 'state', label: 'State', kind: 'choice', value: 'completed', choices: CLEANED.map((value) => ({ value, label: value === 'wait' ? 'waiting' : value })) },
        { name: 'grace', label: 'Older than', value: '1h', required: true, hint: 'Such as 30s, 10m, 1h or 7d; 0 for all.', pattern: '\\s*\\d+(\\.\\d+)?\\s*(ms|s|m|min|h|d)?\\s*' },
        { name: 'limit', label: 'At most', kind: 'number', value: '10000', min: 1, required: true },
      ],
    });
    if (!answer) return;
    const body = { state: answer.state, grace_ms: parseDuration(answer.grace ?? '') ?? 0, limit: Number(answer.limit) };
    await then(act(() => send<{ removed: number }>('POST', path('clean'), body), ({ removed }) => `${jobs(removed)} removed.`));
  };
  const retry = async () => {
    const answer = await ask({
      title: `Retry all failed jobs of ${queue}?`,
      text: `${jobs(counts.failed ?? 0)} will run again.`,
      action: 'Retry all',
    });
    if (answer) await then(act(() => send<{ retried: number }>('POST', path('retry'), {}), ({ retried }) => `${jobs(retried)} will run again.`));
  };
  const promote = async () => {
    const answer = await ask({
      title: `Promote all delayed jobs of ${queue}?`,
      text: `${jobs(counts.delayed ?? 0)} will not wait for their time any longer.`,
      action: 'Promote all',
    });
    if (answer) await then(act(() => send<{ promoted: number }>('POST', path('promote')), ({ promoted }) => `${jobs(promoted)} promoted.`));
  };
  const remove = async () => {
    const answer = await ask({
      title: `Remove ${queue}?`,
      text: 'The queue goes with all its jobs, schedules and counts. There is no way back.',
      action: 'Remove the queue',
      danger: true,
      fields: [
        { name: 'confirm', label: `Write ${queue} to go on`, required: true, pattern: queue.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') },
        { name: 'force', kind: 'check', label: 'Even while jobs run' },
      ],
    });
    if (!answer) return;
    const query = { confirm: answer.confirm, force: answer.force === 'true' };
    if (await act(() => send('DELETE', ['queues', queue], undefined, query), `${queue} is removed.`)) go('#/queues');
  };

  return (
    <>
      <a class="button primary" href={to.newJob(queue)}>New job</a>
      <button type="button" onClick={toggle}>{paused ? 'Resume' : 'Pause'}</button>
      <button type="button" onClick={retry} disabled={!counts.failed}>Retry all</button>
      <button type="button" onClick={promote} disabled={!counts.delayed}>Promote all</button>
      <button type="button" onClick={clean}>Clean</button>
      <button type="button" class="danger-quiet" onClick={drain}>Drain</button>
      {mayAdmin.value && <button type="button" class="danger-quiet" onClick={remove}>Remove</button>}
    </>
  );
}

const rate = ({ max, duration_ms }: Limits) => (max && duration_ms ? `${max}/${duration_ms === 1000 ? 's' : duration_ms === 60_000 ? 'min' : duration_ms === 3_600_000 ? 'h' : `${duration_ms}ms`}` : '');

/** The limits of a queue in words. */
export function limitsText(limits: Limits): string {
  const said = [
    limits.concurrency && `${plural(limits.concurrency, 'job')} at a time`,
    limits.max && limits.duration_ms && `${jobs(limits.max)} per ${duration(limits.duration_ms)}`,
    limits.held_ms && `held for ${duration(limits.held_ms)}`,
  ].filter(Boolean);
  return said.length > 0 ? said.join(', ') : 'none';
}

export async function changeLimits(queue: string, limits: Limits, done: () => void) {
  const answer = await ask({
    title: `Limits of ${queue}`,
    text: 'They hold for all workers, BullMQ’s too.',
    action: 'Set',
    fields: [
      { name: 'concurrency', label: 'Jobs at a time', kind: 'number', min: 1, value: String(limits.concurrency ?? ''), hint: 'Empty: no limit.' },
      { name: 'rate', label: 'Rate', value: rate(limits), hint: 'Such as 100/s or 300/min. Empty: no limit.' },
      { name: 'hold', label: 'Start no job for', value: '', hint: 'Such as 30s or 5m; 0 ends it. Empty: as it is.', pattern: '\\s*(\\d+(\\.\\d+)?\\s*(ms|s|m|min|h|d)?)?\\s*' },
    ],
  });
  if (!answer) return;
  const hold = parseDuration(answer.hold ?? '');
  const body = {
    concurrency: answer.concurrency ? Number(answer.concurrency) : null,
    rate: answer.rate?.trim() || null,
    ...(hold === undefined ? {} : { hold_ms: hold }),
  };
  const work = () => send<Limits>('PATCH', ['queues', queue, 'limits'], body);
  if (await act(work, (now) => `Limits of ${queue}: ${limitsText(now)}.`)) done();
}
