// Made-up queues in the shapes that the API answers.

const MIN = 60_000;
const HOUR = 60 * MIN;
const now = () => Date.now();

/** The same numbers at every start. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const QUEUES = [
  ['notification-delivery', 'critical', 4, 6, 12, 3, 812, 0.2, 85],
  ['payment-processing', 'critical', 612, 8, 0, 41, 96, 11.8, 900],
  ['password-reset', 'critical', 0, 0, 0, 0, 4, 0, 120],
  ['email-delivery', 'high', 231, 15, 1_204, 88, 294, 5.4, 410],
  ['search-index-update', 'high', 18, 20, 0, 12, 1_930, 0.6, 64],
  ['tax-document-generation', 'high', 3, 2, 40, 0, 21, 0, 7_400],
  ['pdf-generation', 'normal', 9, 5, 0, 1, 30, 1.1, 12_300],
  ['bulk-import', 'normal', 1_000_000, 3, 0, 2, 640, 0.1, 210],
  ['cleanup', 'background', 0, 1, 1, 0, 0.2, 0, 95_000],
];
const ISSUES = {
  'payment-processing': ['612 jobs wait, the critical threshold is 500', '11.8 % of the attempts failed, the critical threshold is 10 %'],
  'email-delivery': ['231 jobs wait, the warning threshold is 200', '5.4 % of the attempts failed, the warning threshold is 5 %'],
};
const status = (queue) => (queue === 'payment-processing' ? 'critical' : ISSUES[queue] ? 'warning' : 'healthy');
const counts = ([name, , waiting, active, delayed, failed]) => ({
  waiting, active, prioritized: name === 'email-delivery' ? 31 : 0, delayed, 'waiting-children': name === 'pdf-generation' ? 2 : 0,
  completed: name === 'cleanup' ? 14 : 5_000, failed, paused: 0,
});

const digest = (n) => `sha256:${String(n).repeat(64).slice(0, 64)}`;
const SCHEMA = {
  type: 'object', required: ['to', 'template'],
  properties: {
    to: { type: 'string', title: 'Recipient', description: 'An e-mail address' },
    template: { enum: ['welcome', 'receipt', 'reminder'], title: 'Template' },
    attempts: { type: 'integer', minimum: 1, maximum: 9 },
    urgent: { type: 'boolean' },
    variables: { type: 'object', description: 'What the template fills in' },
  },
};

export function fakeData() {
  const acknowledged = new Map();
  const jobOf = (queue, state, n) => {
    const added = now() - (n + 1) * 41_000;
    const fields = {
      name: ['send', 'digest', 'receipt'][n % 3], timestamp: String(added), priority: '0', delay: '0',
      data: JSON.stringify({ to: `reader${n}@example.org`, template: 'receipt', html: '<b>not bold</b>', lines: [n, n + 1] }), opts: '{"attempts":3}', ats: '1', atm: '0',
    };
    if (state === 'failed') {
      Object.assign(fields, {
        failedReason: 'mailbox unavailable: 550 5.1.1 <script>alert(1)</script>', atm: '3', ats: '3', processedOn: String(added + 1_200), finishedOn: String(added + 3_900),
        stacktrace: JSON.stringify([1, 2, 3].map((one) => `mailbox unavailable: 550 5.1.1\n    at email::deliver (deliver.rs:${40 + one})\n    at email::run (lib.rs:12)\nused 12 ms, 3.1 MiB`)),
      });
    }
    if (state === 'completed') Object.assign(fields, { returnvalue: '{"accepted":true,"id":"01J9"}', atm: '1', processedOn: String(added + 1_200), finishedOn: String(added + 1_640), progress: '100' });
    if (state === 'active') Object.assign(fields, { processedOn: String(added + 900), progress: '40', pb: 'mill-1' });
    if (state === 'delayed') Object.assign(fields, { delay: String(HOUR) });
    return { id: `${state}-${n}`, state, fields, logs: [] };
  };
  const row = (queue) => ({ queue: queue[0], paused: queue[0] === 'cleanup', counts: counts(queue) });
  const find = (name) => QUEUES.find(([queue]) => queue === name);

  const world = {
    names: QUEUES.map(([name]) => name),
    health() {
      const all = (at) => QUEUES.reduce((sum, queue) => sum + queue[at], 0);
      return {
        timestamp: now(), healthy: false,
        queues: {
          totalQueues: QUEUES.length, healthyQueues: 7, warningQueues: 1, criticalQueues: 1, totalWaiting: all(2), totalActive: all(3), totalFailed: all(5),
          activeAlerts: 3, avgJobsPerMinute: all(6), avgErrorRate: 2.4,
        },
        workers: { totalWorkers: 2, totalJobsProcessed: 1_284_220, averageMemoryUsage: 47, workersNeedingRecycle: 0 },
        memory: { usedBytes: 612 << 20, softLimitBytes: 512 << 20, hardLimitBytes: 1 << 30 },
        queueHealth: QUEUES.map((queue) => ({
          queue: queue[0], class: queue[1], status: status(queue[0]), issues: ISSUES[queue[0]] ?? [], paused: queue[0] === 'cleanup', counts: counts(queue),
          oldestWaitMs: queue[2] ? queue[2] * 90 : null, jobsPerMinute: queue[6], errorRate: queue[7], timeoutRate: queue[7] / 9, p50Ms: queue[8] / 3, p95Ms: queue[8], p99Ms: queue[8] * 1.7, waitP95Ms: queue[2] * 40,
        })),
      };
    },
    alerts(state) {
      const alert = (id, rule, queue, severity, summary, value, threshold, minutes) => ({
        id, rule, queue, severity, summary, value, threshold, state: acknowledged.has(id) ? 'acknowledged' : 'raised', acknowledged: acknowledged.get(id) ?? null,
        raised_ms: now() - minutes * MIN, updated_ms: now() - MIN, resolved_ms: null,
      });
      const active = [
        alert('a1', 'queue-depth', 'payment-processing', 'critical', '612 jobs wait, more than 500', 612, 500, 12),
        alert('a2', 'error-rate', 'payment-processing', 'critical', '11.8 % of the attempts failed, more than 10 %', 11.8, 10, 9),
        alert('a3', 'queue-depth', 'email-delivery', 'warning', '231 jobs wait, more than 200', 231, 200, 34),
      ];
      const old = { ...alert('a0', 'memory', null, 'warning', 'A worker uses 81 % of its memory', 81, 75, 300), state: 'resolved', resolved_ms: now() - 200 * MIN };
      return state === 'active' ? active : state === 'resolved' ? [old] : [...active, old];
    },
    acknowledge(id, { note, until_ms: until }) {
      acknowledged.set(id, { who: 'loopback', at_ms: now(), note, until_ms: until ?? null });
    },
    workers() {
      return [1, 2].map((n) => ({
        id: `w${n}`, name: `mill-${n}`, host: `node-${n}`, pid: 4_000 + n, version: '0.1.0', started_ms: now() - n * 3 * HOUR, seen_ms: now() - 800, phase: n === 2 ? 'draining' : 'taking',
        queues: world.names, slots: 64, busy: n === 1 ? 5 : 1, jobs_total: 640_000 * n, memory_bytes: (300 + 200 * n) << 20, memory_limit_bytes: 1 << 30, cpu_percent: 42 * n, listen: '127.0.0.1:7676',
        running: Array.from({ length: n === 1 ? 5 : 1 }, (_, at) => ({ queue: 'email-delivery', id: `active-${at}`, job: 'send', attempt: 1, started_ms: now() - at * 3_100 - 400 })),
      }));
    },
    history(queue, from, points) {
      const draw = random((queue ?? '').length + 7);
      const step = Math.max(MIN, Math.round((now() - from) / points));
      const at = Array.from({ length: points }, (_, n) => from + n * step);
      const base = find(queue)?.[6] ?? 3_900;
      const wave = (size, noise = 0.2) => at.map((_, n) => (n > 60 && n < 66 ? null : Math.max(0, size * (1 + 0.35 * Math.sin(n / 17) + noise * (draw() - 0.5)))));
      const p95 = find(queue)?.[8] ?? 600;
      return {
        step_ms: step, at_ms: at,
        series: {
          waiting: wave(240, 0.5), active: wave(18), delayed: wave(130), failed_total: wave(90), oldest_wait_ms: wave(8_000), completed_per_minute: wave(base), failed_per_minute: wave(base * 0.03, 1.4),
          error_rate: wave(3, 1), timeout_rate: wave(0.6, 1), p50_ms: wave(p95 / 3), p95_ms: wave(p95), p99_ms: wave(p95 * 1.7), wait_p95_ms: wave(4_000), workers: at.map(() => 2), memory_bytes: wave(6e8), cpu_percent: wave(40),
        },
      };
    },
    statistics: (queue) => ['send', 'digest', 'receipt'].map((job, n) => ({ queue, job, count: 9_120 / (n + 1), failed: 31 * n, min_ms: 3, mean_ms: 82 + n, p50_ms: 61, p95_ms: 240, p99_ms: 612, max_ms: 2_912, trend: [4, 38, null][n] })),
    anomalies: () => [{ queue: 'email-delivery', series: 'error_rate', at_ms: now() - 14 * MIN, value: 9.1, expected: 1.2, score: 6.1 }],
    scaling: () => ({
      enabled: true,
      queues: QUEUES.map((queue) => ({
        queue: queue[0], class: queue[1], workers: 2, desired: queue[2] > 500 ? 4 : 2, min: 1, max: 10, action: queue[2] > 500 ? 'up' : 'hold', reason: queue[2] > 500 ? 'the backlog is over 100' : 'nothing asks for a change',
        signals: { backlog: queue[2], oldest_wait_ms: queue[2] * 90, cpu_percent: 44, memory_percent: 51, drain_ms: queue[2] ? queue[2] * 300 : null }, decided_ms: now() - 20_000,
      })),
    }),
    scalingHistory: () => [1, 2, 3].map((n) => ({ at_ms: now() - n * HOUR, queue: 'payment-processing', from: n + 1, to: n + 2, reason: 'the backlog is over 100', explanation: [`${n}12 jobs wait, more than 100`, 'the last change was 70 s ago, more than 60 s'] })),
    queues: () => QUEUES.map(row),
    queue: (name) => (find(name) ? { ...row(find(name)), limits: { concurrency: 20, max: 300, duration_ms: MIN, held_ms: null }, completed: { count: 91_220, since_ms: 0, minutes: [4, 5] }, failed: { count: 220, since_ms: 0, minutes: [] } } : null),
    jobs(queue, query) {
      const state = query.get('state');
      const [from, size] = [Number(query.get('from') ?? 0), Number(query.get('count') ?? 100)];
      const total = find(queue) ? counts(find(queue))[state] ?? 0 : 0;
      const all = Array.from({ length: Math.max(0, Math.min(size, total - from)) }, (_, n) => jobOf(queue, state, from + n));
      return all.filter((job) => !query.get('search') || JSON.stringify(job).includes(query.get('search'))).filter((job) => !query.get('name') || job.fields.name === query.get('name'));
    },
    add: () => ({ id: 'waiting-0', existing: false }),
    job(queue, id) {
      const [, state, n] = /^(.*)-(\d+)$/.exec(id) ?? [];
      return state && find(queue) ? jobOf(queue, state, Number(n)) : null;
    },
    logs(_, __, query) {
      const from = Number(query.get('from') ?? 0);
      const lines = ['connecting to smtp.example.org:25', '<img src=x onerror=alert(1)> is text', 'delivered'];
      return { logs: Array.from({ length: Math.min(200, 640 - from) }, (_, n) => `${from + n} ${lines[n % 3]}`), count: 640 };
    },
    flow: (queue, id) => (id.endsWith('-1') ? { queue, id: 'completed-9', name: 'book', state: 'waiting-children', children: [{ queue, id, name: 'sheet', state: 'failed', children: [] }, { queue, id: 'completed-2', name: 'sheet', state: 'completed', children: [] }] } : { queue, id, name: 'alone', state: 'completed', children: [] }),
    schema: (job) => (job === 'send' ? SCHEMA : null),
    schedulers: (queue) => (queue === 'cleanup' ? [{ id: 'nightly', next_ms: now() + 3 * HOUR, fields: { name: 'sweep', pattern: '0 3 * * *', tz: 'Europe/Berlin', ic: '41' } }] : []),
    limiters: () => ['email-sending', 'stripe-api'].map((limiter, n) => ({
      limiter, algorithm: n ? 'token-bucket' : 'sliding-window', key: '', keys: n * 12,
      tiers: [{ tier: '300/1m', limit: 300, window_ms: MIN, used: n ? 12 : 281 }, { tier: '10000/1h', limit: 10_000, window_ms: HOUR, used: 6_120 }],
      slices: Array.from({ length: 100 }, (_, at) => ({ from_ms: (Math.floor(now() / 600_000) - at) * 600_000, allowed: 800 + ((at * 37) % 300), refused: at % 9 === 0 ? { [MIN]: 40 } : {} })),
    })),
    breakers: () => [{ breaker: 'resend', state: 'open', calls: 40, failures: 31, opened: 3, until_ms: now() + 20_000 }, { breaker: 'stripe', state: 'closed', calls: 812, failures: 2, opened: 0, until_ms: null }],
    deployments: () => [{ queue: 'email-delivery', job: '*', revision: 7, stable: digest(1), previous: [digest(2), digest(3)], canary: { digest: digest(4), percent: 10, since_ms: now() - 20 * MIN, promote_after_ms: 30 * MIN } }, { queue: 'cleanup', job: 'sweep', revision: 1, stable: digest(3), previous: [] }],
    deployment(queue) {
      const one = world.deployments().find((deployment) => deployment.queue === queue);
      if (!one) return null;
      const came = (attempts, failed, time) => ({ attempts, failed, trapped: 0, seconds_p95: time, peak_memory_bytes_p95: 3e6 });
      return { ...one, ...(one.canary ? { trial: { stable: came(9_004, 31, 0.21), canary: came(1_001, 22, 0.34) } } : {}), history: [{ revision: 7, at_ms: now() - 20 * MIN, by: 'deploys', action: 'canary', digest: digest(4), reason: 'try the new templates' }, { revision: 6, at_ms: now() - 26 * HOUR, by: 'deploys', action: 'deploy', digest: digest(1) }] };
    },
    modules: () => [4, 1, 2, 3].map((n) => ({ digest: digest(n), name: n === 3 ? 'sweep' : 'email', version: `1.${n}.0`, size: 1_200_000 + n, wit: '0.2.0', imports: [], by: 'deploys', at_ms: now() - n * HOUR, schema: SCHEMA, signatures: [] })),
    coreDumps: () => [{ digest: digest(9), size: 2_400_000, queue: 'pdf-generation', job: '*', id: 'failed-0', attempt: 2, module: digest(1), reason: 'trap: out of bounds memory access', at_ms: now() - HOUR }],
    settings: () => ({ 'queues.email-delivery.concurrency': { value: '25', by: 'hands', at_ms: now() - HOUR } }),
    audit: () => [{ at_ms: now() - MIN, who: 'hands', what: 'POST /api/v1/queues/email-delivery/pause', status: 204 }, { at_ms: now() - HOUR, who: 'hands', what: 'DELETE /api/v1/queues/x', status: 403 }],
  };
  return world;
}
