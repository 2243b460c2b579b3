// What is set for all workers while they run, before what their configuration says.
import { act, ask } from '../lib/actions';
import { get, send } from '../lib/api';
import { mayOperate } from '../lib/live';
import { useLoad } from '../lib/load';
import type { Setting } from '../lib/types';
import { Table } from '../parts/table';
import { Ago, Page, Panel, Show } from '../parts/ui';

export function Settings() {
  const list = useLoad('settings', (signal) => get<Record<string, Setting>>(['settings'], {}, signal));
  const set = async (key = '', value = '') => {
    const answer = await ask({
      title: key ? `Change ${key}` : 'New setting',
      text: 'All workers obey within a second.',
      action: 'Set',
      fields: [
        ...(key ? [] : [{ name: 'key', label: 'Key', required: true, hint: 'queues.NAME.concurrency, queues.NAME.weight or limiters.NAME.tiers' }]),
        { name: 'value', label: 'Value', required: true, value, hint: 'A number, or rates with commas between them: 300/min, 10000/h' },
      ],
    });
    if (!answer) return;
    const name = key || (answer.key ?? '').trim();
    if (await act(() => send('PUT', ['settings', name], { value: answer.value ?? '' }), `${name} is set.`)) list.reload();
  };
  const unset = async (key: string) => {
    const sure = await ask({ title: `Unset ${key}?`, text: 'What the configuration says holds again.', action: 'Unset', danger: true });
    if (sure && (await act(() => send('DELETE', ['settings', key]), `${key} is unset.`))) list.reload();
  };
  return (
    <Page
      title="Settings"
      lead="They go before the configuration files of all workers."
      actions={mayOperate.value && <button type="button" class="primary" onClick={() => set()}>New setting</button>}
    >
      <Panel title="What is set" flush>
        <Show of={list}>
          {(settings) => (
            <Table
              caption="Settings" rows={Object.entries(settings)} keyOf={([key]) => key} empty="Nothing is set: the configuration holds."
              columns={[
                { head: 'Key', names: true, grow: true, cell: ([key]) => <code>{key}</code> },
                { head: 'Value', cell: ([, { value }]) => <code>{value}</code> },
                { head: 'By', wide: true, cell: ([, { by }]) => by },
                { head: 'Since', num: true, cell: ([, { at_ms }]) => <Ago at={at_ms} /> },
                ...(mayOperate.value
                  ? [{
                      head: 'Action',
                      cell: ([key, { value }]: [string, Setting]) => (
                        <span class="actions">
                          <button type="button" class="small" onClick={() => set(key, value)}>Change<span class="unseen"> {key}</span></button>
                          <button type="button" class="small" onClick={() => unset(key)}>Unset<span class="unseen"> {key}</span></button>
                        </span>
                      ),
                    }]
                  : []),
              ]}
            />
          )}
        </Show>
      </Panel>
    </Page>
  );
}
