/**
 * A client of UDPack that was written from docs/UDPACK.md, with node:crypto and node:dgram and nothing of ours: if the page is wrong, or
 * leaves something out, this client is not understood. It is no example: it repeats nothing that was lost.
 */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

export interface Frame {
  readonly type: number;
  /** Its numbers, in the order of the page. */
  readonly numbers: readonly number[];
  /** Its bytes, if it has some: a token, a reason, an id and its token, data. */
  readonly bytes: Buffer;
}

/** A datagram of the server's, opened. */
export interface Opened {
  readonly sequence: number;
  readonly number: number;
  readonly first: number;
  readonly frames: readonly Frame[];
}

interface Keys {
  readonly secret: Buffer;
  readonly key: Buffer;
  readonly iv: Buffer;
}

const VERSION = 0x55445032;
const NOISE = 'Noise_NK_25519_ChaChaPoly_SHA256';
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
/** Numbers per type of frame, and what follows them: nothing, bytes that are counted, or so many bytes. */
const LAYOUT: Readonly<Record<number, readonly [numbers: number, bytes: number | 'counted']>> = {
  0: [0, 0],
  1: [0, 0],
  3: [0, 'counted'],
  4: [0, 0],
  5: [1, 'counted'],
  6: [1, 'counted'],
  7: [1, 'counted'],
  8: [2, 24],
  9: [1, 0],
  10: [0, 8],
  11: [0, 8],
  12: [1, 0],
  13: [2, 0],
  14: [2, 0],
  15: [3, 0],
  16: [3, 0],
  17: [2, 0],
  18: [3, 0],
  19: [0, 'counted'],
};

export function varint(value: number): Buffer {
  if (value < 64) return Buffer.of(value);
  if (value < 16_384) return Buffer.of(0x40 | (value >> 8), value & 255);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value) | (3n << 62n));
  return bytes;
}

/** A frame as it is written: its type, numbers, bytes. */
export function frame(type: number, numbers: readonly number[], ...bytes: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.of(type), ...numbers.map(varint), ...bytes]);
}

/** STREAM with a length; `bits` are 0 and 2 of the page's. */
export function streamFrame(stream: number, offset: number, data: Uint8Array, bits = 0): Buffer {
  return frame(0x28 | bits, [stream, offset, data.length], data);
}

/** Packets as a stream has them. */
export function packed(...packets: readonly Uint8Array[]): Buffer {
  return Buffer.concat(packets.flatMap((packet) => [varint(packet.length + 1), packet]));
}

const sha = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer =>
  createHmac('sha256', key).update(Buffer.concat(parts)).digest();

function hkdf(ck: Uint8Array, input: Uint8Array): readonly [Buffer, Buffer] {
  const t = hmac(ck, input);
  const a = hmac(t, Buffer.of(1));
  return [a, hmac(t, a, Buffer.of(2))];
}

function seal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, text: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(header, { plaintextLength: text.length });
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when it was not sealed so. */
function unseal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  decipher.setAAD(header, { plaintextLength: sealed.length - 16 });
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
}

function keysOf(secret: Buffer): Keys {
  const expand = (label: string): Buffer => hmac(secret, Buffer.from(label), Buffer.of(1));
  return { secret, key: expand('udpack 2 key'), iv: expand('udpack 2 iv').subarray(0, 12) };
}

function nextOf({ secret }: Keys): Keys {
  return keysOf(hmac(secret, Buffer.from('udpack 2 next'), Buffer.of(1)));
}

function nonceOf({ iv }: Keys, sequence: number, number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(sequence, 0);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce.map((byte, at) => byte ^ (iv[at] ?? 0)) as Buffer;
}

function dh(own: KeyObject, other: Uint8Array): Buffer {
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, other]), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: own, publicKey });
}

/** Reads what it is given, number by number. */
class Reader {
  at = 0;
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  number(): number {
    const length = 1 << ((this.bytes[this.at] ?? 0) >> 6);
    const bytes = Buffer.from(this.take(length));
    bytes[0] = (bytes[0] ?? 0) & 0x3f;
    return bytes.length < 8 ? bytes.readUIntBE(0, length) : Number(bytes.readBigUInt64BE());
  }

  take(length: number): Buffer {
    if (length > this.left) throw new Error('a frame ends behind its datagram');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

function readFrames(text: Buffer): Frame[] {
  const reader = new Reader(text);
  const frames: Frame[] = [];
  while (reader.left > 0) frames.push(readFrame(reader));
  return frames.filter(({ type }) => type !== 0);
}

function readFrame(reader: Reader): Frame {
  const type = reader.take(1)[0] ?? 0;
  const some = (count: number): number[] => Array.from({ length: count }, () => reader.number());
  if (type === 2) {
    const head = some(4);
    return { type, numbers: [...head, ...some(1 + 2 * (head[3] ?? 0))], bytes: Buffer.alloc(0) };
  }
  if (type >= 0x20 && type < 0x30) {
    const numbers = some(2);
    return { type, numbers, bytes: reader.take(type & 8 ? reader.number() : reader.left) };
  }
  const layout = LAYOUT[type];
  if (layout === undefined) throw new Error(`a frame of type ${type}`);
  const numbers = some(layout[0]);
  return { type, numbers, bytes: reader.take(layout[1] === 'counted' ? reader.number() : layout[1]) };
}

export class PagePeer implements AsyncDisposable {
  /** What came and was opened, in its order. */
  readonly opened: Opened[] = [];
  /** What came and was no SEALED datagram that opens. */
  readonly strange: Buffer[] = [];
  /** The server's parameters, by number. */
  parameters: Map<number, Buffer> = new Map();
  /** Ids of ours, by sequence number. */
  readonly ids: Buffer[] = [randomBytes(8)];
  hash: Buffer = Buffer.alloc(0);
  serverId: Buffer = Buffer.alloc(0);

  readonly #port: number;
  readonly #serverKey: Buffer;
  readonly #ephemeral = generateKeyPairSync('x25519');
  #socket: Socket;
  #h: Buffer = Buffer.alloc(0);
  #ck: Buffer = Buffer.alloc(0);
  #send: Keys | undefined;
  #receive: Keys | undefined;
  #phase = 0;
  #number = 0;
  #heard: number[] = [];
  #wake: () => void = () => {};

  private constructor(socket: Socket, port: number, serverKey: Buffer) {
    this.#socket = socket;
    this.#port = port;
    this.#serverKey = serverKey;
    this.#listen();
  }

  static async at(port: number, serverKey: Buffer): Promise<PagePeer> {
    return new PagePeer(await bound(), port, serverKey);
  }

  /** Goes on from another port. */
  async move(): Promise<void> {
    this.#socket.close();
    this.#socket = await bound();
    this.#listen();
  }

  /** INIT, of whatever version, with a cookie or none. */
  init(cookie: Buffer = Buffer.alloc(0), version: number = VERSION): Buffer {
    const prologue = Buffer.concat([Buffer.of(0xd0, 0, 0, 0, 0), this.ids[0] ?? Buffer.alloc(8)]);
    prologue.writeUInt32BE(version, 1);
    const e = this.#ephemeral.publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI.length);
    let h = sha(Buffer.from(NOISE), prologue);
    h = sha(h, this.#serverKey);
    h = sha(h, e);
    const [ck, k] = hkdf(Buffer.from(NOISE), dh(this.#ephemeral.privateKey, this.#serverKey));
    const payload = Buffer.alloc(1200 - 13 - 1 - 40 - 32 - 16 - 16);
    parametersOf().copy(payload);
    const sealed = seal(k, Buffer.alloc(12), h, payload);
    this.#h = sha(h, sealed);
    this.#ck = ck;
    // Without a cookie the datagram would be 40 bytes too short.
    const brought = cookie.length > 0 ? cookie : Buffer.alloc(40);
    const body = Buffer.concat([prologue, Buffer.of(40), brought, e, sealed]);
    return Buffer.concat([body, hmac(this.macKey, body).subarray(0, 16)]);
  }

  get macKey(): Buffer {
    return sha(Buffer.from('UDPack 2 mac 1'), this.#serverKey);
  }

  /** Mac 2 of a RETRY or VERSION that answers this INIT. */
  macOf(answer: Buffer, init: Buffer): Buffer {
    return hmac(this.macKey, init.subarray(-16), answer.subarray(0, -16)).subarray(0, 16);
  }

  /** Takes in RESPONSE. */
  finish(response: Buffer): void {
    const f = response.subarray(13, 45);
    const h = sha(this.#h, f);
    const [ck, k] = hkdf(this.#ck, dh(this.#ephemeral.privateKey, f));
    const payload = unseal(k, Buffer.alloc(12), h, response.subarray(45));
    this.hash = sha(h, response.subarray(45));
    const [client, server] = hkdf(ck, Buffer.alloc(0));
    this.#send = keysOf(client);
    this.#receive = keysOf(server);
    this.parameters = readParameters(payload);
    this.serverId = this.parameters.get(1) ?? Buffer.alloc(8);
  }

  raw(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#port, '127.0.0.1');
  }

  /** Seals frames for the server's first id and sends them; returns their number. */
  send(...frames: readonly Buffer[]): number {
    if (this.#send === undefined) throw new Error('there are no keys');
    const number = this.#number++;
    const header = Buffer.concat([Buffer.of(this.#phase & 1 ? 0x60 : 0x40), this.serverId, Buffer.alloc(4)]);
    header.writeUInt32BE(number, 9);
    this.raw(
      Buffer.concat([header, seal(this.#send.key, nonceOf(this.#send, 0, number), header, Buffer.concat(frames))]),
    );
    return number;
  }

  /** Numbers that are never sent. */
  skip(count: number): void {
    this.#number += count;
  }

  updateKeys(): void {
    if (this.#send === undefined || this.#receive === undefined) return;
    this.#send = nextOf(this.#send);
    this.#phase++;
  }

  /** All that came by now of one stream, by offsets; undefined while there is a hole. */
  streamData(stream: number): { readonly data: Buffer; readonly ended: boolean } {
    const pieces = this.frames.filter(({ type, numbers }) => type >= 0x20 && numbers[0] === stream);
    const size = Math.max(0, ...pieces.map(({ numbers, bytes }) => (numbers[1] ?? 0) + bytes.length));
    const data = Buffer.alloc(size);
    for (const { numbers, bytes } of pieces) bytes.copy(data, numbers[1] ?? 0);
    return { data, ended: pieces.some(({ type }) => (type & 1) === 1) };
  }

  get frames(): Frame[] {
    return this.opened.flatMap(({ frames }) => frames);
  }

  /** Waits until `found` finds something in what came. */
  async until<Found>(found: () => Found | undefined | false): Promise<Found> {
    const late = setTimeout(() => this.#wake(), 10_000);
    try {
      for (const end = Date.now() + 10_000; ; ) {
        const value = found();
        if (value !== undefined && value !== false) return value;
        if (Date.now() >= end) throw new Error(`it did not come: ${JSON.stringify(this.opened.slice(-5))}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(late);
    }
  }

  frameOf(type: number): Promise<Frame> {
    return this.until(() => this.frames.find((one) => one.type === type));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #listen(): void {
    this.#socket.on('message', (bytes) => {
      this.#take(bytes);
      this.#wake();
    });
  }

  #take(bytes: Buffer): void {
    const sequence = this.ids.findIndex((id) => id.equals(bytes.subarray(1, 9)));
    const first = bytes[0] ?? 0;
    if (this.#receive === undefined || sequence < 0 || (first !== 0x40 && first !== 0x60)) {
      this.strange.push(bytes);
      return;
    }
    const number = bytes.readUInt32BE(9);
    if ((first === 0x60) !== ((this.#phase & 1) === 1)) return;
    // The server follows into the next phase with its next keys.
    const keys = Array.from({ length: this.#phase }).reduce<Keys>((before) => nextOf(before), this.#receive);
    const text = unseal(keys.key, nonceOf(keys, sequence, number), bytes.subarray(0, 13), bytes.subarray(13));
    const frames = readFrames(text);
    this.opened.push({ sequence, number, first, frames });
    if (sequence === 0) this.#heard.push(number);
    if (frames.some(({ type }) => type !== 2 && type !== 5 && type !== 6)) this.#acknowledge(sequence, number);
  }

  /** ACK of all that came to an id, or of this one alone where not all before it came. */
  #acknowledge(sequence: number, number: number): void {
    const whole = sequence === 0 && this.#heard.length === number + 1;
    this.send(frame(2, [sequence, number, 0, 0, whole ? number : 0]));
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

function parametersOf(): Buffer {
  const values: readonly (readonly [number, number])[] = [
    [3, 1_000_000],
    [4, 300_000],
    [5, 10],
    [6, 10],
    [7, 500_000],
    [8, 1200],
    [9, 30_000],
    [10, 20],
    [11, 1000],
    [12, 2],
    // Nobody knows it.
    [77, 5],
  ];
  return Buffer.concat(
    values.flatMap(([number, value]) => {
      const bytes = varint(value);
      return [varint(number), varint(bytes.length), bytes];
    }),
  );
}

function readParameters(payload: Buffer): Map<number, Buffer> {
  const reader = new Reader(payload);
  const found = new Map<number, Buffer>();
  for (let number = reader.left > 0 ? reader.number() : 0; number !== 0; ) {
    found.set(number, reader.take(reader.number()));
    number = reader.left > 0 ? reader.number() : 0;
  }
  return found;
}
