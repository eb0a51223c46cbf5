import type { Instant } from '../../core/index.ts';
import { FRAME, type FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import type { ReceiveCredit } from './credit.ts';
import { kindBit, type StreamKind } from './ids.ts';
import type { ReceiveStream } from './receive-stream.ts';
import type { SendStream, Skip } from './send-stream.ts';

/** Streams of one kind that the peer may open. */
export class StreamsCredit {
  announced: number;
  opened = 0;
  closed = 0;
  readonly kind: StreamKind;
  readonly #most: number;

  constructor(kind: StreamKind, most: number) {
    this.kind = kind;
    this.announced = most;
    this.#most = most;
  }

  /** Whether an eighth of them could be opened anew, or none is left. */
  get due(): boolean {
    const more = this.closed + this.#most - this.announced;
    return more > 0 && (more * 8 >= this.#most || this.opened === this.announced);
  }

  announce(): number {
    this.announced = Math.max(this.announced, this.closed + this.#most);
    return this.announced;
  }
}

/** Frames that steer: RESET, STOP, SKIP and credit. What is lost is sent again with what holds then. */
export class Control {
  /** Round-trip time, in ms. */
  rtt = 100;
  readonly #credit: ReceiveCredit;
  readonly #onWork: () => void;
  #creditDue = false;
  readonly #sends: Set<SendStream> = new Set();
  readonly #stops: Set<ReceiveStream> = new Set();
  readonly #credits: Set<ReceiveStream> = new Set();
  readonly #streams: Set<StreamsCredit> = new Set();

  constructor(credit: ReceiveCredit, onWork: () => void) {
    this.#credit = credit;
    this.#onWork = onWork;
  }

  get empty(): boolean {
    const { size } = this.#sends;
    return !this.#creditDue && size + this.#stops.size + this.#credits.size + this.#streams.size === 0;
  }

  /** A RESET or SKIPs of it are due. */
  send(stream: SendStream): void {
    this.#sends.add(stream);
    this.#onWork();
  }

  stop(stream: ReceiveStream): void {
    this.#stops.add(stream);
    this.#onWork();
  }

  credit(): void {
    this.#creditDue = true;
    this.#onWork();
  }

  streamCredit(stream: ReceiveStream): void {
    this.#credits.add(stream);
    this.#onWork();
  }

  streamsCredit(credit: StreamsCredit): void {
    this.#streams.add(credit);
    this.#onWork();
  }

  forget(send: SendStream, receive: ReceiveStream): void {
    this.#sends.delete(send);
    this.#stops.delete(receive);
    this.#credits.delete(receive);
  }

  fill(writer: FrameWriter, sent: SentFrame[], now: Instant): void {
    if (this.empty) return;
    this.#fillSends(writer, sent);
    this.#fillStops(writer, sent);
    this.#fillCredit(writer, sent, now);
    this.#fillStreamsCredit(writer, sent);
    this.#fillStreamCredits(writer, sent, now);
  }

  #fillSends(writer: FrameWriter, sent: SentFrame[]): void {
    for (const stream of this.#sends) {
      if (stream.resetCode !== undefined && stream.resetDue) {
        if (!writer.numbers(FRAME.reset, stream.id, stream.resetCode, stream.size)) return;
        stream.resetDue = false;
        sent.push(new SentReset(this, stream));
      }
      for (let skip = stream.skips.at(-1); skip !== undefined; skip = stream.skips.at(-1)) {
        if (!skip.acked && !writer.numbers(FRAME.skip, stream.id, skip.from, skip.to)) return;
        if (!skip.acked) sent.push(new SentSkip(stream, skip));
        stream.skips.pop();
      }
      this.#sends.delete(stream);
    }
  }

  #fillStops(writer: FrameWriter, sent: SentFrame[]): void {
    for (const stream of this.#stops) {
      if (stream.stopDue && stream.stopCode !== undefined && !stream.finished && !stream.sized) {
        if (!writer.numbers(FRAME.stop, stream.id, stream.stopCode)) return;
        stream.stopDue = false;
        sent.push(new SentStop(this, stream));
      }
      this.#stops.delete(stream);
    }
  }

  #fillCredit(writer: FrameWriter, sent: SentFrame[], now: Instant): void {
    if (!this.#creditDue) return;
    const most = this.#credit.announce(now, this.rtt);
    if (!writer.numbers(FRAME.credit, most)) return;
    this.#creditDue = false;
    sent.push(new SentCredit(this, this.#credit, undefined, most));
  }

  #fillStreamsCredit(writer: FrameWriter, sent: SentFrame[]): void {
    for (const credit of this.#streams) {
      const most = credit.announce();
      if (!writer.numbers(FRAME.streamsCredit, kindBit(credit.kind), most)) return;
      this.#streams.delete(credit);
      sent.push(new SentStreamsCredit(this, credit, most));
    }
  }

  #fillStreamCredits(writer: FrameWriter, sent: SentFrame[], now: Instant): void {
    for (const stream of this.#credits) {
      if (!stream.finished && !stream.sized) {
        const most = stream.credit.announce(now, this.rtt);
        if (!writer.numbers(FRAME.streamCredit, stream.id, most)) return;
        // A window of the session that is not larger than a stream's would let one stream hold up the others.
        this.#credit.growTo(stream.credit.window * 1.5);
        sent.push(new SentCredit(this, stream.credit, stream, most));
      }
      this.#credits.delete(stream);
    }
  }
}

class SentReset implements SentFrame {
  readonly #control: Control;
  readonly #stream: SendStream;

  constructor(control: Control, stream: SendStream) {
    this.#control = control;
    this.#stream = stream;
  }

  acked(): void {
    this.#stream.resetAcked();
  }

  lost(): void {
    if (this.#stream.finished) return;
    this.#stream.resetDue = true;
    this.#control.send(this.#stream);
  }
}

class SentSkip implements SentFrame {
  readonly #stream: SendStream;
  readonly #skip: Skip;

  constructor(stream: SendStream, skip: Skip) {
    this.#stream = stream;
    this.#skip = skip;
  }

  acked(): void {
    this.#stream.skipAcked(this.#skip);
  }

  lost(): void {
    this.#stream.skipLost(this.#skip);
  }
}

class SentStop implements SentFrame {
  readonly #control: Control;
  readonly #stream: ReceiveStream;

  constructor(control: Control, stream: ReceiveStream) {
    this.#control = control;
    this.#stream = stream;
  }

  acked(): void {
    // The peer's RESET or FIN is the answer.
  }

  lost(): void {
    if (this.#stream.finished || this.#stream.sized) return;
    this.#stream.stopDue = true;
    this.#control.stop(this.#stream);
  }
}

class SentCredit implements SentFrame {
  readonly #control: Control;
  readonly #credit: ReceiveCredit;
  /** Undefined: the session's. */
  readonly #stream: ReceiveStream | undefined;
  readonly #most: number;

  constructor(control: Control, credit: ReceiveCredit, stream: ReceiveStream | undefined, most: number) {
    this.#control = control;
    this.#credit = credit;
    this.#stream = stream;
    this.#most = most;
  }

  acked(): void {
    // It holds.
  }

  lost(): void {
    // A later one is on its way.
    if (this.#credit.announced !== this.#most) return;
    if (this.#stream === undefined) this.#control.credit();
    else if (!this.#stream.finished) this.#control.streamCredit(this.#stream);
  }
}

class SentStreamsCredit implements SentFrame {
  readonly #control: Control;
  readonly #credit: StreamsCredit;
  readonly #most: number;

  constructor(control: Control, credit: StreamsCredit, most: number) {
    this.#control = control;
    this.#credit = credit;
    this.#most = most;
  }

  acked(): void {
    // It holds.
  }

  lost(): void {
    if (this.#credit.announced === this.#most) this.#control.streamsCredit(this.#credit);
  }
}
