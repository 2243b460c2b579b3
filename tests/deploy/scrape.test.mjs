// A real Prometheus scrapes workers to which everything happens that they count: every metric of the specification arrives, and
// the rules are evaluated without an error, and every panel of the dashboard finds its metric.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { freePort, it, until } from '../bullmq/harness.mjs';
import { v6 } from '../bullmq/lib/clients.mjs';
import { Lab } from '../bullmq/lib/lab.mjs';
import { end, launch, makeFolder } from '../bullmq/lib/process.mjs';
import { provoked, waitsFor } from './provoke.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const lab = new Lab({ autostart: false, ready });
const mail = lab.queue(v6, 'mail', { jobs: { '*': { fuel: '10G' } } });
const start = provoked(lab, [mail]);
let provoke, prometheus, base;

async function ready() {
  const started = await start();
  provoke = started.provoke;
  const folder = await makeFolder('prometheus');
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const targets = started.workers.map((worker) => new URL(worker.base).host);
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [path.join(root, 'deploy/prometheus/rules.yml')],
    scrape_configs: [{ job_name: 'gristmill', static_configs: [{ targets }] }],
  };
  await writeFile(path.join(folder, 'prometheus.yml'), JSON.stringify(config));
  prometheus = launch('prometheus', [
    `--config.file=${path.join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${path.join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await work();
}

/** Fifty jobs, of which a fifth fails. */
function work() {
  const steps = (n) => (n % 5 ? [{ op: 'return', value: n }] : [{ op: 'fail', message: 'no', kind: 'permanent' }]);
  return mail.addAll(Array.from({ length: 50 }, (_, n) => [steps(n), {}, 'send']));
}

after(() => prometheus && end(prometheus, 'SIGTERM'));

async function ask(where, query) {
  const response = await fetch(`${base}/api/v1/${where}?${new URLSearchParams(query)}`).catch(() => undefined);
  return response?.status === 200 || response?.status === 400 ? response.json() : undefined; // it is still starting
}

const result = async (query) => (await ask('query', { query }))?.data?.result ?? [];

/** What Prometheus has of each family: its greatest value, for a histogram the greatest count. */
async function families() {
  const rows = await result('max by (__name__) ({__name__=~"(gristmill|bullmq)_.+", __name__!~".+_(bucket|sum)"})');
  return new Map(rows.map(({ metric, value }) => [metric.__name__, Number(value[1])]));
}

// Handlers are compiled in it, for a machine that has none in its cache.
it('every metric arrives', { timeout: 240_000 }, async () => {
  const page = await readFile(path.join(root, 'docs/reference/metrics.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z_]+)` \| (\w+)/gm)];
  const specified = new Map(rows.map(([, name, kind]) => [kind === 'histogram' ? `${name}_count` : name, kind]));
  assert.ok(specified.size > 40, `${specified.size} metrics are specified`);
  assert.deepEqual([...waitsFor.keys()].filter((name) => !specified.has(name)), [], 'nothing is provoked that is not specified');

  await provoke();
  // A gauge is there, anything else has counted. But for panics of the host: one would be a bug, so nothing here makes one.
  const came = (seen, name, kind) => (kind === 'gauge' || name === 'gristmill_panics_total' ? seen.has(name) : seen.get(name) > 0);
  const missing = async () => {
    const seen = await families();
    const names = [...specified].filter(([name, kind]) => !came(seen, name, kind)).map(([name]) => name);
    return names.map((name) => (waitsFor.has(name) ? `${name}: ${waitsFor.get(name)}` : name));
  };
  await until(
    async () => (await missing()).length === 0,
    async () => `every metric arrives; missing are\n${(await missing()).join('\n')}\n${prometheus.stderr.slice(-2_000)}`,
    60_000,
  );
  const shown = [...(await families()).keys()];
  assert.deepEqual(shown.filter((name) => !specified.has(name)), [], 'nothing is shown that is not specified');
  const completed = await result(`gristmill_jobs_total{queue="${mail.name}",outcome="completed"}`);
  assert.equal(completed[0].value[1], '40');
});

it('every rule is evaluated and the right ones hold', { timeout: 150_000 }, async () => {
  const rules = await until(async () => {
    const groups = (await ask('rules', {}))?.data.groups?.flatMap((group) => group.rules);
    return groups?.every((rule) => rule.health === 'ok') && groups;
  }, 'all rules are evaluated', 30_000);
  assert.equal(rules.length, 19);
  await work(); // a rate needs a count before it
  await until(async () => (await result(`ALERTS{alertname="GristmillErrorRate",queue="${mail.name}"}`)).length > 0, 'a fifth of the attempts fails', 90_000);
});

it('every panel finds its metric', async () => {
  const dashboard = JSON.parse(await readFile(path.join(root, 'deploy/grafana/gristmill.json'), 'utf8'));
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  assert.ok(queries.length > 20, `${queries.length} queries are on the dashboard`);
  const empty = async () => {
    const found = [];
    for (const { title, expr } of queries) {
      const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$queue', '.*').replaceAll('$job', '.*');
      const answer = await ask('query', { query });
      assert.equal(answer?.status, 'success', `${title}: ${answer?.error}`);
      if (answer.data.result.length === 0) found.push(`${title}: ${expr}`);
    }
    return found;
  };
  await until(async () => (await empty()).length === 0, async () => `every panel has a series; these have none\n${(await empty()).join('\n')}`, 30_000);
});
