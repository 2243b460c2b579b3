/** Tests of handlers without WebAssembly, on the machine that builds them. */
import type { Job, JobError, circuitBreaker, enqueue } from './index.js';

/** A first attempt of three, of job `1` named `test` in queue `test`, with this data. */
export function job<T>(data: T, changes?: Partial<Job<T>>): Job<T>;

type Refusal = string | { error: string; retryAfter?: number; message?: string };

/** What the host answers. What is not here it does not have: secrets are denied, limiters unknown. */
export interface Answers {
  secrets?: Record<string, string>;
  /** `true` lets pass; an error's name, such as `limited`, refuses. */
  limiters?: Record<string, true | Refusal>;
  breakers?: Record<string, true | Refusal>;
  /** Values that were there before. */
  state?: Record<string, unknown>;
  checkpoint?: unknown;
  /** What children returned, by their keys. */
  children?: Record<string, unknown>;
  failedChildren?: Record<string, string>;
  /** Answers requests; without it every request fails. */
  fetch?: (request: Request) => Response | Promise<Response>;
  context?: {
    enqueuedAt?: number;
    scheduledAt?: number;
    deadline?: number;
    remaining?: number;
    cancelled?: boolean;
    headers?: Record<string, string>;
    traceparent?: string;
    tracestate?: string;
    digest?: string;
  };
}

/** How a handler ended, and what it asked of the host. */
export interface Outcome<R = any> {
  /** What it returned, after its way through JSON. */
  value?: R;
  /** How it ended instead, as the host takes it. */
  error?: JobError;
  logs: { level: string; message: string; fields: Record<string, string> }[];
  progress: unknown[];
  metrics: { kind: 'counter' | 'gauge' | 'histogram'; name: string; value: number; labels: Record<string, string> }[];
  /** Jobs added; their ids are `added-1` and so on. */
  enqueued: enqueue.NewJob[];
  requests: Request[];
  /** Values that replaced the job's data. */
  data: unknown[];
  /** Calls that a breaker let pass: its name and how they ended. */
  guarded: [string, circuitBreaker.Outcome][];
  state: Record<string, unknown>;
  checkpoint?: unknown;
}

/** Calls a handler as the host does, through JSON both ways. Calls may run beside each other: each has a host of its own. */
export function call<R = any>(handler: Function, job: Job, answers?: Answers): Promise<Outcome<R>>;
