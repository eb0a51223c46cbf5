import type { Subject } from '../../engine/index.ts';

/** What Redis Cluster divides keys and channels into. */
export const SLOTS = 16_384;

/**
 * The channels and keys of one cluster of nodes, as docs/guides/redis.md lists them. What stands between the braces decides the slot in
 * Redis Cluster, so that a room's log, its channel and its ids lie on one server.
 */
export class Names {
  readonly #prefix: string;

  constructor(name: string) {
    this.#prefix = `hawser:${name}:`;
  }

  /** The channel that any program may publish to. */
  get push(): string {
    return `${this.#prefix}push`;
  }

  /** The stream that any program may add to. */
  get pushStream(): string {
    return `${this.#prefix}push:stream`;
  }

  /** The channel of a subject. */
  channel(subject: Subject): string {
    const { kind } = subject;
    if (kind === 'all') return `${this.#prefix}{all}`;
    if (kind === 'node') return `${this.#prefix}{node:${plain(subject.node)}}`;
    const name = kind === 'room' ? subject.room : subject.user;
    return `${this.#prefix}{${kind}:${plain(subject.namespace)}|${plain(name)}}`;
  }

  /** The stream with a room's log, and the channel that tells of its entries. */
  log(namespace: string, room: string): string {
    return `${this.#prefix}{log:${plain(namespace)}|${plain(room)}}`;
  }
}

/** Where the log stands. */
export function metaKey(log: string): string {
  return `${log}:meta`;
}

/** What the log has by an id. */
export function idKey(log: string, id: string): string {
  return `${log}:id:${plain(id)}`;
}

/** What would end the braces early, be taken for our own signs, or be lost in UTF-8. */
const ODD = /[%{}|\s\p{Cc}\p{Cs}]/u;
const ALL_ODD = new RegExp(ODD, 'gu');

function plain(name: string): string {
  if (!ODD.test(name)) return name;
  return name.replace(ALL_ODD, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The slot of a key or a channel: CRC-16 (XMODEM) of what stands between the first braces, or of all. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const bytes = Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key);
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) & 0xff_ff) ^ (CRC[(crc >> 8) ^ byte] ?? 0);
  return crc % SLOTS;
}

const CRC: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80_00 ? ((crc << 1) ^ 0x10_21) & 0xff_ff : (crc << 1) & 0xff_ff;
  return crc;
});
