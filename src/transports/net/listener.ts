import { createServer, type Server } from 'node:net';
import { LinkGroup } from '../../runtime/index.ts';
import type { Listener, ListenOptions } from '../../transport/index.ts';
import { type Reception, stopListening } from '../sockets.ts';
import { Visitor } from './visitor.ts';

/** A server of node:net whose connections become links once they have shown what they speak. */
export class NetListener implements Listener {
  readonly server: Server;
  readonly #reception: Reception;
  #endpoint = '';
  #closed: Promise<void> | undefined;
  #release: () => Promise<void> = async () => {};

  constructor(transport: string, options: ListenOptions) {
    const group = new LinkGroup({ ...options, transport, allocate: (length) => Buffer.allocUnsafeSlow(length) });
    const reception: Reception = { group, options, guests: new Set() };
    this.#reception = reception;
    const served = { allowHalfOpen: true, noDelay: transport === 'tcp', keepAlive: transport === 'tcp' };
    this.server = createServer(served, (socket) => new Visitor(reception, socket).enter());
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** Connections that have no link yet. */
  get guests(): number {
    return this.#reception.guests.size;
  }

  /** It listens, on this; `release` gives back what else it holds when it closes. */
  opened(endpoint: string, release?: () => Promise<void>): this {
    this.#endpoint = endpoint;
    if (release !== undefined) this.#release = release;
    return this;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    stopListening(this.server);
    for (const guest of this.#reception.guests) guest.leave();
    await this.#release();
  }
}
