import type { Target, Task } from '../orders.ts';

/** A server to be measured; each file here has one, or one by several ways. */
export interface Peer {
  serve(task: Task): Promise<Target>;
}

export const PEERS = {
  'hawser-link': async (): Promise<Peer> => (await import('./hawser-link.ts')).hawserLink,
  'hawser-raw': async (): Promise<Peer> => (await import('./hawser.ts')).hawserRaw,
  hawser: async (): Promise<Peer> => (await import('./hawser.ts')).hawser,
  'hawser-json': async (): Promise<Peer> => (await import('./hawser.ts')).hawser,
  'hawser-tcp': async (): Promise<Peer> => (await import('./hawser.ts')).hawserTcp,
  'hawser-ipc': async (): Promise<Peer> => (await import('./hawser.ts')).hawserIpc,
  ws: async (): Promise<Peer> => (await import('./ws.ts')).ws,
  'socket.io': async (): Promise<Peer> => (await import('./socket-io.ts')).socketIo,
  bun: async (): Promise<Peer> => (await import('./bun.ts')).bun,
  uws: async (): Promise<Peer> => (await import('./uws.ts')).uws,
  net: async (): Promise<Peer> => (await import('./net.ts')).net,
  'prefix-tcp': async (): Promise<Peer> => (await import('./prefix.ts')).prefixTcp,
  'prefix-ipc': async (): Promise<Peer> => (await import('./prefix.ts')).prefixIpc,
};

export type PeerName = keyof typeof PEERS;

/** A process loads what it measures, and nothing else. */
export function loadPeer(name: PeerName): Promise<Peer> {
  return PEERS[name]();
}
