// A real Prometheus scrapes a worker: every metric of the specification that a worker has from its start arrives, and the rules
// and every panel of the dashboard are evaluated without an error.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { v6 } from '../bullmq/lib/clients.mjs';
import { freePort, startRedis, startWorker, until } from '../bullmq/harness.mjs';
import { end, launch, makeFolder } from '../bullmq/lib/process.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
let redis, worker, queue, prometheus, base;

before(async () => {
  redis = await startRedis();
  worker = await startWorker({
    redis,
    queues: { mail: { jobs: { '*': { fuel: '10G' } } } },
    limiters: { api: { tiers: ['1000/s'] } },
    sections: { monitoring: { interval: '1s', health_interval: '500ms' } },
  });
  const folder = await makeFolder('prometheus');
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [path.join(root, 'deploy/prometheus/rules.yml')],
    scrape_configs: [{ job_name: 'gristmill', static_configs: [{ targets: [new URL(worker.base).host] }] }],
  };
  await writeFile(path.join(folder, 'prometheus.yml'), JSON.stringify(config));
  prometheus = launch('prometheus', [
    `--config.file=${path.join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${path.join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`,
  ]);
  queue = new v6.Queue('mail', { connection: redis.connection, prefix: redis.prefix });
  await work();
});

/** Fifty jobs, of which a fifth fails. */
function work() {
  const steps = (n) => (n % 5 ? [{ op: 'return', value: n }] : [{ op: 'fail', message: 'no', kind: 'permanent' }]);
  return queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ name: 'send', data: { steps: steps(n) } })));
}

after(async () => {
  if (prometheus) await end(prometheus, 'SIGTERM');
  await queue?.close();
  await worker?.stop();
  await redis?.stop();
});

async function ask(where, query) {
  const response = await fetch(`${base}/api/v1/${where}?${new URLSearchParams(query)}`).catch(() => undefined);
  return response?.status === 200 || response?.status === 400 ? response.json() : undefined; // it is still starting
}

const result = async (query) => (await ask('query', { query }))?.data?.result ?? [];

test('every metric that a working worker has arrives', async () => {
  await until(async () => (await result('gristmill_jobs_total{outcome="completed"}'))[0]?.value[1] === '40', () => `it is scraped:\n${prometheus.stderr.slice(-2_000)}`, 60_000);
  const page = await readFile(path.join(root, 'docs/reference/metrics.md'), 'utf8');
  const specified = [...page.matchAll(/^\| `([a-z_]+)` \| (\w+)/gm)].map(([, name, kind]) => (kind === 'histogram' ? `${name}_count` : name));
  const { data: names } = await ask('label/__name__/values', {});
  // A family without a series is not shown: these need an event that this worker did not have.
  const rare = /breaker|canary|core_dump|denied|deployment|dropped|limiter_calls|instances|limit_changes|locks_lost|memory_pressure|metric_refusals|not_scheduled|notifications|odd_options|poison|redis_errors|reused|soft_limits|stalled|strangers|swaps|timeout_seconds|gristmill_alerts|jobs_delayed|jobs_retried|waiting_children|otlp/;
  const missing = specified.filter((name) => !names.includes(name) && !rare.test(name));
  assert.deepEqual(missing, []);
  assert.ok(specified.length > 40, `${specified.length} metrics are specified`);
  const shown = names.filter((name) => name.startsWith('gristmill_')).map((name) => name.replace(/_(bucket|sum)$/, '_count'));
  assert.deepEqual(shown.filter((name) => !specified.includes(name)), [], 'nothing is shown that is not specified');
});

test('every rule is evaluated and the right ones hold', async () => {
  const rules = await until(async () => {
    const groups = (await ask('rules', {}))?.data.groups?.flatMap((group) => group.rules);
    return groups?.every((rule) => rule.health === 'ok') && groups;
  }, 'all rules are evaluated', 30_000);
  assert.equal(rules.length, 18);
  await work(); // a rate needs a count before it
  await until(async () => (await result('ALERTS{alertname="GristmillErrorRate"}')).length > 0, 'a fifth of the attempts fails', 90_000);
});

test('every panel finds its metric or has no series yet', async () => {
  const dashboard = JSON.parse(await readFile(path.join(root, 'deploy/grafana/gristmill.json'), 'utf8'));
  const answered = async () => {
    let found = 0;
    for (const { title, targets = [] } of dashboard.panels) {
      for (const { expr } of targets) {
        const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$queue', '.*').replaceAll('$job', '.*');
        const answer = await ask('query', { query });
        assert.equal(answer?.status, 'success', `${title}: ${answer?.error}`);
        found += answer.data.result.length > 0;
      }
    }
    return found;
  };
  await until(async () => (await answered()) > 20, async () => `most panels have a series; ${await answered()} have`, 60_000);
});
