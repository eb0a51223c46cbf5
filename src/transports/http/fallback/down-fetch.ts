import type { Instant, Timer, World } from '../../../core/index.ts';
import { GrowingBytes } from '../../../transport/index.ts';
import { eventsIn, wholeEvents } from './event-text.ts';
import { HEADER, MODES, type Mode } from './protocol.ts';
import { isPassing, Retries } from './retries.ts';
import type { Fetching, Wire, WireHeaders } from './wire.ts';

/** A poll that is not answered for this much longer than the server said is broken, ms. */
const POLL_GRACE = 10_000;
/** A stream is broken when it was silent for so many heartbeats. */
const SILENT_HEARTBEATS = 2.5;
/** After so many streams in a row that fell silent, another way is tried. */
const STRIKES = 2;

export interface DownUser {
  /** The last event that was heard. */
  readonly heard: number;
  /** Events come through. Told once for each GET. */
  ready(mode: Mode): void;
  /** Whole events. */
  receive(events: Uint8Array): void;
  lost(error: Error): void;
}

export interface DownOptions {
  readonly world: World;
  readonly wire: Wire;
  readonly headers: WireHeaders;
  /** The way to begin with. */
  readonly mode: Mode;
  /** How long the first event of a stream may take before a proxy is taken to hold it back, ms. */
  readonly readyWait: number;
  readonly heartbeat: number;
  readonly pollWait: number;
  /** How long nothing may come through at all, ms. */
  readonly patience: number;
  /** The longest event, in bytes. */
  readonly eventBytes: number;
  readonly user: DownUser;
}

/** What comes down: one GET after another, by streams where they come through, by polls where something holds them back. */
export class DownFetch {
  bytesRead = 0;
  readonly #options: DownOptions;
  readonly #retries: Retries;
  #mode: Mode;
  #fetching: Fetching | undefined;
  /** Counts GETs: what an earlier one still tells is nobody's. */
  #turn = 0;
  #began: Instant = 0;
  #isReady = false;
  #strikes = 0;
  #part: GrowingBytes | undefined;
  #watch: Timer | undefined;
  #paused = false;
  #waits = false;
  #stopped = false;

  constructor(options: DownOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#retries = new Retries(options.world, options.patience);
  }

  get mode(): Mode {
    return this.#mode;
  }

  fetch(): void {
    if (this.#stopped) return;
    if (this.#paused) {
      this.#waits = true;
      return;
    }
    const { world, wire, headers, user, readyWait, pollWait } = this.#options;
    const turn = ++this.#turn;
    const isOurs = (): boolean => turn === this.#turn && !this.#stopped;
    const mode = this.#mode;
    const wasReady = this.#isReady;
    this.#isReady = mode === 'poll' && wasReady;
    this.#part = undefined;
    this.#expect(mode === 'poll' ? pollWait + POLL_GRACE : readyWait);
    this.#began = world.now();
    let isGood = false;
    const asked = { ...headers, [HEADER.mode]: mode, [HEADER.last]: String(user.heard) };
    this.#fetching = wire.get(asked, {
      begun: (status) => {
        if (!isOurs()) return;
        isGood = status === 200;
        if (isGood) return;
        const error = new Error(`the server answered a GET with status ${status}`);
        if (isPassing(status)) this.#again(error);
        else user.lost(error);
      },
      receive: (bytes) => {
        if (isGood && isOurs()) this.#receive(bytes);
      },
      over: (error) => {
        if (isOurs()) this.#over(isGood && error === undefined, error);
      },
    });
  }

  pause(): void {
    this.#paused = true;
    this.#watch?.cancel();
    this.#fetching?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#fetching?.resume();
    if (this.#waits) {
      this.#waits = false;
      this.fetch();
    } else {
      this.#expectMore();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.cancel();
    this.#retries.cancel();
    this.#fetching?.cancel();
  }

  #receive(bytes: Uint8Array): void {
    this.bytesRead += bytes.length;
    this.#retries.succeeded();
    if (this.#isReady) this.#expectMore();
    if (this.#options.world.now() - this.#began >= this.#options.heartbeat) this.#strikes = 0;
    const events = this.#whole(bytes);
    if (events === undefined) return;
    if (!this.#isReady) this.#lookForReady(events);
    this.#options.user.receive(events);
  }

  /** What is whole of what came; the rest is kept. Of an event that is too long so much is told that whoever hears it finds that out. */
  #whole(bytes: Uint8Array): Uint8Array | undefined {
    const part = this.#part;
    if (part === undefined) return this.#keepRest(bytes, wholeEvents(bytes));
    // The end of an event may have begun with the last byte of what was there.
    const from = Math.max(0, part.length - 1);
    part.append(bytes, Math.max(this.#options.eventBytes, part.length + bytes.length));
    this.#part = undefined;
    return this.#keepRest(part.bytes, wholeEvents(part.bytes, from), part);
  }

  #keepRest(all: Uint8Array, end: number, part?: GrowingBytes): Uint8Array | undefined {
    const { eventBytes } = this.#options;
    if (all.length - end > eventBytes) return all;
    if (end === 0 && part !== undefined) {
      this.#part = part;
      return undefined;
    }
    if (end < all.length) {
      this.#part = new GrowingBytes();
      this.#part.append(all.subarray(end), eventBytes);
    }
    return end === 0 ? undefined : all.subarray(0, end);
  }

  #lookForReady(events: Uint8Array): void {
    for (const { kind, id } of eventsIn(events)) {
      if (kind !== 'ready' && id === 0) continue;
      this.#beReady();
      return;
    }
  }

  #beReady(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#expectMore();
    this.#options.user.ready(this.#mode);
  }

  #over(wasWhole: boolean, error: unknown): void {
    this.#fetching = undefined;
    this.#watch?.cancel();
    // A stream ends where a proxy or the server cuts it; a poll does so each time.
    if (wasWhole && this.#mode === 'poll') this.#beReady();
    if (wasWhole && this.#isReady) this.fetch();
    else this.#again(new Error('a GET broke', { cause: error }));
  }

  #again(error: Error): void {
    this.#turn += 1;
    this.#watch?.cancel();
    this.#fetching?.cancel();
    this.#fetching = undefined;
    if (!this.#retries.again(() => this.fetch())) this.#options.user.lost(error);
  }

  #expectMore(): void {
    const { heartbeat, pollWait } = this.#options;
    if (this.#mode === 'poll') this.#expect(pollWait + POLL_GRACE);
    else this.#expect(heartbeat * SILENT_HEARTBEATS);
  }

  /** Something must come in time, or this GET is given up. */
  #expect(wait: number): void {
    const { world } = this.#options;
    this.#watch?.cancel();
    this.#watch = world.timer(world.now() + wait, () => this.#silent());
  }

  #silent(): void {
    const held = !this.#isReady && this.#mode !== 'poll';
    this.#strikes += 1;
    if (held || this.#strikes >= STRIKES) {
      this.#strikes = 0;
      this.#mode = MODES[MODES.indexOf(this.#mode) + 1] ?? 'poll';
    }
    this.#again(new Error('nothing came'));
  }
}
