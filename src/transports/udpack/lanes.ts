import type { Streams } from '../../udpack/index.ts';

/**
 * Which streams of a session carry what: the main one both ways, and for each lane one in each direction, opened by who sends on it and
 * ended by the other side at once. So both may begin to send on a lane at the same time, also when a session goes on over another link.
 */
export class Lanes {
  readonly main: number;
  readonly #streams: Streams;
  /** 1 where lanes of our own have odd numbers, 0 where they have even ones. */
  readonly #parity: number;
  /** How many lanes of the peer's numbers we may use at one time; further ones go by the main stream. */
  readonly #guestsMost: number;
  #guests = 0;
  /** The stream of each lane that we send on. */
  readonly #out: Map<number, number> = new Map();
  /** Streams that we have ended, until the peer has all of them. */
  readonly #ended: Set<number> = new Set();
  readonly #in: Set<number> = new Set();
  #readsMain = true;
  #readsLanes = true;

  /** @param room How many streams the peer takes, the main one included: half of the others are for lanes of its own numbers. */
  constructor(streams: Streams, main: number, role: 'client' | 'server', room: number) {
    this.#streams = streams;
    this.main = main;
    this.#parity = role === 'client' ? 1 : 0;
    this.#guestsMost = Math.max(0, room - 1) >> 1;
  }

  /** The stream that messages of a lane go by, from the first to the last. */
  streamOf(lane: number): number {
    return this.#out.get(lane) ?? this.#open(lane);
  }

  /** Nothing more goes by the lane. */
  end(lane: number): void {
    const stream = this.#out.get(lane);
    if (stream === undefined) return;
    this.#out.delete(lane);
    if (stream === this.main) return;
    if (!this.#isOwn(lane)) this.#guests--;
    this.#streams.end(stream);
    this.#ended.add(stream);
  }

  endAll(): void {
    for (const lane of [...this.#out.keys()]) this.end(lane);
  }

  /** The peer begins to send on a lane. */
  arrived(stream: number): void {
    this.#in.add(stream);
    this.#streams.end(stream);
    if (!this.#readsLanes) this.#streams.pause(stream);
  }

  /** A stream is over, both ways. */
  left(stream: number): void {
    this.#in.delete(stream);
    this.#ended.delete(stream);
  }

  /** Whether the peer has all that was sent on lanes. */
  get settled(): boolean {
    for (const stream of this.#out.values()) if (this.#waits(stream)) return false;
    for (const stream of this.#ended) if (this.#waits(stream)) return false;
    return true;
  }

  /** Says what is to be read from now on. */
  read(main: boolean, lanes: boolean): void {
    if (main !== this.#readsMain) this.#turn(this.main, main);
    if (lanes !== this.#readsLanes) for (const stream of this.#in) this.#turn(stream, lanes);
    this.#readsMain = main;
    this.#readsLanes = lanes;
  }

  #open(lane: number): number {
    const stream = this.#mayOpen(lane) ? this.#streams.open('packets') : this.main;
    if (stream !== this.main && !this.#isOwn(lane)) this.#guests++;
    this.#out.set(lane, stream);
    return stream;
  }

  /** The peer knows how many of our own it lets in; it can't know how many it has opened towards us when it says what it takes. */
  #mayOpen(lane: number): boolean {
    return this.#isOwn(lane) || this.#guests < this.#guestsMost;
  }

  #isOwn(lane: number): boolean {
    return lane % 2 === this.#parity;
  }

  #waits(stream: number): boolean {
    return stream !== this.main && this.#streams.buffered(stream) > 0;
  }

  #turn(stream: number, on: boolean): void {
    if (on) this.#streams.resume(stream);
    else this.#streams.pause(stream);
  }
}
