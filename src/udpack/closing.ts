import type { Instant } from '../core/index.ts';
import { FRAME, type FrameWriter, REASON_BYTES_MOST } from './frames.ts';

/** A CLOSE that is not answered is repeated this often, each time after twice as long. */
const REPEATS = 4;
/** The session lingers for so many probe time-outs to answer what is still under way (RFC 9000 10.2). */
const LINGER = 3;
/** A probe time-out counts for no more than so many ms here: a peer that makes round trips long has nobody linger for minutes. */
const WAIT_MOST = 2000;

/** What a session ended with. */
export interface Ending {
  /** True: `code` is the application's; false: it is one of `FAULT_CODES`. */
  readonly application: boolean;
  readonly code: number;
  /** At most 256 bytes of UTF-8. */
  readonly reason: Uint8Array;
}

/**
 * How a session ends. The side that closes sends CLOSE until it hears one, four times and for fifteen probe time-outs at most; the
 * other side answers each CLOSE with its own, for three.
 */
export class Closing {
  readonly #ending: Ending;
  readonly #silent: boolean;
  /** Whether a CLOSE is to be sent now. */
  #due: boolean;
  #left: number = REPEATS;
  #wait: number;
  #repeatAt: Instant | undefined;
  readonly #endAt: Instant;
  #answered: boolean;

  /**
   * @param heard Whether the peer has closed: then ours is the answer, and not repeated.
   * @param silent Nothing is sent: the peer doesn't know us (any more).
   * @param probeTimeout In ms.
   */
  constructor(ending: Ending, heard: boolean, silent: boolean, probeTimeout: number, now: Instant) {
    this.#ending = ending;
    this.#silent = silent;
    this.#due = !silent;
    this.#answered = heard;
    this.#wait = Math.min(probeTimeout, WAIT_MOST);
    this.#endAt = silent ? now : now + this.#wait * (heard ? LINGER : 2 ** REPEATS - 1);
  }

  /** The session can be forgotten. */
  ended(now: Instant): boolean {
    return (now >= this.#endAt || (this.#answered && this.#left === 0)) && (!this.#due || this.#silent);
  }

  get deadline(): Instant | undefined {
    if (this.#silent) return undefined;
    return this.#repeatAt === undefined ? this.#endAt : Math.min(this.#repeatAt, this.#endAt);
  }

  get due(): boolean {
    return this.#due;
  }

  tick(now: Instant): void {
    if (this.#repeatAt === undefined || now < this.#repeatAt || this.#answered) return;
    this.#repeatAt = undefined;
    this.#due = true;
  }

  /** A datagram of the peer's was opened. */
  onDatagram(closes: boolean): void {
    if (closes) {
      // Ours, if it asked for it, has arrived: the peer answers only what it heard. If not, it hears ours as the answer.
      if (this.#answered) this.#due = !this.#silent;
      else this.#left = 0;
      this.#answered = true;
      this.#repeatAt = undefined;
      return;
    }
    // It hasn't heard ours yet.
    if (!this.#answered && this.#left > 0) this.#due = true;
  }

  /** Writes CLOSE; one that doesn't fit, since little may go to an address that isn't proved, is not counted, and has another turn. */
  write(writer: FrameWriter, now: Instant): void {
    const { application, code, reason } = this.#ending;
    const written = writer.ending(application ? FRAME.closeByApplication : FRAME.close, code, reason);
    this.#due = false;
    if (this.#answered) return;
    if (written) this.#left--;
    this.#repeatAt = this.#left > 0 ? now + this.#wait : undefined;
    this.#wait *= 2;
  }
}

/** A reason as CLOSE carries it: cut at 256 bytes, between two characters. */
export function reasonBytes(reason: string, encode: (text: string) => Uint8Array): Uint8Array {
  const bytes = encode(reason);
  if (bytes.length <= REASON_BYTES_MOST) return bytes;
  let end = REASON_BYTES_MOST;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
