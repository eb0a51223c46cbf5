import { type ClientSocket, type ConnectOptions, connect } from '../../src/client/index.ts';

/** A client, and all that it hears, in order. */
export class Listener implements AsyncDisposable {
  readonly socket: ClientSocket;
  readonly heard: { event: string; data: unknown; offset: number | undefined }[] = [];
  readonly #wakes: (() => void)[] = [];

  constructor(socket: ClientSocket) {
    this.socket = socket;
    socket.onAny((event, data, { offset }) => {
      this.heard.push({ event, data, offset });
      for (const wake of this.#wakes.splice(0)) wake();
    });
  }

  static async open(url: string, options: ConnectOptions = {}): Promise<Listener> {
    return new Listener(await connect(url, { reconnect: { first: 1, most: 5 }, ...options }));
  }

  /** Until so much was heard. Returns it, as `event:data`, and forgets it. */
  async take(count: number): Promise<string[]> {
    while (this.heard.length < count) await new Promise<void>((resolve) => this.#wakes.push(resolve));
    return this.heard.splice(0, count).map(({ event, data }) => (event === 'say' ? String(data) : event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket.close();
  }
}
