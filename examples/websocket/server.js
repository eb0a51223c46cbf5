// The services of a WebSocket tutorial on one port, each at a path of its own, for clients that know nothing of Hawser.
//   node examples/websocket/server.js [--port 3000] [--root hello] [--every 10]

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { binary, broadcast, channel, chat, hello, publish, push } from './services.js';

/** @import { IncomingMessage, ServerResponse } from 'node:http' */

const options = /** @type {const} */ ({
  port: { type: 'string', default: '3000' },
  root: { type: 'string', default: 'hello' },
  every: { type: 'string', default: '10' },
});

async function main() {
  const { values } = parseArgs({ options });
  const page = await readFile(new URL('page.html', import.meta.url));
  /** Whoever asks for something that is no WebSocket gets the page. @type {(request: IncomingMessage, response: ServerResponse) => void} */
  const onRequest = (request, response) => {
    const found = request.url?.split('?')[0] === '/';
    response.writeHead(found ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(found ? page : 'not found');
  };
  const server = createServer({ onRequest, limits: { messageBytes: 64 * 1024 }, times: { namespaceGrace: 5000 } });

  const services = { hello, binary, broadcast, publish, push: push(Number(values.every) * 1000), chat };
  for (const [name, service] of Object.entries(services)) service(server.of(`/${name}`, { dialect: 'raw' }));
  hello(server.of('/room1', { dialect: 'raw' }));
  hello(server.of('/room2', { dialect: 'raw' }));
  // Made when the first client comes, dropped when the last one has gone.
  channel(server.of('/channel/:id', { dialect: 'raw' }));
  chat(server.of('/channel', { dialect: 'raw' }));

  const root = Object.entries(services).find(([name]) => name === values.root)?.[1];
  if (!root) throw new Error(`--root is one of ${Object.keys(services).join(', ')}`);
  root(server.of('/', { dialect: 'raw' }));

  const [url = ''] = await server.listen(`ws://127.0.0.1:${values.port}`);
  console.log(`listening on ${url}, a page on ${url.replace('ws:', 'http:')}/`);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => void server.close());
}

main().catch((error) => {
  console.error(`server: ${error.message}`);
  process.exitCode = 1;
});
