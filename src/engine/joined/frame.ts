import { decodeFramed, encodeFramed } from '../../wire/index.ts';

/** What a frame between nodes is; the third byte of it. */
export const FRAME = {
  /** A message for sockets; also the form of an entry in a log. */
  message: 1,
  /** A piece of a frame that is too long for the bus. */
  fragment: 2,
  /** "I live, and this is how far my changes have come." */
  heartbeat: 3,
  /** Changes of the sender's own members and logins, numbered. */
  changes: 4,
  /** "Send me your changes from here on, or all that you have." */
  want: 5,
  /** A part of all that the sender has. */
  snapshot: 6,
  /** What the sender says of itself. */
  notice: 7,
  question: 8,
  answer: 9,
  /** The sender has ended. */
  goodbye: 10,
} as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** `H`: what does not begin with it is not ours. */
const MAGIC = 0x48;
/** Nodes of different versions don't understand each other. */
export const NODE_PROTOCOL = 1;
/** Magic, version and kind, a byte each; then the 8 bytes of the sender's id. The same in every version. */
export const HEAD_BYTES = 11;
const ID_AT = 3;

/** Why bytes are no frame for us. */
export type NoFrame = 'foreign' | 'version';

/** Whose frame it is, as a number that tells nodes apart: 53 of the 64 bits of the id. */
export function senderKey(frame: Uint8Array): number {
  let key = (frame[ID_AT] ?? 0) & 0x1f;
  for (let at = ID_AT + 1; at < ID_AT + 7; at++) key = key * 256 + (frame[at] ?? 0);
  return key;
}

/** The sender's id as text. */
export function senderId(frame: Uint8Array): string {
  let id = '';
  for (let at = ID_AT; at < HEAD_BYTES; at++) id += (frame[at] ?? 0).toString(16).padStart(2, '0');
  return id;
}

/** The kind of a frame, or why it is none. A kind that nobody knows is a number, too. */
export function kindOf(frame: Uint8Array): number | NoFrame {
  if (frame.length < HEAD_BYTES || frame[0] !== MAGIC) return 'foreign';
  if (frame[1] !== NODE_PROTOCOL) return 'version';
  return frame[2] ?? 0;
}

/** Makes the frames of one node. */
export class Framer {
  readonly id: string;
  readonly key: number;
  /** How often the bus has come back: what was sent before that is older than what is sent now, in whatever order it comes. */
  turn = 0;
  /** Frames that went in pieces. */
  #cut = 0;
  readonly #heads: readonly Uint8Array[];

  /** `id`: 8 bytes. */
  constructor(id: Uint8Array) {
    this.#heads = Array.from({ length: FRAME.goodbye + 1 }, (_, kind) =>
      Uint8Array.of(MAGIC, NODE_PROTOCOL, kind, ...id),
    );
    const head = this.head(FRAME.goodbye);
    this.id = senderId(head);
    this.key = senderKey(head);
  }

  /** A number for a frame that is to go in pieces. */
  nextCut(): number {
    this.#cut = (this.#cut + 1) >>> 0;
    return this.#cut;
  }

  head(kind: FrameKind): Uint8Array {
    return this.#heads[kind] as Uint8Array;
  }

  /** @throws HawserError ERR_UNENCODABLE. */
  frame(kind: FrameKind, list: readonly unknown[]): Uint8Array {
    return encodeFramed(this.head(kind), list);
  }
}

/** What is in a frame: undefined when it is no list. */
export function bodyOf(frame: Uint8Array): readonly unknown[] | undefined {
  return decodeFramed(frame, HEAD_BYTES);
}

/** A name for the wire. One with half a surrogate pair has no UTF-8: it goes as the bytes of its UTF-16. */
export function carried(name: string): string | Uint8Array {
  if ((name as { isWellFormed?(): boolean }).isWellFormed?.() ?? true) return name;
  const bytes = new Uint8Array(name.length * 2);
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    bytes[2 * i] = unit >> 8;
    bytes[2 * i + 1] = unit & 0xff;
  }
  return bytes;
}

/** The name that was carried; undefined when it is none. */
export function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array) || value.length % 2 !== 0) return undefined;
  let name = '';
  for (let at = 0; at < value.length; at += 2) {
    name += String.fromCharCode(((value[at] ?? 0) << 8) | (value[at + 1] ?? 0));
  }
  return name;
}

/** A whole number from 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
