import type { BlockReader } from './blocks.ts';

/** A message whose parts are on their way. */
interface Begun {
  readonly topic: string;
  readonly first: number;
  /** Its parts, one behind the other, and room for more; undefined when nobody wants it: then they are only counted. */
  payload: Uint8Array | undefined;
  bytes: number;
}

/** A message that is whole. */
export interface Whole {
  readonly topic: string;
  readonly first: number;
  /** Undefined when nobody wants it. */
  readonly payload: Uint8Array | undefined;
}

/** Puts long messages together from their parts, which come in order. What can't become whole is told as a cut, from its first number on. */
export class Assembly {
  readonly #most: number;
  readonly #cut: (from: number, to: number) => void;
  #begun: Begun | undefined;
  /** The first of some parts whose message has no beginning here. */
  #orphans: number | undefined;
  /** Nothing has begun yet: parts here are of a message from before. */
  #joining: boolean;

  /**
   * @param most Bytes of a message; a longer one is cut.
   * @param joining Whether the first parts may be of a message that began before.
   * @param cut Hears of numbers, the first and the last, that came for nothing.
   */
  constructor(most: number, joining: boolean, cut: (from: number, to: number) => void) {
    this.#most = most;
    this.#joining = joining;
    this.#cut = cut;
  }

  /** Nothing comes any more of what was begun: number `next` isn't a part of it. */
  end(next: number): void {
    const first = this.#begun?.first ?? this.#orphans;
    this.#begun = undefined;
    this.#orphans = undefined;
    if (first !== undefined) this.#cut(first, next - 1);
  }

  /** A block that is a whole message by itself, or the first part of one, stands at this number. */
  begins(number: number): void {
    this.#joining = false;
    if (this.#begun !== undefined || this.#orphans !== undefined) this.end(number);
  }

  begin(reader: BlockReader, bytes: Uint8Array, number: number, wanted: boolean): void {
    const payload = wanted ? new Uint8Array(bytes.subarray(reader.from, reader.to)) : undefined;
    this.#begun = { topic: reader.topic, first: number, payload, bytes: reader.to - reader.from };
  }

  /** Takes in a part that isn't the first; returns the message when it is the last. */
  goOn(reader: BlockReader, bytes: Uint8Array, number: number): Whole | undefined {
    const begun = this.#begun;
    if (begun === undefined) {
      this.#orphan(number, reader.more);
      return undefined;
    }
    const at = begun.bytes;
    begun.bytes += reader.to - reader.from;
    if (begun.bytes > this.#most) {
      this.#begun = undefined;
      this.#orphans = begun.first;
      this.#orphan(number, reader.more);
      return undefined;
    }
    if (begun.payload !== undefined) {
      begun.payload = withRoom(begun.payload, begun.bytes, this.#most);
      begun.payload.set(bytes.subarray(reader.from, reader.to), at);
    }
    if (reader.more) return undefined;
    this.#begun = undefined;
    return { topic: begun.topic, first: begun.first, payload: begun.payload?.subarray(0, begun.bytes) };
  }

  #orphan(number: number, more: boolean): void {
    if (this.#joining) return;
    this.#orphans ??= number;
    if (!more) this.end(number + 1);
  }
}

/** A part may be as small as a byte: one piece of memory for all costs no more than they have. */
function withRoom(payload: Uint8Array, bytes: number, most: number): Uint8Array {
  if (payload.length >= bytes) return payload;
  const larger = new Uint8Array(Math.min(most, Math.max(bytes, payload.length * 2)));
  larger.set(payload);
  return larger;
}
