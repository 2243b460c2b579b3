// Traces and BullMQ's metrics over OTLP: the producer's trace goes on through the attempt, its calls, requests and new jobs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { metrics } from '@opentelemetry/api';
import { Queue, Worker } from 'bullmq';
import { BullMQOtel } from 'bullmq-otel';
import { freePort, it, startRedis, startWorker, until } from './harness.mjs';
import { startCollector } from './lib/collector.mjs';

// Soon, so that nothing waits for the next batch.
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_METRIC_EXPORT_INTERVAL: '200' };
const steps = (...list) => ({ steps: list });
let redis;
let collector;
let provider;
let outside;
const asked = [];

before(async () => {
  redis = await startRedis();
  collector = await startCollector();
  // The producer's own spans go to the same collector, by OpenTelemetry's own exporter.
  provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: collector.url }))] });
  provider.register();
  outside = createServer((request, response) => {
    asked.push(request.headers);
    response.statusCode = request.url === '/broken' ? 503 : 200;
    response.end('hello');
  });
  await once(outside.listen(0, '127.0.0.1'), 'listening');
});
after(async () => {
  await provider?.shutdown();
  outside?.close();
  collector?.close();
  await redis?.stop();
});

/** A worker that sends to the collector, and producers of its queues that trace; both end with the test. */
async function start(t, { queues, telemetry = {}, env = {} }) {
  const worker = await startWorker({ redis, queues, sections: { telemetry: { otlp: collector.url, ...telemetry } }, env: { ...SOON, ...env } });
  const tracing = new BullMQOtel({ tracerName: 'shop' });
  const made = Object.keys(queues).map((name) => new Queue(name, { connection: redis.connection, prefix: redis.prefix, telemetry: tracing }));
  t.after(async () => {
    await worker.stop();
    await Promise.all(made.map((queue) => queue.close()));
  });
  return { worker, queues: made };
}

const named = (name) => collector.spans.find((span) => span.name === name);
const seen = (name) => until(() => named(name), `the span ${name}`);

it.ours('a trace goes from the producer through attempt, calls and requests into jobs that the handler adds', async (t) => {
  const url = `http://127.0.0.1:${outside.address().port}`;
  const allow = { http: [`127.0.0.1:${outside.address().port}`], enqueue: ['second'] };
  const mill = await start(t, { queues: { first: { jobs: { '*': { allow } } }, second: {} } });
  const [first, second] = mill.queues;
  const inner = steps({ op: 'return', value: 'done' });
  const job = await first.add('welcome', steps(
    { op: 'state-set', key: 'k', value: 1 },
    { op: 'http', method: 'GET', url: `${url}/fine?token=hush` },
    { op: 'http', method: 'POST', url: `${url}/broken` },
    { op: 'enqueue', queue: 'second', name: 'next', data: inner },
    { op: 'return', value: 'all' },
  ));
  await seen('process second');
  const attempt = named('process first');
  const producer = await seen('add first.welcome');
  assert.equal(new Set(collector.spans.map((span) => span.trace)).size, 1, 'all of it is one trace');
  const children = collector.spans.filter((span) => span.parent === attempt.id);
  assert.equal(attempt.parent, producer.id);
  assert.deepEqual(children.map(({ name, kind }) => [name, kind]), [['state', 'internal'], ['GET', 'client'], ['POST', 'client'], ['add second.next', 'producer']]);
  assert.equal(named('process second').parent, named('add second.next').id);

  // BullMQ's own names, so that searches for its workers find ours; what ran and how it went beside them.
  assert.equal(attempt.kind, 'consumer');
  const { 'bullmq.worker.id': id, 'gristmill.peak_memory': peak, ...rest } = attempt.attributes;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.ok(peak > 0);
  assert.match(rest['gristmill.module'], /^sha256:/);
  delete rest['gristmill.module'];
  assert.deepEqual(rest, {
    'bullmq.queue.name': 'first', 'bullmq.queue.operation': 'process', 'bullmq.job.id': job.id, 'bullmq.job.name': 'welcome',
    'bullmq.worker.name': mill.worker.name, 'gristmill.attempt': 1, 'gristmill.outcome': 'completed',
  });
  assert.deepEqual([attempt.status.code, attempt.events], ['ok', ['job completed']]);
  assert.equal(attempt.resource['service.name'], 'gristmill');
  assert.equal(attempt.resource['service.instance.id'], id);

  // Requests carry the trace on, and say nothing that may be secret.
  const [get, post] = [named('GET'), named('POST')];
  assert.deepEqual(asked.map((headers) => headers.traceparent), [get, post].map((span) => `00-${span.trace}-${span.id}-01`));
  assert.deepEqual(get.attributes, { 'http.request.method': 'GET', 'server.address': '127.0.0.1', 'server.port': outside.address().port, 'http.response.status_code': 200 });
  assert.deepEqual([get.status.code, post.status.code, post.attributes['http.response.status_code']], ['unset', 'error', 503]);
  assert.ok(!JSON.stringify(collector.spans.filter((span) => span.service === 'gristmill')).includes('hush'));

  // What is kept with the new job is what BullMQ's own clients keep.
  const next = (await second.getJobs(['completed']))[0];
  assert.equal(JSON.parse(next.opts.telemetry.metadata).traceparent, `00-${producer.trace}-${named('add second.next').id}-01`);
});

it.ours('each attempt has its span, and a failed one says why', async (t) => {
  const mill = await start(t, { queues: { retried: {} }, env: { OTEL_SERVICE_NAME: 'mill-of-mine' } });
  const [queue] = mill.queues;
  await queue.add('odd', steps({ op: 'if', attempt: 1, steps: [{ op: 'fail', message: 'paper jam' }] }, { op: 'return', value: 1 }), { attempts: 2 });
  const attempts = () => collector.spans.filter((span) => span.name === 'process retried');
  await until(() => attempts().length === 2, 'two attempts are traced');
  const [bad, good] = attempts();
  assert.deepEqual([bad.status.code, bad.events, good.status.code], ['error', ['job failed'], 'ok']);
  assert.match(bad.status.message, /paper jam/);
  assert.deepEqual(attempts().map((span) => span.attributes['gristmill.attempt']), [1, 2]);
  assert.equal(bad.trace, good.trace);
  assert.equal(bad.service, 'mill-of-mine');
});

it.ours('a producer that leaves a job out of its traces is obeyed, and only a part of the others begins one', async (t) => {
  const mill = await start(t, { queues: { plain: {}, last: {} }, telemetry: { sample: 0 } });
  const [plain, last] = mill.queues;
  await plain.add('a', steps({ op: 'return', value: 1 }), { telemetry: { omitContext: true } });
  await until(async () => (await plain.getCompletedCount()) === 1, 'the job completed');
  // Sampled by its producer, so it is sent; and with it would come whatever was kept before it.
  await last.add('b', steps({ op: 'return', value: 1 }));
  await seen('process last');
  assert.equal(named('process plain'), undefined);
});

it.ours('metrics over OTLP are those of a Node worker, by name, unit, kind and attributes', async (t) => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] });
  metrics.setGlobalMeterProvider(meters);
  const measured = new BullMQOtel({ tracerName: 'shop', enableMetrics: true });
  const peer = new Queue('measured-by-node', { connection: redis.connection, prefix: redis.prefix, telemetry: measured });
  const node = new Worker('measured-by-node', async (job) => {
    if (job.attemptsMade < (job.data.fails ?? 0)) throw new Error('no');
  }, { connection: redis.connection, prefix: redis.prefix, telemetry: measured });
  t.after(() => Promise.all([node.close(), peer.close()]));
  const mill = await start(t, { queues: { measured: {} } });
  const [queue] = mill.queues;
  const fail = { op: 'fail', message: 'no' };
  const kinds = [[{}, {}], [{ fails: 1 }, { attempts: 2 }], [{ fails: 1 }, { attempts: 2, backoff: 10 }], [{ fails: 1 }, {}]];
  for (const [data, options] of kinds) {
    await peer.add('n', data, options);
    await queue.add('n', data.fails ? steps({ op: 'if', attempt: 1, steps: [fail] }) : steps({ op: 'return', value: 1 }), options);
  }
  for (const each of [peer, queue]) await until(async () => (await each.getCompletedCount()) + (await each.getFailedCount()) === 4, 'all jobs have ended');
  await peer.recordJobCountsMetric();
  await meters.forceFlush();

  const expected = exporter.getMetrics().at(-1).scopeMetrics.flatMap((scope) => scope.metrics).flatMap((metric) => metric.dataPoints.map((point) => ({
    name: metric.descriptor.name, unit: metric.descriptor.unit, description: metric.descriptor.description, attributes: point.attributes,
    kind: point.value.buckets ? 'histogram' : metric.isMonotonic ? 'sum' : 'gauge', value: point.value.count ?? point.value, bounds: point.value.buckets?.boundaries,
  })));
  const shape = ({ name, unit, description, kind, attributes, value, bounds }) => {
    const { 'bullmq.queue.name': _, ...rest } = attributes;
    return JSON.stringify([name, unit, description, kind, Object.entries(rest).sort(), value, bounds ?? []]);
  };
  const shapes = (points) => [...new Set(points.map(shape))].sort();
  assert.ok(expected.length >= 14, `${expected.length} series of the Node worker`);
  const latest = () => {
    const series = new Map();
    // BullMQ 5 counts jobs of a paused queue apart, BullMQ 6 knows no such state.
    const wanted = ({ attributes }) => attributes['bullmq.queue.name'] === 'measured' && attributes['bullmq.queue.jobs.state'] !== 'paused';
    for (const point of collector.points.filter(wanted)) {
      series.set(JSON.stringify([point.name, point.attributes]), point);
    }
    return [...series.values()];
  };
  await until(() => shapes(latest()).join() === shapes(expected).join(), 'the same series have come', 20_000).catch(() => assert.deepEqual(shapes(latest()), shapes(expected)));

  // On /metrics the same, under the names that Prometheus knows them by.
  const page = await mill.worker.metrics();
  const label = 'bullmq_job_name="n",bullmq_job_state';
  assert.match(page, new RegExp(`bullmq_jobs_completed_total{${label}="completed",bullmq_queue_name="measured"} 3`));
  assert.match(page, new RegExp(`bullmq_job_duration_milliseconds_count{${label}="retried",bullmq_queue_name="measured"} 1`));
  assert.match(page, /bullmq_queue_jobs{bullmq_queue_jobs_state="completed",bullmq_queue_name="measured"} 3/);
});

it.ours('a collector that is down holds nothing up, is told once, and gets what comes after', async (t) => {
  const port = await freePort();
  const worker = await startWorker({ redis, queues: { alone: {} }, sections: { telemetry: { otlp: `http://127.0.0.1:${port}`, metrics: false } }, env: SOON });
  t.after(() => (worker.alive() ? worker.kill() : undefined));
  const queue = new Queue('alone', { connection: redis.connection, prefix: redis.prefix });
  t.after(() => queue.close());
  const add = async (count) => queue.addBulk(Array.from({ length: count }, () => ({ name: 'n', data: steps({ op: 'return', value: 1 }) })));
  const failed = async () => Number(/gristmill_otlp_exports_total{result="failed",what="spans"} (\d+)/.exec(await worker.metrics())?.[1] ?? 0);
  await add(20);
  await until(async () => (await failed()) >= 20, 'the spans are given up');
  await add(5);
  await until(async () => (await failed()) >= 25, 'those after them too');
  assert.equal(await queue.getCompletedCount(), 25);
  assert.equal(worker.stderr.match(/takes no OTLP/g)?.length, 1);
  const late = await startCollector(port);
  t.after(() => late.close());
  await add(1);
  await until(async () => {
    if (late.spans.length) return true;
    // gRPC tries again after a while of its own.
    await add(1);
    return false;
  }, 'spans come again', 30_000);
  await until(() => /takes OTLP again/.test(worker.stderr), 'that is told');
  // The last seconds are sent before the worker ends.
  const before = late.spans.length;
  const [job] = await add(1);
  await until(async () => (await job.getState()) === 'completed', 'the last job completed');
  await worker.stop();
  assert.ok(late.spans.some((span) => span.attributes['bullmq.job.id'] === job.id), `among the ${late.spans.length - before} last`);
});

it.ours('an address that is none is refused before anything starts', async () => {
  await assert.rejects(startWorker({ redis, queues: { q: {} }, sections: { telemetry: { otlp: 'collector:4317' } } }), /telemetry\.otlp.*is no address.*http:\/\/HOST:4317/s);
});
