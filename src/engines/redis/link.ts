import type { Timer, World } from '../../core/index.ts';
import { HawserError, late } from '../../core/index.ts';
import { type Address, textOf } from './addresses.ts';
import type { RedisClient, RedisModule } from './client.ts';
import { connectError, tooOld, wordOf } from './failures.ts';
import type { RedisSettings } from './options.ts';
import { APPEND, READ } from './scripts.ts';

/** Pings without an answer, one after another, that end a link. */
const MISSED_MOST = 3;

export interface LinkParts {
  readonly redis: RedisModule;
  readonly settings: RedisSettings;
  readonly world: World;
}

/**
 * Two connections to one server, which live and die together: one to publish and hear by, so that what is published after a subscription is
 * heard, and one for logs, whose long answers don't hold up the first. It doesn't reconnect: a lost link is replaced.
 */
export class Link {
  /** `host:port`. */
  readonly address: string;
  /** To publish and hear by. */
  readonly wire: RedisClient;
  readonly log: RedisClient;
  /** The server is of a Redis Cluster. */
  readonly isClustered: boolean;
  #isUp = true;
  readonly #missed = { wire: 0, log: 0 };
  #timer: Timer | undefined;
  readonly #parts: LinkParts;
  readonly #onLost: (link: Link, error: HawserError) => void;

  /** @throws HawserError ERR_CONNECT_FAILED within `connectWait`, ERR_AUTH_FAILED, ERR_VERSION. */
  static async open(
    parts: LinkParts,
    address: Address,
    onLost: (link: Link, error: HawserError) => void,
  ): Promise<Link> {
    const clients = [makeClient(parts, address), makeClient(parts, address)] as const;
    const greeting = await attempt(parts, address, clients, async () => greet(clients, textOf(address)));
    return new Link(parts, address, clients, greeting, onLost);
  }

  private constructor(
    parts: LinkParts,
    address: Address,
    [wire, log]: readonly [RedisClient, RedisClient],
    greeting: { readonly isClustered: boolean },
    onLost: (link: Link, error: HawserError) => void,
  ) {
    this.address = textOf(address);
    this.wire = wire;
    this.log = log;
    this.isClustered = greeting.isClustered;
    this.#parts = parts;
    this.#onLost = onLost;
    for (const client of [wire, log]) client.on('error', (error) => this.#lose(connectError(error, this.address)));
    this.#arm();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** An answer came: it lives, however much else waits to be answered. */
  heard(kind: 'wire' | 'log'): void {
    this.#missed[kind] = 0;
  }

  /** Ends it without a word to its user. */
  close(): void {
    this.#isUp = false;
    this.#timer?.cancel();
    end(this.wire);
    end(this.log);
  }

  #lose(error: HawserError): void {
    if (!this.#isUp) return;
    this.close();
    this.#onLost(this, error);
  }

  #arm(): void {
    const { world, settings } = this.#parts;
    this.#timer = world.timer(world.now() + settings.heartbeat, () => this.#beat());
  }

  /** Counts its own beats, not time: a process that was frozen itself has heard nobody, and blames nobody. */
  #beat(): void {
    if (Math.max(this.#missed.wire, this.#missed.log) >= MISSED_MOST) {
      this.#lose(late('answer', MISSED_MOST * this.#parts.settings.heartbeat, 'ERR_PEER_SILENT'));
      return;
    }
    if (this.#missed.wire === 0) void this.#ping('wire');
    if (this.#missed.log === 0) void this.#ping('log');
    this.#missed.wire += 1;
    this.#missed.log += 1;
    this.#arm();
  }

  /** Any answer of Redis will do, a refusal too; but not that it has become a replica, nor that there is no connection. */
  async #ping(kind: 'wire' | 'log'): Promise<void> {
    try {
      const said = await helloOf(this[kind]);
      if (!this.isClustered) refuseReplica(said, this.address);
    } catch (error) {
      if (wordOf(error) === '') this.#lose(connectError(error, this.address));
    }
    this.heard(kind);
  }
}

/** A connection of its own, which nobody looks after. @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED. */
export async function openClient(parts: LinkParts, address: Address): Promise<RedisClient> {
  const client = makeClient(parts, address);
  await attempt(parts, address, [client], async () => client.connect());
  return client;
}

function makeClient({ redis, settings }: LinkParts, { host, port }: Address): RedisClient {
  const { username, password, tls, connectWait } = settings;
  return redis.createClient({
    RESP: 3,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // Its own costs an AbortSignal for each command; ours is the heartbeat.
    commandOptions: { timeout: 0 },
    socket: {
      ...(tls === undefined ? {} : { servername: host, ...tls, tls: true }),
      host,
      port,
      reconnectStrategy: false,
      connectTimeout: connectWait,
    },
  });
}

async function greet(
  clients: readonly [RedisClient, RedisClient],
  where: string,
): Promise<{ readonly isClustered: boolean }> {
  const [wire, log] = clients;
  await Promise.all(clients.map(async (client) => client.connect()));
  const said = await helloOf(wire);
  if (!(Number.parseInt(String(said.get('version')), 10) >= 7)) throw tooOld(where);
  await Promise.all([APPEND, READ].map(async ({ text }) => log.sendCommand(['SCRIPT', 'LOAD', text])));
  const isClustered = said.get('mode') === 'cluster';
  if (!isClustered) refuseReplica(said, where);
  return { isClustered };
}

/** What the server says of itself. */
async function helloOf(client: RedisClient): Promise<ReadonlyMap<unknown, unknown>> {
  const hello = (await client.sendCommand(['HELLO'])) as Record<string, unknown> | Map<string, unknown>;
  return new Map<unknown, unknown>(hello instanceof Map ? hello : Object.entries(hello));
}

/** It can't be written to, and what is published there comes to nobody else. */
function refuseReplica(said: ReadonlyMap<unknown, unknown>, where: string): void {
  if (said.get('role') === 'replica') throw new HawserError('ERR_CONNECT_FAILED', `Redis at ${where} is a replica`);
}

/** In the time that a connection may take; what fails leaves nothing open. */
async function attempt<T>(
  { world, settings }: LinkParts,
  address: Address,
  clients: readonly RedisClient[],
  run: () => Promise<T>,
): Promise<T> {
  const where = textOf(address);
  let timer: Timer | undefined;
  const over = new Promise<never>((_, reject) => {
    const error = new HawserError('ERR_CONNECT_FAILED', `no answer of Redis at ${where} in ${settings.connectWait} ms`);
    timer = world.timer(world.now() + settings.connectWait, () => reject(error));
    // The client tells of what is no Redis by an event alone, and of a connection that was lost while another was waited for.
    for (const client of clients) client.on('error', reject);
  });
  over.catch(() => {});
  const work = run();
  try {
    return await Promise.race([work, over]);
  } catch (cause) {
    work.catch(() => {});
    for (const client of clients) end(client);
    throw connectError(cause, where);
  } finally {
    timer?.cancel();
  }
}

/** Quiet when it has ended. */
export function end(client: RedisClient): void {
  try {
    client.destroy();
  } catch {
    // It has ended by itself.
  }
}
