// The scripted handler's steps, for a Node worker: those that BullMQ's own API can express.
import { setTimeout as wait } from 'node:timers/promises';

const ENDED = Symbol('ended');

/** Obeys `{steps: [...]}` in the job's data, as the scripted handler does. */
export async function perform(job, token, bullmq) {
  const result = await run(job.data?.steps ?? [], job, token, bullmq);
  return result?.[ENDED] ? result.value : null;
}

async function run(steps, job, token, bullmq) {
  for (const step of steps) {
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
      await job.moveToDelayed(Date.now() + step.ms, token);
      throw new bullmq.DelayedError();
    case 'sleep':
      return void (await wait(step.ms));
    case 'progress':
      return job.updateProgress(step.value);
    case 'log':
    case 'print':
      return void (await job.log(step.line));
    case 'if':
      return job.attemptsMade + 1 === step.attempt ? run(step.steps, job, token, bullmq) : undefined;
    default:
      throw new bullmq.UnrecoverableError(`a Node worker has no step \`${step.op}\``);
  }
}
