import { pattern } from '../../udp/tally.ts';
import type { Peer } from './index.ts';

interface BunSocket {
  send(data: string | Uint8Array): number;
  subscribe(topic: string): void;
}

interface BunServer {
  readonly port: number;
  upgrade(request: unknown): boolean;
  publish(topic: string, data: Uint8Array): number;
}

/** What is used here of the global `Bun`. */
interface BunRuntime {
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    fetch(request: unknown, server: BunServer): Response | undefined;
    readonly websocket: {
      readonly open: (socket: BunSocket) => void;
      readonly message: (socket: BunSocket, message: string | Uint8Array) => void;
    };
  }): BunServer;
}

/** Bun's own server: the process must be Bun. Its limits are its defaults (messages of 16 MiB, compression off). */
export const bun: Peer = {
  serve: async ({ kind, burst, size }) => {
    const { Bun } = globalThis as unknown as { Bun: BunRuntime };
    const news = pattern(size);
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request, ours) => (ours.upgrade(request) ? undefined : new Response('', { status: 426 })),
      websocket: {
        open: (socket) => {
          if (kind === 'broadcast') socket.subscribe('all');
        },
        message: (socket, message) => {
          if (kind === 'echo') socket.send(message);
          else for (let i = 0; i < burst; i++) server.publish('all', news);
        },
      },
    });
    return { port: server.port };
  },
};
