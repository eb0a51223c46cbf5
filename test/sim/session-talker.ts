import { type CloseReason, HawserError, type Timer } from '../../src/core/index.ts';
import { Session, type SessionHandler, type SessionSettings } from '../../src/session/index.ts';
import type { VirtualWorld } from '../../src/testing/index.ts';
import { type Codec, type Goaway, type Incoming, MESSAGE } from '../../src/wire/index.ts';

/** What both peers need. */
export interface Stage {
  readonly world: VirtualWorld;
  readonly codec: Codec;
  readonly settings: Omit<SessionSettings, 'role'>;
  /** Stops the run: a promise of the session was broken. */
  fail(what: string): never;
}

export const CHANNELS: readonly number[] = [0, 1, 2];

/** One side of one session: numbers what it sends by channel, and checks that what it is handed has the next number. */
export class Talker implements SessionHandler {
  readonly session: Session;
  readonly role: 'client' | 'server';
  /** Messages that were taken for sending, and messages that were handed on, by channel. */
  readonly sent: number[] = [0, 0, 0];
  readonly handed: number[] = [0, 0, 0];
  /** Requests that wait for their answer. */
  readonly waiting: Set<number> = new Set();
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
    this.session = new Session(stage.codec, { ...stage.settings, role }, this);
  }

  /** Sends an event or a request. */
  say(channel: number, padding: number, request: boolean): void {
    const { codec } = this.#stage;
    const data = { n: this.sent[channel] ?? 0, pad: 'x'.repeat(padding) };
    if (!request) {
      this.#send(codec.event(channel, 'say', data), channel, 0);
      return;
    }
    this.#requests += 1;
    if (this.#send(codec.request(channel, this.#requests, 'ask', data), channel, this.#requests)) {
      this.waiting.add(this.#requests);
    }
  }

  onMessage(message: Incoming): void {
    const { channel, kind, id } = message;
    if (this.session.state === 'ended') this.#stage.fail(`${this.role} was handed a message after the end`);
    const { n } = message.data as { n: number };
    const expected = this.handed[channel] ?? 0;
    if (n !== expected) this.#stage.fail(`${this.role}, channel ${channel}: got ${n}, expected ${expected}`);
    this.handed[channel] = expected + 1;
    if (kind === MESSAGE.request) this.#answer(channel, id as number);
    if (kind === MESSAGE.response && !this.waiting.delete(id as number))
      this.#stage.fail(`answer to ${id} came unasked`);
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

  #answer(channel: number, id: number): void {
    if (this.asked.has(id)) this.#stage.fail(`request ${id} was handed on twice`);
    this.asked.add(id);
    this.#send(this.#stage.codec.response(channel, id, 'ask', { n: this.sent[channel] ?? 0 }), channel, 0);
  }

  /** False when the session did not take the message: it threw, or it ended. */
  #send(message: ReturnType<Codec['event']>, channel: number, tag: number): boolean {
    if (this.session.state === 'ended') return false;
    try {
      if (!this.session.send(message, this.#stage.world.now(), tag, channel)) this.owedDrain = true;
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
