import type { FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import { FILL, type SendStream } from './send-stream.ts';

/** Classes of priority: 0 goes first. */
export const PRIORITIES = 8;
export const PRIORITY_DEFAULT = 3;

/** What one stream sends before the next of its class has its turn, in bytes: about a datagram. */
const QUANTUM = 1200;

/** Streams of one priority that have something to send: a ring of which `first` has its turn. */
class Ring {
  first: SendStream | undefined;

  /** Adds at the end. */
  add(stream: SendStream): void {
    const first = this.first ?? stream;
    const last = first.previous ?? stream;
    stream.previous = last;
    stream.following = first;
    last.following = stream;
    first.previous = stream;
    this.first = first;
  }

  remove(stream: SendStream): void {
    const { previous, following } = stream;
    if (previous === undefined || following === undefined) return;
    if (following === stream) this.first = undefined;
    else {
      previous.following = following;
      following.previous = previous;
      if (this.first === stream) this.first = following;
    }
    stream.previous = undefined;
    stream.following = undefined;
  }

  rotate(): void {
    this.first = this.first?.following;
  }
}

/** Whose turn it is: strictly by priority, and round about among equals. */
export class Schedule {
  readonly #rings: readonly Ring[] = Array.from({ length: PRIORITIES }, () => new Ring());
  #count = 0;

  get empty(): boolean {
    return this.#count === 0;
  }

  add(stream: SendStream): void {
    if (stream.scheduled) return;
    stream.scheduled = true;
    stream.turn = QUANTUM;
    this.#rings[stream.priority]?.add(stream);
    this.#count++;
  }

  remove(stream: SendStream): void {
    if (!stream.scheduled) return;
    stream.scheduled = false;
    this.#rings[stream.priority]?.remove(stream);
    this.#count--;
  }

  /** Fills the datagram. `blocked` hears of streams that went out because they may not send, or have nothing more. */
  fill(writer: FrameWriter, sent: SentFrame[], blocked: (stream: SendStream) => void): void {
    for (const ring of this.#rings) {
      for (let stream = ring.first; stream !== undefined; stream = ring.first) {
        const taken = stream.fill(writer, sent);
        if (taken === FILL.noRoom) return;
        if (taken === FILL.blocked) {
          this.remove(stream);
          blocked(stream);
          continue;
        }
        stream.turn -= taken;
        if (stream.turn > 0) continue;
        stream.turn = QUANTUM;
        ring.rotate();
      }
    }
  }
}
