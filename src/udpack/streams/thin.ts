import type { FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import type { SentStream } from './send-stream.ts';

/** Unacknowledged bytes of a session up to which it is thin: about two datagrams. */
const THIN_BYTES = 2400;

/** How often a frame is sent again before anybody knows whether it was lost. */
const REPEATS_MOST = 2;

/** Frames that are remembered for that. */
const FRAMES_MOST = 64;

/** Frames of streams that are on their way, as long as they are few. */
export class Thin {
  #frames: SentStream[] = [];
  #outstanding = 0;

  sent(frame: SentStream): void {
    this.#outstanding += frame.to - frame.from;
    if (this.#outstanding > THIN_BYTES) this.#frames.length = 0;
    else if (this.#frames.length < FRAMES_MOST) this.#frames.push(frame);
  }

  settled(frame: SentStream): void {
    this.#outstanding -= frame.to - frame.from;
    const at = this.#frames.indexOf(frame);
    if (at >= 0) this.#frames.splice(at, 1);
  }

  fill(writer: FrameWriter, sent: SentFrame[], budget: number): boolean {
    const before = writer.at;
    const { end } = writer;
    writer.end = Math.min(end, before + budget);
    for (const frame of this.#frames) {
      if (frame.repeats < REPEATS_MOST && frame.stream.repeat(writer, sent, frame)) frame.repeats++;
    }
    writer.end = end;
    return writer.at > before;
  }
}
