import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP port on this machine, or the path of a Unix socket. */
export type Place = { readonly port: number } | { readonly path: string };

/** `up` is what the client sends, `down` what the server sends. */
export type Way = 'up' | 'down';

export interface ProxyOptions {
  /** Where the server is. It may be away; then whoever comes is cut at once. */
  readonly target: Place;
  /** The Unix socket to listen on; otherwise a free TCP port. */
  readonly path?: string;
  /** Asked for each connection: after so many bytes, both ways together, it breaks, wherever in a frame that is. */
  readonly lifetime?: () => number;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes until it breaks. */
  left: number;
}

/** Stands between clients and a server, byte for byte, until it is told to break the line. */
export class CuttingProxy implements AsyncDisposable {
  readonly #target: Place;
  readonly #path: string | undefined;
  readonly #server: Server;
  readonly #pairs: Set<Pair> = new Set();
  readonly #traps: Record<Way, ((pair: Pair, chunk: Buffer) => void) | undefined> = { up: undefined, down: undefined };
  readonly #lifetime: () => number;
  #held = false;

  private constructor({ target, path, lifetime }: ProxyOptions) {
    this.#target = target;
    this.#path = path;
    this.#lifetime = lifetime ?? (() => Number.POSITIVE_INFINITY);
    this.#server = createServer({ noDelay: true }, (client) => this.#join(client));
  }

  static async open(options: ProxyOptions): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(options);
    if (options.path === undefined) proxy.#server.listen(0, '127.0.0.1');
    else proxy.#server.listen(options.path);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The port that it listens on; 0 on a Unix socket. */
  get port(): number {
    return this.#path === undefined ? (this.#server.address() as AddressInfo).port : 0;
  }

  get path(): string {
    return this.#path ?? '';
  }

  /** How many connections pass through. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks every connection, both sides of it, at once. New ones are let through. */
  cut(): void {
    for (const pair of this.#pairs) this.#break(pair);
  }

  /**
   * Lets the next chunk of one way through but for its last byte, so that its last frame never ends, and breaks that
   * connection. Resolves when it is broken.
   */
  cutInMidFrame(way: Way): Promise<void> {
    return new Promise((resolve) => {
      this.#traps[way] = (pair, chunk) => {
        this.#traps[way] = undefined;
        const receiver = way === 'up' ? pair.server : pair.client;
        receiver.write(chunk.subarray(0, -1), () => {
          this.#break(pair);
          resolve();
        });
      };
    });
  }

  /** Lets nothing through any more, without a word to either side; `release` ends it. */
  hold(): void {
    this.#held = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  release(): void {
    this.#held = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #join(client: Socket): void {
    const server = connect(this.#target as { port: number }).setNoDelay(true);
    const pair: Pair = { client, server, left: this.#lifetime() };
    this.#pairs.add(pair);
    this.#pass(pair, client, server, 'up');
    this.#pass(pair, server, client, 'down');
    for (const socket of [client, server]) {
      socket.on('error', () => this.#break(pair));
      socket.on('close', () => this.#break(pair));
      if (this.#held) socket.pause();
    }
  }

  #pass(pair: Pair, from: Socket, to: Socket, way: Way): void {
    from.on('data', (chunk: Buffer) => {
      const trap = this.#traps[way];
      if (trap !== undefined && chunk.length > 1) {
        from.pause();
        trap(pair, chunk);
        return;
      }
      pair.left -= chunk.length;
      if (pair.left <= 0) {
        from.pause();
        to.write(chunk.subarray(0, chunk.length + pair.left), () => this.#break(pair));
        return;
      }
      if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => this.#held || from.resume());
      }
    });
    from.on('end', () => to.end());
  }

  #break(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }
}
