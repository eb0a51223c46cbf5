import { CLOSE, type CloseReason, type Outbound } from '../../../core/index.ts';
import { type Framing, type FramingSink, LengthFraming } from '../../../transport/index.ts';
import { eventsIn, readCloseText, type StreamEvent } from './event-text.ts';

/** What differs between Node and a browser. */
export interface Base64 {
  decode(text: Uint8Array): Uint8Array;
}

/**
 * The client's side: messages up are the frames of a byte stream (docs/PROTOCOL.md 2.2), what comes down is whole events. An event that was
 * heard before, on a stream that broke, is passed over.
 */
export class ClientFraming implements Framing {
  readonly answersGoodbye: boolean = true;
  readonly #frames: LengthFraming;
  readonly #messageBytes: number;
  readonly #base64: Base64;
  #heard = 0;
  #saidGoodbye = false;

  constructor(messageBytes: number, base64: Base64) {
    this.#frames = new LengthFraming(messageBytes);
    this.#messageBytes = messageBytes;
    this.#base64 = base64;
  }

  /** The number of the last event. */
  get heard(): number {
    return this.#heard;
  }

  encode(message: Outbound): Uint8Array {
    return this.#frames.encode(message);
  }

  write(message: Outbound, target: Uint8Array, at: number): number {
    return this.#frames.write(message, target, at);
  }

  goodbye(reason: CloseReason): Uint8Array {
    this.#saidGoodbye = true;
    return this.#frames.goodbye(reason);
  }

  receive(chunk: Uint8Array, sink: FramingSink): void {
    for (const event of eventsIn(chunk)) {
      if (!(event.id > this.#heard)) continue;
      const end = event.id > this.#heard + 1 ? GAP : this.#hear(event, sink);
      if (end === undefined) continue;
      if (!this.#saidGoodbye) sink.onReply(this.goodbye(end));
      sink.onClose(end);
      return;
    }
  }

  /** Returns why it was the last event. */
  #hear({ id, kind, data }: StreamEvent, sink: FramingSink): CloseReason | undefined {
    this.#heard = id;
    if (kind === 'close') return readCloseText(new TextDecoder().decode(data)) ?? MALFORMED;
    if (kind !== '' && kind !== 'text' && kind !== 'binary') return MALFORMED;
    if (data.length > (kind === '' ? this.#messageBytes : base64Length(this.#messageBytes))) {
      return { code: CLOSE.messageTooLarge, reason: `a message may have ${this.#messageBytes} bytes` };
    }
    let bytes: Uint8Array;
    try {
      bytes = kind === '' ? data : this.#base64.decode(data);
    } catch {
      return MALFORMED;
    }
    sink.onMessage(bytes, kind !== 'binary');
    return undefined;
  }
}

/** What so many bytes take in base64. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

const GAP: CloseReason = { code: CLOSE.protocol, reason: 'an event is missing' };
const MALFORMED: CloseReason = { code: CLOSE.protocol, reason: 'malformed event' };
