import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientSocket, type ConnectOptions, connect } from '../../src/client/index.ts';
import { createServer, type Server, type ServerOptions } from '../../src/server/index.ts';
import { quicFiles } from './quic-keys.ts';
import { type Dialect, RawPeer } from './raw-peer.ts';
import { keyFiles } from './udpack-keys.ts';

let houses = 0;

/** A server with a room, everything that was dialled to it, and what it reported; all of it ends with the test. */
export class House implements AsyncDisposable {
  readonly server: Server;
  readonly reported: unknown[] = [];
  readonly #open: AsyncDisposable[] = [];
  #urls: readonly string[] = [];

  private constructor(options: ServerOptions) {
    this.server = createServer({ onError: (error) => this.reported.push(error), ...options });
    this.server.on('connection', (socket) => {
      socket.join('hall');
      socket.on('say', (data) => socket.to('hall').send('say', data));
      socket.handle('echo', (data) => data);
    });
  }

  /** Listens on a URL for each scheme. */
  static async open(options: ServerOptions = {}, ...schemes: Scheme[]): Promise<House> {
    const house = new House({ times: { closeWait: 200 }, ...options });
    house.#urls = await house.server.listen(...schemes.map(freshUrl));
    return house;
  }

  url(scheme: Scheme): string {
    const found = this.#urls.find((url) => url.startsWith(`${scheme}:`));
    if (found === undefined) throw new Error(`nothing listens on ${scheme}:`);
    if (scheme === 'quic') return `${found}?ca=${quicFiles().certFile}`;
    return scheme === 'udpack' ? `${found}?key=${keyFiles().publicFile}` : found;
  }

  async client(scheme: Scheme, options: ConnectOptions = {}): Promise<ClientSocket> {
    return this.keep(await connect(this.url(scheme), options));
  }

  async peer(scheme: Scheme, dialect: Dialect, options: object = {}): Promise<RawPeer> {
    return this.keep(await RawPeer.open(this.url(scheme), dialect, options));
  }

  /** Two that talk in the room and notice when a word of theirs is lost, doubled or out of order. */
  async bystanders(): Promise<Bystanders> {
    const scheme = this.#urls[0]?.split(':')[0] as Scheme;
    return new Bystanders(await this.client(scheme), await this.client(scheme));
  }

  keep<T extends AsyncDisposable>(one: T): T {
    this.#open.push(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.toReversed()) await one[Symbol.asyncDispose]();
    await this.server.close({ drain: 0 });
  }
}

export type Scheme = 'tcp' | 'ws' | 'ipc' | 'inproc' | 'worker' | 'udpack' | 'quic';

/** An endpoint that nobody listens on. */
export function freshUrl(scheme: Scheme): string {
  houses += 1;
  if (scheme === 'ipc') return `ipc://${join(tmpdir(), `hawser-${process.pid}-${houses}.sock`)}`;
  if (scheme === 'inproc' || scheme === 'worker') return `${scheme}:house-${process.pid}-${houses}`;
  if (scheme === 'quic') return `quic://127.0.0.1:0?cert=${quicFiles().certFile}&key=${quicFiles().keyFile}`;
  return `${scheme}://127.0.0.1:0${scheme === 'udpack' ? `?key=${keyFiles().privateFile}` : ''}`;
}

export class Bystanders {
  readonly talker: ClientSocket;
  readonly listener: ClientSocket;
  readonly #trouble: unknown[] = [];
  #said = 0;
  #heard = 0;
  #waiting: (() => void) | undefined;

  constructor(talker: ClientSocket, listener: ClientSocket) {
    this.talker = talker;
    this.listener = listener;
    for (const socket of [talker, listener]) {
      for (const event of ['down', 'error', 'close'] as const)
        socket.on(event, (why: unknown) => this.#note(event, why));
    }
    listener.on('say', (data) => this.#hear(data));
  }

  /** Says a few words and waits until they have arrived. @throws when anything was amiss since the last time. */
  async check(): Promise<void> {
    for (let i = 0; i < 5; i++) this.talker.send('say', { bystander: this.#said++ });
    await this.talker.request('echo', 1);
    while (this.#heard < this.#said && this.#trouble.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    if (this.#trouble.length > 0) throw new Error(`a bystander noticed: ${JSON.stringify(this.#trouble)}`);
  }

  /** What others say in the room is no business of theirs. */
  #hear(data: unknown): void {
    const number = (data as { bystander?: number } | null)?.bystander;
    if (typeof number !== 'number') return;
    if (number === this.#heard) this.#heard += 1;
    else this.#note('out of order', { number, expected: this.#heard });
    this.#waiting?.();
  }

  #note(what: string, why: unknown): void {
    this.#trouble.push([what, why]);
    this.#waiting?.();
  }
}
