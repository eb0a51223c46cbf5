import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** `up` is what clients send, `down` what the server sends. */
export type Way = 'up' | 'down';

/** Stands between UDP clients and a server, datagram for datagram, and loses what it is told to lose. */
export class LosingRelay implements AsyncDisposable {
  /** Asked for each datagram: true loses it. */
  loses: (way: Way, bytes: Uint8Array) => boolean = () => false;
  /** Datagrams that came, and those that were lost. */
  readonly seen: Record<Way, number> = { up: 0, down: 0 };
  lost = 0;
  readonly #front: Socket = createSocket('udp4');
  readonly #target: number;
  /** One socket towards the server for each client, by the client's port. */
  readonly #backs: Map<number, Socket> = new Map();

  private constructor(target: number) {
    this.#target = target;
  }

  static async open(target: number): Promise<LosingRelay> {
    const relay = new LosingRelay(target);
    relay.#front.on('message', (bytes, from) => relay.#up(bytes, from));
    relay.#front.bind(0, '127.0.0.1');
    await once(relay.#front, 'listening');
    return relay;
  }

  get port(): number {
    return this.#front.address().port;
  }

  /** Lets nothing through any more, without a word to anybody. */
  die(): void {
    this.loses = () => true;
  }

  revive(): void {
    this.loses = () => false;
  }

  /** From now on the server hears its clients from other ports, as after a router has forgotten them. */
  rebind(): void {
    for (const back of this.#backs.values()) back.close();
    this.#backs.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.rebind();
    this.#front.close();
    await once(this.#front, 'close');
  }

  #up(bytes: Uint8Array, { port }: RemoteInfo): void {
    if (!this.#passes('up', bytes)) return;
    const back = this.#backs.get(port) ?? this.#join(port);
    back.send(bytes, this.#target, '127.0.0.1');
  }

  #join(client: number): Socket {
    const back = createSocket('udp4');
    back.on('message', (bytes) => {
      if (this.#passes('down', bytes)) this.#front.send(bytes, client, '127.0.0.1');
    });
    this.#backs.set(client, back);
    return back;
  }

  #passes(way: Way, bytes: Uint8Array): boolean {
    this.seen[way]++;
    if (!this.loses(way, bytes)) return true;
    this.lost++;
    return false;
  }
}
