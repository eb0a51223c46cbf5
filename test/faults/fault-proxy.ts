import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How a line is made slow. */
export interface Slowness {
  /** ms that each chunk takes longer. */
  readonly delay: number;
  /** Bytes a second, each way. */
  readonly rate: number;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Bytes that wait in one way before reading stops. */
const WAITING_MOST = 1 << 20;

/** Stands at a fixed port before a server that comes and goes; passes bytes, holds them back, slows them or breaks the line. */
export class FaultProxy implements AsyncDisposable {
  /** Port of the server; while there is none, who comes is cut at once. */
  target: number | undefined;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #isHeld = false;
  #slowness: Slowness | undefined;
  /** What goes on when nothing is held any more. */
  #held: (() => void)[] = [];

  private constructor(target: number | undefined) {
    this.target = target;
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  static async open(target?: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Lets nothing through, without a word to either side; new lines are taken and hear nothing. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Lets through what was held, late, and all that comes. */
  release(): void {
    this.#isHeld = false;
    for (const go of this.#held.splice(0)) go();
  }

  /** Breaks every line, both sides of it. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#break(pair);
  }

  slow(slowness: Slowness | undefined): void {
    this.#slowness = slowness;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    this.release();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #join(near: Socket): void {
    near.on('error', () => {});
    if (this.target === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    const pair: Pair = { near, far };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      socket.on('error', () => this.#ended(pair));
      socket.on('close', () => this.#ended(pair));
    }
    void this.#pass(pair, near, far);
    void this.#pass(pair, far, near);
  }

  /** One way: chunk by chunk, each in its time. */
  async #pass(pair: Pair, from: Socket, to: Socket): Promise<void> {
    const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
    let bytes = 0;
    let wake = (): void => {};
    let isOver = false;
    let free = 0;
    from.on('data', (chunk: Buffer) => {
      const now = performance.now();
      const { delay = 0, rate = Infinity } = this.#slowness ?? {};
      free = Math.max(now, free) + (1000 * chunk.length) / rate;
      waiting.push({ chunk, due: free + delay });
      bytes += chunk.length;
      if (bytes > WAITING_MOST) from.pause();
      wake();
    });
    const end = (): void => {
      isOver = true;
      wake();
    };
    from.on('end', end);
    from.on('close', end);
    for (;;) {
      const next = waiting.shift();
      if (next === undefined) {
        if (isOver || !this.#pairs.has(pair)) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const late = next.due - performance.now();
      if (late > 0.5) await new Promise((resolve) => setTimeout(resolve, late));
      await this.#passable(pair);
      if (!this.#pairs.has(pair)) break;
      bytes -= next.chunk.length;
      if (!to.write(next.chunk)) await drained(to);
      if (bytes <= WAITING_MOST / 2) from.resume();
    }
    await this.#passable(pair);
    to.end();
  }

  async #passable(pair: Pair): Promise<void> {
    while (this.#isHeld && this.#pairs.has(pair)) await new Promise<void>((resolve) => this.#held.push(resolve));
  }

  /** That one side is gone is a thing that the other doesn't hear either while nothing gets through. */
  #ended(pair: Pair): void {
    if (this.#isHeld && this.#pairs.has(pair)) this.#held.push(() => this.#ended(pair));
    else this.#break(pair);
  }

  #break(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.near.destroy();
    pair.far.destroy();
    // Those of this pair who wait look again, and end.
    for (const go of this.#held.splice(0)) go();
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
    if (socket.destroyed) done();
  });
}
