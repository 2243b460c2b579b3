// What is deployed, and what the registry holds.
import { address, get, request } from '../lib/api';
import { act } from '../lib/actions';
import { bytes, count, cut, digest, percent } from '../lib/format';
import { mayOperate } from '../lib/live';
import { SLOWLY, useLoad } from '../lib/load';
import { href, to } from '../lib/route';
import { route } from '../lib/router';
import type { CoreDump, Deployment, Module } from '../lib/types';
import { Table } from '../parts/table';
import { Ago, Page, Panel, Show } from '../parts/ui';
import { Version } from '../parts/version';

export function Handlers() {
  const { queue } = route.value.query;
  const deployments = useLoad('deployments', (signal) => get<Deployment[]>(['deployments'], {}, signal));
  const modules = useLoad('modules', (signal) => get<Module[]>(['modules'], {}, signal), SLOWLY);
  const dumps = useLoad('dumps', (signal) => get<CoreDump[]>(['core-dumps'], {}, signal), SLOWLY);
  const known = new Map((modules.data ?? []).map((module) => [module.digest, module]));
  return (
    <Page title="Handlers" lead={queue ? <>Of <b>{queue}</b> only. <a href={href(['handlers'])}>Show all</a></> : undefined}>
      <Panel title="Deployments" flush>
        <Show of={deployments}>
          {(rows) => (
            <Table
              caption="Deployments" rows={rows.filter((row) => !queue || row.queue === queue)} keyOf={(row) => `${row.queue}/${row.job}`}
              empty={<>Nothing is deployed from the registry. <code>gristmill handler push FILE.wasm --queue QUEUE</code> deploys; handlers that are files are in the configuration.</>}
              columns={[
                { head: 'Job type', names: true, cell: (row) => <a href={to.deployment(row.queue, row.job)}>{row.queue} / {row.job}</a> },
                { head: 'Stable version', grow: true, cell: (row) => <Version digest={row.stable} known={known} /> },
                { head: 'Canary', cell: ({ canary }) => (canary ? <><Version digest={canary.digest} known={known} /> <span class="pill warn">{percent(canary.percent)}</span></> : <span class="dim">none</span>) },
                { head: 'Revision', num: true, wide: true, cell: (row) => count(row.revision) },
                { head: 'Versions before', num: true, wide: true, cell: (row) => count(row.previous.length) },
              ]}
            />
          )}
        </Show>
      </Panel>
      <Panel title="Modules" note="every version in the registry, newest first" flush>
        <Show of={modules}>
          {(rows) => (
            <Table
              caption="Modules" rows={rows} keyOf={(row) => row.digest} empty="The registry is empty."
              columns={[
                { head: 'Handler', names: true, cell: (row) => row.name },
                { head: 'Version', cell: (row) => row.version ?? <span class="dim">–</span> },
                { head: 'Digest', cell: (row) => <code title={row.digest}>{digest(row.digest)}</code> },
                { head: 'Size', num: true, wide: true, cell: (row) => bytes(row.size) },
                { head: 'Contract', wide: true, cell: (row) => row.wit },
                { head: 'Schema', wide: true, cell: (row) => (row.schema ? 'yes' : 'no') },
                { head: 'Signatures', num: true, wide: true, cell: (row) => count(row.signatures?.length ?? 0) },
                { head: 'Pushed by', wide: true, cell: (row) => row.by },
                { head: 'Pushed', num: true, cell: (row) => <Ago at={row.at_ms} /> },
              ]}
            />
          )}
        </Show>
      </Panel>
      {(dumps.data?.length ?? 0) > 0 && (
        <Panel title="Core dumps" note="what instances held as they broke off" flush>
          <Table
            caption="Core dumps" rows={dumps.data ?? []} keyOf={(row) => row.digest}
            columns={[
              { head: 'Job', names: true, cell: (row) => <a href={to.job(row.queue, row.id)}>{row.queue} / {row.id}</a> },
              { head: 'Job type', wide: true, cell: (row) => row.job },
              { head: 'Attempt', num: true, wide: true, cell: (row) => count(row.attempt) },
              { head: 'Reason', grow: true, cell: (row) => cut(row.reason, 120) },
              { head: 'Module', wide: true, cell: (row) => <Version digest={row.module} known={known} /> },
              { head: 'Size', num: true, cell: (row) => bytes(row.size) },
              { head: 'Made', num: true, cell: (row) => <Ago at={row.at_ms} /> },
              ...(mayOperate.value ? [{ head: 'Action', cell: (row: CoreDump) => <button type="button" class="small" onClick={() => save(row)}>Download<span class="unseen"> the core dump of job {row.id}</span></button> }] : []),
            ]}
          />
        </Panel>
      )}
    </Page>
  );
}

/** A plain link could not send the token. */
async function save({ digest: name }: CoreDump) {
  await act(async () => {
    const response = await request('GET', address(['core-dumps', name]));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await response.blob());
    link.download = `${digest(name)}.coredump.wasm`;
    link.click();
    URL.revokeObjectURL(link.href);
  }, 'The core dump is saved.');
}
