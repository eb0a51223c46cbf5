import {
  HawserError,
  type Limits,
  ON_PAGE,
  type Outbound,
  type Overflow,
  type Times,
  type World,
} from '../core/index.ts';
import {
  type ChannelCodec,
  type ChannelFailure,
  type ChannelRoom,
  type Codec,
  type Incoming,
  MESSAGE,
  MESSAGE_COST,
  OPEN_MOST,
} from '../wire/index.ts';
import type { Channel } from './channel.ts';
import type { Load, Outlet } from './contract.ts';
import { Inbox } from './inbox.ts';
import { Outflow } from './outflow.ts';
import { unanswered } from './pending-requests.ts';

const PIECE_MOST = 16 * 1024;
/** CHANNEL_DATA before its bytes: the type and the channel. */
const DATA_HEADER = 9;

/** What a channel needs of the socket it is in. */
export interface ChannelHost {
  /** Of the socket and all its channels. */
  readonly load: Load;
  readonly world: World;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly times: Times;
  /** What the peer takes; undefined where it takes none. */
  readonly room: ChannelRoom | undefined;
  report(error: unknown, during: string): void;
}

type Send = (channel: number, message: Outbound, tag: number) => void;

/** What carries the messages of all channels of a socket, turn by turn. */
export interface Carrier {
  /** The channel has something to send. */
  ready(channel: ChannelCore): void;
  /** Sends outside the acknowledged order, now or never; it may be lost. */
  sendVolatile(channel: ChannelCore, message: Outbound): boolean;
  /** Sends a credit, now or never. */
  sendCredit(message: Outbound): boolean;
  /** Our last message was sent. */
  sentLast(channel: ChannelCore): void;
  /** Both sides have said their last word, and it was heard. */
  over(channel: ChannelCore): void;
  /** The peer broke the protocol. */
  broke(what: string): void;
}

/** The byte streams of a channel, as adapters of streams use them. */
export interface BytePort {
  readonly inbox: Inbox;
  /** `done` is called when more may be written; with an error when the bytes were not sent. */
  write(bytes: Uint8Array, done: (error?: Error) => void): void;
  end(): void;
  reset(failure: ChannelFailure): void;
}

/** The protocol of one channel: credit both ways, and its end. A pure machine; bytes and calls in, messages out when its turn comes. */
export class ChannelCore implements Outlet, BytePort {
  readonly number: number;
  readonly load: Load;
  readonly world: World;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly times: Times;
  readonly trustsInfo = false;
  readonly inbox: Inbox;
  readonly closed: Promise<HawserError | undefined>;
  face!: Channel;
  readonly #host: ChannelHost;
  readonly #carrier: Carrier;
  readonly #messages: ChannelCodec;
  readonly #out: Outflow;
  readonly #window: number;
  /** `ending`: the last message goes when all before it has gone. */
  #outState: 'open' | 'ending' | 'closed' = 'open';
  #inState: 'open' | 'closed' = 'open';
  #isOver = false;
  #failure: ChannelFailure | undefined;
  #error: HawserError | undefined;
  /** Bytes since the channel began: allowed to the peer, come from it, and used up. */
  #granted: number;
  #received = 0;
  #used = 0;
  #owesCredit = false;
  #owesDrain = false;
  #paused = false;
  #held: { readonly message: Incoming; readonly size: number }[] = [];
  #resolveClosed: (error: HawserError | undefined) => void = () => {};

  constructor(number: number, host: ChannelHost, carrier: Carrier, messages: ChannelCodec) {
    this.number = number;
    this.#host = host;
    this.#carrier = carrier;
    this.#messages = messages;
    this.load = host.load;
    this.world = host.world;
    this.codec = host.codec;
    this.limits = host.limits;
    this.times = host.times;
    this.#window = host.limits.channelBytes;
    this.#granted = this.#window;
    this.#out = new Outflow(number, messages, pieceOf(host), host.room?.bytes ?? 0);
    this.inbox = new Inbox((size) => this.#use(size));
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** Whether something waits to be sent, or a handler owes an answer. */
  get busy(): boolean {
    return this.face.busy || !this.#out.isEmpty;
  }

  /** Whether our last message was sent: until it was, the channel counts on the other side. */
  get saidLast(): boolean {
    return this.#outState === 'closed';
  }

  // Outlet

  send(message: Outbound, tag: number, overflow?: Overflow): boolean {
    this.#mustBeOpen();
    if (tag !== 0 && this.#inState === 'closed') {
      throw new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the peer has ended the channel, and answers no more', {
        delivered: 'no',
      });
    }
    if (this.#out.queued > this.limits.backlogBytes) {
      if (overflow === 'disconnect') {
        this.reset(new HawserError('ERR_BACKLOG_FULL', ON_PAGE ? undefined : 'the reader of the channel is too slow'));
        return false;
      }
      throw new HawserError('ERR_BACKLOG_FULL', ON_PAGE ? undefined : 'the reader of the channel is too slow', {
        delivered: 'no',
      });
    }
    this.#out.push(message, tag);
    this.#carrier.ready(this);
    if (this.#out.queued < this.#mark) return true;
    this.#owesDrain = true;
    return false;
  }

  reply(message: Outbound): void {
    if (this.#outState === 'closed') throw new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the channel has ended');
    this.#out.answer(message);
    this.#carrier.ready(this);
  }

  sendVolatile(message: Outbound): boolean {
    this.#mustBeOpen();
    return this.#out.isEmpty && this.#out.sent < this.#out.credit && this.#carrier.sendVolatile(this, message);
  }

  mustWait(): boolean {
    if (this.#outState !== 'open' || (!this.#owesDrain && this.#out.queued < this.#mark)) return false;
    this.#owesDrain = true;
    return true;
  }

  report(error: unknown, during: string): void {
    this.#host.report(error, `channel '${this.face.name}': ${during}`);
  }

  refused(error: HawserError): void {
    this.face.tell('error', error);
  }

  onIdle(): void {
    if (this.#outState === 'ending') this.#carrier.ready(this);
  }

  // BytePort

  write(bytes: Uint8Array, done: (error?: Error) => void): void {
    if (this.#outState !== 'open') {
      done(this.#error ?? new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the channel has ended'));
      return;
    }
    this.#out.write(bytes, done);
    this.#carrier.ready(this);
  }

  end(): void {
    if (this.#outState !== 'open') return;
    this.#outState = 'ending';
    this.#carrier.ready(this);
  }

  reset(failure: ChannelFailure): void {
    if (this.#outState === 'closed') {
      if (this.#inState === 'closed') return;
      // Our last word is out: the peer is not told, but what it still sends is dropped.
      this.#dropInput(errorOf(failure));
      return;
    }
    this.#failure = failure;
    this.#outState = 'ending';
    this.#out.drop(errorOf(failure));
    this.#dropInput(errorOf(failure));
    this.#carrier.ready(this);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const next = this.#held.shift();
      if (!next) break;
      this.#dispatch(next.message, next.size);
    }
    this.#finishInput();
    this.onIdle();
  }

  /** Opens it: the first message, before any credit counts. */
  open(name: string, data: unknown): Outbound {
    const message = this.#messages.open(this.number, name, data);
    if (message.length <= OPEN_MOST) return message;
    throw new HawserError('ERR_MESSAGE_TOO_LARGE', `over ${OPEN_MOST} bytes`);
  }

  /** Takes in one message. */
  receive(message: Incoming, size: number): void {
    switch (message.kind) {
      case MESSAGE.channelCredit:
        this.#receiveCredit(message.data as number);
        return;
      case MESSAGE.channelClose:
        this.#receiveClose(message.data as ChannelFailure | undefined);
        return;
      case MESSAGE.response:
      case MESSAGE.failure:
        this.face.dispatch(message);
        return;
      case MESSAGE.volatile:
        if (!this.#paused && this.#isHeard) this.face.dispatch(message);
        return;
      default:
        this.#receiveCounted(message, size + MESSAGE_COST);
    }
  }

  /** Sends one message when there is one that may go; true when there is another. */
  depart(send: Send): boolean {
    if (this.#owesCredit && this.#carrier.sendCredit(this.#messages.credit(this.number, this.#granted))) {
      this.#owesCredit = false;
    }
    const departure = this.#out.next();
    if (departure) send(this.number, departure.message, departure.tag);
    else if (this.#mayEnd) this.#sendLast(send);
    this.#drainIfRoom();
    return this.#owesCredit || this.#out.isReady || this.#mayEnd;
  }

  /** The link is another one: a credit may have been lost with the last. */
  resent(): void {
    this.#owesCredit = this.#inState === 'open';
    this.#carrier.ready(this);
  }

  /** The socket has ended, and the channel with it. */
  abort(error: HawserError): void {
    this.#outState = 'closed';
    this.#inState = 'closed';
    this.#out.drop(error);
    this.#dropInput(error);
  }

  get #mayEnd(): boolean {
    if (this.#outState !== 'ending') return false;
    return this.#failure !== undefined || (this.#out.isEmpty && !this.face.busy && this.#held.length === 0);
  }

  /** Whether the application still wants what comes. */
  get #isHeard(): boolean {
    return this.#inState === 'open' && this.#error === undefined;
  }

  /** Bytes that may be queued before `send` says that it is enough. */
  get #mark(): number {
    return this.limits.backlogBytes / 4;
  }

  #mustBeOpen(): void {
    if (this.#outState !== 'open')
      throw new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the channel has ended', { delivered: 'no' });
  }

  #sendLast(send: Send): void {
    this.#outState = 'closed';
    send(this.number, this.#lastMessage(), 0);
    this.#carrier.sentLast(this);
    this.#finishIfOver();
  }

  #lastMessage(): Outbound {
    try {
      return this.#messages.close(this.number, this.#failure);
    } catch (error) {
      // A code that can't be said: the peer hears of the end all the same.
      this.report(error, 'reset');
      return this.#messages.close(this.number, { code: 'ERR_INTERNAL', message: '' });
    }
  }

  #receiveCredit(total: number): void {
    if (total > this.#out.credit) this.#out.credit = total;
    this.#carrier.ready(this);
  }

  /** An event, a request or bytes: what the peer had credit for. */
  #receiveCounted(message: Incoming, size: number): void {
    if (this.#received >= this.#granted) {
      this.#carrier.broke('more than the credit of a channel');
      return;
    }
    this.#received += size;
    if (!this.#isHeard) this.#use(size);
    else if (message.kind === MESSAGE.channelData) this.inbox.put(message.data as Uint8Array, size);
    else if (this.#paused || this.#held.length > 0) this.#held.push({ message, size });
    else this.#dispatch(message, size);
  }

  #dispatch(message: Incoming, size: number): void {
    this.#use(size);
    this.face.dispatch(message);
  }

  /** So much was read, or thrown away: when half of the window is free again, the peer is told. */
  #use(size: number): void {
    this.#used += size;
    const granted = this.#used + this.#window;
    if (this.#inState === 'closed' || granted - this.#granted < this.#window / 2) return;
    this.#granted = granted;
    this.#owesCredit = true;
    this.#carrier.ready(this);
  }

  #receiveClose(failure: ChannelFailure | undefined): void {
    this.#inState = 'closed';
    this.#owesCredit = false;
    if (failure) {
      this.#dropInput(errorOf(failure));
      this.#out.drop(errorOf(failure));
      if (this.#outState === 'open') this.#outState = 'ending';
      this.#failPending(errorOf(failure));
    }
    this.#finishInput();
    this.#finishIfOver();
    this.#carrier.ready(this);
  }

  /** After the peer's last message, when everything before it was handed on. */
  #finishInput(): void {
    if (this.#inState === 'open' || this.#held.length > 0 || this.inbox.ended) return;
    this.inbox.end();
    this.#failPending(undefined);
    this.face.tell('end');
    this.#finishIfOver();
  }

  /** What was not handed on is dropped; readers hear why. */
  #dropInput(error: HawserError): void {
    this.#error ??= error;
    this.#held = [];
    this.inbox.end(error);
    // A peer that isn't told goes on sending, and needs all of its credit.
    this.#use(this.#received - this.#used);
    this.#failPending(error);
    this.#finishIfOver();
  }

  #failPending(error: HawserError | undefined): void {
    const code = error?.code ?? 'ERR_CLOSED';
    this.face.failPending((name) => unanswered(name, code, error));
  }

  #finishIfOver(): void {
    if (this.#isOver || this.#inState !== 'closed' || this.#outState !== 'closed' || !this.inbox.ended) return;
    this.#carrier.over(this);
    this.#finish(this.#error);
  }

  #finish(error: HawserError | undefined): void {
    this.#isOver = true;
    this.#resolveClosed(error);
    this.face.tell('close', error);
    this.face.finish(error);
  }

  #drainIfRoom(): void {
    if (!this.#owesDrain || this.#out.queued > this.#mark / 2) return;
    this.#owesDrain = false;
    this.face.onDrain();
  }
}

/** Bytes of one message of a byte stream: enough to be cheap, few enough for others to have their turn and for the peer to take them. */
function pieceOf({ limits, room }: ChannelHost): number {
  return Math.max(1, Math.min(PIECE_MOST, limits.resumeBytes >> 2, (room?.message ?? 0) - DATA_HEADER));
}

function errorOf({ code, message }: ChannelFailure): HawserError {
  return new HawserError(code, message);
}
