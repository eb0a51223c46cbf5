import type { ReceiveStream } from './receive-stream.ts';

/**
 * Packets of a session that are partly here. Their bytes have been released, so credit does not bound them: a packet may be longer
 * than any window. While they take more than `most`, only the stream whose unfinished packet began first is given further credit.
 *
 * No deadlock: that stream is always given credit, and the session's credit is always given for bytes that went into a packet, so its
 * packet ends, and the next one is the oldest. Paused streams are passed over: the application alone can go on with them.
 *
 * No unbounded memory: when `most` was last crossed, the packets took no more than it and one step of growth. From then on each other
 * stream adds no more than the credit it had already, which is its window at most (and windows grow from one pool), and the oldest one
 * no more than the longest packet.
 */
export class Assembly {
  bytes = 0;
  readonly #most: number;
  /** In the order in which their packets began. No Set, which makes itself new tables as they come and go (`row.ts`). */
  readonly #unfinished: ReceiveStream[] = [];
  readonly #withheld: Set<ReceiveStream> = new Set();

  constructor(most: number) {
    this.#most = most;
  }

  reserve(stream: ReceiveStream, bytes: number): void {
    this.bytes += bytes;
    const at = this.#unfinished.indexOf(stream);
    if (at >= 0 && !stream.collecting) this.#unfinished.splice(at, 1);
    else if (at < 0 && stream.collecting) this.#unfinished.push(stream);
  }

  /** Whether a stream may have credit now; if not, it is among those that `freed` names later. */
  allows(stream: ReceiveStream): boolean {
    if (this.bytes <= this.#most || this.#oldest() === stream) return true;
    this.#withheld.add(stream);
    return false;
  }

  /** Streams that were refused and may have credit now. */
  freed(): readonly ReceiveStream[] {
    if (this.#withheld.size === 0) return [];
    if (this.bytes <= this.#most) {
      const all = [...this.#withheld];
      this.#withheld.clear();
      return all;
    }
    const oldest = this.#oldest();
    return oldest !== undefined && this.#withheld.delete(oldest) ? [oldest] : [];
  }

  forget(stream: ReceiveStream): void {
    const at = this.#unfinished.indexOf(stream);
    if (at >= 0) this.#unfinished.splice(at, 1);
    this.#withheld.delete(stream);
  }

  #oldest(): ReceiveStream | undefined {
    for (const stream of this.#unfinished) if (!stream.paused) return stream;
    return undefined;
  }
}
