import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { pattern } from '../../udp/tally.ts';
import type { Peer } from './index.ts';

/**
 * What node:net costs without any protocol: the first bytes of a connection are answered like an upgrade, all further ones come back as
 * they are, in the client's mask; a burst is one write.
 */
export const net: Peer = {
  serve: async ({ kind, burst, size }) => {
    const sockets = new Set<Socket>();
    const news = Buffer.concat(Array.from({ length: burst }, () => Buffer.from([0x82, size, ...pattern(size % 126)])));
    const server = createServer({ noDelay: true }, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
        sockets.add(socket);
        socket.on('data', (bytes) => {
          if (kind === 'echo') socket.write(bytes);
          else for (const one of sockets) one.write(news);
        });
      });
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
};
