// Redis as it is deployed: a Cluster, Sentinels with a replica, TLS, a unix socket, users with few rights.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { end, freePort, launch, makeFolder, removeFolder, until } from './process.mjs';

const run = promisify(execFile);
const servers = [];
const folders = [];

export async function folder() {
  const dir = await makeFolder('deployment');
  folders.push(dir);
  return dir;
}

/** Ends some of the servers; other labs of the process go on. */
export async function stopServers(some) {
  await Promise.all(some.map(({ program }) => end(program, 'SIGKILL')));
  await Promise.all(some.map(({ dir }) => removeFolder(dir)));
}

/** Ends every server that was started here. */
export async function stopAll() {
  await Promise.all(servers.splice(0).map((server) => end(server, 'SIGKILL')));
  await Promise.all(folders.splice(0).map(removeFolder));
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('connect', () => socket.end());
  });

/** Starts a redis-server, or with `sentinel` a Sentinel; resolves once it listens. */
export async function server(args, { port, sentinel = false } = {}) {
  const listen = port ?? (await freePort());
  const dir = await folder();
  const common = ['--port', String(listen), '--bind', '127.0.0.1', '--dir', dir];
  const program = sentinel
    ? launch('redis-server', [...args, '--sentinel', ...common])
    : launch('redis-server', [...common, '--save', '', '--appendonly', 'no', ...args]);
  servers.push(program);
  await until(async () => {
    if (!program.alive()) throw new Error(`redis-server ended: ${program.stdout}${program.stderr}`);
    return answers(listen);
  }, 'redis-server listens');
  return { port: listen, dir, program };
}

/** A Cluster of three masters that has all slots. */
export async function cluster() {
  const nodes = [];
  for (let n = 0; n < 3; n++) {
    // The second port of a node is by default 10000 above the first, where another test's server may be.
    const bus = await freePort();
    const node = await server(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-port', String(bus)]);
    nodes.push({ ...node, bus });
  }
  const clients = nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1' }));
  const share = 16384 / 3;
  for (const [n, client] of clients.entries()) {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', Math.ceil(n * share), Math.ceil((n + 1) * share) - 1);
    if (n > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', nodes[0].port, nodes[0].bus);
  }
  await until(async () => {
    const states = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')));
    return states.every((state) => /cluster_state:ok/.test(state) && /cluster_known_nodes:3/.test(state));
  }, 'the Cluster is whole');
  for (const client of clients) client.disconnect();
  return nodes;
}

/** A master, a replica and a Sentinel that fails over within a second or two. */
export async function sentinel() {
  const master = await server([]);
  const replica = await server(['--replicaof', '127.0.0.1', String(master.port)]);
  const file = path.join(await folder(), 'sentinel.conf');
  await writeFile(file, [
    `sentinel monitor mill 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds mill 500',
    'sentinel failover-timeout mill 3000',
    '',
  ].join('\n'));
  const watcher = await server([file], { sentinel: true });
  const client = new Redis({ port: watcher.port, host: '127.0.0.1' });
  await until(async () => {
    const replicas = await client.call('SENTINEL', 'replicas', 'mill');
    return replicas.length === 1 && !JSON.stringify(replicas).includes('disconnected');
  }, 'the Sentinel knows the replica');
  const current = async () => Number((await client.call('SENTINEL', 'get-master-addr-by-name', 'mill'))[1]);
  /** True once the Sentinel sees nothing wrong with the present master any more. */
  const settled = async () => {
    const fields = await client.call('SENTINEL', 'master', 'mill');
    return fields[fields.indexOf('flags') + 1] === 'master';
  };
  return { master, replica, watcher, current, settled, close: () => client.disconnect() };
}

/** A server that speaks only TLS, with a certificate of an authority of its own. */
export async function tls() {
  const dir = await folder();
  const at = (name) => path.join(dir, name);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', at('ca.key'),
    '-out', at('ca.pem'), '-subj', '/CN=gristmill test']);
  await run('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('key.pem'), '-out', at('csr.pem'), ...subject]);
  await run('openssl', ['x509', '-req', '-in', at('csr.pem'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'),
    '-CAcreateserial', '-days', '2', '-copy_extensions', 'copy', '-out', at('cert.pem')]);
  const port = await freePort();
  const program = launch('redis-server', ['--port', '0', '--tls-port', String(port), '--bind', '127.0.0.1',
    '--dir', dir, '--save', '', '--tls-cert-file', at('cert.pem'), '--tls-key-file', at('key.pem'),
    '--tls-ca-cert-file', at('ca.pem'), '--tls-auth-clients', 'no']);
  servers.push(program);
  await until(() => answers(port), 'redis-server listens');
  return { port, ca: at('ca.pem'), trusted: await readFile(at('ca.pem')) };
}
