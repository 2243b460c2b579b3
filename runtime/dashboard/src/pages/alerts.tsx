// Alerts, those of the past too.
import { get } from '../lib/api';
import { alerts as live } from '../lib/live';
import { useLoad } from '../lib/load';
import { PAGE, page } from '../lib/paging';
import { to } from '../lib/route';
import { route } from '../lib/router';
import type { Alert } from '../lib/types';
import { AlertList } from '../parts/alert-list';
import { Pager } from '../parts/pager';
import { Tabs } from '../parts/tabs';
import { Page, Panel, Show } from '../parts/ui';

const STATES = [['active', 'Active'], ['resolved', 'Resolved'], ['all', 'All']] as const;

export function Alerts() {
  const { state = 'active', page: asked } = route.value.query;
  const at = page(asked, undefined);
  // A change that the stream tells of shows here at once.
  const key = `${state}/${at.from}/${live.value?.map(({ id, state: is }) => id + is).join() ?? ''}`;
  const list = useLoad(key, (signal) => get<Alert[]>(['alerts'], { state, from: at.from, count: PAGE }, signal));
  return (
    <Page title="Alerts">
      <Tabs label="Which alerts" at={state} of={STATES.map(([key, text]) => ({ key, text, href: to.alerts({ state: key }) }))} />
      <Panel title={STATES.find(([key]) => key === state)?.[1] ?? 'Alerts'} flush>
        <Show of={list}>
          {(rows) => (
            <>
              <AlertList alerts={rows} changed={list.reload} />
              <Pager at={at} shown={rows.length} total={undefined} more={rows.length === PAGE} />
            </>
          )}
        </Show>
      </Panel>
    </Page>
  );
}
