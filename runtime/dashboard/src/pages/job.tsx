// One job: all that is known of it, and what can be done with it.
import { useRef } from 'preact/hooks';
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { count, duration, exact, number, pretty } from '../lib/format';
import { mayOperate, now } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import { to } from '../lib/route';
import { go } from '../lib/router';
import type { Job } from '../lib/types';
import { Attempts } from '../parts/attempts';
import { Flow } from '../parts/flow';
import { Log } from '../parts/log';
import { stateName } from '../parts/queue-tabs';
import { Ago, Facts, Meter, Page, Panel, Show, Tag } from '../parts/ui';

export function JobPage({ queue, id }: { queue: string; id: string }) {
  // What has ended rarely changes, and may be large.
  const ended = useRef(false);
  const job = useLoad(`${queue}/${id}`, (signal) => get<Job>(['queues', queue, 'jobs', id], {}, signal), ended.current ? SLOWLY : 1);
  const { data } = job;
  ended.current = data?.state === 'completed' || data?.state === 'failed';
  return (
    <Page
      title={`Job ${id}`}
      crumbs={[
        { href: '#/queues', text: 'Queues' },
        { href: to.queue(queue), text: queue },
        ...(data && data.state !== 'unknown' ? [{ href: to.jobs(queue, { state: data.state }), text: stateName(data.state) }] : []),
      ]}
      lead={data && <><Tag value={data.state} /> <b>{data.fields.name}</b></>}
      actions={data && <Actions queue={queue} job={data} reload={job.reload} />}
    >
      <Show of={job}>
        {(one) => (
          <>
            {one.fields.failedReason && (
              <div class="fault" role="note"><Tag value="failed" text="Failed" /><div><strong class="wrap">{one.fields.failedReason}</strong></div></div>
            )}
            <div class="pair uneven">
              <div>
                <Payload title="Data" text={one.fields.data} hidden={one.hidden} />
                {(one.state === 'completed' || one.fields.returnvalue !== undefined) && (
                  <Payload title="Return value" text={one.fields.returnvalue} hidden={one.hidden} />
                )}
                <Attempts job={one} />
                <Log queue={queue} id={id} hidden={one.hidden} state={one.state} />
              </div>
              <div>
                <Panel title="Timing"><Timing job={one} /></Panel>
                <Progress job={one} />
                <Flow queue={queue} id={id} job={one} />
                <Payload title="Options" text={one.fields.opts} />
              </div>
            </div>
          </>
        )}
      </Show>
    </Page>
  );
}

function Payload({ title, text, hidden }: { title: string; text: string | undefined; hidden?: boolean | undefined }) {
  return (
    <Panel title={title}>
      {hidden && title !== 'Options'
        ? <p class="dim">Hidden: this token may not see payloads.</p>
        : text === undefined ? <p class="dim">None.</p> : <pre class="code" tabIndex={0} aria-label={title}>{pretty(text)}</pre>}
    </Panel>
  );
}

function Timing({ job: { fields, state } }: { job: Job }) {
  const added = number(fields.timestamp);
  const started = number(fields.processedOn);
  // A job that runs once more may still have the end of the time before.
  const finished = number(fields.finishedOn);
  const ended = finished !== undefined && finished >= (started ?? 0) ? finished : undefined;
  const delay = number(fields.delay) ?? 0;
  const running = state === 'active' && started !== undefined;
  return (
    <>
      <Bar added={added} started={started} ended={ended ?? (running ? now.value : undefined)} />
      <Facts
        of={[
          ['Added', <>{exact(added)} <span class="dim"><Ago at={added} /></span></>],
          ...(delay > 0 ? [['Delay', duration(delay)] as [string, string]] : []),
          ['Started', started === undefined ? 'not yet' : exact(started)],
          ['Ended', ended === undefined ? 'not yet' : exact(ended)],
          ['Waited', added !== undefined && started !== undefined ? duration(started - added) : '–'],
          ['Ran', started === undefined ? '–' : ended !== undefined ? duration(ended - started) : running ? `${duration(now.value - started)} so far` : '–'],
          ['Attempts made', count(number(fields.atm) ?? 0)],
          ['Attempts started', count(number(fields.ats) ?? 0)],
          ...(fields.stc ? [['Stalled', count(number(fields.stc))] as [string, string]] : []),
          ['Priority', fields.priority ?? '0'],
          ...(fields.pb ? [['Worker', fields.pb] as [string, string]] : []),
          ...(fields.rjk ? [['Scheduler', fields.rjk] as [string, string]] : []),
        ]}
      />
    </>
  );
}

/** How the time of a job divides into waiting and the last attempt. */
function Bar({ added, started, ended }: { added?: number | undefined; started?: number | undefined; ended?: number | undefined }) {
  if (added === undefined || started === undefined || ended === undefined || ended <= added) return null;
  const share = Math.min(100, Math.max(0, ((started - added) / (ended - added)) * 100));
  const label = `Waited ${duration(started - added)}, ran ${duration(ended - started)}`;
  return (
    <svg class="timebar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="timebar-wait" width={share} height="8" />
      <rect class="timebar-run" x={share} width={100 - share} height="8" />
    </svg>
  );
}

function Progress({ job: { fields: { progress }, hidden } }: { job: Job }) {
  if (hidden || progress === undefined || progress === '0' || progress === '') return null;
  const share = number(progress);
  return (
    <Panel title="Progress">
      {share !== undefined && share >= 0 && share <= 100
        ? <><Meter value={share} max={100.01} label={`${share} %`} /><p>{share} %</p></>
        : <pre class="code" tabIndex={0} aria-label="Progress">{pretty(progress)}</pre>}
    </Panel>
  );
}

function Actions({ queue, job: { id, state }, reload }: { queue: string; job: Job; reload: () => void }) {
  if (!mayOperate.value) return null;
  const path = ['queues', queue, 'jobs', id];
  const then = async (work: Promise<boolean>) => {
    if (await work) reload();
  };
  const retry = async () => {
    const completed = state === 'completed';
    const answer = await ask({
      title: `Retry job ${id}?`,
      text: completed ? 'It is completed and will run once more.' : 'It will run again.',
      action: 'Retry',
      fields: [{ name: 'reset', kind: 'check', label: 'Forget the attempts that it has made' }],
    });
    if (answer) await then(act(() => send('POST', [...path, 'retry'], { completed, reset: answer.reset === 'true' }), `Job ${id} will run again.`));
  };
  const promote = () => then(act(() => send('POST', [...path, 'promote']), `Job ${id} is promoted.`));
  const cancel = async () => {
    const sure = await ask({ title: `Cancel job ${id}?`, text: 'It fails and is not tried again.', action: 'Cancel the job', danger: true });
    if (sure) {
      await then(act(
        () => send<{ workers: number }>('POST', [...path, 'cancel']),
        ({ workers }) => (workers > 0 ? `Its worker is asked to stop job ${id}.` : 'No worker listens; try again in a moment.'),
      ));
    }
  };
  const remove = async () => {
    const answer = await ask({
      title: `Remove job ${id}?`,
      text: 'It goes with its children and its log. There is no way back.',
      action: 'Remove the job',
      danger: true,
      fields: [{ name: 'keep', kind: 'check', label: 'Keep its children' }],
    });
    if (!answer) return;
    const query = answer.keep === 'true' ? { keep_children: true } : {};
    if (await act(() => send('DELETE', path, undefined, query), `Job ${id} is removed.`)) go(to.jobs(queue, { state }));
  };
  return (
    <>
      {(state === 'failed' || state === 'completed') && <button type="button" class="primary" onClick={retry}>Retry</button>}
      {state === 'delayed' && <button type="button" class="primary" onClick={promote}>Promote</button>}
      {state === 'active' && <button type="button" class="danger-quiet" onClick={cancel}>Cancel</button>}
      {state !== 'active' && <button type="button" class="danger-quiet" onClick={remove}>Remove</button>}
    </>
  );
}
