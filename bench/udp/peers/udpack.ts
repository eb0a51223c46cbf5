import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Socket } from 'node:dgram';
import { UDPack, type UdpackSession, type UdpackStream } from 'hawser/udpack';
import { Channel, type Connection, type Peer } from '../peer.ts';
import { sessionId } from './relay.ts';

class UdpackChannel extends Channel {
  readonly #stream: UdpackStream;

  constructor(stream: UdpackStream) {
    super();
    this.#stream = stream;
    stream.on('data', (bytes) => this.onData(bytes));
    stream.on('drain', () => this.onDrain());
  }

  send(bytes: Uint8Array): boolean {
    return this.#stream.send(bytes);
  }
}

class UdpackConnection implements Connection {
  readonly #session: UdpackSession;
  readonly #endpoint: UDPack;

  constructor(session: UdpackSession, endpoint: UDPack) {
    this.#session = session;
    this.#endpoint = endpoint;
  }

  async open(): Promise<Channel> {
    return new UdpackChannel(await this.#session.openStream());
  }

  batch(run: () => void): void {
    run();
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  bytesSent(): number {
    return this.#endpoint.stats().bytesSent;
  }

  id(): string | undefined {
    return seenId;
  }
}

type Send = (this: Socket, bytes: Uint8Array, ...rest: readonly unknown[]) => void;

let seenId: string | undefined;

/** Whoever is on the way can read the id in a datagram: so does the benchmark, in the next sealed one that leaves this process. */
function watchId(): void {
  const send = Reflect.get(Socket.prototype, 'send') as Send;
  const watched: Send = function (bytes, ...rest) {
    if (((bytes[0] ?? 0) & KIND_BITS) === SEALED) {
      seenId = Buffer.from(bytes.subarray(1, 1 + ID_BYTES)).toString('hex');
      Reflect.set(Socket.prototype, 'send', send);
    }
    send.call(this, bytes, ...rest);
  };
  Reflect.set(Socket.prototype, 'send', watched);
}

/** All options at their defaults; but one address may shake hands as often as it likes, which here is the measure. */
const limits = { handshakeRate: 1e9, handshakeBurst: 1e9 };
/** The one that this process dials from, made when it first does. */
const diallers: UDPack[] = [];
/** The one that this process serves by. */
const servers: UDPack[] = [];

/** What docs/UDPACK.md says of the first bytes of datagrams. */
const SEALED = 0x40;
const KIND_BITS = 0xc0;
const INIT = [0xd0, ...Buffer.from('UDP2')];
const ID_BYTES = 8;
const NUMBER_AT = 1 + ID_BYTES;
/** Numbers that no session has come to yet: what can't be new is dropped unopened. */
const NUMBERS_FROM = 1 << 24;

export const udpack: Peer = {
  async serve({ host }, onChannel) {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    const endpoint = new UDPack({ host, prikey: privateKey, anonymous: true, limits });
    endpoint.on('stream', (stream) => onChannel(new UdpackChannel(stream)));
    await endpoint.ready();
    servers[0] = endpoint;
    const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return { host, port: endpoint.endpoint?.port ?? 0, key };
  },
  async dial({ host, port, key }) {
    if (key === undefined) throw new Error('the key of the server is missing');
    const from = host === '127.0.0.1' ? host : '0.0.0.0';
    const dialler = diallers[0] ?? (await new UDPack({ host: from, pubkey: key }).ready());
    diallers[0] = dialler;
    watchId();
    return new UdpackConnection(await dialler.connect({ host, port }), dialler);
  },
  datagrams: () => servers[0]?.stats().datagramsReceived ?? 0,
  async forge(target, place, { forgery, size }) {
    const datagram = randomBytes(size);
    if (forgery === 'init') datagram.set(INIT);
    else datagram[0] = SEALED;
    if (forgery === 'live') datagram.set(await sessionId(target, (near) => udpack.dial(near, place)), 1);
    let made = 0;
    return () => {
      made++;
      if (forgery === 'unknown') datagram.writeUInt32BE(made, 1);
      else if (forgery === 'live') datagram.writeUInt32BE(NUMBERS_FROM + made, NUMBER_AT);
      else datagram.writeUInt32BE(made, size - 4);
      return datagram;
    };
  },
};
