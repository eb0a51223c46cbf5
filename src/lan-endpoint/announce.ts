import { randomBytes } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import { HawserError } from '../core/index.ts';
import { now } from '../runtime/index.ts';
import { announcedUrls } from './discovery-endpoints.ts';
import {
  checkMs,
  checkName,
  DISCOVERY_OPTION_NAMES,
  type DiscoveryOptions,
  type ResolvedDiscovery,
  resolveDiscovery,
} from './discovery-options.ts';
import { type Answer, readDiscovered, writeAnswer } from './discovery-wire.ts';
import type { Address } from './plan.ts';
import type { Port } from './port.ts';
import { checkNames, report } from './udp-options.ts';
import { openPort } from './udp-socket.ts';

/** What is announced: a Hawser server, or what looks like one. */
export interface AnnouncedServer {
  readonly endpoints: readonly string[];
  readonly stats?: { readonly sockets: number };
}

export interface AnnounceOptions extends DiscoveryOptions {
  /** What clients ask for: 1 to 64 letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Where clients reach the server. Default: its endpoints. */
  readonly endpoints?: readonly string[];
  /** Of several servers clients take the one with the least, from 0. Default: the sockets that it has. When it fails later, what it said last counts. */
  readonly load?: () => number;
  /** ms from one announcement that nobody asked for to the next, from 10. Default 5,000. */
  readonly interval?: number;
  /** Hears when `load` begins to fail. Default: it is written to stderr. */
  readonly onError?: (error: unknown, during: string) => void;
}

const NAMES: Readonly<Record<keyof AnnounceOptions, true>> = {
  ...DISCOVERY_OPTION_NAMES,
  name: true,
  endpoints: true,
  load: true,
  interval: true,
  onError: true,
};

/** ms between announcements that nobody asked for. */
export const ANNOUNCE_EVERY = 5000;
/** Answers a second, and at once. */
export const ANSWER_RATE = 200;

/**
 * Tells who asks on the local network that the server is there, and everybody now and then. It keeps no process alive, and ends with `close`.
 * @throws HawserError ERR_ARGUMENT, ERR_URL, ERR_OPTION, ERR_KEY, ERR_CONNECT_FAILED, ERR_NOT_ALLOWED, ERR_ABORTED, ERR_MESSAGE_TOO_LARGE for
 * more endpoints than a datagram holds, and what `load` throws.
 */
export async function announce(server: AnnouncedServer, options: AnnounceOptions): Promise<Announcement> {
  checkNames(options, NAMES);
  checkName(options.name);
  checkMs('interval', options.interval, 10);
  const resolved = await resolveDiscovery(options);
  const { plan, udp } = resolved;
  const mouth = await openPort(plan, plan.mouth, udp);
  const ear = await openPort(plan, plan.ear, udp).catch(async (error: unknown) => {
    await mouth.close();
    throw error;
  });
  const announcement = new Announcement(server, options, resolved, mouth, ear);
  try {
    announcement.check();
  } catch (error) {
    await announcement.close();
    throw error;
  }
  announcement.begin();
  return announcement;
}

export class Announcement implements AsyncDisposable {
  readonly name: string;
  /** Tells this announcement from others of the same name. */
  readonly instance: string = randomBytes(12).toString('base64url');
  readonly #server: AnnouncedServer;
  readonly #options: AnnounceOptions;
  readonly #resolved: ResolvedDiscovery;
  readonly #mouth: Port;
  readonly #ear: Port;
  readonly #timer: NodeJS.Timeout;
  /** Answers that may be given now, and when that was so. */
  #tokens: number = ANSWER_RATE;
  #countedAt: number = now();
  #load = 0;
  #loadFails = false;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(server: AnnouncedServer, options: AnnounceOptions, resolved: ResolvedDiscovery, mouth: Port, ear: Port) {
    this.name = options.name;
    this.#server = server;
    this.#options = options;
    this.#resolved = resolved;
    this.#mouth = mouth;
    this.#ear = ear;
    for (const port of [mouth, ear]) {
      port.socket.unref();
      port.start({ onDatagram: (bytes, from) => this.#onDatagram(bytes, from), onError: () => {} });
    }
    this.#timer = setInterval(() => this.#tellAll(false), options.interval ?? ANNOUNCE_EVERY).unref();
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted) this.#onAbort();
  }

  /** What is told now. */
  get endpoints(): readonly string[] {
    return announcedUrls(this.#options.endpoints ?? this.#server.endpoints);
  }

  /** @internal @throws HawserError ERR_OPTION, ERR_MESSAGE_TOO_LARGE, and what `load` throws. */
  check(): void {
    this.#askLoad();
    if (this.endpoints.length === 0)
      throw new HawserError('ERR_OPTION', 'the server has no endpoint that others can reach');
    if (this.#write(undefined, false) === undefined) {
      throw new HawserError('ERR_MESSAGE_TOO_LARGE', 'the endpoints do not fit into one datagram: say fewer');
    }
  }

  /** @internal */
  begin(): void {
    if (!this.#closed) this.#tellAll(false);
  }

  /** Says that the server is gone. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await new Promise<void>((resolve) => this.#tellAll(true, resolve));
    await Promise.all([this.#mouth.close(), this.#ear.close()]);
  }

  readonly #onAbort = (): void => void this.close();

  #onDatagram(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#closed) return;
    const found = readDiscovered(bytes, this.#resolved.keys);
    if (found.kind !== 'ask' || (found.ask.name ?? this.name) !== this.name || !this.#mayAnswer()) return;
    if (this.endpoints.length > 0) this.#send(this.#write(found.ask.nonce, false), from, () => {});
  }

  /** Somebody who asks without end is answered at this rate, and so is everybody else then. */
  #mayAnswer(): boolean {
    const at = now();
    this.#tokens = Math.min(ANSWER_RATE, this.#tokens + ((at - this.#countedAt) * ANSWER_RATE) / 1000);
    this.#countedAt = at;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #tellAll(gone: boolean, done: () => void = () => {}): void {
    // A server that doesn't listen any more has nothing to tell.
    if (!gone && this.endpoints.length === 0) done();
    else this.#send(this.#write(undefined, gone), this.#resolved.plan.target, done);
  }

  #send(bytes: Uint8Array | undefined, to: Address, done: () => void): void {
    // What the system refuses is lost as on the way: who asks asks again.
    if (bytes === undefined) done();
    else this.#mouth.send(bytes, to, () => done());
  }

  #write(nonce: Answer['nonce'], gone: boolean): Uint8Array | undefined {
    const { name, instance } = this;
    const endpoints = gone ? [] : this.endpoints;
    const announced = { name, instance, endpoints, load: gone ? 0 : this.#loadNow(), gone };
    return writeAnswer({ nonce, announced }, this.#resolved.keys[0]);
  }

  #askLoad(): number {
    const load = this.#options.load?.() ?? this.#server.stats?.sockets ?? 0;
    if (!(load >= 0 && load < Infinity)) throw new HawserError('ERR_OPTION', `load is a number from 0, not ${load}`);
    return load;
  }

  /** Datagrams and timers lead here: what the application throws must not reach them. */
  #loadNow(): number {
    try {
      this.#load = this.#askLoad();
      this.#loadFails = false;
    } catch (error) {
      if (!this.#loadFails) (this.#options.onError ?? report)(error, 'load');
      this.#loadFails = true;
    }
    return this.#load;
  }
}
