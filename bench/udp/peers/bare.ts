import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { Channel, type Connection, type Peer } from '../peer.ts';
import { bound } from './udp-socket.ts';

const CIPHER = 'chacha20-poly1305';
const TAG = 16;
const HEADER = 9;
const KEY = Buffer.alloc(32, 5);
/** Datagrams that are on their way, and how many of them are acknowledged at a time. */
const WINDOW = 256;
const ACK_EVERY = 16;
const ACK_BYTES = 40;

/**
 * The path that no protocol can avoid, and nothing else: seal a datagram, `dgram` send, receive, open, and an ack for every 16. It survives
 * no loss; its window is small enough that there is none on a loopback.
 */
class BareChannel extends Channel {
  readonly #socket: Socket;
  readonly #to: () => { port: number; address: string };
  readonly #size: number;
  readonly #free: Buffer[] = [];
  readonly #nonce: Buffer = Buffer.alloc(12);
  readonly #openNonce: Buffer = Buffer.alloc(12);
  #sent = 0;
  #acked = 0;
  #received = 0;
  #waiting: Uint8Array[] = [];
  #offset = 0;

  constructor(socket: Socket, to: () => { port: number; address: string }, datagram: number) {
    super();
    this.#socket = socket;
    this.#to = to;
    this.#size = datagram;
  }

  send(bytes: Uint8Array): boolean {
    this.#waiting.push(bytes);
    this.#push();
    return this.#waiting.length < 4;
  }

  receive(datagram: Buffer): void {
    const number = datagram.readUInt32LE(1);
    this.#openNonce.writeUInt32LE(number, 4);
    this.#openNonce[0] = datagram[0] ?? 0;
    const end = datagram.length - TAG;
    const decipher = createDecipheriv(CIPHER, KEY, this.#openNonce, { authTagLength: TAG });
    decipher.setAAD(datagram.subarray(0, HEADER), { plaintextLength: end - HEADER });
    decipher.setAuthTag(datagram.subarray(end));
    const text = decipher.update(datagram.subarray(HEADER, end));
    decipher.final();
    if (datagram[0] === 1) this.#onAck(text.readUInt32LE(0));
    else this.#onPayload(text);
  }

  #onPayload(text: Buffer): void {
    this.#received++;
    if (this.#received % ACK_EVERY === 0) {
      const ack = Buffer.alloc(ACK_BYTES);
      ack.writeUInt32LE(this.#received);
      this.#seal(1, this.#received, ack, 0, ACK_BYTES);
    }
    this.onData(text);
  }

  #onAck(number: number): void {
    this.#acked = Math.max(this.#acked, number);
    const full = this.#waiting.length;
    this.#push();
    if (this.#waiting.length < full) this.onDrain();
  }

  #push(): void {
    const most = this.#size - HEADER - TAG;
    for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
      while (this.#offset < chunk.length) {
        if (this.#sent - this.#acked >= WINDOW) return;
        const length = Math.min(most, chunk.length - this.#offset);
        this.#seal(0, ++this.#sent, chunk, this.#offset, length);
        this.#offset += length;
      }
      this.#offset = 0;
      this.#waiting.shift();
    }
  }

  #seal(kind: number, number: number, from: Uint8Array, offset: number, length: number): void {
    const target = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size);
    target[0] = kind;
    target.writeUInt32LE(number, 1);
    target.writeUInt32LE(0, 5);
    this.#nonce[0] = kind;
    this.#nonce.writeUInt32LE(number, 4);
    const cipher = createCipheriv(CIPHER, KEY, this.#nonce, { authTagLength: TAG });
    cipher.setAAD(target.subarray(0, HEADER), { plaintextLength: length });
    target.set(cipher.update(from.subarray(offset, offset + length)), HEADER);
    cipher.final();
    target.set(cipher.getAuthTag(), HEADER + length);
    const { port, address } = this.#to();
    this.#socket.send(target, 0, HEADER + length + TAG, port, address, () => this.#free.push(target));
  }
}

export const bare: Peer = {
  async serve({ host, datagram }, onChannel) {
    const socket = await bound(host);
    const channels = new Map<number, BareChannel>();
    socket.on('message', (bytes, { port, address }) => {
      let channel = channels.get(port);
      if (channel === undefined) {
        channel = new BareChannel(socket, () => ({ port, address }), datagram);
        channels.set(port, channel);
        onChannel(channel);
      }
      channel.receive(bytes);
    });
    return { host, port: socket.address().port };
  },
  async dial({ host, port }, { datagram }) {
    const socket = await bound(host);
    const channel = new BareChannel(socket, () => ({ port, address: host }), datagram);
    socket.on('message', (bytes) => channel.receive(bytes));
    const connection: Connection = {
      open: () => Promise.resolve(channel),
      batch: (run) => run(),
      close: async () => void socket.close(),
    };
    return connection;
  },
};
