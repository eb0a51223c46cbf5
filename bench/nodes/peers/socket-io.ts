import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { words } from '../../ws/words.ts';
import type { Task } from '../orders.ts';
import type { Node } from './index.ts';

/** Its adapter for that engine, as its documentation sets it up: sharded pub/sub on Redis 7. */
async function adapterOf({ engine, server }: Task): Promise<unknown> {
  if (engine === 'cluster') return (await import('@socket.io/cluster-adapter')).createAdapter();
  if (engine !== 'redis') return undefined;
  const { createShardedAdapter } = await import('@socket.io/redis-adapter');
  const { createClient } = await import('@redis/client');
  const publisher = createClient({ url: server ?? '' });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return createShardedAdapter(publisher, subscriber);
}

/** Socket.IO with its defaults; clients use WebSocket from the start. */
export async function serveSocketIo(task: Task): Promise<Node> {
  const http = createServer().listen({ port: 0, host: '127.0.0.1', exclusive: true });
  await once(http, 'listening');
  const adapter = await adapterOf(task);
  const server = new Server(http, adapter === undefined ? {} : { adapter: adapter as never });
  const news = words(task.size);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    void socket.join('all');
    socket.on('go', () => {
      for (let i = 0; i < task.burst; i++) server.to('all').emit('news', news);
    });
  });
  return {
    port: (http.address() as AddressInfo).port,
    count: async () => (await server.in('all').fetchSockets()).length,
    join: (each) => {
      const rooms: string[] = [];
      for (const socket of sockets) {
        for (let i = 0; i < each; i++) {
          const room = `room-${socket.id}-${i}`;
          void socket.join(room);
          rooms.push(room);
        }
      }
      return rooms;
    },
    send: (room) => void server.to(room).emit('news', news),
  };
}
