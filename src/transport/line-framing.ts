import { assert, CLOSE, type CloseReason, errorOfClose, FRAME_SLOT, type Outbound } from '../core/index.ts';
import type { Framing, FramingSink } from './framing.ts';
import { GrowingBytes } from './growing-bytes.ts';

const LF = 10;
const CR = 13;

/**
 * One text message a line, for peers with nothing but a socket. LF ends a line, a CR before it is dropped, empty lines
 * mean nothing. Messages must not contain LF: JSON never does, and dialects of lines are checked.
 */
export class LineFraming implements Framing {
  readonly answersGoodbye: boolean = false;
  readonly #messageBytes: number;
  readonly #saysWhy: boolean;
  #part: GrowingBytes | undefined;
  #over = false;

  /** `saysWhy`: a peer that is turned away is told so in a line of JSON. */
  constructor(messageBytes: number, saysWhy = true) {
    this.#messageBytes = messageBytes;
    this.#saysWhy = saysWhy;
  }

  receive(chunk: Uint8Array, sink: FramingSink): void {
    let at = 0;
    while (!this.#over && at < chunk.length) {
      const end = chunk.indexOf(LF, at);
      if (end < 0) {
        this.#keep(chunk.subarray(at), sink);
        return;
      }
      this.#line(chunk.subarray(at, end), sink);
      at = end + 1;
    }
  }

  encode(message: Outbound): Uint8Array {
    assert(message.text, 'only text goes in lines');
    const cached = message.frame(FRAME_SLOT.line);
    if (cached !== undefined) return cached;
    const frame = new Uint8Array(message.length + 1);
    frame.set(message.bytes);
    frame[message.length] = LF;
    message.keepFrame(FRAME_SLOT.line, frame);
    return frame;
  }

  goodbye(reason: CloseReason): Uint8Array {
    const isSaid = reason.code === CLOSE.normal || reason.told === true;
    return isSaid || !this.#saysWhy ? new Uint8Array(0) : errorLine(reason);
  }

  /** Such peers have no other goodbye than to end their stream; only half a line says that something broke. */
  ended(): CloseReason {
    return this.#part === undefined
      ? { code: CLOSE.noStatus, reason: '' }
      : { code: CLOSE.abnormal, reason: 'the stream ended within a line' };
  }

  #line(end: Uint8Array, sink: FramingSink): void {
    let line = end;
    if (this.#part !== undefined) {
      if (!this.#keep(end, sink)) return;
      line = this.#part.bytes;
      this.#part = undefined;
    }
    if (line.at(-1) === CR) line = line.subarray(0, -1);
    if (line.length > this.#messageBytes) this.#refuse(sink);
    else if (line.length > 0) sink.onMessage(line, true);
  }

  /** False when the line has grown too long. */
  #keep(piece: Uint8Array, sink: FramingSink): boolean {
    const limit = this.#messageBytes + 1;
    if ((this.#part?.length ?? 0) + piece.length > limit) {
      this.#refuse(sink);
      return false;
    }
    this.#part ??= new GrowingBytes();
    this.#part.append(piece, limit);
    return true;
  }

  #refuse(sink: FramingSink): void {
    const reason = { code: CLOSE.messageTooLarge, reason: `a line may have ${this.#messageBytes} bytes` };
    this.#over = true;
    this.#part = undefined;
    if (this.#saysWhy) sink.onReply(errorLine(reason));
    sink.onClose(reason);
  }
}

/** The line that tells a peer of unknown or plain dialect why it is turned away. */
export function errorLine(reason: CloseReason): Uint8Array {
  const error = { event: 'error', code: errorOfClose(reason.code), message: reason.reason };
  return new TextEncoder().encode(`${JSON.stringify(error)}\n`);
}
