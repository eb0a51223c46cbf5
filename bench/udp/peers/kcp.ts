import type { Socket } from 'node:dgram';
import { createRequire } from 'node:module';
import { Channel, type Connection, type Peer, type Place } from '../peer.ts';
import { bound } from './udp-socket.ts';

/** What its native part has. The package has no types, and its door leads to a build script instead. */
interface Kcp {
  nodelay(nodelay: number, interval: number, resend: number, noCongestionControl: number): void;
  wndsize(send: number, receive: number): void;
  setmtu(bytes: number): void;
  stream(on: number): void;
  output(send: (bytes: Buffer, size: number) => void): void;
  input(bytes: Buffer): void;
  send(bytes: Uint8Array): number;
  recv(): Buffer | undefined;
  update(now: number): void;
  flush(): void;
  waitsnd(): number;
}

const WINDOW = 1024;
const UPDATE_MS = 10;

/** One conversation on a socket. KCP is driven by its user: its clock each 10 ms, and a flush after whatever happened. */
class KcpChannel extends Channel {
  readonly #kcp: Kcp;
  readonly #started: number = performance.now();
  readonly #timer: NodeJS.Timeout;
  #full = false;
  #soon = false;
  #closed = false;

  constructor(socket: Socket, port: number, host: string, { datagram }: Place) {
    super();
    const { KCP } = createRequire(import.meta.url)('node-kcp/build/Release/kcp.node') as {
      KCP: new (id: number, context: object) => Kcp;
    };
    const kcp = new KCP(77, {});
    kcp.nodelay(1, UPDATE_MS, 2, 1);
    kcp.wndsize(WINDOW, WINDOW);
    kcp.setmtu(datagram > 0 ? datagram : 1400);
    kcp.stream(1);
    kcp.output((bytes, size) => socket.send(bytes, 0, size, port, host));
    this.#kcp = kcp;
    this.#update();
    this.#timer = setInterval(() => this.#update(), UPDATE_MS);
  }

  send(bytes: Uint8Array): boolean {
    this.#kcp.send(bytes);
    this.#flushSoon();
    this.#full = this.#kcp.waitsnd() > 2 * WINDOW;
    return !this.#full;
  }

  input(bytes: Buffer): void {
    this.#kcp.input(bytes);
    for (let data = this.#kcp.recv(); data !== undefined && data !== null; data = this.#kcp.recv()) this.onData(data);
    this.#flushSoon();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #flushSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      if (this.#closed) return;
      this.#kcp.flush();
      this.#drain();
    });
  }

  #update(): void {
    this.#kcp.update(Math.round(performance.now() - this.#started));
    this.#drain();
  }

  #drain(): void {
    if (!this.#full || this.#kcp.waitsnd() > WINDOW) return;
    this.#full = false;
    this.onDrain();
  }
}

class KcpConnection implements Connection {
  readonly #socket: Socket;
  readonly #channel: KcpChannel;

  constructor(socket: Socket, port: number, host: string, place: Place) {
    this.#socket = socket;
    this.#channel = new KcpChannel(socket, port, host, place);
    socket.on('message', (bytes) => this.#channel.input(bytes));
  }

  open(): Promise<Channel> {
    return Promise.resolve(this.#channel);
  }

  batch(run: () => void): void {
    run();
  }

  async close(): Promise<void> {
    this.#channel.close();
    this.#socket.close();
  }
}

/** KCP in C, on node:dgram: no handshake, no encryption, no congestion control. */
export const kcp: Peer = {
  async serve(place, onChannel) {
    const socket = await bound(place.host);
    const channels = new Map<string, KcpChannel>();
    socket.on('message', (bytes, { address, port }) => {
      const name = `${address}:${port}`;
      let channel = channels.get(name);
      if (channel === undefined) {
        channel = new KcpChannel(socket, port, address, place);
        channels.set(name, channel);
        onChannel(channel);
      }
      channel.input(bytes);
    });
    return { host: place.host, port: socket.address().port };
  },
  dial: async ({ host, port }, place) =>
    new KcpConnection(await bound(host === '127.0.0.1' ? host : '0.0.0.0'), port, host, place),
};
