// What the run adds: a mix of jobs that one seed decides, told to nobody but the producers and the model.

export const QUEUES = ['fleet-a', 'fleet-b', 'fleet-c'];

/** A small generator (mulberry32): the same seed gives the same run. */
export function randomness(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low, high) => low + Math.floor(next() * (high - low + 1));
  return { next, between, pick: (list) => list[between(0, list.length - 1)] };
}

const returns = (value) => ({ op: 'return', value });
const sleeps = (ms) => ({ op: 'sleep', ms });
const fails = (message, kind = 'retryable') => ({ op: 'fail', message, kind });
const onlyIn = (attempt, ...steps) => ({ op: 'if', attempt, steps });

/** Far enough away that the whole group is added before its first job is due. */
const GROUP_DELAY = 5_000;

const HOUR = 3_600_000;

/** A unit of one job. */
const single = (kind, make) => (n, random) => {
  const { steps, opts = {} } = make(n, random);
  return { add: 'jobs', jobs: [{ kind, queue: random.pick(QUEUES), steps, opts }] };
};

function retries(n, random) {
  const failures = random.between(1, 3);
  const steps = Array.from({ length: failures }, (_, k) => onlyIn(k + 1, fails(`failure ${k + 1} of ${n}`)));
  const backoff = random.pick([undefined, random.between(1, 400), { type: 'exponential', delay: random.between(1, 150) }]);
  return { steps, failures, opts: backoff === undefined ? {} : { backoff } };
}

/** A unit of jobs that share a deduplication id. */
const group = (kind, deduplication, { delay, sleep = 0 } = {}) => (n, random) => {
  const queue = random.pick(QUEUES);
  const id = `d${n}`;
  const jobs = Array.from({ length: random.between(2, 4) }, (_, k) => ({
    kind,
    queue,
    id: `${id}-${k}`,
    steps: [sleeps(sleep), returns({ n, k })],
    opts: { deduplication: { id, ...deduplication }, ...(delay && { delay }) },
  }));
  return { add: 'jobs', mode: kind, deduplication: id, jobs };
};

const POLICIES = [
  'ignoreDependencyOnFailure',
  'removeDependencyOnFailure',
  'failParentOnFailure',
  'continueParentOnFailure',
  'none',
];

function flow(n, random) {
  // One child in some flows fails, with one policy: what several would do to a parent depends on their order.
  const policy = random.between(1, 2) === 1 ? random.pick(POLICIES) : undefined;
  // A parent that goes on at once cannot complete while another child is pending.
  const size = policy === 'continueParentOnFailure' ? 1 : random.between(1, 4);
  const bad = policy ? random.between(0, size - 1) : -1;
  const children = Array.from({ length: size }, (_, k) => ({
    kind: 'flow child',
    queue: random.pick(QUEUES),
    id: `f${n}-${k}`,
    steps: [
      sleeps(random.pick([0, 0, 50])),
      k === bad ? fails(`child ${k} of ${n}`, random.pick(['retryable', 'permanent'])) : returns({ n, k }),
    ],
    opts: { ...(k === bad && policy !== 'none' && { [policy]: true }), ...(k % 3 === 1 && { attempts: 2 }) },
  }));
  const steps = random.pick([[{ op: 'children' }], [returns(n)], [{ op: 'children' }, returns(n)]]);
  const opts = random.pick([{}, { priority: 3 }, { attempts: 2 }]);
  return { add: 'flow', root: { kind: 'flow parent', queue: random.pick(QUEUES), id: `f${n}`, steps, opts }, children };
}

function scheduler(n, random) {
  const steps = random.pick([[returns(n)], [fails(`run of ${n}`, 'permanent')], [onlyIn(1, fails('once')), returns(n)]]);
  const limit = random.pick([undefined, random.between(2, 6)]);
  const repeat = limit === undefined ? { every: HOUR } : { every: random.between(200, 900), limit };
  const job = { kind: 'scheduler', queue: random.pick(QUEUES), steps, opts: { attempts: 2 } };
  return { add: 'scheduler', id: `s${n}`, repeat, job };
}

const WEIGHTED = [
  [400, single('plain', (n) => ({ steps: [returns(n)] }))],
  [
    100,
    single('named', (n) => ({
      steps: [{ op: 'progress', value: { n } }, { op: 'log', line: `job ${n}` }, { op: 'echo' }],
      opts: { jobId: `n${n}` },
    })),
  ],
  [100, single('prioritized', (n, random) => ({ steps: [returns(n)], opts: { priority: random.between(1, 9) } }))],
  [
    100,
    single('delayed', (n, random) => ({
      steps: [returns({ n })],
      opts: { delay: random.between(1, 8_000), ...(random.next() < 0.3 && { priority: random.between(1, 9) }) },
    })),
  ],
  [100, single('slow', (n, random) => ({ steps: [sleeps(random.between(20, 400)), returns([n])] }))],
  [20, single('long', (n, random) => ({ steps: [sleeps(random.between(1_000, 3_000)), returns(`${n}`)] }))],
  [
    80,
    single('retried', (n, random) => {
      const { steps, failures, opts } = retries(n, random);
      return { steps: [...steps, returns(n)], opts: { ...opts, attempts: failures + random.between(1, 2) } };
    }),
  ],
  [
    40,
    single('exhausted', (n, random) => {
      const { opts } = retries(n, random);
      return { steps: [sleeps(random.pick([0, 30])), fails(`no use ${n}`)], opts: { ...opts, attempts: random.between(1, 3) } };
    }),
  ],
  [20, single('permanent', (n) => ({ steps: [fails(`never ${n}`, 'permanent')], opts: { attempts: 5 } }))],
  [30, single('unkept', (n) => ({ steps: [returns(n)], opts: { jobId: `u${n}`, removeOnComplete: true } }))],
  [
    20,
    (n, random) => {
      const added = { kind: 'added', queue: random.pick(QUEUES), id: `a${n}`, steps: [returns(n)], opts: {} };
      const { queue, id, steps } = added;
      const enqueues = { op: 'enqueue', queue, name: 'job', data: { steps }, opts: { jobId: id } };
      const job = { kind: 'adding', queue: random.pick(QUEUES), steps: [enqueues, sleeps(30), returns(n)], opts: {} };
      return { add: 'jobs', jobs: [job], added: [added] };
    },
  ],
  [35, flow],
  [5, group('dedup first', {}, { delay: GROUP_DELAY })],
  [5, group('dedup last', { replace: true, ttl: HOUR }, { delay: GROUP_DELAY })],
  [5, group('dedup time', { ttl: HOUR })],
  [5, group('dedup kept', { keepLastIfActive: true }, { sleep: 200 })],
  [1, scheduler],
];

const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0);

function draw(random) {
  let at = random.between(0, TOTAL - 1);
  for (const [weight, make] of WEIGHTED) {
    if (at < weight) return make;
    at -= weight;
  }
}

/** Every job that a unit asks for, the runs of a scheduler apart. */
export function jobsOf(unit) {
  if (unit.add === 'flow') return [unit.root, ...unit.children];
  if (unit.add === 'scheduler') return [unit.job];
  return [...unit.jobs, ...(unit.added ?? [])];
}

/** Units that ask for `jobs` jobs in all. */
export function plan(seed, jobs) {
  const random = randomness(seed);
  const units = [];
  for (let asked = 0; asked < jobs; ) {
    const unit = draw(random)(units.length, random);
    unit.client = random.pick(['v6', 'v5']);
    units.push(unit);
    asked += jobsOf(unit).length;
  }
  return units;
}
