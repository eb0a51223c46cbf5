import { CLOSE, type CloseReason, type Instant, type Outbound, type World } from '../../src/core/index.ts';
import type { SessionPort } from '../../src/session/index.ts';
import { MESSAGE } from '../../src/wire/index.ts';

/** How a simulated transport behaves. */
export interface LinkManner {
  /** ms from one end to the other, and how much chance adds. */
  readonly latency: number;
  readonly jitter: number;
  readonly bytesPerMs: number;
  /** `send` returns false at this many queued bytes. */
  readonly mark: number;
}

export interface EndHandler {
  onMessage(bytes: Uint8Array): void;
  onIdle(): void;
  onDrain(): void;
  onClosed(reason: CloseReason): void;
}

type Parcel = { readonly message: Outbound } | { readonly goodbye: CloseReason };

/** How long an end that closes waits for the other, ms. */
const CLOSE_WAIT = 500;

const BROKEN: CloseReason = { code: CLOSE.abnormal, reason: 'the link broke' };

/** A link between two ends in one virtual world: it is slow, stalls, breaks with what is on its way, and one end may notice late. */
export class SimLink {
  readonly client: LinkEnd;
  readonly server: LinkEnd;
  readonly #world: World;
  #broken = false;

  constructor(world: World, manner: LinkManner) {
    this.#world = world;
    this.client = new LinkEnd(this, world, manner);
    this.server = new LinkEnd(this, world, manner);
    this.client.other = this.server;
    this.server.other = this.client;
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Nothing gets through any more. Each end notices after its own time, or never of itself. */
  break(clientNotices: number | undefined, serverNotices: number | undefined): void {
    this.#broken = true;
    this.#notice(this.client, clientNotices);
    this.#notice(this.server, serverNotices);
  }

  #notice(end: LinkEnd, after: number | undefined): void {
    if (after !== undefined) this.#world.timer(this.#world.now() + after, () => end.lost(BROKEN));
  }
}

export class LinkEnd implements SessionPort {
  readonly #link: SimLink;
  readonly #world: World;
  readonly #manner: LinkManner;
  readonly #queue: Parcel[] = [];
  /** On their way. Counted messages of different channels overtake each other here. */
  readonly #flight: Parcel[] = [];
  #handler: EndHandler | undefined;
  #other: LinkEnd | undefined;
  #queued = 0;
  #taking = false;
  #stalledUntil: Instant = 0;
  #lastArrival: Instant = 0;
  #owesDrain = false;
  #closing = false;
  #over = false;
  #deaf = false;

  constructor(link: SimLink, world: World, manner: LinkManner) {
    this.#link = link;
    this.#world = world;
    this.#manner = manner;
  }

  set other(other: LinkEnd) {
    this.#other = other;
  }

  get queued(): number {
    return this.#queued;
  }

  get over(): boolean {
    return this.#over;
  }

  start(handler: EndHandler): void {
    this.#handler = handler;
  }

  stall(ms: number): void {
    this.#stalledUntil = this.#world.now() + ms;
  }

  /** From now on nothing reaches this end, while what it sends arrives. */
  deafen(): void {
    this.#deaf = true;
  }

  send(message: Outbound): boolean {
    if (this.#over || this.#closing) return false;
    this.#queued += message.length;
    this.#queue.push({ message });
    this.#take();
    if (this.#queued < this.#manner.mark) return true;
    this.#owesDrain = true;
    return false;
  }

  /** Says goodbye behind what is queued. What the other end says meanwhile still arrives, as on a real link. */
  close(reason: CloseReason): void {
    if (this.#over || this.#closing) return;
    this.#closing = true;
    this.#queue.push({ goodbye: reason });
    this.#take();
    this.#world.timer(this.#world.now() + CLOSE_WAIT, () => this.lost(reason));
  }

  /** The end is over for whoever holds it. */
  lost(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    this.#world.soon(() => this.#handler?.onClosed(reason));
  }

  #take(): void {
    const first = this.#queue[0];
    if (first === undefined || this.#taking) return;
    this.#taking = true;
    const at = Math.max(this.#world.now(), this.#stalledUntil) + lengthOf(first) / this.#manner.bytesPerMs;
    this.#world.timer(at, () => {
      this.#taking = false;
      this.#taken();
    });
  }

  #taken(): void {
    const parcel = this.#queue.shift();
    if (parcel === undefined || this.#link.broken) return;
    this.#queued -= lengthOf(parcel);
    this.#ship(parcel);
    this.#take();
    if (!this.#owesDrain || this.#over || this.#queued >= this.#manner.mark / 2) return;
    this.#owesDrain = false;
    this.#handler?.onDrain();
  }

  #ship(parcel: Parcel): void {
    const { latency, jitter } = this.#manner;
    const { random } = this.#world;
    this.#lastArrival = Math.max(this.#lastArrival, this.#world.now() + latency + jitter * random.unit());
    this.#flight.push(parcel);
    for (let i = this.#flight.length - 1; i > 0 && random.unit() < 0.3; i--) {
      const [before, behind] = [this.#flight[i - 1], this.#flight[i]];
      if (before === undefined || behind === undefined || !mayOvertake(behind, before)) break;
      this.#flight[i - 1] = behind;
      this.#flight[i] = before;
    }
    this.#world.timer(this.#lastArrival, () => this.#arrive());
  }

  #arrive(): void {
    const parcel = this.#flight.shift();
    if (parcel === undefined || this.#link.broken) return;
    this.#other?.hear(parcel);
  }

  hear(parcel: Parcel): void {
    if (this.#over || this.#deaf) return;
    if ('goodbye' in parcel) {
      this.lost(parcel.goodbye);
      return;
    }
    const bytes = parcel.message.bytes.slice();
    this.#handler?.onMessage(bytes);
    // Bytes are good during the call only: whoever kept them reads nonsense.
    bytes.fill(0);
    if (!this.#over && this.#world.random.unit() < 0.7) this.#handler?.onIdle();
  }
}

function lengthOf(parcel: Parcel): number {
  return 'message' in parcel ? parcel.message.length : 0;
}

/** Nothing is promised between two channels, so there the link shuffles. `[kind,channel,…` is the test dialect's text. */
function mayOvertake(behind: Parcel, before: Parcel): boolean {
  const a = channelOf(behind);
  const b = channelOf(before);
  return a !== undefined && b !== undefined && a !== b;
}

function channelOf(parcel: Parcel): number | undefined {
  if (!('message' in parcel)) return undefined;
  const head = String.fromCharCode(...parcel.message.bytes.subarray(0, 16));
  const [, kind, channel] = /^\[(\d+),(\d+),/.exec(head) ?? [];
  return COUNTED.has(Number(kind)) ? Number(channel) : undefined;
}

const COUNTED: ReadonlySet<number> = new Set([
  MESSAGE.event,
  MESSAGE.request,
  MESSAGE.response,
  MESSAGE.failure,
  MESSAGE.channelOpen,
  MESSAGE.channelData,
  MESSAGE.channelClose,
]);
