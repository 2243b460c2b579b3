// The other end of a webhook.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { freePort } from './process.mjs';

/** A receiver of webhooks that keeps what it gets; `answer` decides what it says, 299 that it never ends its answer. */
export async function receiver() {
  const got = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      got.push({ headers: request.headers, text: body, body: JSON.parse(body) });
      response.statusCode = made.answer(got.length);
      if (response.statusCode !== 299) response.end();
    });
  });
  const port = await freePort();
  const made = {
    got,
    answer: () => 204,
    url: `http://127.0.0.1:${port}/hook`,
    /** Where it was closed, it is there again. */
    listen: () => once(server.listen(port, '127.0.0.1'), 'listening'),
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
  await made.listen();
  return made;
}
