import { HawserError } from '../core/index.ts';
import { BLOCK_OVERHEAD, type Part, TOPIC_MOST, WHOLE, writeBlock } from './blocks.ts';
import { COUNT_END, DATA_HEADER, writeDataHeader } from './datagrams.ts';
import { seal, sealBytes } from './envelope.ts';
import type { LanKey } from './keys.ts';

export interface PackerOptions {
  /** The kind of its datagrams. */
  readonly kind: number;
  readonly session: Uint8Array;
  readonly door: number;
  readonly datagramBytes: number;
  readonly key: LanKey | undefined;
  /** Hears of each finished datagram: messages from `first` up to, not including, `next`. The bytes are the hearer's own. */
  done(bytes: Uint8Array, first: number, next: number): void;
}

/** Puts messages into datagrams, as many as fit, and gives them their numbers. */
export class Packer {
  readonly #options: PackerOptions;
  readonly #bytes: Uint8Array;
  /** Where blocks must end, so that a signature fits. */
  readonly #most: number;
  #end = DATA_HEADER;
  #count = 0;
  #next = 1;
  #topic: Uint8Array | undefined;

  constructor(options: PackerOptions) {
    this.#options = options;
    this.#bytes = new Uint8Array(options.datagramBytes);
    this.#most = options.datagramBytes - sealBytes(options.key);
  }

  /** The number of the next message. */
  get next(): number {
    return this.#next;
  }

  /** Bytes of the datagram that is begun; 0 when none is. */
  get openBytes(): number {
    return this.#count === 0 ? 0 : this.#end;
  }

  /** Whether such a message fits in one datagram. */
  fits(topic: Uint8Array, payload: Uint8Array): boolean {
    return DATA_HEADER + BLOCK_OVERHEAD + topic.length + payload.length <= this.#most;
  }

  /** @param topic Of the same identity for the same topic: it is compared so. */
  add(topic: Uint8Array, payload: Uint8Array): void {
    if (!this.#hasRoom(topic, payload.length)) this.flush();
    if (this.#hasRoom(topic, payload.length)) this.#write(topic, WHOLE, payload, 0, payload.length);
    else this.#addInParts(topic, payload);
  }

  /** Finishes the datagram that is begun. */
  flush(): void {
    if (this.#count === 0) return;
    const { kind, session, door, key } = this.#options;
    const first = this.#next - this.#count;
    const bytes = this.#bytes.slice(0, this.#end + sealBytes(key));
    writeDataHeader(bytes, kind, session, { door, first, count: this.#count });
    const sealed = seal(bytes, this.#end, key);
    this.#end = DATA_HEADER;
    this.#count = 0;
    this.#topic = undefined;
    this.#options.done(sealed, first, this.#next);
  }

  #hasRoom(topic: Uint8Array, length: number): boolean {
    const named = this.#topic === topic ? -1 : topic.length;
    return this.#end + BLOCK_OVERHEAD + named + length <= this.#most;
  }

  /** Each part fills what is left of a datagram; the last one leaves room to the next message. */
  #addInParts(topic: Uint8Array, payload: Uint8Array): void {
    let from = 0;
    while (from < payload.length) {
      const room = this.#most - this.#end - BLOCK_OVERHEAD - (from === 0 ? topic.length : -1);
      const to = Math.min(payload.length, from + room);
      this.#write(topic, { more: to < payload.length, continued: from > 0 }, payload, from, to);
      if (to < payload.length) this.flush();
      from = to;
    }
  }

  #write(topic: Uint8Array, part: Part, payload: Uint8Array, from: number, to: number): void {
    this.#end = writeBlock(this.#bytes, this.#end, this.#topic === topic ? undefined : topic, part, payload, from, to);
    if (!part.continued) this.#topic = topic;
    this.#next++;
    if (++this.#count === COUNT_END - 1) this.flush();
  }
}

/** The bytes of topics that come again and again. */
export class TopicBytes {
  readonly #most: number;
  readonly #known = new Map<string, Uint8Array>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws HawserError ERR_ARGUMENT for what is no topic: empty, longer than 255 bytes of UTF-8, or with half a surrogate pair. */
  of(topic: string): Uint8Array {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    const bytes = topicBytes(topic);
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(topic, bytes);
    return bytes;
  }
}

const encoder = new TextEncoder();

function topicBytes(topic: string): Uint8Array {
  if (typeof topic !== 'string' || topic === '')
    throw new HawserError('ERR_ARGUMENT', 'a topic is a text, and not empty');
  if (topic.length > TOPIC_MOST || !topic.isWellFormed()) throw notTopic(topic);
  const bytes = encoder.encode(topic);
  if (bytes.length > TOPIC_MOST) throw notTopic(topic);
  return bytes;
}

function notTopic(topic: string): HawserError {
  return new HawserError(
    'ERR_ARGUMENT',
    `no topic, or longer than ${TOPIC_MOST} bytes: ${topic.slice(0, 40).toWellFormed()}…`,
  );
}
