// What every SDK's guest is asked, and what is expected of it. A case has a job's data (or `steps` from a function of the
// surroundings), its options, and what the job comes to: `value` (deep equality, or a function that checks it) or `failed`
// (a pattern for the reason). `check` sees the job and the surroundings after that.
import assert from 'node:assert/strict';

const wide = 'Grüße, 世界 — 👩‍🚀 \u0000 "quoted" \\ / \u2028 end';
const deep = (depth) => (depth === 0 ? [] : [deep(depth - 1)]);
const close = (at, ms) => Math.abs(at - Date.now()) < ms;

export const cases = [
  // Values
  { name: 'a value comes back', data: { op: 'return', value: { a: [1, 2.5, true, null, 'x'] } }, value: { a: [1, 2.5, true, null, 'x'] } },
  { name: 'no value is null', data: { op: 'nothing' }, value: null },
  { name: 'Unicode comes back as it went', data: { op: 'return', value: wide }, value: wide },
  { name: 'Unicode in keys', data: { op: 'return', value: { [wide]: 1 } }, value: { [wide]: 1 } },
  { name: 'large whole numbers', data: { op: 'return', value: [9007199254740991, -9007199254740991, 1e300] }, value: [9007199254740991, -9007199254740991, 1e300] },
  { name: 'empty values', data: { op: 'return', value: ['', [], {}, 0, false, null] }, value: ['', [], {}, 0, false, null] },
  { name: 'JSON 100 levels deep', data: { op: 'return', value: deep(100) }, value: deep(100) },
  { name: 'a payload of 10 MB, both ways', data: { op: 'return', value: 'x'.repeat(10_000_000) }, value: (value) => assert.equal(value.length, 10_000_000) },
  { name: 'several steps, in order', data: [{ op: 'return', value: 1 }, { op: 'return', value: 2 }], value: [1, 2] },

  // The job and its context
  {
    name: 'the job', data: { op: 'job' }, opts: { attempts: 4 },
    value: (value, { job, queue }) => assert.deepEqual(value, { id: job.id, name: 'case', queue: queue.name, attempt: 1, maxAttempts: 4 }),
  },
  {
    name: 'the attempt is counted', data: ({ key }) => ({ op: 'once', key, step: { op: 'fail', kind: 'retryable', message: 'again' } }), opts: { attempts: 2 }, value: null,
    check: ({ job }) => assert.equal(job.attemptsMade, 2),
  },
  {
    name: 'times of the context', data: { op: 'context' },
    value(value, { job }) {
      assert.equal(value.enqueuedAt, job.timestamp);
      assert.ok(close(value.scheduledAt, 60_000) && value.deadline > Date.now() - 60_000, JSON.stringify(value));
      assert.ok(value.remaining > 0 && value.remaining <= 60_000);
      assert.equal(value.cancelled, false);
      assert.match(value.digest, /^sha256:[0-9a-f]{64}$/);
    },
  },
  {
    name: 'headers and trace context', data: { op: 'context', name: 'tenant' },
    opts: { headers: { tenant: 'ä', other: '2' }, telemetry: { metadata: JSON.stringify({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }) } },
    value(value) {
      assert.equal(value.header ?? null, value.headers.tenant ?? null);
      assert.equal(value.traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
      assert.equal(value.tracestate, 'a=b');
    },
  },
  { name: 'a header that is not there', data: { op: 'context', name: 'nobody' }, value: (value) => assert.equal(value.header, null) },

  // Log, progress, metrics
  {
    name: 'log lines with levels and fields', value: [null, null, null],
    data: [{ op: 'log', level: 'info', message: wide.replace('\u0000', ''), fields: {} }, { op: 'log', level: 'warn', message: 'careful', fields: { a: '1', b: 'x y' } }, { op: 'log', level: 'error', message: 'bad', fields: {} }],
    async check({ logs }) {
      const lines = await logs();
      assert.match(lines[0], /Grüße, 世界 — 👩‍🚀/);
      assert.match(lines[1], /^\[warn\] careful a=1 b="?x y"?$/);
      assert.equal(lines[2], '[error] bad');
    },
  },
  { name: 'levels that are kept', data: [{ op: 'logEnabled', level: 'error' }, { op: 'logEnabled', level: 'info' }], value: [true, true] },
  { name: 'standard output is the log', data: { op: 'print', line: 'printed ä' }, value: null, check: async ({ logs }) => assert.deepEqual(await logs(), ['printed ä']) },
  { name: 'progress as a percentage', data: { op: 'progress', done: 1, total: 4 }, value: null, check: ({ job }) => assert.equal(job.progress, 25) },
  { name: 'progress with a message', data: { op: 'progress', done: 1, total: 4, message: 'ä' }, value: null, check: ({ job }) => assert.deepEqual(job.progress, { done: 1, total: 4, message: 'ä' }) },
  { name: 'progress of any form', data: { op: 'progressSet', value: { at: ['x', 1] } }, value: null, check: ({ job }) => assert.deepEqual(job.progress, { at: ['x', 1] }) },
  { name: 'a checkpoint, in the same attempt', data: [{ op: 'loadCheckpoint' }, { op: 'saveCheckpoint', value: { at: 7 } }, { op: 'loadCheckpoint' }], value: [null, null, { at: 7 }] },
  {
    name: 'a checkpoint, in the next attempt', opts: { attempts: 2 }, value: [null, null, { at: 'ä' }],
    data: ({ key }) => [{ op: 'once', key, step: { op: 'saveCheckpoint', value: { at: 'ä' } } }, { op: 'once', key: `${key}-2`, step: { op: 'fail', kind: 'retryable', message: 'again' } }, { op: 'loadCheckpoint' }],
  },
  { name: 'the job’s data is replaced', data: { op: 'updateData', value: { new: 'ä' } }, value: null, check: ({ job }) => assert.deepEqual(job.data, { new: 'ä' }) },
  {
    name: 'metrics with labels', value: [null, null, null],
    data: [{ op: 'counter', name: 'mails_total', value: 3, labels: { kind: 'ä"\\' } }, { op: 'gauge', name: 'level', value: -1.5, labels: {} }, { op: 'histogram', name: 'size', value: 2, labels: {} }],
    async check({ sample }) {
      assert.equal(await sample('mails_total', { kind: 'ä"\\' }), 3);
      assert.equal(await sample('level', {}), -1.5);
      assert.equal(await sample('size_count', {}), 1);
    },
  },

  // Jobs of its own
  {
    name: 'a job for another queue', data: ({ other }) => ({ op: 'enqueue', job: { name: 'n', queue: other.name, data: { a: 'ä' }, delay: 600_000, options: { priority: 3 } } }),
    async value(value, { other }) {
      assert.equal(value.existing, false);
      const job = await other.queue.getJob(value.id);
      assert.deepEqual([job.name, job.data, job.delay, job.opts.priority], ['n', { a: 'ä' }, 600_000, 3]);
    },
  },
  {
    name: 'several jobs at once', data: ({ other }) => ({ op: 'enqueueMany', jobs: ['a', 'b'].map((name) => ({ name, queue: other.name, data: name, delay: 600_000 })) }),
    async value(values, { other }) {
      const jobs = await Promise.all(values.map(({ id }) => other.queue.getJob(id)));
      assert.deepEqual(jobs.map(({ name }) => name), ['a', 'b']);
    },
  },
  {
    name: 'a unique key', data: ({ other, unique }) => Array(2).fill({ op: 'enqueue', job: { name: 'n', queue: other.name, data: {}, delay: 600_000, uniqueKey: unique } }),
    value([first, second]) {
      assert.deepEqual([first.existing, second.existing, first.id], [false, true, second.id]);
    },
  },
  { name: 'a queue that is not allowed', data: { op: 'enqueue', job: { name: 'n', queue: 'not-allowed', data: {} }, catch: true }, value: { error: 'denied' } },
  { name: 'a queue that is not allowed, uncaught', data: { op: 'enqueue', job: { name: 'n', queue: 'not-allowed', data: {} } }, opts: { attempts: 3 }, failed: /./, check: ({ job }) => assert.equal(job.attemptsMade, 1) },
  {
    name: 'children that it waits for', value: [null, null, ['one', 'two']],
    data: ({ key, leaf }) => [
      { op: 'once', key, step: { op: 'enqueueMany', jobs: ['one', 'two'].map((value) => ({ name: 'leaf', queue: leaf.name, data: { steps: [{ op: 'return', value }] }, child: true })) } },
      { op: 'once', key: `${key}-2`, step: { op: 'fail', kind: 'wait-for-children' } }, { op: 'children' },
    ],
  },
  {
    name: 'children in every language',
    data: ({ key, languages }) => [
      { op: 'once', key, step: { op: 'enqueueMany', jobs: languages.map(({ name }) => ({ name: 'case', queue: name, data: { op: 'return', value: name }, child: true })) } },
      { op: 'once', key: `${key}-2`, step: { op: 'fail', kind: 'wait-for-children' } }, { op: 'children' },
    ],
    value: ([, , values], { languages }) => assert.deepEqual(values, languages.map(({ name }) => name).sort()),
  },
  { name: 'no children', data: [{ op: 'children' }, { op: 'failedChildren' }], value: [[], []] },

  // State, secrets
  {
    name: 'state', value: [null, null, { a: 'ä' }, true, null, false],
    data: ({ key }) => [{ op: 'stateGet', key }, { op: 'stateSet', key, value: { a: 'ä' }, ttl: 60_000 }, { op: 'stateGet', key }, { op: 'stateDelete', key }, { op: 'stateGet', key }, { op: 'stateDelete', key }],
  },
  { name: 'state that counts', data: ({ key }) => [{ op: 'stateIncrement', key, delta: 5 }, { op: 'stateIncrement', key, delta: -7, ttl: 60_000 }], value: [5, -2] },
  {
    name: 'state that is compared', value: [true, false, true, 2],
    data: ({ key }) => [{ op: 'stateCompareAndSet', key, value: 1 }, { op: 'stateCompareAndSet', key, expected: 7, value: 9 }, { op: 'stateCompareAndSet', key, expected: 1, value: 2 }, { op: 'stateGet', key }],
  },
  { name: 'state of which there is too much', data: ({ key }) => ({ op: 'stateSet', key, value: 'x'.repeat(70_000), catch: true }), value: { error: 'too-large' } },
  { name: 'a secret', data: { op: 'secret', name: 'KEY' }, value: 'top-s3cr3t'.length },
  { name: 'a secret that is not allowed', data: { op: 'secret', name: 'OTHER', catch: true }, value: { error: 'denied' } },
  { name: 'a secret that is not allowed, uncaught', data: { op: 'secret', name: 'OTHER' }, opts: { attempts: 3 }, failed: /OTHER|denied|allow/, check: ({ job }) => assert.equal(job.attemptsMade, 1) },

  // Limiters, breakers
  { name: 'a limiter with room', data: { op: 'tryAcquire', limiter: 'roomy', key: '', cost: 2 }, value: null },
  {
    name: 'a limiter without room', data: ({ key }) => [{ op: 'tryAcquire', limiter: 'narrow', key, cost: 1 }, { op: 'tryAcquire', limiter: 'narrow', key, cost: 1, catch: true }],
    value([, second]) {
      assert.equal(second.error, 'limited');
      assert.ok(second.retryAfter > 0 && second.retryAfter <= 3_601_000, JSON.stringify(second));
    },
  },
  { name: 'waiting for a limiter', data: ({ key }) => [{ op: 'acquire', limiter: 'quick', key, cost: 1, maxWait: 5_000 }, { op: 'acquire', limiter: 'quick', key, cost: 1, maxWait: 5_000 }], value: [false, true] },
  { name: 'waiting for a limiter no longer than asked', data: ({ key }) => [{ op: 'acquire', limiter: 'narrow', key, cost: 1, maxWait: 1 }, { op: 'acquire', limiter: 'narrow', key, cost: 1, maxWait: 1, catch: true }], value: ([, second]) => assert.equal(second.error, 'limited') },
  { name: 'a limiter that is not allowed', data: { op: 'tryAcquire', limiter: 'forbidden', key: '', cost: 1, catch: true }, value: { error: 'denied' } },
  { name: 'a limiter with a cost of zero', data: { op: 'tryAcquire', limiter: 'roomy', key: '', cost: 0, catch: true }, value: { error: 'invalid' } },
  {
    name: 'a limiter without room, uncaught, puts the job off', waits: true,
    data: ({ key }) => [key, `${key}-2`].map((once) => ({ op: 'once', key: once, step: { op: 'tryAcquire', limiter: 'quick', key, cost: 1 } })),
  },
  { name: 'a breaker that is closed', data: ({ key }) => ({ op: 'enter', breaker: 'service', key, outcome: 'success' }), value: null },
  {
    name: 'a breaker that opens', data: ({ key }) => [{ op: 'enter', breaker: 'service', key, outcome: 'failure' }, { op: 'enter', breaker: 'service', key, outcome: 'failure' }, { op: 'sleep', ms: 300 }, { op: 'enter', breaker: 'service', key, outcome: 'success', catch: true }],
    // How a call ended is told to Redis beside the handler, so it waits a moment.
    value([, , , last]) {
      assert.equal(last.error, 'open');
      assert.ok(last.retryAfter > 0, JSON.stringify(last));
    },
  },
  { name: 'a breaker that is not allowed', data: { op: 'enter', breaker: 'forbidden', key: '', outcome: 'success', catch: true }, value: { error: 'denied' } },

  // HTTP
  { name: 'HTTP', data: ({ url }) => ({ op: 'http', method: 'POST', url: `${url}/echo`, headers: { 'x-ask': 'yes' }, body: 'ä' }), value: { status: 201, body: 'POST ä', header: 'yes' } },
  { name: 'HTTP with a status of failure', data: ({ url }) => ({ op: 'http', method: 'GET', url: `${url}/missing` }), value: (value) => assert.equal(value.status, 404) },
  { name: 'HTTP, streamed', data: ({ url }) => ({ op: 'httpStream', url: `${url}/stream` }), value: 3_000_000 },
  { name: 'HTTP to a host that is not allowed', data: { op: 'http', method: 'GET', url: 'http://example.com/', catch: true }, value: (value) => assert.match(value.error, /^(denied|failed)$/) },
  { name: 'HTTP to nobody', data: ({ nobody }) => ({ op: 'http', method: 'GET', url: nobody, catch: true }), value: { error: 'failed' } },

  // Ends
  { name: 'retryable', data: { op: 'fail', kind: 'retryable', message: 'wäs', code: 'c', detail: 'more' }, opts: { attempts: 2 }, failed: /^wäs$/, check: ({ job }) => { assert.equal(job.attemptsMade, 2); assert.match(job.stacktrace[0], /more/); } },
  { name: 'permanent', data: { op: 'fail', kind: 'permanent', message: 'never', code: 'c', detail: 'more' }, opts: { attempts: 5 }, failed: /^never$/, check: ({ job }) => { assert.equal(job.attemptsMade, 1); assert.match(job.stacktrace[0], /more/); } },
  { name: 'rate-limited', data: ({ key }) => ({ op: 'once', key, step: { op: 'fail', kind: 'rate-limited', message: 'slow', retryAfter: 30 } }), waits: true },
  { name: 'deferred', data: ({ key }) => ({ op: 'once', key, step: { op: 'fail', kind: 'deferred', message: 'later', delay: 30 } }), waits: true },
  { name: 'an ordinary error', data: { op: 'throw', what: 'error', message: 'bööm' }, opts: { attempts: 2 }, failed: /bööm/, check: ({ job }) => assert.equal(job.attemptsMade, 2) },
  { name: 'an error without a text', data: { op: 'throw', what: 'empty' }, failed: /./ },
  { name: 'the oddest error', data: { op: 'throw', what: 'odd' }, failed: /./ },
  {
    name: 'a thrown text', data: { op: 'throw', what: 'text', message: 'bööm' }, failed: /bööm/,
    check({ job, language }) {
      // What is no error has no place in JavaScript.
      if (language !== 'js') assert.match(`${job.failedReason} ${job.stacktrace}`, /(handler\.(py|c|go)|lib\.rs)\W+.*\d/);
    },
  },
  { name: 'what ends the instance', data: { op: 'throw', what: 'panic' }, failed: /./ },
  { name: 'another job after that', data: { op: 'return', value: 'fine' }, value: 'fine' },
  { name: 'more memory than its limit', data: { op: 'hoard' }, failed: /^memory: the handler asked for more than its limit of 256 MiB/ },
  { name: 'a job after that, too', data: { op: 'return', value: 'fine' }, value: 'fine' },
  { name: 'an operation that there is not', data: { op: 'nonsense' }, opts: { attempts: 3 }, failed: /nonsense/, check: ({ job }) => assert.equal(job.attemptsMade, 1) },

  // Types
  { name: 'typed data', data: { op: 'typed', value: { to: 'ab', count: 2 } }, value: 'abab' },
  { name: 'typed data of another type', data: { op: 'typed', value: { to: 'ab', count: 'x' } }, opts: { attempts: 3 }, failed: /count/, check: ({ job }) => assert.equal(job.attemptsMade, 1) },
  { name: 'typed data without a field', data: { op: 'typed', value: { count: 1 } }, failed: /to/ },

  // Time, randomness, cancellation
  { name: 'the clock', data: { op: 'clock' }, value: (value) => assert.ok(close(value, 60_000), String(value)) },
  { name: 'sleeping', data: [{ op: 'clock' }, { op: 'sleep', ms: 50 }, { op: 'clock' }], value: ([before, , after]) => assert.ok(after - before >= 45, `${after - before} ms`) },
  { name: 'randomness differs between jobs and steps', data: [{ op: 'random' }, { op: 'random' }], value: (values, { seen }) => { for (const value of values) { assert.match(value, /^[0-9a-f]{32}$/); assert.ok(!seen.has(value)); seen.add(value); } }, times: 2 },
  { name: 'the soft timeout is seen', data: { op: 'untilCancelled' }, job: 'hasty', value: 'cancelled' },
  { name: 'the timeout', data: { op: 'sleep', ms: 60_000 }, job: 'hasty', failed: /^timeout: / },
  {
    name: 'waiting for what never comes', data: { op: 'never' }, job: 'hasty', failed: /./,
    check({ job, language }) {
      const said = { js: /^trap: the handler waits for a promise that nothing will settle/, go: /^trap: .*deadlock/ }[language];
      assert.match(job.failedReason, said ?? /^timeout: /);
    },
  },
  { name: 'cancellation', data: { op: 'sleep', ms: 60_000 }, cancel: true, failed: /^cancelled/ },
];
