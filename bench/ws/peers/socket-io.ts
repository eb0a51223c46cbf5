import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { words } from '../words.ts';
import type { Peer } from './index.ts';

type Acknowledge = (answer: string) => void;

/** Socket.IO with its defaults; clients use WebSocket from the start. */
export const socketIo: Peer = {
  serve: async ({ burst, size }) => {
    const http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
    const server = new Server(http);
    const news = words(size);
    server.on('connection', (socket) => {
      void socket.join('all');
      socket.on('echo', (text: string, acknowledge?: Acknowledge) => {
        if (acknowledge === undefined) socket.emit('echo', text);
        else acknowledge(text);
      });
      socket.on('go', () => {
        for (let i = 0; i < burst; i++) server.to('all').emit('news', news);
      });
      socket.on('join', (room: string, acknowledge: Acknowledge) => {
        void socket.join(room);
        acknowledge(room);
      });
      socket.on('part', (room: string, acknowledge: Acknowledge) => {
        void socket.leave(room);
        acknowledge(room);
      });
    });
    return { port: (http.address() as AddressInfo).port };
  },
};
