import { CLOSE, type CloseReason, type Outbound } from '../core/index.ts';
import type { Framing, FramingSink } from './framing.ts';

const NOTHING = new Uint8Array(0);

/** No framing at all: each chunk is a binary message as it was read, and what is sent is written as it is. */
export class ChunkFraming implements Framing {
  readonly answersGoodbye: boolean = false;

  receive(chunk: Uint8Array, sink: FramingSink): void {
    if (chunk.length > 0) sink.onMessage(chunk, false);
  }

  encode(message: Outbound): Uint8Array {
    return message.bytes;
  }

  goodbye(): Uint8Array {
    return NOTHING;
  }

  /** The end of the stream is all that can be said. */
  ended(): CloseReason {
    return { code: CLOSE.noStatus, reason: '' };
  }
}
