import { isUtf8 } from '../core/index.ts';
import { DATA_HEADER } from './datagrams.ts';
import { readUint16, writeUint16 } from './numbers.ts';

/** Its topic is that of the block before it in the same datagram. */
const SAME_TOPIC = 1;
/** Its message goes on in the next block of the publisher. */
const MORE = 2;
/** It goes on with the message of the block before it; it has no topic. */
const CONTINUED = 4;
const KNOWN = SAME_TOPIC | MORE | CONTINUED;

/** Length and flags. */
const BLOCK_HEADER = 3;
/** What a block takes beside topic and payload, when it names its topic. */
export const BLOCK_OVERHEAD: number = BLOCK_HEADER + 1;
/** The longest topic, bytes of UTF-8. */
export const TOPIC_MOST = 255;

/** Which part of its message a block is. */
export interface Part {
  readonly more: boolean;
  readonly continued: boolean;
}

export const WHOLE: Part = { more: false, continued: false };

/**
 * Writes a block and returns where the next one begins.
 * @param topic Undefined: the same as of the block before.
 * @param from What of the payload: up to, not including, `to`.
 */
export function writeBlock(
  bytes: Uint8Array,
  start: number,
  topic: Uint8Array | undefined,
  part: Part,
  payload: Uint8Array,
  from = 0,
  to: number = payload.length,
): number {
  let at = start + BLOCK_HEADER;
  const named = !part.continued && topic !== undefined;
  if (named) {
    bytes[at++] = topic.length;
    bytes.set(topic, at);
    at += topic.length;
  }
  // A short payload is copied faster by hand than through a view.
  if (to - from <= 64) for (let i = from; i < to; i++) bytes[at++] = payload[i] as number;
  else {
    bytes.set(from === 0 && to === payload.length ? payload : payload.subarray(from, to), at);
    at += to - from;
  }
  writeUint16(bytes, start, at - start - 2);
  bytes[start + 2] =
    (part.continued ? CONTINUED : 0) | (part.more ? MORE : 0) | (named || part.continued ? 0 : SAME_TOPIC);
  return at;
}

/** Whether `count` blocks fill the body of a datagram up to `end`, each by the rules. */
export function areBlocks(bytes: Uint8Array, end: number, count: number): boolean {
  let at = DATA_HEADER;
  let topic = false;
  for (let i = 0; i < count; i++) {
    if (at + BLOCK_HEADER > end) return false;
    const after = at + 2 + readUint16(bytes, at);
    const flags = bytes[at + 2] as number;
    at += BLOCK_HEADER;
    if (after < at || after > end || flags > KNOWN) return false;
    if ((flags & CONTINUED) !== 0) {
      // Parts of nothing would make a message of any number of them.
      if ((flags & SAME_TOPIC) !== 0 || after === at) return false;
    } else if ((flags & SAME_TOPIC) === 0) {
      if (!isTopic(bytes, at, after)) return false;
      topic = true;
    } else if (!topic) return false;
    at = after;
  }
  return at === end;
}

/** Goes through the blocks of a datagram that `areBlocks` has found good. One reader serves many datagrams, one at a time. */
export class BlockReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #next = 0;
  readonly #topics = new TopicTexts();
  #topic = '';
  more = false;
  continued = false;
  /** Where the payload lies. */
  from = 0;
  to = 0;

  start(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#next = DATA_HEADER;
  }

  /** The topic of this block; without meaning when it is continued. */
  get topic(): string {
    return this.#topic;
  }

  /** Steps to the next block. */
  step(): void {
    const bytes = this.#bytes;
    const start = this.#next;
    const flags = bytes[start + 2] as number;
    this.#next = start + 2 + readUint16(bytes, start);
    this.more = (flags & MORE) !== 0;
    this.continued = (flags & CONTINUED) !== 0;
    this.from = start + BLOCK_HEADER;
    this.to = this.#next;
    if ((flags & (CONTINUED | SAME_TOPIC)) !== 0) return;
    const length = bytes[this.from] as number;
    this.from += 1 + length;
    this.#topic = this.#topics.read(bytes, this.from - length, this.from);
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const TEXTS = 1024;

/** Topics come again and again: the text of the last one with this hash. */
class TopicTexts {
  readonly #texts: (string | undefined)[] = new Array<string | undefined>(TEXTS);

  read(bytes: Uint8Array, from: number, to: number): string {
    let hash = to - from;
    let high = 0;
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number;
      hash = (hash * 31 + byte) | 0;
      high |= byte;
    }
    if (high > 0x7f) return decoder.decode(bytes.subarray(from, to));
    const place = (hash ^ (hash >>> 10)) & (TEXTS - 1);
    const known = this.#texts[place];
    if (known !== undefined && isText(known, bytes, from, to)) return known;
    const text = decoder.decode(bytes.subarray(from, to));
    this.#texts[place] = text;
    return text;
  }
}

function isText(text: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}

function isTopic(bytes: Uint8Array, at: number, after: number): boolean {
  if (at >= after) return false;
  const length = bytes[at] as number;
  return length > 0 && at + 1 + length <= after && isUtf8(bytes, at + 1, at + 1 + length);
}
