import { createHmac, randomFillSync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Logger, { LogLevel } from '@matrixai/logger';
import { events, QUICClient, type QUICConnection, QUICServer, type QUICStream } from '@matrixai/quic';
import { Channel, type Connection, type Peer, type Place } from '../peer.ts';

const silent = new Logger('quic', LogLevel.SILENT);
const window = 16 * 1024 * 1024;

/** Its own defaults, but for windows that are no limit here, and the size of a datagram where one is asked for. */
function configOf({ datagram }: Place): object {
  return {
    initialMaxData: window,
    initialMaxStreamDataBidiLocal: window,
    initialMaxStreamDataBidiRemote: window,
    readableChunkSize: 64 * 1024,
    ...(datagram > 0 && { maxSendUdpPayloadSize: datagram, maxRecvUdpPayloadSize: datagram }),
  };
}

class QuicChannel extends Channel {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: QUICStream) {
    super();
    this.#writer = stream.writable.getWriter();
    void this.#read(stream).catch(() => {});
  }

  send(bytes: Uint8Array): boolean {
    this.#writer.write(bytes).catch(() => {});
    if ((this.#writer.desiredSize ?? 0) > 0) return true;
    this.#writer.ready.then(
      () => this.onDrain(),
      () => {},
    );
    return false;
  }

  async #read(stream: QUICStream): Promise<void> {
    for await (const bytes of stream.readable) this.onData(bytes);
  }
}

class QuicConnection implements Connection {
  readonly #client: QUICClient;

  constructor(client: QUICClient) {
    this.#client = client;
  }

  open(): Promise<Channel> {
    return Promise.resolve(new QuicChannel(this.#client.connection.newStream('bidi')));
  }

  batch(run: () => void): void {
    run();
  }

  async close(): Promise<void> {
    await this.#client.destroy({ force: true });
  }
}

/** QUIC as quiche (Rust) does it, with TypeScript around it. */
export const quic: Peer = {
  async serve(place, onChannel) {
    const sign = async (key: ArrayBuffer, data: ArrayBuffer): Promise<ArrayBuffer> => {
      const mac = createHmac('sha256', Buffer.from(key)).update(Buffer.from(data)).digest();
      return mac.buffer.slice(mac.byteOffset, mac.byteOffset + mac.byteLength);
    };
    const verify = async (key: ArrayBuffer, data: ArrayBuffer, mac: ArrayBuffer): Promise<boolean> =>
      timingSafeEqual(Buffer.from(await sign(key, data)), Buffer.from(mac));
    const server = new QUICServer({
      crypto: { key: new Uint8Array(32).fill(7).buffer, ops: { sign, verify } },
      config: {
        ...configOf(place),
        cert: readFileSync(join(place.keys, 'cert.pem'), 'utf8'),
        key: readFileSync(join(place.keys, 'key.pem'), 'utf8'),
      },
      logger: silent,
    });
    server.addEventListener(events.EventQUICServerConnection.name, (event) => {
      const { detail } = event as unknown as { detail: QUICConnection };
      detail.addEventListener(events.EventQUICConnectionStream.name, (opened) =>
        onChannel(new QuicChannel((opened as unknown as { detail: QUICStream }).detail)),
      );
    });
    await server.start({ host: place.host, port: 0 });
    return { host: place.host, port: server.port };
  },
  async dial({ host, port }, place) {
    certificate ??= readFileSync(join(place.keys, 'cert.pem'), 'utf8');
    const client = await QUICClient.createQUICClient({
      host,
      port,
      serverName: 'localhost',
      localHost: host === '127.0.0.1' ? host : '0.0.0.0',
      crypto: { ops: { randomBytes: async (data) => void randomFillSync(new Uint8Array(data)) } },
      config: { ...configOf(place), verifyPeer: true, ca: certificate },
      logger: silent,
    });
    return new QuicConnection(client);
  },
};

let certificate: string | undefined;
