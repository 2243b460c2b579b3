// Who changed what, through the API and these pages.
import { get } from '../lib/api';
import { exact, time } from '../lib/format';
import { now } from '../lib/live';
import { useLoad } from '../lib/load';
import { having } from '../lib/route';
import { route } from '../lib/router';
import type { AuditRow } from '../lib/types';
import { Table } from '../parts/table';
import { Page, Panel, Show } from '../parts/ui';

const FIRST = 100;
const MOST = 1_000;

const tone = (status: number) => (status >= 400 ? 'text-bad' : '');

export function Audit() {
  const count = route.value.query.all === 'yes' ? MOST : FIRST;
  const list = useLoad(`audit/${count}`, (signal) => get<AuditRow[]>(['audit'], { count }, signal));
  return (
    <Page title="Audit" lead="Every change through the API leaves a row, with the token’s name.">
      <Panel title="Newest first" flush>
        <Show of={list}>
          {(rows) => (
            <>
              <Table
                caption="Changes" rows={rows.map((row, n) => ({ ...row, n }))} keyOf={({ n, at_ms }) => `${at_ms}/${n}`} empty="Nothing was changed yet."
                columns={[
                  { head: 'When', cell: ({ at_ms }) => <time title={exact(at_ms)}>{time(at_ms, now.value)}</time> },
                  { head: 'Who', names: true, cell: ({ who }) => who },
                  { head: 'What', grow: true, cell: ({ what }) => <code class="wrap">{what}</code> },
                  { head: 'Status', num: true, cell: ({ status }) => <span class={tone(status)}>{status}</span> },
                ]}
              />
              {rows.length === FIRST && count === FIRST && <p class="pager"><a href={having(route.value, { all: 'yes' })}>Show up to 1 000</a></p>}
            </>
          )}
        </Show>
      </Panel>
    </Page>
  );
}
