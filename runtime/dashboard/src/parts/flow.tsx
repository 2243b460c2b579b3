// The tree of jobs that a job belongs to.
import { get } from '../lib/api';
import { SLOWLY, useLoad } from '../lib/load';
import { to } from '../lib/route';
import type { FlowNode, Job } from '../lib/types';
import { Panel, Show, Tag } from './ui';

/** Jobs of a tree. */
const size = (node: FlowNode): number => 1 + node.children.reduce((sum, child) => sum + size(child), 0);

export function Flow({ queue, id, job }: { queue: string; id: string; job: Job }) {
  const flow = useLoad(`${queue}/${id}`, (signal) => get<FlowNode>(['queues', queue, 'jobs', id, 'flow'], {}, signal), job.state === 'waiting-children' || job.state === 'active' ? 1 : SLOWLY);
  const alone = flow.data && flow.data.children.length === 0 && !job.fields.parentKey;
  if (alone || (!flow.data && flow.error?.status === 404)) return null;
  return (
    <Panel title="Flow" note={flow.data ? `${size(flow.data)} jobs` : undefined}>
      <Show of={flow}>
        {(root) => <ul class="tree"><Node node={root} queue={queue} id={id} /></ul>}
      </Show>
    </Panel>
  );
}

function Node({ node, queue, id }: { node: FlowNode; queue: string; id: string }) {
  const here = node.queue === queue && node.id === id;
  return (
    <li>
      <span class={here ? 'node here' : 'node'}>
        <a href={to.job(node.queue, node.id)} aria-current={here ? 'page' : undefined}>{node.name}</a>
        <span class="dim">{node.queue}</span>
        <Tag value={node.state} />
      </span>
      {node.children.length > 0 && (
        <ul>{node.children.map((child) => <Node key={`${child.queue}/${child.id}`} node={child} queue={queue} id={id} />)}</ul>
      )}
    </li>
  );
}
