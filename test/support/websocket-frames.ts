import type { CloseReason } from '../../src/core/index.ts';
import { WebSocketFraming, type WebSocketFramingOptions, type WebSocketSink } from '../../src/websocket/index.ts';

/** One frame, written plainly from RFC 6455 5.2 so that the tests don't trust the code they test. */
export interface FrameOptions {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  /** The masking key; undefined for a plain frame. */
  readonly key?: readonly number[] | undefined;
  /** How many bytes the length takes (0, 2 or 8), where not the fewest. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export const KEY: readonly number[] = [0x37, 0xfa, 0x21, 0x3d];

export function frame({ fin = true, rsv = 0, opcode, payload = '', key, lengthBytes }: FrameOptions): Uint8Array {
  const body = bytesOf(payload);
  const size = lengthBytes ?? (body.length < 126 ? 0 : body.length < 65536 ? 2 : 8);
  const length = Buffer.alloc(size);
  if (size === 2) length.writeUInt16BE(body.length);
  if (size === 8) length.writeBigUInt64BE(BigInt(body.length));
  const short = size === 0 ? body.length : size === 2 ? 126 : 127;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const covered = key === undefined ? body : body.map((byte, at) => byte ^ (key[at % 4] ?? 0));
  return concat([Uint8Array.of(first, (key ? 0x80 : 0) | short), length, Uint8Array.from(key ?? []), covered]);
}

/** A frame as a client sends it. */
export function masked(opcode: number, payload: Uint8Array | string = '', fin = true): Uint8Array {
  return frame({ fin, opcode, payload, key: KEY });
}

/** The payload of a close frame. */
export function closeBody(code: number, reason: Uint8Array | string = ''): Uint8Array {
  return concat([Uint8Array.of(code >> 8, code & 0xff), bytesOf(reason)]);
}

/** What a framing told, each kind in its order; bytes as hex. */
export interface Told {
  readonly messages: { text: boolean; hex: string }[];
  readonly replies: string[];
  pongs: number;
  closed: CloseReason[];
  /** Everything by name, in order. */
  readonly order: string[];
}

export function recorder(): { readonly told: Told; readonly sink: WebSocketSink } {
  const told: Told = { messages: [], replies: [], pongs: 0, closed: [], order: [] };
  const sink: WebSocketSink = {
    onMessage: (bytes, text) => {
      told.order.push('message');
      told.messages.push({ text, hex: toHex(bytes) });
    },
    onReply: (bytes) => {
      told.order.push('reply');
      told.replies.push(toHex(bytes));
    },
    onPong: () => {
      told.order.push('pong');
      told.pongs++;
    },
    onClose: (reason) => {
      told.order.push('close');
      told.closed.push(reason);
    },
  };
  return { told, sink };
}

/** What a fresh framing makes of these chunks. */
export function hear(chunks: readonly Uint8Array[], options: Partial<WebSocketFramingOptions> = {}): Told {
  const framing = new WebSocketFraming({
    role: 'server',
    messageBytes: 1 << 20,
    maskKey: () => 0x37fa213d,
    ...options,
  });
  const { told, sink } = recorder();
  for (const chunk of chunks) framing.receive(Uint8Array.from(chunk), sink);
  return told;
}

/** The messages alone, texts as they are and binaries as hex in angle brackets. */
export function spoken(told: Told): string[] {
  return told.messages.map(({ text, hex }) => (text ? Buffer.from(hex, 'hex').toString() : `<${hex}>`));
}

/** `bytes` in pieces of `size`. */
export function chop(bytes: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
  return pieces;
}

/** `bytes` cut at these offsets, in whatever order they are given. */
export function cutAt(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const places = [0, ...offsets.toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, at) => bytes.slice(places[at], end));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
}
