// Limiters and breakers: what they have counted, and forgetting it.
import { useState } from 'preact/hooks';
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { count, duration, percent, short } from '../lib/format';
import { mayOperate } from '../lib/live';
import { useLoad } from '../lib/load';
import { to } from '../lib/route';
import { go } from '../lib/router';
import { day } from '../lib/slices';
import type { Breaker, Limiter, Tier } from '../lib/types';
import { Chart, Spark } from '../parts/chart';
import { Table } from '../parts/table';
import { Ago, Facts, Meter, Page, Panel, Show, Tag } from '../parts/ui';

const used = ({ used: units, limit, tier }: Tier) => `${count(units)} of ${count(limit)} in ${tier}`;

function Tiers({ tiers }: { tiers: Tier[] }) {
  return (
    <ul class="tiers">
      {tiers.map((tier) => (
        <li key={tier.tier}>
          <span>{tier.tier}</span>
          <Meter value={tier.used} max={tier.limit} label={used(tier)} />
          <span class="num">{count(tier.used)}</span>
          <span class="dim num">{percent((tier.used / tier.limit) * 100)}</span>
        </li>
      ))}
    </ul>
  );
}

async function forget(limiter: string, key: string, done: () => void) {
  const sure = await ask({
    title: `Reset ${limiter}?`,
    text: `What it has counted${key ? ` for ${key}` : ''} is forgotten. Jobs that it holds back may then all start at once.`,
    action: 'Reset',
    danger: true,
  });
  if (sure && (await act(() => send('POST', ['limiters', limiter, 'reset'], undefined, { key }), `${limiter} is reset.`))) done();
}

export function Limits() {
  const limiters = useLoad('limiters', (signal) => get<Limiter[]>(['limiters'], {}, signal));
  const breakers = useLoad('breakers', (signal) => get<Breaker[]>(['breakers'], {}, signal));
  const close = async (name: string) => {
    const sure = await ask({ title: `Close ${name}?`, text: 'Calls pass again at once, whether or not the other side is well.', action: 'Close it' });
    if (sure && (await act(() => send('POST', ['breakers', name, 'reset']), `${name} is closed.`))) breakers.reload();
  };
  return (
    <Page title="Limits">
      <Panel title="Limiters" note="shared by all workers" flush>
        <Show of={limiters}>
          {(rows) => (
            <Table
              caption="Limiters" rows={rows} keyOf={(row) => row.limiter} empty="The configuration of this worker has no limiters."
              columns={[
                { head: 'Limiter', names: true, cell: (row) => <a href={to.limiter(row.limiter)}>{row.limiter}</a> },
                { head: 'Algorithm', wide: true, cell: (row) => <span class="dim">{row.algorithm}</span> },
                { head: 'Used now', grow: true, cell: (row) => <Tiers tiers={row.tiers} /> },
                {
                  head: 'Last day', wide: true,
                  cell: (row) => {
                    const { allowed } = day(row.slices, Date.now());
                    return <Spark points={allowed} label={`${count(allowed.reduce((sum, n) => sum + n, 0))} allowed in the last day`} />;
                  },
                },
                { head: 'Refused', num: true, cell: (row) => short(row.slices.reduce((sum, { refused }) => sum + Object.values(refused).reduce((all, n) => all + n, 0), 0)) },
                { head: 'Keys', num: true, wide: true, cell: (row) => count(row.keys) },
                ...(mayOperate.value
                  ? [{ head: 'Action', cell: (row: Limiter) => <button type="button" class="small" onClick={() => forget(row.limiter, '', limiters.reload)}>Reset<span class="unseen"> {row.limiter}</span></button> }]
                  : []),
              ]}
            />
          )}
        </Show>
      </Panel>
      <Panel title="Breakers" note="shared by all workers" flush>
        <Show of={breakers}>
          {(rows) => (
            <Table
              caption="Breakers" rows={rows} keyOf={(row) => row.breaker} empty="The configuration of this worker has no breakers."
              columns={[
                { head: 'Breaker', names: true, grow: true, cell: (row) => row.breaker },
                { head: 'State', cell: (row) => <Tag value={row.state} /> },
                { head: 'Calls', num: true, cell: (row) => count(row.calls) },
                { head: 'Failures', num: true, cell: (row) => `${count(row.failures)}${row.calls > 0 ? ` (${percent((row.failures / row.calls) * 100)})` : ''}` },
                { head: 'Opened', num: true, wide: true, cell: (row) => count(row.opened) },
                { head: 'Until', num: true, cell: (row) => <Ago at={row.until_ms} /> },
                ...(mayOperate.value
                  ? [{ head: 'Action', cell: (row: Breaker) => row.state !== 'closed' && <button type="button" class="small" onClick={() => close(row.breaker)}>Close<span class="unseen"> {row.breaker}</span></button> }]
                  : []),
              ]}
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}

export function LimiterPage({ name, of }: { name: string; of: string }) {
  const limiter = useLoad(`${name}/${of}`, (signal) => get<Limiter>(['limiters', name], { key: of }, signal));
  return (
    <Page
      title={name}
      crumbs={[{ href: '#/limits', text: 'Limits' }]}
      lead={limiter.data && <><span class="dim">{limiter.data.algorithm}</span>{of && <> for the key <b>{of}</b></>}</>}
      actions={mayOperate.value && limiter.data && <button type="button" class="danger-quiet" onClick={() => forget(name, of, limiter.reload)}>Reset</button>}
    >
      <Show of={limiter}>
        {({ tiers, slices, keys }) => {
          const { at_ms, allowed, refused } = day(slices, Date.now());
          return (
            <>
              <Panel title="Used now" actions={<KeyForm name={name} of={of} />}>
                <Tiers tiers={tiers} />
                <Facts
                  of={[
                    ['Tiers', tiers.map(({ limit, window_ms }) => `${count(limit)} per ${duration(window_ms)}`).join(', ')],
                    ['Keys that it counts apart', `about ${count(keys)}`],
                  ]}
                />
              </Panel>
              <Panel title="Last day" note="all keys, in slices of ten minutes">
                <Chart title="Units per ten minutes" atMs={at_ms} show={short} series={[
                  { name: 'Allowed', points: allowed, color: '--line-a', fill: true },
                  { name: 'Refused', points: refused, color: '--line-c' },
                ]} />
              </Panel>
            </>
          );
        }}
      </Show>
    </Page>
  );
}

function KeyForm({ name, of }: { name: string; of: string }) {
  const [key, setKey] = useState(of);
  return (
    <form class="search" onSubmit={(event) => {
      event.preventDefault();
      go(to.limiter(name, key.trim()));
    }}>
      <label><span class="unseen">Key</span><input type="search" placeholder="Key" value={key} onInput={(event) => setKey(event.currentTarget.value)} /></label>
      <button type="submit" class="small">Show</button>
    </form>
  );
}
