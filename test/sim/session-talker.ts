import { type CloseReason, HawserError, type Timer } from '../../src/core/index.ts';
import {
  Session,
  type SessionHandler,
  type SessionSettings,
  type TicketOwner,
  type Tickets,
} from '../../src/session/index.ts';
import type { VirtualWorld } from '../../src/testing/index.ts';
import {
  type ChannelCodec,
  type ChannelFailure,
  type Codec,
  type Goaway,
  type Incoming,
  MESSAGE,
} from '../../src/wire/index.ts';

/** What both peers need. */
export interface Stage {
  readonly world: VirtualWorld;
  readonly codec: Codec;
  readonly settings: Omit<SessionSettings, 'role'>;
  /** Stops the run: a promise of the session was broken. */
  fail(what: string): never;
}

/** How many channels a side has open at one time, at the most. */
const CHANNELS_OPEN = 2;

/** Where a side says something: on the socket, on a channel of its own, or on one that the other side opened. */
export type Place = 'socket' | 'own' | 'theirs';

/** One side of one session: numbers what it sends by channel, and checks that what it is handed has the next number. */
export class Talker implements SessionHandler, TicketOwner {
  tickets: Tickets | undefined;
  readonly session: Session;
  readonly role: 'client' | 'server';
  /** Messages that were taken for sending, and messages that were handed on, by channel. */
  readonly sent: number[] = [0];
  readonly handed: number[] = [0];
  /** Channels by number: which directions have ended. */
  readonly #open = new Map<number, { weEnded: boolean; theyEnded: boolean }>();
  #nextOwn: number;
  /** Requests that wait for their answer, with their channels. */
  readonly waiting: Map<number, number> = new Map();
  /** Requests of the other side that were handed on. */
  readonly asked: Set<number> = new Set();
  /** Whether the session once refused a message for want of room. */
  overflowed = false;
  /** Whether `send` returned false, and no drain followed yet. */
  owedDrain = false;
  endedWith: CloseReason | undefined;
  onLinkDown: (() => void) | undefined;
  onTicketConfirmed: (() => void) | undefined;
  readonly #stage: Stage;
  #requests = 0;
  #timer: Timer | undefined;

  constructor(stage: Stage, role: 'client' | 'server') {
    this.#stage = stage;
    this.role = role;
    this.#nextOwn = role === 'client' ? 1 : 2;
    this.session = new Session(stage.codec, { ...stage.settings, role }, this);
  }

  /** Sends an event or a request, and now and then opens or ends a channel for it. */
  say(place: Place, padding: number, request: boolean): void {
    const channel = place === 'socket' ? 0 : this.#pickChannel(place === 'own');
    if (channel === undefined) return;
    const { codec, world } = this.#stage;
    const data = { n: this.sent[channel] ?? 0, pad: 'x'.repeat(padding) };
    // Whoever has ended answers no more.
    if (request && !this.#open.get(channel)?.theyEnded) {
      this.#requests += 1;
      if (this.#send(codec.request(channel, this.#requests, 'ask', data), channel, this.#requests)) {
        this.waiting.set(this.#requests, channel);
      }
    } else {
      this.#send(codec.event(channel, 'say', data), channel, 0);
    }
    if (channel !== 0 && world.random.unit() < 0.2) this.#end(channel);
  }

  onMessage(message: Incoming): void {
    const { channel, kind, id } = message;
    if (this.session.state === 'ended') this.#stage.fail(`${this.role} was handed a message after the end`);
    const { n } = message.data as { n: number };
    const expected = this.handed[channel] ?? 0;
    if (n !== expected) this.#stage.fail(`${this.role}, channel ${channel}: got ${n}, expected ${expected}`);
    this.handed[channel] = expected + 1;
    if (kind === MESSAGE.channelOpen) this.#open.set(channel, { weEnded: false, theyEnded: false });
    if (kind === MESSAGE.channelClose) this.#theyEnded(channel);
    if (kind === MESSAGE.request) this.#answer(channel, id as number);
    if (kind === MESSAGE.response && !this.waiting.delete(id as number))
      this.#stage.fail(`answer to ${id} came unasked`);
  }

  /** Ends what the other side has ended, so that a run can come to rest. */
  endAll(): void {
    for (const channel of [...this.#open.keys()]) this.#end(channel);
  }

  onDrain(): void {
    if (!this.owedDrain) this.#stage.fail(`${this.role} drains unasked`);
    this.owedDrain = false;
    if (this.session.state !== 'up') this.#stage.fail(`${this.role} drains while it is ${this.session.state}`);
  }

  onDown(): void {
    this.onLinkDown?.();
  }

  onUp(): void {}

  onConfirmed(): void {
    this.onTicketConfirmed?.();
  }

  onGoaway(_goaway: Goaway): void {}

  onEnd(reason: CloseReason): void {
    if (this.endedWith !== undefined) this.#stage.fail(`${this.role} ended twice`);
    this.endedWith = reason;
    this.#timer?.cancel();
  }

  wakeAt(at: number): void {
    const { world } = this.#stage;
    this.#timer?.cancel();
    this.#timer = world.timer(at, () => this.session.tick(world.now()));
  }

  /** One that may be spoken on; of our own a new one, when few are open. */
  #pickChannel(own: boolean): number | undefined {
    const { world } = this.#stage;
    const mine = [...this.#open].filter(([channel]) => (channel % 2 === this.#nextOwn % 2) === own);
    if (own && mine.length < CHANNELS_OPEN && (mine.length === 0 || world.random.unit() < 0.3)) return this.#openOne();
    const ready = mine.filter(([, { weEnded }]) => !weEnded);
    return ready[Math.floor(world.random.unit() * ready.length)]?.[0];
  }

  #openOne(): number | undefined {
    const channel = this.#nextOwn;
    if (!this.#send(this.#channels.open(channel, 'talk', { n: 0 }), channel, 0)) return undefined;
    this.#nextOwn += 2;
    this.#open.set(channel, { weEnded: false, theyEnded: false });
    return channel;
  }

  #end(channel: number): void {
    const state = this.#open.get(channel);
    if (!state || state.weEnded) return;
    const last = { n: this.sent[channel] ?? 0 } as unknown as ChannelFailure;
    if (!this.#send(this.#channels.close(channel, last), channel, 0)) return;
    this.session.sentLast(channel);
    state.weEnded = true;
    if (state.theyEnded) this.#open.delete(channel);
  }

  #theyEnded(channel: number): void {
    const state = this.#open.get(channel);
    if (!state || state.theyEnded) this.#stage.fail(`channel ${channel} ended, and was not open`);
    state.theyEnded = true;
    for (const [id, asked] of this.waiting) if (asked === channel) this.waiting.delete(id);
    if (state.weEnded) this.#open.delete(channel);
    else if (this.#stage.world.random.unit() < 0.5) this.#end(channel);
  }

  get #channels(): ChannelCodec {
    return this.#stage.codec.channels ?? this.#stage.fail('no channels');
  }

  #answer(channel: number, id: number): void {
    if (this.asked.has(id)) this.#stage.fail(`request ${id} was handed on twice`);
    this.asked.add(id);
    // On a channel that has ended here nobody answers.
    if (channel !== 0 && this.#open.get(channel)?.weEnded !== false) return;
    this.#send(this.#stage.codec.response(channel, id, 'ask', { n: this.sent[channel] ?? 0 }), channel, 0);
  }

  /** False when the session did not take the message: it threw, or it ended. */
  #send(message: ReturnType<Codec['event']>, channel: number, tag: number): boolean {
    if (this.session.state === 'ended') return false;
    try {
      if (!this.session.send(message, tag, channel)) this.owedDrain = true;
    } catch (error) {
      if (!(error instanceof HawserError && error.code === 'ERR_BACKLOG_FULL')) throw error;
      this.overflowed = true;
      return false;
    }
    this.overflowed ||= this.endedWith !== undefined;
    if (this.endedWith !== undefined) return false;
    this.sent[channel] = (this.sent[channel] ?? 0) + 1;
    return true;
  }
}
