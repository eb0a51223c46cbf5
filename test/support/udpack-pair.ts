import type { Address } from '../../src/udpack/address.ts';
import type { KeyPair } from '../../src/udpack/crypto.ts';
import { Endpoint, type EndpointOptions } from '../../src/udpack/endpoint.ts';
import type { Session } from '../../src/udpack/session.ts';
import type { SessionEvent } from '../../src/udpack/session-types.ts';
import { nodeCrypto } from '../../src/udpack-endpoint/crypto.ts';

export const KEY: KeyPair = nodeCrypto.keyPair();
export const TOKEN: Uint8Array = Uint8Array.of(1, 2, 3);
export const CLIENT: Address = { address: '10.0.0.1', port: 1111 };
export const SERVER: Address = { address: '10.0.0.2', port: 2222 };

/** Two endpoints, and a wire of 10 ms between them on which `drop` may lose datagrams. */
export class Pair {
  now = 0;
  server: Endpoint;
  readonly client: Endpoint;
  readonly session: Session;
  accepted: Session | undefined;
  readonly clientEvents: SessionEvent[] = [];
  readonly serverEvents: SessionEvent[] = [];
  drop: (fromClient: boolean, count: number) => boolean = () => false;
  /** Whether tokens are judged at once. */
  prompt = true;
  /** Longer datagrams don't arrive. */
  mtu: number = Infinity;
  clientAddress: Address = CLIENT;
  /** Hears of every datagram that leaves, also of those that are dropped. */
  onSent: (toServer: boolean, bytes: Uint8Array) => void = () => {};
  count = 0;
  #wire: { at: number; toServer: boolean; bytes: Uint8Array }[] = [];
  readonly #out = new Uint8Array(65_536);

  constructor(options: Partial<EndpointOptions> = {}, server: Partial<EndpointOptions> = options) {
    this.server = new Endpoint({ crypto: nodeCrypto, key: KEY, ...server }, 0);
    this.client = new Endpoint({ crypto: nodeCrypto, ...options }, 0);
    this.session = this.client.dial(SERVER, KEY.publicKey, TOKEN, 0);
  }

  /** What the applications do on hearing of something leaves at once. */
  #flush(): void {
    for (const endpoint of [this.client, this.server, this.client, this.server]) {
      const fromClient = endpoint === this.client;
      for (
        let length = endpoint.transmit(this.#out, this.now);
        length > 0;
        length = endpoint.transmit(this.#out, this.now)
      ) {
        this.onSent(fromClient, this.#out.slice(0, length));
        if (this.drop(fromClient, this.count++) || length > this.mtu) continue;
        this.#wire.push({ at: this.now + 10, toServer: fromClient, bytes: this.#out.slice(0, length) });
      }
      for (let session = endpoint.poll(); session !== undefined; session = endpoint.poll())
        this.#hear(session, fromClient);
    }
  }

  #hear(session: Session, client: boolean): void {
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      (client ? this.clientEvents : this.serverEvents).push(event);
      if (event.type !== 'auth') continue;
      this.accepted = session;
      if (this.prompt) session.accept();
    }
  }

  /** Lets time pass until `done`, or throws after `most` ms. */
  run(done: () => boolean, most = 60_000): void {
    const end = this.now + most;
    this.#flush();
    while (!done()) {
      const next = Math.min(
        this.#wire[0]?.at ?? Infinity,
        this.client.deadline ?? Infinity,
        this.server.deadline ?? Infinity,
      );
      if (next > end) throw new Error(`nothing came of it by ${this.now}`);
      this.now = Math.max(this.now, next);
      for (let first = this.#wire[0]; first !== undefined && first.at <= this.now; first = this.#wire[0]) {
        this.#wire.shift();
        if (first.toServer) this.server.receive(first.bytes, this.clientAddress, this.now);
        else this.client.receive(first.bytes, SERVER, this.now);
      }
      this.client.tick(this.now);
      this.server.tick(this.now);
      this.#flush();
    }
  }

  events(type: SessionEvent['type'], client = false): SessionEvent[] {
    return (client ? this.clientEvents : this.serverEvents).filter((event) => event.type === type);
  }
}
