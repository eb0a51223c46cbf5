import { clusterEngine, createServer, type Engine, type ServerSocket } from 'hawser';
import { words } from '../../ws/words.ts';
import type { Task } from '../orders.ts';
import type { Node } from './index.ts';

interface Api {
  readonly toServer: { readonly events: { readonly go: string } };
  readonly toClient: { readonly events: { readonly news: string } };
}

/** More rooms than one socket may be in by default. */
const ROOMS = 1_000_000;

async function engineOf({ engine, server = '' }: Task): Promise<{ readonly engine?: Engine }> {
  switch (engine) {
    case 'nats':
      return { engine: (await import('hawser/engines/nats')).natsEngine({ servers: server }) };
    case 'redis':
      return { engine: (await import('hawser/engines/redis')).redisEngine({ url: server }) };
    case 'cluster':
      return { engine: clusterEngine() };
    default:
      return {};
  }
}

/** All options at their defaults. */
export async function serveHawser(task: Task): Promise<Node> {
  const server = createServer<Api>({ ...(await engineOf(task)), limits: { roomsPerSocket: ROOMS } });
  if (task.history) server.history('all', { size: 1000, age: 60_000 });
  const news = words(task.size);
  const sockets = new Set<ServerSocket<Api>>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.join('all');
    socket.on('go', () => {
      for (let i = 0; i < task.burst; i++) server.to('all').send('news', news);
    });
  });
  const target = { url: 'ws://127.0.0.1:0', exclusive: true };
  const [endpoint = ''] = await server.listen(target);
  return {
    port: Number(new URL(endpoint).port),
    count: () => server.count('all'),
    join: (each) => {
      const rooms: string[] = [];
      for (const socket of sockets) {
        for (let i = 0; i < each; i++) {
          const room = `room-${socket.id}-${i}`;
          socket.join(room);
          rooms.push(room);
        }
      }
      return rooms;
    },
    send: (room) => server.to(room).send('news', news),
  };
}
