/** What the application is to hear of the streams of a session, in the order in which it happened. */
export type StreamEvent =
  | { /** The peer opened it. */ readonly type: 'stream'; readonly stream: number }
  | {
      /** One of ours that had to wait for the peer's leave is open now. */ readonly type: 'opened';
      readonly stream: number;
    }
  | PacketEvent
  | BytesEvent
  | { /** The peer ended its direction; all of it has been told. */ readonly type: 'end'; readonly stream: number }
  | { /** The peer gave its direction up. */ readonly type: 'reset'; readonly stream: number; readonly code: number }
  | {
      /** The peer asked for no more of our direction, which has been reset. */
      readonly type: 'stopped';
      readonly stream: number;
      readonly code: number;
    }
  | {
      /** All of a write was acknowledged. */ readonly type: 'written';
      readonly stream: number;
      readonly write: number;
    }
  | {
      /** A write was given up before all of it was acknowledged: its `maxAge` passed, or its stream was reset. */
      readonly type: 'dropped';
      readonly stream: number;
      readonly write: number;
    }
  | SkippedEvent
  | {
      /** Both directions are over; the number means nothing any more. */ readonly type: 'closed';
      readonly stream: number;
    }
  | { /** What waits to be acknowledged is below `backlogBytes` again. */ readonly type: 'drain' }
  | { /** An unreliable datagram. */ readonly type: 'datagram'; readonly bytes: Uint8Array }
  | DatagramDroppedEvent;

/** A whole packet. The bytes may lie in a larger buffer: they can be kept, but not changed or transferred. */
export interface PacketEvent {
  readonly type: 'packet';
  readonly stream: number;
  readonly bytes: Uint8Array;
  /** Credit that goes back to the peer when the event is taken, in bytes. */
  readonly credit: number;
}

/** What came next in a stream of bytes. As for the bytes of a packet. */
export interface BytesEvent {
  readonly type: 'bytes';
  readonly stream: number;
  readonly bytes: Uint8Array;
  readonly credit: number;
}

/** So many packets were given up by the peer before they were whole here. */
export interface SkippedEvent {
  readonly type: 'skipped';
  readonly stream: number;
  count: number;
}

/** So many unreliable datagrams of ours were not sent: too old, no room in the queue, or none in the path's datagrams. */
export interface DatagramDroppedEvent {
  readonly type: 'datagram-dropped';
  count: number;
}

/** Events that wait to be taken. */
export class EventQueue {
  #events: StreamEvent[] = [];
  #head = 0;

  get empty(): boolean {
    return this.#head === this.#events.length;
  }

  get count(): number {
    return this.#events.length - this.#head;
  }

  push(event: StreamEvent): void {
    this.#events.push(event);
  }

  /** Counts with the last event if that is of the same kind and stream: what is lost is often lost in numbers. */
  skipped(stream: number, count: number): void {
    const last = this.#last();
    if (last?.type === 'skipped' && last.stream === stream) last.count += count;
    else this.push({ type: 'skipped', stream, count });
  }

  datagramsDropped(count: number): void {
    const last = this.#last();
    if (last?.type === 'datagram-dropped') last.count += count;
    else this.push({ type: 'datagram-dropped', count });
  }

  shift(): StreamEvent | undefined {
    if (this.empty) return undefined;
    const event = this.#events[this.#head++];
    if (this.empty) {
      this.#events = [];
      this.#head = 0;
    }
    return event;
  }

  /** Puts events back in front, the first of `events` first. */
  unshift(events: readonly StreamEvent[]): void {
    this.#events = [...events, ...this.#events.slice(this.#head)];
    this.#head = 0;
  }

  #last(): StreamEvent | undefined {
    return this.empty ? undefined : this.#events.at(-1);
  }
}
