import type { Instant } from '../core/index.ts';
import { FRAME, type FrameWriter } from './frames.ts';
import type { FrameSource, SentFrame } from './sent.ts';

/** A frame of the session itself, which is sent again until it is acknowledged. */
export interface ControlFrame {
  /** Writes it; false when it doesn't fit. */
  write(writer: FrameWriter): boolean;
  /** It need not be sent any more. */
  stale?(): boolean;
  /** Once, when it is acknowledged. */
  onAcked?(now: Instant): void;
}

/** Frames of the session itself, in the order in which they were asked for. */
export class Control implements FrameSource {
  readonly #waiting: ControlFrame[] = [];
  readonly #onWork: () => void;
  #leaving = false;

  /** @param onWork Called when there is something to send. */
  constructor(onWork: () => void) {
    this.#onWork = onWork;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  push(frame: ControlFrame): void {
    this.#waiting.push(frame);
    this.#onWork();
  }

  /** Says GOAWAY, the first time that it is asked to. */
  goaway(code: number, reason: Uint8Array): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.push({ write: (writer) => writer.ending(FRAME.goaway, code, reason) });
  }

  fill(writer: FrameWriter, sent: SentFrame[]): boolean {
    let written = false;
    while (this.#waiting.length > 0) {
      const frame = this.#waiting[0];
      if (frame === undefined) break;
      if (frame.stale?.() !== true) {
        if (!frame.write(writer)) break;
        sent.push(new SentControl(this, frame));
        written = true;
      }
      this.#waiting.shift();
    }
    return written;
  }

  /** Sends a PING; `answered` hears once, in ms, how long its ack took. */
  ask(now: Instant, answered: (rtt: number) => void): void {
    let heard = false;
    const onAcked = (at: Instant): void => {
      if (!heard) answered(at - now);
      heard = true;
    };
    this.push(pingFrame(onAcked));
  }

  clear(): void {
    this.#waiting.length = 0;
  }
}

class SentControl implements SentFrame {
  readonly #control: Control;
  readonly #frame: ControlFrame;
  #acked = false;

  constructor(control: Control, frame: ControlFrame) {
    this.#control = control;
    this.#frame = frame;
  }

  acked(now: Instant): void {
    if (this.#acked) return;
    this.#acked = true;
    this.#frame.onAcked?.(now);
  }

  lost(): void {
    if (this.#acked || this.#frame.stale?.() === true) return;
    this.#control.push(this.#frame);
  }
}

/** A PING that tells when it was acknowledged. One that is lost is not sent again: another takes its place if it still matters. */
export function pingFrame(onAcked?: (now: Instant) => void): ControlFrame {
  return {
    write: (writer) => writer.numbers(FRAME.ping),
    ...(onAcked !== undefined && { onAcked }),
  };
}
