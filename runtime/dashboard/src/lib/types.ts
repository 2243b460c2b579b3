// What the HTTP API answers. Times that end in `_ms` are ms since the epoch, other `Ms` are durations.

export const STATES = [
  'waiting', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed', 'paused',
] as const;
export type State = (typeof STATES)[number];
export type Counts = Partial<Record<State, number>>;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Role = 'viewer' | 'operator' | 'admin';

export interface Session {
  who: string;
  role: Role;
  /** False: data, return values, progress and log lines are kept from this caller. */
  payloads: boolean;
  refresh_ms: number;
  version: string;
  worker: string;
  queues: string[];
}

export type Status = 'healthy' | 'warning' | 'critical';

export interface QueueHealth {
  queue: string;
  class: string;
  status: Status;
  issues: string[];
  paused: boolean;
  counts: Counts;
  oldestWaitMs: number | null;
  jobsPerMinute: number;
  errorRate: number;
  timeoutRate: number;
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
  waitP95Ms: number | null;
}

export interface Health {
  timestamp: number | string;
  healthy: boolean;
  queues: {
    totalQueues: number;
    healthyQueues: number;
    warningQueues: number;
    criticalQueues: number;
    totalWaiting: number;
    totalActive: number;
    totalFailed: number;
    activeAlerts: number;
    avgJobsPerMinute: number;
    avgErrorRate: number;
  };
  workers: {
    totalWorkers: number;
    totalJobsProcessed: number;
    averageMemoryUsage: number;
    workersNeedingRecycle: number;
  };
  memory: { usedBytes: number; softLimitBytes: number; hardLimitBytes: number };
  queueHealth: QueueHealth[];
}

export type Points = (number | null)[];
export interface History {
  step_ms: number;
  at_ms: number[];
  series: Record<string, Points | undefined>;
}

export interface Statistic {
  queue: string;
  job: string;
  count: number;
  failed: number;
  min_ms: number;
  mean_ms: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  max_ms: number;
  trend: number | null;
}

export interface Anomaly {
  queue: string;
  series: string;
  at_ms: number;
  value: number;
  expected: number;
  score: number;
}

export interface Alert {
  id: string;
  rule: string;
  queue: string | null;
  severity: 'warning' | 'critical';
  state: 'raised' | 'acknowledged' | 'resolved';
  summary: string;
  value: number;
  threshold: number;
  raised_ms: number;
  updated_ms: number;
  resolved_ms: number | null;
  acknowledged: { who: string; at_ms: number; note: string; until_ms: number | null } | null;
}

export interface Running {
  queue: string;
  id: string;
  job: string;
  attempt: number;
  started_ms: number;
}

export interface Worker {
  id: string;
  name: string;
  host: string;
  pid: number;
  version: string;
  started_ms: number;
  seen_ms: number;
  phase: 'taking' | 'quiet' | 'draining';
  queues: string[];
  slots: number;
  busy: number;
  jobs_total: number;
  memory_bytes: number;
  memory_limit_bytes: number;
  cpu_percent: number;
  listen: string | null;
  running: Running[];
}

export interface ScalingQueue {
  queue: string;
  class: string;
  workers: number;
  desired: number;
  min: number;
  max: number;
  action: 'up' | 'down' | 'hold';
  reason: string;
  signals: {
    backlog: number;
    oldest_wait_ms: number | null;
    cpu_percent: number | null;
    memory_percent: number | null;
    drain_ms: number | null;
  };
  decided_ms: number | null;
}
export interface Scaling {
  enabled: boolean;
  queues: ScalingQueue[];
}
export interface ScalingStep {
  at_ms: number;
  queue: string;
  from: number;
  to: number;
  reason: string;
  explanation: string[];
}

export interface QueueRow {
  queue: string;
  paused: boolean;
  counts: Counts;
}
export interface Limits {
  concurrency: number | null;
  max: number | null;
  duration_ms: number | null;
  held_ms: number | null;
}
export interface MinuteCounts {
  count: number;
  since_ms: number;
  minutes: number[];
}
export interface QueueDetail extends QueueRow {
  limits: Limits;
  completed: MinuteCounts;
  failed: MinuteCounts;
}

/** A job as stored: every field is text, most of it JSON. */
export interface Job {
  id: string;
  state: string;
  fields: Record<string, string | undefined>;
  logs: string[];
  hidden?: boolean;
}
export interface FlowNode {
  queue: string;
  id: string;
  name: string;
  state: string;
  children: FlowNode[];
}

export interface Scheduler {
  id: string;
  next_ms: number;
  fields: Record<string, string | undefined>;
}

export interface Tier {
  tier: string;
  limit: number;
  window_ms: number;
  used: number;
}
export interface Limiter {
  limiter: string;
  algorithm: string;
  key: string;
  tiers: Tier[];
  slices: { from_ms: number; allowed: number; refused: Record<string, number> }[];
  keys: number;
}
export interface Breaker {
  breaker: string;
  state: string;
  calls: number;
  failures: number;
  opened: number;
  until_ms: number | null;
}

export interface Module {
  digest: string;
  name: string;
  version?: string;
  size: number;
  wit: string;
  imports: string[];
  by: string;
  at_ms: number;
  schema?: Json;
  signatures?: string[];
}
export interface Deployment {
  queue: string;
  job: string;
  revision: number;
  stable: string;
  previous: string[];
  canary?: { digest: string; percent: number; since_ms: number; promote_after_ms?: number };
}
export interface Came {
  attempts: number;
  failed: number;
  trapped: number;
  seconds_p95: number;
  peak_memory_bytes_p95: number;
}
export interface DeploymentDetail extends Deployment {
  trial?: { stable: Came; canary: Came };
  history: { revision: number; at_ms: number; by: string; action: string; digest: string; reason?: string }[];
}
export interface CoreDump {
  digest: string;
  size: number;
  queue: string;
  job: string;
  id: string;
  attempt: number;
  module: string;
  reason: string;
  at_ms: number;
}

export interface Setting {
  value: string;
  by: string;
  at_ms: number;
}
export interface AuditRow {
  at_ms: number;
  who: string;
  what: string;
  status: number;
}
