import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'hawser';
import { pattern } from '../../udp/tally.ts';
import type { Target, Task } from '../orders.ts';
import { words } from '../words.ts';
import type { Peer } from './index.ts';

interface Api {
  readonly toServer: {
    readonly events: { readonly echo: string; readonly go: string };
    readonly requests: {
      readonly echo: (text: string) => string;
      readonly join: (room: string) => string;
      readonly part: (room: string) => string;
    };
  };
  readonly toClient: { readonly events: { readonly echo: string; readonly news: string } };
}

/** The whole framework with all options at their defaults; the dialect is the client's choice. */
async function serve({ burst, size }: Task, url: string): Promise<Target> {
  const server = createServer<Api>();
  const news = words(size);
  server.on('connection', (socket) => {
    socket.join('all');
    socket.on('echo', (text) => void socket.send('echo', text));
    socket.handle('echo', (text) => text);
    socket.on('go', () => {
      for (let i = 0; i < burst; i++) server.to('all').send('news', news);
    });
    socket.handle('join', (room) => {
      socket.join(room);
      return room;
    });
    socket.handle('part', (room) => {
      socket.leave(room);
      return room;
    });
  });
  const [endpoint = ''] = await server.listen(url);
  return url.startsWith('ipc:') ? { path: url.slice('ipc://'.length) } : { port: Number(new URL(endpoint).port) };
}

export const hawser: Peer = { serve: (task) => serve(task, 'ws://127.0.0.1:0') };
export const hawserTcp: Peer = { serve: (task) => serve(task, 'tcp://127.0.0.1:0') };
export const hawserIpc: Peer = {
  serve: (task) => {
    const path = join(tmpdir(), `hawser-bench-${process.pid}.sock`);
    process.once('exit', () => rmSync(path, { force: true }));
    return serve(task, `ipc://${path}`);
  },
};

interface RawApi {
  readonly toServer: { readonly events: { readonly message: string | Uint8Array } };
  readonly toClient: { readonly events: { readonly message: string | Uint8Array } };
}

/** A plain WebSocket server by the public API: the dialect `raw`, and all else as it is by default. */
export const hawserRaw: Peer = {
  serve: async ({ kind, burst, size }) => {
    const server = createServer<RawApi>();
    const news = pattern(size);
    const all = server.of('/', { dialect: 'raw' });
    all.on('connection', (socket) => {
      socket.join('all');
      socket.on('message', (data) => {
        if (kind === 'echo') socket.send('message', data);
        else for (let i = 0; i < burst; i++) all.to('all').send('message', news);
      });
    });
    const [endpoint = ''] = await server.listen('ws://127.0.0.1:0');
    return { port: Number(new URL(endpoint).port) };
  },
};
