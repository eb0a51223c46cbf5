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

/** A frame, however often it is sent. */
interface Entry {
  readonly frame: ControlFrame;
  acked: boolean;
}

/** Frames of the session itself, in the order in which they were asked for. */
export class Control implements FrameSource {
  readonly #waiting: Entry[] = [];
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
    this.again({ frame, acked: false });
  }

  /** It was lost. */
  again(entry: Entry): void {
    this.#waiting.push(entry);
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
      const entry = this.#waiting[0];
      if (entry === undefined) break;
      if (!entry.acked && entry.frame.stale?.() !== true) {
        if (!entry.frame.write(writer)) break;
        sent.push(new SentControl(this, entry));
        written = true;
      }
      this.#waiting.shift();
    }
    return written;
  }

  /** Sends a PING; `answered` hears once, in ms, how long its ack took. */
  ask(now: Instant, answered: (rtt: number) => void): void {
    this.push(pingFrame((at) => answered(at - now)));
  }

  clear(): void {
    this.#waiting.length = 0;
  }
}

class SentControl implements SentFrame {
  readonly #control: Control;
  readonly #entry: Entry;

  constructor(control: Control, entry: Entry) {
    this.#control = control;
    this.#entry = entry;
  }

  acked(now: Instant): void {
    if (this.#entry.acked) return;
    this.#entry.acked = true;
    this.#entry.frame.onAcked?.(now);
  }

  lost(): void {
    if (!this.#entry.acked && this.#entry.frame.stale?.() !== true) this.#control.again(this.#entry);
  }
}

/** A PING that tells when it was acknowledged. */
export function pingFrame(onAcked?: (now: Instant) => void): ControlFrame {
  return {
    write: (writer) => writer.numbers(FRAME.ping),
    ...(onAcked !== undefined && { onAcked }),
  };
}
