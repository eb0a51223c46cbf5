import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { aborted, HawserError, matches } from '../core/index.ts';
import type {
  EndReason,
  GapReason,
  HeardPublisher,
  LanAddress,
  LanFault,
  LanMessageEvent,
  PublisherEvent,
  PublisherStats,
  SubscriberEvent,
  SubscriberStats,
} from '../lan/index.ts';
import { Audience } from './audience.ts';
import { closedError } from './failures.ts';
import { Inbox, type InboxOptions } from './inbox.ts';
import { isMulticast, isOwn } from './interfaces.ts';
import { LanDriver, type LanPorts } from './lan-driver.ts';
import { type LanOptions, type ResolvedLanOptions, resolveLanOptions } from './lan-options.ts';
import { changeMembership } from './membership.ts';
import { type Address, checkOpen, type Plan, planOf } from './plan.ts';
import type { Port } from './port.ts';
import { connectPort, makePlan, openPort } from './udp-socket.ts';
import { parseUdpUrl, udpUrl } from './udp-url.ts';

/** A message of the bus. */
export type LanMessage = Omit<LanMessageEvent, 'type'>;

/** Messages that are lost for good: their numbers, the first and the last. */
export interface LanGap {
  readonly publisher: string;
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
}

/** Messages that were missing and have come after all. */
export type LanRecovered = Omit<LanGap, 'reason'>;

export interface LanEvents {
  /** Every message, whatever its topic, in the order of its publisher. */
  message: (message: LanMessage) => unknown;
  gap: (gap: LanGap) => unknown;
  recovered: (recovered: LanRecovered) => unknown;
  /** A publisher is heard from now on, from the message with the number `sequence`. */
  publisher: (publisher: {
    readonly publisher: string;
    readonly address: Address;
    readonly sequence: number;
  }) => unknown;
  /** A publisher has ended, or was silent for too long. */
  end: (end: { readonly publisher: string; readonly reason: EndReason }) => unknown;
  /** Datagrams were dropped: garbage, forged or replayed ones, more than the limits allow. Told now and then, with how many there were. */
  fault: (fault: { readonly reason: LanFault; readonly count: number; readonly from: Address }) => unknown;
  /** After `publish` said false: there is room again. */
  drain: () => unknown;
  /** The system refused to send; the bus goes on. */
  error: (error: HawserError) => unknown;
  close: () => unknown;
}

export interface PublishOptions {
  /** May be lost: never asked for again, dropped when too much waits. Default false. */
  readonly volatile?: boolean;
}

/** Messages that wait for one who iterates, unless it is said: a turn of the event loop may bring thousands. */
export const SUBSCRIPTION_LIMIT = 10_000;

/** `limit` is 10,000 unless it is said. */
export interface SubscribeOptions extends InboxOptions {
  /** As the bus's option of this name; the first one who listens says it for all of the bus. */
  readonly since?: 'now' | 'store';
}

/** What this side of the bus has done; undefined where it has not published, or not listened, so far. */
export interface LanStats {
  readonly published: PublisherStats | undefined;
  readonly heard: SubscriberStats | undefined;
  /** Datagrams that the system refused to send. */
  readonly refused: number;
}

/**
 * Opens a bus on the local network: `udp://239.192.0.1:3000?interface=eth0` (a group), `udp://255.255.255.255:3000` (all hosts), or one address,
 * which listens there when it is this machine's, and publishes to it otherwise.
 * @throws HawserError ERR_URL, ERR_OPTION, ERR_KEY, ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED, ERR_ABORTED.
 */
export async function openLan(url: string, options: LanOptions = {}): Promise<LanBus> {
  const parsed = parseUdpUrl(url);
  const resolved = resolveLanOptions(parsed, options);
  const plan = await makePlan(parsed, resolved);
  checkOpen(plan, resolved.keys, resolved.insecure, 'a bus');
  const ports = await openPorts(plan, resolved);
  if (resolved.connected) await connectPort(ports.mouth, plan.target);
  return new LanBus(plan, ports, resolved);
}

/** One who listens on an address of his own hears everything there; others speak from a port that nobody shares. */
async function openPorts(plan: Plan, options: ResolvedLanOptions): Promise<LanPorts> {
  if (plan.kind === 'unicast') {
    const port = await openPort(plan, plan.listens ? plan.ear : plan.mouth, options);
    return { mouth: port, ear: plan.listens ? port : undefined, isOwn: () => false };
  }
  const mouth = await openPort(plan, plan.mouth, options);
  try {
    const ear = plan.listens ? await openPort(plan, plan.ear, options) : undefined;
    return { mouth, ear, isOwn: ownCheck(mouth) };
  } catch (error) {
    await mouth.close();
    throw error;
  }
}

/** A machine may speak from any of its addresses; the port is this bus's alone. */
function ownCheck({ address: { address, port } }: Port): (from: LanAddress) => boolean {
  const all = networkInterfaces();
  const isAny = address === '0.0.0.0' || address === '::';
  return (from) =>
    from.port === port && (isAny ? isOwn(from.address.split('%')[0] ?? '', all) : from.address === address);
}

const HEARD: ReadonlySet<string> = new Set<keyof LanEvents>([
  'message',
  'gap',
  'recovered',
  'publisher',
  'end',
  'fault',
]);

/** A bus on the local network. Made by `openLan`. */
export class LanBus extends Audience<LanEvents> implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #ports: LanPorts;
  readonly #options: ResolvedLanOptions;
  readonly #driver: LanDriver;
  readonly #subscriptions: Map<Inbox<LanMessage>, string> = new Map();
  /** Sockets for further groups, by group. */
  readonly #groups: Map<string, Port> = new Map();
  #since: 'now' | 'store' | undefined;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(plan: Plan, ports: LanPorts, options: ResolvedLanOptions) {
    super(options.onError);
    this.#plan = plan;
    this.#ports = ports;
    this.#options = options;
    this.#since = options.since;
    this.#driver = new LanDriver(plan, ports, options, {
      onEvent: (event) => this.#onEvent(event),
      onError: (error) => this.#onError(error),
    });
    const { signal } = options;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /** Where messages go, or where they are heard, with the real port. */
  get url(): string {
    const { target, listens, kind } = this.#plan;
    return udpUrl(kind === 'unicast' && listens ? this.#ports.mouth.address : target);
  }

  /** Where this bus is asked for what was missed, and speaks from. */
  get address(): Address {
    return this.#ports.mouth.address;
  }

  /** This publisher's session; undefined before its first message. */
  get publisher(): string | undefined {
    return this.#driver.publisher?.session;
  }

  /**
   * Sends a message to all who listen. What is published in one turn of the event loop travels in as few datagrams as it fits in. False means
   * that more waits than it should: wait for `drain`.
   * @throws HawserError ERR_ARGUMENT, ERR_UNENCODABLE, ERR_MESSAGE_TOO_LARGE, ERR_BACKLOG_FULL, ERR_CLOSED, ERR_UNSUPPORTED on a bus that listens
   * on one address.
   */
  publish(topic: string, data?: unknown, { volatile = false }: PublishOptions = {}): boolean {
    if (this.#closed) throw closedError();
    if (this.#plan.kind === 'unicast' && this.#plan.listens) {
      throw new HawserError('ERR_UNSUPPORTED', 'a bus that listens on one address has nobody to publish to');
    }
    const isTaken = this.#driver.makePublisher().publish(topic, data, performance.now(), volatile);
    this.#driver.kick();
    return isTaken;
  }

  /**
   * The messages whose topics a pattern covers (`*` stands for any characters), from now on, or from the oldest that is kept.
   * @throws HawserError ERR_OPTION, ERR_CLOSED, ERR_UNSUPPORTED on a bus that doesn't listen.
   */
  subscribe(pattern = '*', { since, ...options }: SubscribeOptions = {}): Inbox<LanMessage> {
    this.#hear(since);
    const inbox = new Inbox<LanMessage>({ limit: SUBSCRIPTION_LIMIT, ...options }, (ended) =>
      this.#subscriptions.delete(ended),
    );
    if (!options.signal?.aborted) this.#subscriptions.set(inbox, pattern);
    return inbox;
  }

  /** Whoever wants to know what is heard listens from then on. @throws HawserError ERR_UNSUPPORTED for that, on a bus that doesn't. */
  protected override onListener(event: keyof LanEvents): void {
    if (HEARD.has(event) && !(event === 'fault' && !this.#plan.listens)) this.#hear(undefined);
  }

  /** Who is heard now. */
  publishers(): readonly HeardPublisher[] {
    return this.#driver.subscriber?.publishers() ?? [];
  }

  stats(): LanStats {
    const { publisher, subscriber, refused } = this.#driver;
    return { published: publisher?.stats(), heard: subscriber?.stats(), refused };
  }

  /**
   * Listens to a further group, or to its own on a further interface. What is published goes where it went before.
   * @throws HawserError ERR_ARGUMENT, ERR_OPTION, ERR_CONNECT_FAILED, ERR_CLOSED, ERR_UNSUPPORTED.
   */
  async addMembership(group: string, face?: string): Promise<void> {
    const { options, plan } = this.#membership(group, face);
    const ear = this.#earOf(plan);
    if (ear !== undefined) return changeMembership(ear.socket, 'addMembership', group, plan.face);
    const port = await openPort(plan, plan.ear, options);
    if (this.#closed || this.#earOf(plan)) return await port.close();
    this.#groups.set(plan.target.address, port);
    this.#driver.listen(port);
  }

  /** @throws HawserError ERR_ARGUMENT for a group that it is not in, ERR_OPTION, ERR_CONNECT_FAILED, ERR_CLOSED, ERR_UNSUPPORTED. */
  async dropMembership(group: string, face?: string): Promise<void> {
    const { plan } = this.#membership(group, face);
    const { address } = plan.target;
    const ear = this.#earOf(plan);
    if (ear === undefined) throw new HawserError('ERR_ARGUMENT', `this bus is not in the group ${group}`);
    if (ear === this.#ports.ear || face !== undefined) {
      return changeMembership(ear.socket, 'dropMembership', group, plan.face);
    }
    this.#groups.delete(address);
    await this.#driver.leave(ear);
  }

  /** Keeps the process alive, as it does by itself. */
  ref(): this {
    this.#driver.keepAlive(true);
    return this;
  }

  unref(): this {
    this.#driver.keepAlive(false);
    return this;
  }

  /** Iterations end after what waits. What was published is sent, its end is told, and those who ask are answered until then. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(error?: HawserError): Promise<void> {
    for (const inbox of [...this.#subscriptions.keys()]) inbox.finish(error);
    if (error === undefined) await this.#driver.end();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await this.#driver.stop();
    this.tell('close');
  }

  /** The signal fired: nobody is waited for. */
  readonly #onAbort = (): void => {
    // A close that tells the end is cut short.
    if (this.#closed) void this.#driver.stop();
    else this.#closed = this.#close(aborted(this.#options.signal));
  };

  /** What joining or leaving comes to; without an interface it is the bus's own. */
  #membership(group: string, face: string | undefined): { readonly options: ResolvedLanOptions; readonly plan: Plan } {
    if (this.#closed) throw closedError();
    if (this.#ports.ear === undefined || this.#plan.kind !== 'multicast') {
      throw new HawserError('ERR_UNSUPPORTED', 'this bus listens to no group');
    }
    const [host = '', zone] = group.split('%');
    const options = { ...this.#options, interface: zone ?? face ?? this.#options.interface, listen: true };
    const url = { host, zone: undefined, port: this.#plan.target.port, parameters: {} };
    if (isIP(host) !== this.#plan.version || !isMulticast(host)) {
      throw new HawserError('ERR_ARGUMENT', `${group} is no group of IPv${this.#plan.version}`);
    }
    const plan = planOf(url, host, options, networkInterfaces());
    checkOpen(plan, options.keys, options.insecure, 'a bus');
    return { options, plan };
  }

  /** The socket of this bus that is in the group. */
  #earOf({ target: { address } }: Plan): Port | undefined {
    return address === this.#plan.target.address ? this.#ports.ear : this.#groups.get(address);
  }

  #hear(since: 'now' | 'store' | undefined): void {
    if (this.#closed) throw closedError();
    if (this.#ports.ear === undefined) throw new HawserError('ERR_UNSUPPORTED', 'this bus does not listen');
    const begun = this.#driver.subscriber !== undefined;
    if (begun && since !== undefined && since !== this.#since) {
      throw new HawserError('ERR_OPTION', `this bus listens since '${this.#since}' already; say so when it is opened`);
    }
    if (begun) return;
    this.#since = since ?? this.#since ?? 'now';
    this.#driver.makeSubscriber(this.#since, (topic) => this.#wants(topic));
  }

  #wants(topic: string): boolean {
    if (this.listens('message')) return true;
    for (const pattern of this.#subscriptions.values()) if (matches(pattern, topic)) return true;
    return false;
  }

  #onEvent(event: SubscriberEvent | PublisherEvent): void {
    if (event.type === 'message') {
      for (const [inbox, pattern] of this.#subscriptions) if (matches(pattern, event.topic)) inbox.push(event);
    }
    this.tell(event.type, event as never);
  }

  #onError(error: HawserError): void {
    if (this.listens('error')) this.tell('error', error);
    else this.#options.onError(error, 'sending');
  }
}
