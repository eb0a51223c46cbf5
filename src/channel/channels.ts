import { aborted, HawserError, type Limits, ON_PAGE, type Outbound, whole } from '../core/index.ts';
import type { Session } from '../session/index.ts';
import { type ChannelCodec, type ChannelRoom, type Incoming, MESSAGE, OPEN_MOST, ROOM_LEAST } from '../wire/index.ts';
import { Channel } from './channel.ts';
import { type Carrier, ChannelCore, type ChannelHost } from './channel-core.ts';
import { checkName } from './conversation.ts';

/** What the channels of a socket need of it. */
export interface ChannelsHost extends ChannelHost {
  readonly session: Session;
  readonly role: 'server' | 'client';
  /** Queues a message of the acknowledged order of a channel. */
  post(message: Outbound, tag: number, channel: number): void;
  /** Tells the application of a channel that the peer opened, and returns what its listeners returned: nothing when there are none. */
  offer(channel: Channel): unknown[];
  /** The peer broke the protocol. */
  broke(what: string): void;
}

/** The channels of one session: opens them, hands messages to them, and gives each its turn to send. */
export class Channels implements Carrier {
  readonly #host: ChannelsHost;
  readonly #messages: ChannelCodec;
  readonly #live = new Map<number, ChannelCore>();
  /** Those that have something to send, in the order of their turns. */
  readonly #ready = new Set<ChannelCore>();
  #next: number;
  #flushing = false;

  constructor(host: ChannelsHost, messages: ChannelCodec) {
    this.#host = host;
    this.#messages = messages;
    this.#next = host.role === 'client' ? 1 : 2;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Whether something waits to be sent, or a handler owes an answer. */
  get busy(): boolean {
    return [...this.#live.values()].some((channel) => channel.busy);
  }

  /** @throws HawserError ERR_TOO_MANY_CHANNELS, ERR_UNSUPPORTED, ERR_UNENCODABLE, ERR_ARGUMENT, ERR_ABORTED, ERR_CLOSED. */
  open(name: string, data: unknown, signal?: AbortSignal): Channel {
    const { room, limits } = this.#host;
    if (this.#hasEnded) throw new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the socket has ended');
    if (signal?.aborted) throw aborted(signal);
    if (!room) throw new HawserError('ERR_UNSUPPORTED', ON_PAGE ? undefined : 'the peer takes no channels');
    checkName(name, limits.nameLength);
    if (this.#count(this.#next) >= room.most)
      throw new HawserError('ERR_TOO_MANY_CHANNELS', ON_PAGE ? undefined : `${room.most} channels are open`);
    const core = this.#make(this.#next);
    const channel = new Channel(core, name, data);
    this.#send(core.number, core.open(name, data), 0);
    this.#next += 2;
    if (this.#hasEnded) core.abort(new HawserError('ERR_BACKLOG_FULL', ON_PAGE ? undefined : 'the peer reads nothing'));
    else this.#live.set(core.number, core);
    watch(channel, signal);
    return channel;
  }

  /** Takes in one message of a channel. */
  receive(message: Incoming, size: number): void {
    if (message.kind === MESSAGE.channelOpen && size > OPEN_MOST) this.broke('a channel is opened with too much');
    else if (message.kind === MESSAGE.channelOpen) this.#accept(message);
    // What is not here is over; only what is not counted can still come for it.
    else this.#live.get(message.channel)?.receive(message, size);
  }

  /** The session takes more: each channel in turn sends one message, as long as there is room. */
  flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    for (const channel of this.#ready) {
      if (!this.#host.session.takesMore()) break;
      // One that has more to send comes behind the others.
      this.#ready.delete(channel);
      if (channel.depart(this.#send) && this.#live.has(channel.number)) this.#ready.add(channel);
    }
    this.#flushing = false;
  }

  /** Another link goes on where the last one broke. */
  resumed(): void {
    for (const channel of [...this.#live.values()]) channel.resent();
  }

  /** The session is over, and everything in it. */
  abort(error: HawserError): void {
    this.#ready.clear();
    const live = [...this.#live.values()];
    this.#live.clear();
    for (const channel of live) channel.abort(error);
  }

  // Carrier

  ready(channel: ChannelCore): void {
    if (!this.#live.has(channel.number)) return;
    this.#ready.add(channel);
    this.flush();
  }

  sendVolatile({ number }: ChannelCore, message: Outbound): boolean {
    return this.#host.session.sendVolatile(message, number);
  }

  sendCredit(message: Outbound): boolean {
    return this.#host.session.sendLoose(message);
  }

  sentLast(channel: ChannelCore): void {
    this.#host.session.sentLast(channel.number);
  }

  over(channel: ChannelCore): void {
    this.#live.delete(channel.number);
    this.#ready.delete(channel);
  }

  broke(what: string): void {
    this.#host.broke(what);
  }

  get #hasEnded(): boolean {
    return this.#host.session.state === 'ended';
  }

  readonly #send = (channel: number, message: Outbound, tag: number): void => {
    this.#host.post(message, tag, channel);
  };

  #make(number: number): ChannelCore {
    return new ChannelCore(number, this.#host, this, this.#messages);
  }

  #accept({ channel: number, name, data }: Incoming): void {
    const { limits } = this.#host;
    // Of those that we have ended the last word may be on its way, behind this one on a lane of its own.
    const isFull = this.#count(number, ({ saidLast }) => !saidLast) >= limits.channels;
    const core = this.#make(number);
    this.#live.set(number, core);
    const channel = new Channel(core, name, data);
    const results = isFull ? [] : this.#host.offer(channel);
    if (isFull) channel.reset('ERR_TOO_MANY_CHANNELS');
    else if (results.length === 0) channel.reset('ERR_NO_SUCH_CHANNEL');
    for (const result of results) if (result instanceof Promise) void this.#serve(core, channel, result);
  }

  /** A listener that takes its time owns the channel: when it is done, so is our side; when it fails, so does the channel. */
  async #serve(core: ChannelCore, channel: Channel, serving: Promise<unknown>): Promise<void> {
    try {
      await serving;
      channel.end();
    } catch (error) {
      if (error instanceof HawserError) {
        channel.reset(error.code, error.message);
        return;
      }
      core.report(error, "listener of 'channel'");
      channel.reset('ERR_HANDLER_FAILED');
    }
  }

  /** How many are open whose numbers are the same side's as this one. */
  #count(number: number, which: (core: ChannelCore) => boolean = () => true): number {
    let count = 0;
    for (const core of this.#live.values()) if (core.number % 2 === number % 2 && which(core)) count++;
    return count;
  }
}

/** What a side with these limits takes, as it tells its peer; undefined where that is nothing. */
export function channelRoomOf({ channels, channelBytes, messageBytes }: Limits): ChannelRoom | undefined {
  if (channels === 0 || messageBytes < ROOM_LEAST) return undefined;
  return { most: whole(channels), bytes: whole(channelBytes), message: whole(messageBytes) };
}

function watch(channel: Channel, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const onAbort = (): void => channel.reset('ERR_ABORTED');
  signal.addEventListener('abort', onAbort, { once: true });
  void channel.closed.then(() => signal.removeEventListener('abort', onAbort));
}
