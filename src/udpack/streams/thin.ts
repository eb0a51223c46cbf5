import type { Instant } from '../../core/index.ts';
import type { FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import type { SentStream } from './send-stream.ts';

/** Unacknowledged bytes of a session up to which it is thin: some dozen messages of a game or a market, no transfer. */
const THIN_BYTES = 16 * 1024;

/** Frames that are remembered for that. */
const FRAMES_MOST = 256;

/**
 * Frames of streams that are on their way, as long as they are few. Each is sent once more, a little later, before anybody knows whether it
 * was lost: so one loss holds a stream up for the time between two writes, and not for a round trip.
 */
export class Thin {
  /** Whether there was no room for a repeat that is due. */
  lacking = false;

  /** Those that were sent once; the first `#older` of them before `#at`. */
  #frames: SentStream[] = [];
  #older = 0;
  #at: Instant = 0;
  #outstanding = 0;

  /** What is sent from now on is of this time; repeats are due of what is older. */
  begin(now: Instant): void {
    this.lacking = false;
    if (now <= this.#at) return;
    this.#at = now;
    this.#older = this.#frames.length;
  }

  sent(frame: SentStream): void {
    this.#outstanding += frame.to - frame.from;
    if (this.#outstanding > THIN_BYTES) this.#forget();
    else if (this.#frames.length < FRAMES_MOST) this.#frames.push(frame);
  }

  settled(frame: SentStream): void {
    this.#outstanding -= frame.to - frame.from;
    const at = this.#frames.indexOf(frame);
    if (at < 0) return;
    this.#frames.splice(at, 1);
    if (at < this.#older) this.#older--;
  }

  /** Writes repeats that are due, behind what is new. */
  fill(writer: FrameWriter, sent: SentFrame[]): boolean {
    if (this.#older === 0) return false;
    const before = writer.at;
    const due = this.#frames.splice(0, this.#older);
    const left = due.filter((frame) => !frame.stream.repeat(writer, sent, frame));
    this.#frames.unshift(...left);
    this.#older = left.length;
    this.lacking = left.length > 0 && left.length < due.length;
    return writer.at > before;
  }

  #forget(): void {
    this.#frames.length = 0;
    this.#older = 0;
    this.lacking = false;
  }
}
