// The scripted handler's steps, for a Node worker: those that BullMQ's own API can express.
import { setTimeout as wait } from 'node:timers/promises';

const ENDED = Symbol('ended');

/** Obeys `{steps: [...]}` in the job's data, as the scripted handler does. */
export async function perform(job, token, bullmq) {
  const steps = job.data?.steps ?? [];
  const { next, added } = resumes.get(`${job.queueQualifiedName}:${job.id}`) ?? { next: 0, added: [] };
  job.added = added;
  const result = await run(steps.slice(next), job, token, bullmq, next);
  const value = result?.[ENDED] ? result.value : null;
  if (job.added.length === 0) return value;
  return [...(Array.isArray(value) ? value : value === null ? [] : [value]), ...job.added];
}

/** Where jobs that have waited for their children go on. */
const resumes = new Map();

/** Connections for adding, by queue. */
const queues = new Map();

function queueNamed(name, { Queue, connection, prefix }) {
  // The test has set the queue's options, which a new client would overwrite.
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection, prefix, skipMetasUpdate: true }));
  return queues.get(name);
}

async function run(steps, job, token, bullmq, first = 0) {
  for (const [offset, step] of steps.entries()) {
    job.next = first + offset + 1;
    const result = await obey(step, job, token, bullmq);
    if (result) return result;
  }
}

async function obey(step, job, token, bullmq) {
  switch (step.op) {
    case 'return':
      return { [ENDED]: true, value: step.value };
    case 'echo': {
      const { id, name, data } = job;
      const value = { id, name, queue: job.queueName, attempt: job.attemptsMade + 1, data, digest: null };
      return { [ENDED]: true, value };
    }
    case 'fail':
      throw step.kind === 'permanent' ? new bullmq.UnrecoverableError(step.message) : new Error(step.message);
    case 'delay':
    case 'rate-limited':
      if (step.ms === 0) {
        await job.moveToWait(token);
        throw new bullmq.WaitingError();
      }
      await job.moveToDelayed(Date.now() + step.ms, token);
      throw new bullmq.DelayedError();
    case 'sleep':
      return void (await wait(step.ms));
    case 'progress':
      return job.updateProgress(step.value);
    case 'log':
    case 'print':
      return void (await job.log(step.line));
    case 'enqueue': {
      const parent = step.child ? { id: job.id, queue: job.queueQualifiedName } : undefined;
      const queue = queueNamed(step.queue ?? job.queueName, bullmq);
      return void (await queue.add(step.name, step.data ?? {}, { ...step.opts, parent }));
    }
    case 'wait-children':
      resumes.set(`${job.queueQualifiedName}:${job.id}`, { next: job.next, added: job.added });
      if (await job.moveToWaitingChildren(token)) throw new bullmq.WaitingChildrenError();
      return undefined;
    case 'children':
      return void job.added.push(...Object.values(await job.getChildrenValues()));
    case 'if':
      return job.attemptsMade + 1 === step.attempt ? run(step.steps, job, token, bullmq) : undefined;
    default:
      throw new bullmq.UnrecoverableError(`a Node worker has no step \`${step.op}\``);
  }
}
