/** An endpoint of UDPack in a process of its own, which does what its parent tells it by IPC: serves, dials, sends without end, ends. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { UDPack, type UdpackOptions, type UdpackSession, type UdpackStream } from '../../src/udpack-endpoint/index.ts';
import { UdpRelay, type Weather } from './udp-relay.ts';

/** How a transfer went, as both sides saw it. */
export interface Transferred {
  readonly bytes: number;
  /** Whether the digests of both sides are equal. */
  readonly same: boolean;
  /** The addresses that the server was told. */
  readonly moved: readonly string[];
  readonly datagramSize: number;
  readonly datagramsLost: number;
  readonly remote: string;
}

export interface DialArgs extends UdpackOptions {
  readonly to: { readonly host: string; readonly port: number };
  /** A relay on the way, in the dialler's namespace. */
  readonly weather?: Weather;
}

const PIECE = 64 * 1024;

let server: UDPack | undefined;
let client: UDPack | undefined;
let relay: UdpRelay | undefined;
let transfer: Transfer | undefined;

const COMMANDS: Readonly<Record<string, (args: never) => unknown>> = {
  async serve(options: UdpackOptions) {
    server = await new UDPack({ anonymous: true, ...options }).ready();
    const moved: string[] = [];
    server.on('session', (session) => session.on('moved', ({ address }) => moved.push(address)));
    // A transfer that fails is told by who sends it.
    server.on('stream', (stream) => void digest(stream, moved).catch(() => {}));
    return server.endpoint?.port;
  },

  async dial({ to, weather, ...options }: DialArgs) {
    client = await new UDPack(options).ready();
    let target = to;
    if (weather !== undefined) {
      relay = await UdpRelay.open({ address: to.host, port: to.port }, weather);
      target = { host: '127.0.0.1', port: relay.port };
    }
    session = await client.connect(target);
    return session.id;
  },

  /** Sends without end, until `finish`. */
  async start() {
    transfer = new Transfer(await here().openStream({ kind: 'bytes' }));
  },

  /** Resolves when so many bytes more than now are acknowledged. */
  more: ({ bytes }: { bytes: number }) => transfer?.more(bytes),

  finish: () => transfer?.finish(),

  rebind: () => relay?.rebind(),

  weather(weather: Weather) {
    if (relay !== undefined) relay.weather = weather;
  },

  stats: () => ({ ...here().stats() }),

  ping: () => here().ping(),

  /** The code of what a dial fails with. */
  async fail({ to, ...options }: DialArgs) {
    await using udpack = await new UDPack(options).ready();
    try {
      await udpack.connect(to);
      return 'nothing';
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
  },

  async close() {
    await Promise.all([server?.close(), client?.close()]);
    await relay?.[Symbol.asyncDispose]();
    [server, client, relay, session, transfer] = [undefined, undefined, undefined, undefined, undefined];
  },
};

let session: UdpackSession | undefined;

function here(): UdpackSession {
  if (session === undefined) throw new Error('there is no session');
  return session;
}

/** The server's part: answers the end of a stream with what it has got. */
async function digest(stream: UdpackStream, moved: readonly string[]): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of stream) {
    hash.update(part);
    bytes += part.length;
  }
  stream.end(JSON.stringify({ digest: hash.digest('hex'), bytes, moved }));
}

class Transfer {
  readonly #stream: UdpackStream;
  readonly #hash = createHash('sha256');
  readonly #done: Promise<void>;
  #acknowledged = 0;
  #bytes = 0;
  #stop = false;
  #waiting: { readonly at: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(stream: UdpackStream) {
    this.#stream = stream;
    this.#done = this.#run();
    this.#done.catch(() => {});
    void stream.closed.then((error) => error && this.#fail(error));
  }

  more(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure === undefined) this.#waiting.push({ at: this.#acknowledged + bytes, resolve, reject });
      else reject(this.#failure);
    });
  }

  async finish(): Promise<Transferred> {
    this.#stop = true;
    await this.#done;
    const answer = once(this.#stream, 'data');
    this.#stream.end();
    const [text] = (await answer) as [Buffer];
    const { digest: theirs, bytes, moved } = JSON.parse(text.toString());
    const { datagramSize, datagramsLost } = this.#stream.session.stats();
    const same = bytes === this.#bytes && theirs === this.#hash.digest('hex');
    return { bytes, same, moved, datagramSize, datagramsLost, remote: this.#stream.session.remote.address };
  }

  async #run(): Promise<void> {
    for (let piece = 0; !this.#stop; piece++) {
      const bytes = Buffer.alloc(PIECE, `piece ${piece} `);
      this.#hash.update(bytes);
      this.#bytes += PIECE;
      const room = this.#stream.write(bytes, (error) => this.#onWritten(error));
      if (this.#failure !== undefined) throw this.#failure;
      if (!room) await Promise.race([once(this.#stream, 'drain'), this.#stream.closed]);
      // A turn for those who ask.
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #onWritten(error: Error | null): void {
    if (error !== null) return;
    this.#acknowledged += PIECE;
    for (const { at, resolve } of this.#waiting) if (this.#acknowledged >= at) resolve();
    this.#waiting = this.#waiting.filter(({ at }) => this.#acknowledged < at);
  }
}

process.on('message', async ({ id, command, args }: { id: number; command: string; args: never }) => {
  try {
    process.send?.({ id, result: await COMMANDS[command]?.(args) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
process.send?.({ id: 0 });
