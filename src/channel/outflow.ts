import type { Outbound } from '../core/index.ts';
import { type ChannelCodec, MESSAGE_COST } from '../wire/index.ts';

/** Something that waits to be sent: a message, or bytes that are cut into messages when their turn comes. */
type Item =
  | { readonly message: Outbound; readonly tag: number }
  | { readonly bytes: Uint8Array; at: number; readonly done: (error?: Error) => void };

/** What goes out next. */
export interface Departure {
  readonly message: Outbound;
  readonly tag: number;
}

/**
 * What a channel has to send, in order, as far as its peer's credit goes. A message goes when any credit is left, whatever its size: the
 * reader is ahead by less than one message more than it allowed. Answers are not held back, because the reader may wait for one.
 */
export class Outflow {
  /** Credit that there is, and that was used, since the channel began; both only grow. */
  credit: number;
  sent = 0;
  /** Bytes of messages that wait; those of byte streams are the writer's. */
  queued = 0;
  readonly #channel: number;
  readonly #codec: ChannelCodec;
  /** Bytes of one message of a byte stream. */
  readonly #piece: number;
  #answers: Outbound[] = [];
  #items: Item[] = [];

  constructor(channel: number, codec: ChannelCodec, piece: number, credit: number) {
    this.#channel = channel;
    this.#codec = codec;
    this.#piece = piece;
    this.credit = credit;
  }

  get isEmpty(): boolean {
    return this.#answers.length + this.#items.length === 0;
  }

  /** Whether there is anything that may go now. */
  get isReady(): boolean {
    return this.#answers.length > 0 || (this.#items.length > 0 && this.sent < this.credit);
  }

  push(message: Outbound, tag: number): void {
    this.queued += message.length;
    this.#items.push({ message, tag });
  }

  answer(message: Outbound): void {
    this.#answers.push(message);
  }

  /** `done` is called when the bytes are not needed any more, with an error when they were not sent. */
  write(bytes: Uint8Array, done: (error?: Error) => void): void {
    if (bytes.length === 0) done();
    else this.#items.push({ bytes, at: 0, done });
  }

  /** The next message, or undefined when nothing may go. */
  next(): Departure | undefined {
    const answer = this.#answers.shift();
    if (answer) return { message: answer, tag: 0 };
    const item = this.sent < this.credit ? this.#items[0] : undefined;
    if (!item) return undefined;
    const departure = 'bytes' in item ? this.#cut(item) : item;
    this.sent += departure.message.length + MESSAGE_COST;
    if ('bytes' in item && item.at < item.bytes.length) return departure;
    this.#items.shift();
    if ('bytes' in item) item.done();
    else this.queued -= item.message.length;
    return departure;
  }

  /** Drops everything; writers are told. */
  drop(error: Error): void {
    const items = this.#items;
    this.#items = [];
    this.#answers = [];
    this.queued = 0;
    for (const item of items) if ('bytes' in item) item.done(error);
  }

  #cut(item: { readonly bytes: Uint8Array; at: number }): Departure {
    const from = item.at;
    item.at = Math.min(item.bytes.length, from + this.#piece);
    return { message: this.#codec.data(this.#channel, item.bytes.subarray(from, item.at)), tag: 0 };
  }
}
