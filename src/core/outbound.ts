import { ON_PAGE } from './platform.ts';
import { frameMemory } from './slab.ts';

/**
 * One encoded message on its way out, and the frames already made of it.
 *
 * A broadcast is one `Outbound` handed to every member's link: it is encoded once, and framed once per framing. The
 * same object is what a session keeps until the peer acknowledges it.
 */
export class Outbound {
  /** True for a text message (UTF-8), false for a binary one. */
  declare readonly text: boolean;
  /** Of the message, in bytes. */
  declare readonly length: number;
  /** Bytes before the message in its ArrayBuffer that belong to it alone: room for the first framing's header. */
  declare headroom: number;
  /**
   * Whether a link may give the memory of the message away, to another thread: it is then gone from here. Only for who sends the message
   * once, keeps nothing of it, and has nothing else in its ArrayBuffer.
   */
  declare movable?: boolean;
  /** The message lies in here from `#start` on. Thousands may wait for an acknowledgement: none has a view of its own. */
  readonly #memory: Uint8Array;
  readonly #start: number;
  /** By `FRAME_SLOT`. A place for each is there at once: an array that grows costs more time and memory than the frame. */
  #frames: (Uint8Array | undefined)[] | undefined;

  /** A message that is all of `memory`, or what lies there from `start` up to `end`. */
  constructor(memory: Uint8Array, text: boolean, headroom = 0, start = 0, end: number = memory.length) {
    this.#memory = memory;
    this.#start = start;
    this.length = end - start;
    this.text = text;
    this.headroom = headroom;
  }

  /**
   * The message itself, which is never changed after it was made: links write long ones from where they are. A view for each who asks, unless it
   * is all of its memory.
   */
  get bytes(): Uint8Array {
    if (!ON_PAGE && this.#memory.length === this.length) return this.#memory;
    const { buffer, byteOffset } = this.#memory;
    return new Uint8Array(buffer, byteOffset + this.#start, this.length);
  }

  /** The frame that `keepFrame` was given. On a page it is the browser that frames. */
  frame(slot: number): Uint8Array | undefined {
    return ON_PAGE ? undefined : this.#frames?.[slot];
  }

  /** For framings whose output doesn't depend on the link: the next one finds it made. */
  keepFrame(slot: number, frame: Uint8Array): void {
    if (ON_PAGE) return;
    this.#frames ??= [undefined, undefined, undefined, undefined, undefined];
    this.#frames[slot] = frame;
  }
}

/**
 * What a message goes by on a link that has lanes: those of one lane keep their order, those of two need not. A lane other than these has the
 * number of a channel.
 */
export const LANE = {
  /** The socket's own, and all that is about the session. */
  main: 0,
  /** It must arrive, but may pass others. */
  none: -1,
} as const;

/** The bytes kept free before an encoded message: the longest header of any framing (RFC 6455 5.2: 2 + 8). */
export const HEADROOM = 10;

/** Where each link-independent framing keeps its frame. */
export const FRAME_SLOT = { length: 0, line: 1, websocket: 2, websocketDeflated: 3, packet: 4 } as const;

/** Writes `header` before the message, in place when the headroom allows it, in a copy otherwise. */
export function prependHeader(message: Outbound, header: Uint8Array): Uint8Array {
  const { bytes } = message;
  if (message.headroom >= header.length) {
    message.headroom = 0;
    const framed = new Uint8Array(bytes.buffer, bytes.byteOffset - header.length, header.length + bytes.length);
    framed.set(header);
    return framed;
  }
  const framed = frameMemory(header.length + bytes.length);
  framed.set(header);
  framed.set(bytes, header.length);
  return framed;
}
