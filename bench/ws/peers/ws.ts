import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { pattern } from '../../udp/tally.ts';
import type { Peer } from './index.ts';

/** `ws` as its documentation has it; compression is off by default. */
export const ws: Peer = {
  serve: async ({ kind, burst, size }) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    const news = Buffer.from(pattern(size));
    server.on('connection', (socket) => {
      socket.on('message', (data: Buffer, isBinary) => {
        if (kind === 'echo') {
          socket.send(data, { binary: isBinary });
          return;
        }
        for (let i = 0; i < burst; i++) for (const one of server.clients) one.send(news);
      });
    });
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
};
