import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ClientSocket } from '../../src/client/index.ts';
import type { Channel, WorkersOptions } from '../../src/index.ts';
import type { Server, ServerSocket } from '../../src/server/index.ts';
import { UDPack, type UdpackOptions, type UdpackSession, type UdpackStream } from '../../src/udpack-endpoint/index.ts';
import { House, type Scheme } from './house.ts';
import { KEYS } from './udpack.ts';

/** What one test has opened at the doors of Hawser; all of it ends with the test. */
export class Doors {
  #open: AsyncDisposable[] = [];
  /** Ends endpoints of UDPack without waiting for what is on its way. */
  #hurry: AbortController = new AbortController();

  keep<T extends AsyncDisposable>(one: T): T {
    this.#open.push(one);
    return one;
  }

  async close(): Promise<void> {
    this.#hurry.abort();
    this.#hurry = new AbortController();
    for (const one of this.#open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  }

  /** A server and its client. */
  async meet(scheme: Scheme = 'tcp'): Promise<{ server: Server; client: ClientSocket; socket: ServerSocket }> {
    const house = this.keep(await House.open({}, scheme));
    const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    const client = await house.client(scheme);
    return { server: house.server, client, socket: await met };
  }

  /** Both ends of a channel. */
  async channel(scheme: Scheme = 'tcp'): Promise<{ near: Channel; far: Channel }> {
    const { client, socket } = await this.meet(scheme);
    const opened = new Promise<Channel>((resolve) => socket.on('channel', (channel) => resolve(channel)));
    return { near: client.openChannel('bytes'), far: await opened };
  }

  /** An endpoint of UDPack that is bound. */
  udpack(options: UdpackOptions = {}): Promise<UDPack> {
    return this.keep(new UDPack({ signal: this.#hurry.signal, ...options })).ready();
  }

  /** Both ends of a session of UDPack. */
  async session(ofServer: UdpackOptions = {}): Promise<{ server: UDPack; near: UdpackSession; far: UdpackSession }> {
    const server = await this.udpack({ prikey: KEYS.privateKey, ...ofServer });
    const client = await this.udpack({ pubkey: KEYS.publicKey });
    const arrived = new Promise<UdpackSession>((resolve) => server.once('session', resolve));
    const near = await client.connect({ port: server.endpoint?.port ?? 0 });
    return { server, near, far: await arrived };
  }

  /** Both ends of a stream of UDPack; the first byte is on its way. */
  async stream(): Promise<{ near: UdpackStream; far: UdpackStream }> {
    const { near, far } = await this.session();
    const opened = new Promise<UdpackStream>((resolve) => far.once('stream', resolve));
    const stream = await near.openStream({ kind: 'bytes' });
    stream.send('!');
    return { near: stream, far: await opened };
  }
}

/** The code of what a promise rejects with; `none` when it doesn't. */
export function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'none',
    (error: { readonly code?: unknown }) => error.code,
  );
}

/** Takes connections and says nothing, ever. */
export class SilentServer {
  readonly #sockets: Set<Socket> = new Set();
  readonly #server: ReturnType<typeof createTcpServer> = createTcpServer((socket) => {
    this.#sockets.add(socket.on('error', () => {}));
  });

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `tcp://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One worker, which does what the task of test/support/worker-program.ts says. */
export function oneWorker(task: object): WorkersOptions {
  const exec = fileURLToPath(new URL('worker-program.ts', import.meta.url));
  return { exec, workers: 1, args: [JSON.stringify(task)], execArgv: ['--import', 'tsx'], ready: 'told' };
}
