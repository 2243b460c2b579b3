// The head of the pages of one queue.
import { count } from '../lib/format';
import { to } from '../lib/route';
import type { Counts, State } from '../lib/types';
import { Tabs } from './tabs';

const SHOWN: State[] = ['waiting', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed', 'paused'];
const NAMES: Partial<Record<State, string>> = { 'waiting-children': 'Waiting for children' };

export const stateName = (state: string) => NAMES[state as State] ?? (state[0] ?? '').toUpperCase() + state.slice(1);

export function QueueTabs({ queue, at, counts }: { queue: string; at: string; counts: Counts | undefined }) {
  return (
    <Tabs
      label="Parts of the queue" at={at}
      of={[
        { key: '', text: 'Figures', href: to.queue(queue) },
        ...SHOWN.filter((state) => state !== 'paused' || (counts?.paused ?? 0) > 0 || at === 'paused').map((state) => ({
          key: state,
          text: <>{stateName(state)} <span class="n">{count(counts?.[state])}</span></>,
          href: to.jobs(queue, { state }),
        })),
      ]}
    />
  );
}
