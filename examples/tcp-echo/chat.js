// A chat for telnet, nc and socat: what one types, all others read.
//   node examples/tcp-echo/chat.js [--port 7001]

import { parseArgs } from 'node:util';
import { createServer } from 'hawser';

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values } = parseArgs({ options: { port: { type: 'string', default: '7001' } } });
const server = createServer({ limits: { messageBytes: 1000 } });
let guests = 0;

server.on('connection', (socket) => {
  guests += 1;
  const name = `guest ${guests}`;
  socket.join('all');
  socket.send('message', `you are ${name}; ${server.stats.sockets} here`);
  socket.to('all').send('message', `${name} is here`);
  socket.on('message', (line) => {
    if (line === '/quit') socket.close(1000, '');
    else socket.to('all').send('message', `${name}: ${String(line)}`);
  });
  socket.on('close', () => server.to('all').send('message', `${name} has left`));
});

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => void server.close());

try {
  const [endpoint] = await server.listen(`tcp://127.0.0.1:${values.port}?dialect=line`);
  console.log(`listening on ${endpoint}`);
} catch (error) {
  console.error(`server: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
