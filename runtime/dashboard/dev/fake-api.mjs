// The dashboard over made-up queues, for work on its pages without a worker: `npm run dev [PORT]`, after `npm run build`.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fakeData } from './fake-data.mjs';

const assets = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../control/assets');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts it; `role` is what every caller gets, `token` what one must give. */
export async function startFake({ port = 0, role = 'admin', payloads = true, token, refreshMs = 2_000 } = {}) {
  const world = fakeData();
  const streams = new Set();
  const session = () => ({ who: token ? 'dev' : 'loopback', role, payloads, refresh_ms: refreshMs, version: '0.1.0', worker: 'mill-1', queues: world.names });

  const routes = [
    ['GET', /^session$/, session],
    ['GET', /^health$/, () => world.health()],
    ['GET', /^alerts$/, (_, query) => world.alerts(query.get('state') ?? 'active')],
    ['POST', /^alerts\/([^/]+)\/acknowledge$/, ([id], _, body) => world.acknowledge(id, body)],
    ['GET', /^workers$/, () => world.workers()],
    ['GET', /^history$/, (_, query) => world.history(query.get('queue'), Number(query.get('from_ms')), Number(query.get('points') ?? 200))],
    ['GET', /^statistics$/, (_, query) => world.statistics(query.get('queue'))],
    ['GET', /^anomalies$/, () => world.anomalies()],
    ['GET', /^scaling$/, () => world.scaling()],
    ['GET', /^scaling\/history$/, () => world.scalingHistory()],
    ['GET', /^queues$/, () => world.queues()],
    ['GET', /^queues\/([^/]+)$/, ([queue]) => world.queue(queue)],
    ['GET', /^queues\/([^/]+)\/jobs$/, ([queue], query) => world.jobs(queue, query)],
    ['POST', /^queues\/([^/]+)\/jobs$/, ([queue], _, body) => world.add(queue, body)],
    ['GET', /^queues\/([^/]+)\/jobs\/([^/]+)$/, ([queue, id]) => world.job(queue, id)],
    ['GET', /^queues\/([^/]+)\/jobs\/([^/]+)\/logs$/, ([queue, id], query) => world.logs(queue, id, query)],
    ['GET', /^queues\/([^/]+)\/jobs\/([^/]+)\/flow$/, ([queue, id]) => world.flow(queue, id)],
    ['GET', /^queues\/([^/]+)\/schema$/, (_, query) => world.schema(query.get('job'))],
    ['GET', /^queues\/([^/]+)\/schedulers$/, ([queue]) => world.schedulers(queue)],
    ['GET', /^limiters$/, () => world.limiters()],
    ['GET', /^limiters\/([^/]+)$/, ([name]) => world.limiters().find((one) => one.limiter === name)],
    ['GET', /^breakers$/, () => world.breakers()],
    ['GET', /^deployments$/, () => world.deployments()],
    ['GET', /^deployments\/([^/]+)$/, ([queue]) => world.deployment(queue)],
    ['GET', /^modules$/, () => world.modules()],
    ['GET', /^core-dumps$/, () => world.coreDumps()],
    ['GET', /^settings$/, () => world.settings()],
    ['GET', /^audit$/, () => world.audit()],
    // Changes are answered and forgotten.
    ['POST', /^queues\/[^/]+\/(drain|clean|retry|promote)$/, () => ({ removed: 3, retried: 3, promoted: 3 })],
    ['PATCH', /^queues\/[^/]+\/limits$/, () => ({ concurrency: null, max: null, duration_ms: null, held_ms: null })],
    ['(POST|PUT|DELETE|PATCH)', /./, () => undefined],
  ];

  function answer(response, status, body) {
    response.writeHead(status, body === undefined ? {} : { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  function follow(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    streams.add(response);
    let id = 0;
    const send = () => {
      for (const [event, data] of [['health', world.health()], ['alerts', world.alerts('active')], ['workers', world.workers()]]) {
        response.write(`id: ${(id += 1)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      }
    };
    send();
    const timer = setInterval(send, refreshMs);
    response.on('close', () => {
      clearInterval(timer);
      streams.delete(response);
    });
  }

  async function api(request, response, where, query) {
    if (token && request.headers.authorization !== `Bearer ${token}`) return answer(response, 401, { error: 'no known token' });
    if (where === 'events') return follow(response);
    if (role === 'viewer' && request.method !== 'GET') return answer(response, 403, { error: 'the role viewer looks only' });
    let text = '';
    for await (const chunk of request) text += chunk;
    for (const [method, pattern, work] of routes) {
      const match = pattern.exec(where);
      if (!match || !new RegExp(`^${method}$`).test(request.method)) continue;
      const body = await work(match.slice(1).map(decodeURIComponent), query, text ? JSON.parse(text) : undefined);
      if (body === null) return answer(response, 404, { error: 'there is no such thing' });
      return answer(response, body === undefined ? 204 : 200, payloads ? body : hide(body));
    }
    return answer(response, 404, { error: 'there is no such call' });
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://fake');
    try {
      if (url.pathname.startsWith('/api/v1/')) return await api(request, response, url.pathname.slice(8), url.searchParams);
      const file = path.normalize(url.pathname === '/' ? '/index.html' : url.pathname);
      response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'text/plain', 'content-security-policy': POLICY });
      return response.end(await readFile(path.join(assets, file)));
    } catch (error) {
      if (!response.headersSent) response.writeHead(404);
      return response.end(String(error.message));
    }
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    base: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      for (const stream of streams) stream.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Jobs as a caller without the right to payloads sees them. */
function hide(body) {
  const one = (job) => (job?.fields ? { ...job, hidden: true, logs: [], fields: { ...job.fields, data: undefined, returnvalue: undefined, progress: undefined } } : job);
  return Array.isArray(body) ? body.map(one) : one(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { base } = await startFake({ port: Number(process.argv[2] ?? 7677), role: process.env.ROLE, token: process.env.TOKEN });
  console.log(base);
}
