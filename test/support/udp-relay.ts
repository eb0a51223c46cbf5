import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Random } from '../../src/core/index.ts';
import { seededRandom } from '../../src/testing/index.ts';

/** From the client to the server, and back. */
export type Way = 'up' | 'down';

/** What the way does to datagrams: shares of 1, and ms. */
export interface Weather {
  readonly loss?: number;
  readonly copies?: number;
  readonly flips?: number;
  /** This share is held back for up to 10 ms, so that others overtake it. */
  readonly late?: number;
  /** Datagrams over so many bytes vanish. */
  readonly mtu?: number;
}

export interface RelayOptions extends Weather {
  readonly seed?: number;
  /** The address it listens on. Default 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
}

/** The most ms that a datagram is held back. */
const LATE_MOST = 10;

/**
 * Stands between clients and one server, as a NAT would: each client gets a port towards the server, and `rebind` gives it another one. What
 * it does besides is chance from a seed.
 */
export class UdpRelay implements AsyncDisposable {
  weather: Weather;
  /** Asked for each datagram: false loses it. */
  passes: (bytes: Buffer, way: Way) => boolean = () => true;
  /** Datagrams that came, and that were lost. */
  readonly came: Record<Way, number> = { up: 0, down: 0 };
  readonly lost: Record<Way, number> = { up: 0, down: 0 };
  readonly #front: Socket;
  readonly #to: { address: string; port: number };
  readonly #random: Random;
  readonly #backs: Map<string, Promise<Socket>> = new Map();
  readonly #held: Set<NodeJS.Timeout> = new Set();
  #closed = false;

  private constructor(front: Socket, to: { address: string; port: number }, options: RelayOptions) {
    this.#front = front;
    this.#to = to;
    this.weather = options;
    this.#random = seededRandom(options.seed ?? 1);
    front.on('message', (bytes, from) => void this.#up(bytes, from));
  }

  static async open(to: { address: string; port: number }, options: RelayOptions = {}): Promise<UdpRelay> {
    return new UdpRelay(await bound(options.host ?? '127.0.0.1', options.port), to, options);
  }

  get port(): number {
    return this.#front.address().port;
  }

  /** The ports that the server sees. */
  async ports(): Promise<number[]> {
    const sockets = await Promise.all(this.#backs.values());
    return sockets.map((socket) => socket.address().port);
  }

  /** Sends a datagram to all clients, as if the server had. */
  async inject(bytes: Buffer): Promise<void> {
    for (const client of this.#backs.keys()) {
      const [address = '', port = ''] = client.split(' ');
      await new Promise((sent) => this.#front.send(bytes, Number(port), address, sent));
    }
  }

  /** All clients come from other ports from now on; what is sent to the old ones is lost. */
  async rebind(): Promise<void> {
    const old = [...this.#backs.entries()];
    for (const [client] of old) {
      const [address = '', port = ''] = client.split(' ');
      this.#backs.set(client, this.#back({ address, port: Number(port) }));
    }
    await Promise.all(this.#backs.values());
    for (const [, socket] of old) (await socket).close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#held) clearTimeout(timer);
    this.#front.close();
    for (const socket of this.#backs.values()) (await socket).close();
  }

  async #up(bytes: Buffer, from: RemoteInfo): Promise<void> {
    const client = `${from.address} ${from.port}`;
    const known = this.#backs.get(client) ?? this.#back(from);
    this.#backs.set(client, known);
    const back = await known;
    this.#pass(bytes, 'up', (datagram) => send(back, datagram, this.#to));
  }

  async #back(client: { address: string; port: number }): Promise<Socket> {
    const socket = await bound(isIPv6(this.#to.address) ? '::' : '0.0.0.0');
    socket.on('message', (bytes) => this.#pass(bytes, 'down', (datagram) => send(this.#front, datagram, client)));
    return socket;
  }

  #pass(bytes: Buffer, way: Way, on: (bytes: Buffer) => void): void {
    if (this.#closed) return;
    this.came[way]++;
    const { loss = 0, copies = 0, mtu = Number.POSITIVE_INFINITY } = this.weather;
    if (!this.passes(bytes, way) || bytes.length > mtu || this.#chance(loss)) {
      this.lost[way]++;
      return;
    }
    this.#deliver(bytes, on);
    if (this.#chance(copies)) this.#deliver(Buffer.from(bytes), on);
  }

  #deliver(bytes: Buffer, on: (bytes: Buffer) => void): void {
    const { flips = 0, late = 0 } = this.weather;
    if (this.#chance(flips)) {
      const at = Math.floor(this.#random.unit() * bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(this.#random.unit() * 8));
    }
    if (!this.#chance(late)) {
      on(bytes);
      return;
    }
    const timer = setTimeout(() => {
      this.#held.delete(timer);
      on(bytes);
    }, this.#random.unit() * LATE_MOST);
    this.#held.add(timer);
  }

  #chance(share: number): boolean {
    return share > 0 && this.#random.unit() < share;
  }
}

async function bound(host: string, port = 0): Promise<Socket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const listening = once(socket, 'listening');
  socket.bind({ address: host, port, exclusive: true });
  await listening;
  return socket;
}

function send(socket: Socket, bytes: Buffer, { address, port }: { address: string; port: number }): void {
  try {
    // What the system can't send is lost, as it is on any way.
    socket.send(bytes, port, address, () => {});
  } catch {
    // The socket was closed by a rebinding.
  }
}
