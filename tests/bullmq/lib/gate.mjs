// What jobs wait at.
import { once } from 'node:events';
import { createServer } from 'node:http';

/** A server that answers nobody until it is told to; so jobs that ask it all run at once, however slow the machine. */
export async function gate() {
  const asked = [];
  const server = createServer((_, response) => asked.push(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  const open = () => {
    server.removeAllListeners('request').on('request', (_, response) => response.end());
    for (const response of asked.splice(0)) response.end();
  };
  const address = `127.0.0.1:${port}`;
  return { address, wait: { op: 'http', url: `http://${address}/` }, open, close: () => server.close() };
}
