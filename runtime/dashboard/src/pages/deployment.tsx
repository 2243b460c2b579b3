// One deployment: its versions, how a canary compares, and what happened before.
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { bytes, count, digest, duration, percent } from '../lib/format';
import { mayOperate } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import type { Came, DeploymentDetail, Module } from '../lib/types';
import { Table } from '../parts/table';
import { Ago, Facts, Page, Panel, Show } from '../parts/ui';
import { Version } from '../parts/version';

export function DeploymentPage({ queue, job }: { queue: string; job: string }) {
  const detail = useLoad(`${queue}/${job}`, (signal) => get<DeploymentDetail>(['deployments', queue], { job }, signal));
  const modules = useLoad('modules', (signal) => get<Module[]>(['modules'], {}, signal), SLOWLY);
  const known = new Map((modules.data ?? []).map((module) => [module.digest, module]));
  return (
    <Page
      title={`${queue} / ${job}`}
      crumbs={[{ href: '#/handlers', text: 'Handlers' }]}
      actions={detail.data && <Actions of={detail.data} known={known} reload={detail.reload} />}
    >
      <Show of={detail}>
        {(one) => (
          <>
            <Panel title="Versions">
              <Facts
                of={[
                  ['Stable', <Version key="s" digest={one.stable} known={known} />],
                  ['Canary', one.canary
                    ? (
                      <>
                        <Version digest={one.canary.digest} known={known} /> takes {percent(one.canary.percent)} of the attempts, since <Ago at={one.canary.since_ms} />
                        {one.canary.promote_after_ms
                          ? <>; stable after {duration(one.canary.promote_after_ms)} without a fault</>
                          : '; stable when somebody says so'}
                      </>
                    )
                    : 'none'],
                  ['Revision', count(one.revision)],
                  ['Before', one.previous.length === 0 ? 'none' : (
                    <ul class="plain">{one.previous.map((one_) => <li key={one_}><Version digest={one_} known={known} /></li>)}</ul>
                  )],
                ]}
              />
            </Panel>
            {one.trial && <Trial trial={one.trial} />}
            <Panel title="History" note="newest first" flush>
              <Table
                caption="History of the deployment" rows={one.history} keyOf={(row) => String(row.revision)} empty="Nothing has happened yet."
                columns={[
                  { head: 'Revision', num: true, cell: (row) => count(row.revision) },
                  { head: 'Action', names: true, cell: (row) => row.action },
                  { head: 'Version', cell: (row) => <Version digest={row.digest} known={known} /> },
                  { head: 'Reason', grow: true, cell: (row) => row.reason ?? '' },
                  { head: 'By', wide: true, cell: (row) => row.by },
                  { head: 'When', num: true, cell: (row) => <Ago at={row.at_ms} /> },
                ]}
              />
            </Panel>
          </>
        )}
      </Show>
    </Page>
  );
}

const share = (part: number, whole: number) => (whole > 0 ? (part / whole) * 100 : null);

function Trial({ trial: { stable, canary } }: { trial: { stable: Came; canary: Came } }) {
  const rows: { name: string; of: (came: Came) => string; worse: boolean }[] = [
    { name: 'Attempts', of: (came) => count(came.attempts), worse: false },
    {
      name: 'Failed', of: (came) => `${count(came.failed)} (${percent(share(came.failed, came.attempts))})`,
      worse: (share(canary.failed, canary.attempts) ?? 0) > (share(stable.failed, stable.attempts) ?? 0),
    },
    { name: 'Trapped', of: (came) => count(came.trapped), worse: canary.trapped > stable.trapped },
    { name: 'Time, p95', of: (came) => duration(came.seconds_p95 * 1000), worse: canary.seconds_p95 > stable.seconds_p95 * 1.2 },
    { name: 'Peak memory, p95', of: (came) => bytes(came.peak_memory_bytes_p95), worse: canary.peak_memory_bytes_p95 > stable.peak_memory_bytes_p95 * 1.2 },
  ];
  return (
    <Panel title="Canary against stable" note="since the canary began" flush>
      <Table
        caption="What the attempts of both versions came to" rows={rows} keyOf={({ name }) => name}
        columns={[
          { head: 'Measure', names: true, grow: true, cell: ({ name }) => name },
          { head: 'Stable', num: true, cell: ({ of }) => of(stable) },
          { head: 'Canary', num: true, cell: ({ of, worse }) => <span class={worse ? 'text-bad' : ''}>{of(canary)}{worse && ' (worse)'}</span> },
        ]}
      />
    </Panel>
  );
}

const reason = { name: 'reason', label: 'Reason', hint: 'Kept in the history.' };

function Actions({ of, known, reload }: { of: DeploymentDetail; known: Map<string, Module>; reload: () => void }) {
  if (!mayOperate.value) return null;
  const { queue, job, canary, previous } = of;
  const name = (one: string) => {
    const module = known.get(one);
    return module ? `${module.name} ${module.version ?? ''} ${digest(one)}`.replace(/ +/g, ' ') : digest(one);
  };
  const change = async (verb: string, body: Record<string, string>, done: string) => {
    if (await act(() => send('POST', ['deployments', queue, verb], body, { job }), done)) reload();
  };
  const promote = async () => {
    const answer = await ask({ title: 'Promote the canary?', text: 'It takes all attempts from now on.', action: 'Promote', fields: [reason] });
    if (answer) await change('promote', { reason: answer.reason ?? '' }, 'The canary is the stable version now.');
  };
  const back = async () => {
    const answer = await ask({
      title: canary ? 'Roll the canary back?' : 'Roll back?',
      text: canary ? 'The stable version takes all attempts again.' : 'The version that you choose takes all attempts from now on.',
      action: 'Roll back',
      danger: true,
      fields: [
        ...(canary ? [] : [{ name: 'to', label: 'To', kind: 'choice' as const, value: previous[0], choices: previous.map((one) => ({ value: one, label: name(one) })) }]),
        reason,
      ],
    });
    if (!answer) return;
    const { to } = answer;
    await change('rollback', { reason: answer.reason ?? '', ...(to ? { to } : {}) }, 'It is rolled back.');
  };
  return (
    <>
      {canary && <button type="button" class="primary" onClick={promote}>Promote the canary</button>}
      {(canary || previous.length > 0) && <button type="button" class="danger-quiet" onClick={back}>Roll back</button>}
    </>
  );
}
