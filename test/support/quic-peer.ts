import { realWorld } from '../../src/runtime/index.ts';
import type { Connection, ConnectionUser, Ending } from '../../src/transports/quic/connection.ts';
import { type Host, Hub } from '../../src/transports/quic/hub.ts';
import { loadQuiche, type MachineConfig, type Quiche } from '../../src/transports/quic/quiche.ts';
import { Authority, type Pair } from './certificates.ts';

/** An authority, and what a server on this machine shows. */
export class Papers implements Disposable {
  readonly authority: Authority = new Authority();
  readonly local: Pair = this.authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1,IP:::1');

  /** The URL to listen on. */
  at(url = 'quic://127.0.0.1:0'): string {
    return `${url}?cert=${this.local.certFile}&key=${this.local.keyFile}`;
  }

  /** The URL to dial what listens on `url`, or on another port. */
  to(url: string, port?: number): string {
    const at = port === undefined ? url : url.replace(/:\d+$/, `:${port}`);
    return `${at}?ca=${this.authority.caFile}`;
  }

  [Symbol.dispose](): void {
    this.authority[Symbol.dispose]();
  }
}

export interface QuicPeerOptions {
  readonly alpn?: string;
  /** The streams of one direction that it lets its peer open. */
  readonly streams?: number;
}

/** What both sides are made of: QUIC as it is, without Hawser's manners. */
async function configOf(
  quiche: Quiche,
  { alpn = 'hawser/1', streams = 10 }: QuicPeerOptions,
  own?: Pair,
): Promise<MachineConfig> {
  const bytes = (text: string | undefined): Uint8Array[] | null => (text === undefined ? null : [Buffer.from(text)]);
  const config = quiche.Config.withBoringSslCtx(false, false, null, bytes(own?.key), bytes(own?.cert), null);
  config.setApplicationProtos([alpn]);
  config.setMaxIdleTimeout(20_000);
  for (const set of ['BidiLocal', 'BidiRemote', 'Uni'] as const) config[`setInitialMaxStreamData${set}`](1_000_000);
  config.setInitialMaxData(1_000_000);
  config.setInitialMaxStreamsUni(streams);
  config.setInitialMaxStreamsBidi(1);
  config.enableDgram(true, 100, 100);
  config.setMaxSendUdpPayloadSize(1200);
  return config;
}

/** A peer that speaks QUIC, and what it likes above it. */
export class QuicPeer implements AsyncDisposable, ConnectionUser {
  connection!: Connection;
  /** What each stream has said, in order. */
  readonly heard: Map<number, Buffer> = new Map();
  readonly ended: Promise<Ending>;
  readonly established: Promise<void>;
  #hub: Hub | undefined;
  #tellEnded: (ending: Ending) => void = () => {};
  #tellEstablished: () => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.established = new Promise((resolve) => {
      this.#tellEstablished = resolve;
    });
  }

  static async dial(port: number, options: QuicPeerOptions = {}): Promise<QuicPeer> {
    const quiche = await loadQuiche();
    const peer = new QuicPeer();
    peer.#hub = await Hub.open('127.0.0.1', 0, { quiche, world: realWorld(), datagramBytes: 1200 });
    const config = await configOf(quiche, options);
    peer.connection = peer.#hub.dial({ host: '127.0.0.1', port }, 'localhost', { config, user: peer, keepalive: 0 });
    return peer;
  }

  /** Sends bytes on a stream, which begins with the first of them. */
  say(stream: number, bytes: Uint8Array, last = false): void {
    this.connection.write(stream, bytes);
    if (last) this.connection.finish(stream);
  }

  onEstablished(): void {
    this.#tellEstablished();
  }

  onReadable(stream: number): void {
    for (let read = this.connection.read(stream); read !== undefined; read = this.connection.read(stream)) {
      this.heard.set(stream, Buffer.concat([this.heard.get(stream) ?? Buffer.alloc(0), read.bytes]));
      if (read.last) return;
    }
  }

  onDatagram(): void {}

  onBroken(): void {}

  onBatch(): void {}

  onClosed(ending: Ending): void {
    this.#tellEnded(ending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hub?.stop();
  }
}

/** A server that speaks QUIC, and nothing of Hawser's above it. */
export class QuicStranger implements AsyncDisposable {
  readonly peers: QuicPeer[] = [];
  readonly port: number;
  readonly #hub: Hub;

  private constructor(hub: Hub) {
    this.#hub = hub;
    this.port = hub.local.port;
  }

  static async open(
    own: Pair,
    options: QuicPeerOptions = {},
    onPeer: (peer: QuicPeer) => void = () => {},
  ): Promise<QuicStranger> {
    const quiche = await loadQuiche();
    const hub = await Hub.open('127.0.0.1', 0, { quiche, world: realWorld(), datagramBytes: 1200 });
    const stranger = new QuicStranger(hub);
    const host: Host = {
      config: await configOf(quiche, options, own),
      admits: () => true,
      newcomer(connection) {
        const peer = new QuicPeer();
        peer.connection = connection;
        stranger.peers.push(peer);
        onPeer(peer);
        return peer;
      },
    };
    hub.host = host;
    hub.hold();
    return stranger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hub.stop();
  }
}
