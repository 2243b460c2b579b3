// A collector that takes traces and metrics over OTLP and keeps them.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const protos = path.join(path.dirname(fileURLToPath(import.meta.url)), '../proto/otlp');
const files = ['trace.proto', 'metrics.proto'];
const { opentelemetry } = loadPackageDefinition(loadSync(files, { includeDirs: [protos], keepCase: true, longs: Number, defaults: true, oneofs: true }));
const { trace, metrics } = opentelemetry.proto.collector;

function plain(attributes) {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value[value.value]]));
}

/** Listens on `port`, or a free one; `spans` and `points` hold all that has come. */
export async function startCollector(port = 0) {
  const spans = [];
  const points = [];
  const takeSpans = ({ request }, answer) => {
    for (const { resource, scope_spans: scopes } of request.resource_spans) {
      for (const span of scopes.flatMap((scope) => scope.spans)) {
        spans.push({
          service: plain(resource.attributes)['service.name'],
          resource: plain(resource.attributes),
          trace: span.trace_id.toString('hex'),
          id: span.span_id.toString('hex'),
          parent: span.parent_span_id.toString('hex'),
          name: span.name,
          kind: ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'][span.kind],
          attributes: plain(span.attributes),
          events: span.events.map((event) => event.name),
          status: { code: ['unset', 'ok', 'error'][span.status?.code ?? 0], message: span.status?.message },
          ms: (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        });
      }
    }
    answer(null, {});
  };
  const takeMetrics = ({ request }, answer) => {
    const all = request.resource_metrics.flatMap((resource) => resource.scope_metrics).flatMap((scope) => scope.metrics);
    for (const metric of all) {
      const kind = metric.data;
      for (const point of metric[kind].data_points) {
        points.push({ name: metric.name, unit: metric.unit, description: metric.description, kind, attributes: plain(point.attributes), value: kind === 'histogram' ? point.count : point[point.value], bounds: point.explicit_bounds });
      }
    }
    answer(null, {});
  };
  const server = new Server({ 'grpc.max_receive_message_length': 64 << 20 });
  server.addService(trace.v1.TraceService.service, { Export: takeSpans });
  server.addService(metrics.v1.MetricsService.service, { Export: takeMetrics });
  const bound = await new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at)));
  });
  return { url: `http://127.0.0.1:${bound}`, spans, points, close: () => server.forceShutdown() };
}
