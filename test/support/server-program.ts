/** A server in a process of its own: listens on its argument, or receives sockets from its parent, and tells by IPC. */
import type { Socket } from 'node:net';
import { createServer } from '../../src/index.ts';

const [how = '', url = '', times = '{}'] = process.argv.slice(2);
const server = createServer({ times: { closeWait: 200, ...JSON.parse(times) } });
server.on('connection', (socket) => {
  socket.handle('who', () => process.pid);
});

try {
  if (how === 'receive') {
    const take = await server.receive(url);
    process.on('message', (_, socket) => take(socket as Socket));
    process.send?.({ ready: true });
  } else {
    const isFree = how === 'unref' || how === 'ref';
    const endpoints = await server.listen({ url, unref: isFree });
    if (how === 'ref') for (const listener of server.listeners) listener.ref?.();
    process.send?.({ endpoints });
  }
} catch (error) {
  process.send?.({ code: (error as { code?: string }).code });
}
if (how === 'unref' || how === 'ref') process.disconnect();
