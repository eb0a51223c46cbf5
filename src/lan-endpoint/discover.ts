import type { RemoteInfo } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { aborted, HawserError } from '../core/index.ts';
import { now } from '../runtime/index.ts';
import { ANNOUNCE_EVERY } from './announce.ts';
import { Audience } from './audience.ts';
import { dialableUrls } from './discovery-endpoints.ts';
import {
  checkMs,
  checkName,
  DISCOVERY_OPTION_NAMES,
  type DiscoveryOptions,
  type ResolvedDiscovery,
  resolveDiscovery,
} from './discovery-options.ts';
import { type Answer, newNonce, readDiscovered, writeAsk } from './discovery-wire.ts';
import { isOwn } from './interfaces.ts';
import type { Port } from './port.ts';
import { checkNames, report } from './udp-options.ts';
import { openPort } from './udp-socket.ts';

/** A server that was found. */
export interface FoundServer {
  readonly name: string;
  /** New with each start of its announcement. */
  readonly instance: string;
  /** What `connect` takes. */
  readonly endpoints: readonly string[];
  /** The lower, the better; mostly the sockets that it has. */
  readonly load: number;
  /** Where it spoke from. */
  readonly address: string;
  /** Whether a key has signed for it. */
  readonly isTrusted: boolean;
}

export interface DiscoverOptions extends DiscoveryOptions {
  /** Hears what a listener threw. Default: it is written to stderr. */
  readonly onError?: (error: unknown, during: string) => void;
  /** Only servers of this name. Default: all. */
  readonly name?: string | undefined;
  /** ms in which servers may answer, from 1: nobody can wait for all there are. Default 1,000. */
  readonly timeout?: number;
  /** ms after the first answer in which others may come. Default: until the timeout. */
  readonly settle?: number;
}

/** What `watchServers` takes: it goes on until it is closed. */
export type WatchOptions = Omit<DiscoverOptions, 'timeout' | 'settle'>;

const WATCH_NAMES: Readonly<Record<keyof WatchOptions, true>> = {
  ...DISCOVERY_OPTION_NAMES,
  onError: true,
  name: true,
};

/** Servers that are remembered at one time. */
export const FOUND_MOST = 1000;
/** ms between asks that announcements lead to. */
const ASK_SPACING = 250;
/** When asks are repeated, as parts of the timeout: datagrams get lost. */
const ASK_AT: readonly number[] = [0, 0.1, 0.3, 0.6];

/**
 * Asks on the local network which servers are there: all that answered in time, the one with the least load first.
 * @throws HawserError ERR_ARGUMENT, ERR_URL, ERR_OPTION, ERR_KEY, ERR_CONNECT_FAILED, ERR_NOT_ALLOWED, ERR_ABORTED.
 */
export async function discover({
  timeout = 1000,
  settle,
  ...options
}: DiscoverOptions = {}): Promise<readonly FoundServer[]> {
  checkMs('timeout', timeout, 1);
  checkMs('settle', settle, 0);
  const { signal } = options;
  const watch = await openWatch(options, false);
  const timers: NodeJS.Timeout[] = [];
  let give = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      for (const part of ASK_AT) timers.push(setTimeout(() => watch.ask(), part * timeout));
      timers.push(setTimeout(resolve, timeout));
      if (settle !== undefined) watch.once('found', () => timers.push(setTimeout(resolve, settle)));
      watch.on('error', reject);
      give = () => reject(aborted(signal));
      signal?.addEventListener('abort', give);
      if (signal?.aborted) give();
    });
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal?.removeEventListener('abort', give);
    await watch.close();
  }
  return watch.servers;
}

export interface ServerWatchEvents {
  found: (server: FoundServer) => unknown;
  /** Its endpoints or its load are others. */
  changed: (server: FoundServer) => unknown;
  /** It said that it is gone, or was silent for too long. */
  lost: (server: FoundServer) => unknown;
  /** Nobody can be asked. */
  error: (error: HawserError) => unknown;
}

/** Watches which servers come and go. @throws HawserError as `discover`. */
export async function watchServers(options: WatchOptions = {}): Promise<ServerWatch> {
  return await openWatch(options, true);
}

/** One that doesn't keep asking has no socket for what nobody asked for. */
async function openWatch(options: WatchOptions, keepsAsking: boolean): Promise<ServerWatch> {
  checkNames(options, WATCH_NAMES);
  if (options.name !== undefined) checkName(options.name);
  const resolved = await resolveDiscovery(options);
  const { plan, udp } = resolved;
  const mouth = await openPort(plan, plan.mouth, udp);
  const ear = !keepsAsking
    ? undefined
    : await openPort(plan, plan.ear, udp).catch(async (error: unknown) => {
        await mouth.close();
        throw error;
      });
  return new ServerWatch(options, resolved, mouth, ear);
}

interface Entry {
  readonly server: FoundServer;
  readonly heardAt: number;
}

/** Made by `watchServers`. */
export class ServerWatch extends Audience<ServerWatchEvents> implements AsyncDisposable {
  readonly #options: WatchOptions;
  readonly #resolved: ResolvedDiscovery;
  readonly #mouth: Port;
  readonly #ear: Port | undefined;
  readonly #nonce: Uint8Array = newNonce();
  readonly #found: Map<string, Entry> = new Map();
  readonly #timer: NodeJS.Timeout | undefined;
  /** Runs for a while after an ask that an announcement led to. */
  #soon: NodeJS.Timeout | undefined;
  #mustAsk = false;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(options: WatchOptions, resolved: ResolvedDiscovery, mouth: Port, ear: Port | undefined) {
    super(options.onError ?? report);
    this.#options = options;
    this.#resolved = resolved;
    this.#mouth = mouth;
    this.#ear = ear;
    for (const port of [mouth, ear]) {
      port?.start({ onDatagram: (bytes, from) => this.#onDatagram(bytes, from), onError: () => {} });
    }
    if (ear === undefined) return;
    this.#timer = setInterval(() => this.#look(), ANNOUNCE_EVERY);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted) this.#onAbort();
    else setImmediate(() => this.ask());
  }

  /** Those that are there now, the one with the least load first. */
  get servers(): readonly FoundServer[] {
    return [...this.#found.values()].map(({ server }) => server).toSorted((a, b) => a.load - b.load);
  }

  /** Asks who is there, beside asking now and then. */
  ask(): void {
    if (this.#closed) return;
    const { keys, plan } = this.#resolved;
    const bytes = writeAsk({ nonce: this.#nonce, name: this.#options.name }, keys[0]);
    this.#mouth.send(bytes, plan.target, (cause) => {
      if (cause === null || this.#closed) return;
      this.tell('error', new HawserError('ERR_CONNECT_FAILED', `nobody can be asked: ${cause.message}`, { cause }));
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await Promise.all([this.#mouth.close(), this.#ear?.close()]);
  }

  readonly #onAbort = (): void => void this.close();

  /** Asks again, and lets go of who has not answered for long. */
  #look(): void {
    const since = now() - 3 * ANNOUNCE_EVERY;
    for (const [instance, { server, heardAt }] of this.#found) if (heardAt < since) this.#lose(instance, server);
    this.ask();
  }

  #onDatagram(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#closed) return;
    const found = readDiscovered(bytes, this.#resolved.keys);
    if (found.kind === 'answer') this.#onAnswer(found.answer, from);
  }

  /** What a key has signed once can be sent again by anybody: it counts when it answers what was asked here. */
  #onAnswer({ nonce, announced }: Answer, { address }: RemoteInfo): void {
    const { name, instance, endpoints, load, gone } = announced;
    if (name !== (this.#options.name ?? name)) return;
    const before = this.#found.get(instance)?.server;
    if (gone) {
      if (before !== undefined) this.#lose(instance, before);
      return;
    }
    const isSigned = this.#resolved.keys.length > 0;
    const isAnswer = nonce !== undefined && Buffer.compare(nonce, this.#nonce) === 0;
    if (!isAnswer && (isSigned || nonce !== undefined)) {
      // It has just begun, or this is a replay: an answer tells.
      if (nonce === undefined && before === undefined) this.#askSoon();
      return;
    }
    const isHere = isOwn(address.split('%')[0] ?? '', networkInterfaces());
    const urls = dialableUrls(endpoints, address, isSigned, isHere);
    if (urls.length === 0 || (before === undefined && this.#found.size >= FOUND_MOST)) return;
    this.#note({ name, instance, endpoints: urls, load, address, isTrusted: isSigned }, before);
  }

  /** At once, and then once in a while, however many tell that they are there. */
  #askSoon(): void {
    if (this.#soon !== undefined) {
      this.#mustAsk = true;
      return;
    }
    this.ask();
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      if (this.#mustAsk) this.#askSoon();
    }, ASK_SPACING);
    this.#mustAsk = false;
  }

  #note(server: FoundServer, before: FoundServer | undefined): void {
    this.#found.set(server.instance, { server, heardAt: now() });
    if (before === undefined) this.tell('found', server);
    else if (before.load !== server.load || before.endpoints.join() !== server.endpoints.join()) {
      this.tell('changed', server);
    }
  }

  #lose(instance: string, server: FoundServer): void {
    this.#found.delete(instance);
    this.tell('lost', server);
  }
}
