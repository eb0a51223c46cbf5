import { HawserError, type Timer, type World, within } from '../../core/index.ts';
import { type Address, addressOf, type Share, sharesOf, textOf } from './addresses.ts';
import type { RedisModule } from './client.ts';
import { connectError, isFinal, logError } from './failures.ts';
import { Link } from './link.ts';
import { SLOTS, slotOf } from './names.ts';
import type { RedisSettings } from './options.ts';

export interface ServersHost {
  /** Something is missing: a server, or the place of a slot. Once, until `whole`. */
  broken(error: HawserError): void;
  /** Links have come or slots have moved: what was subscribed to is to be looked after. Rejecting has it tried again. */
  moved(): Promise<void>;
  /** Every slot has its server, and `moved` is done. Not called for the first time. */
  whole(): void;
}

const MOVED = new Error('slots have moved');
/** ms */
const DRAIN_WAIT = 1000;
const PAUSE_LEAST = 50;
const PAUSE_MOST = 1000;
/** ms after which it is no sequel to what went wrong before. */
const STEADY = 10_000;
/** Beats of the heart between two looks at who has which slot. */
const LOOK_BEATS = 3;

/** The server, or all servers of a Redis Cluster that have slots; keeps a link to each. */
export class Servers {
  readonly #redis: RedisModule;
  readonly #settings: RedisSettings;
  readonly #world: World;
  readonly #host: ServersHost;
  readonly #links = new Map<string, Link>();
  readonly #opening = new Map<string, Promise<Link>>();
  /** By slot; one for all where there is no Redis Cluster. */
  #places: readonly (Link | undefined)[] = [];
  #only: Link | undefined;
  #isWhole = false;
  #isSettling = false;
  #isStale = false;
  #isClosed = false;
  /** Those that went wrong, or may be the beginning of it, in a row. */
  #attempt = 0;
  #wholeAt = Number.NEGATIVE_INFINITY;
  #lookTimer: Timer | undefined;
  #pauseTimer: Timer | undefined;
  #wake: (() => void) | undefined;
  /** Who waits for the end of the work that is under way. */
  #waiting: (() => void)[] = [];

  constructor(redis: RedisModule, settings: RedisSettings, world: World, host: ServersHost) {
    this.#redis = redis;
    this.#settings = settings;
    this.#world = world;
    this.#host = host;
  }

  /** @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_VERSION, ERR_OPTION. */
  async start(): Promise<void> {
    const until = this.#world.now() + this.#settings.connectWait;
    this.#isSettling = true;
    for (;;) {
      try {
        await this.#settle();
        break;
      } catch (error) {
        const pause = this.#nextPause();
        if (isFinal(error) || this.#isClosed || this.#world.now() + pause >= until) {
          this.close();
          throw connectError(error, this.#settings.seeds.map(textOf).join(', '));
        }
        await this.#sleep(pause);
      }
    }
    this.#isSettling = false;
    this.#restore();
  }

  /** Who has the slot, if it is there. */
  of(slot: number): Link | undefined {
    const link = this.#only ?? this.#places[slot];
    return link?.isUp === true ? link : undefined;
  }

  ofKey(key: string): Link | undefined {
    return this.#only === undefined ? this.of(slotOf(key)) : this.of(0);
  }

  /** The link to `host:port`. */
  at(address: string | undefined): Link | undefined {
    return address === undefined ? undefined : this.#links.get(address);
  }

  /** Looks again who has which slot: a server has said that another one has it. */
  refresh(error: unknown): void {
    this.#break(logError(error));
  }

  /** The same; resolves when it was looked, whatever came of it. */
  async refreshed(error: unknown): Promise<void> {
    this.refresh(error);
    if (!this.#isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when what was sent before has come to the servers, or after a second. */
  async drain(): Promise<void> {
    const pongs = [...this.#links.values()].map(async ({ wire }) => wire.sendCommand(['PING']));
    const drained = within(Promise.allSettled(pongs), this.#world, { timeout: DRAIN_WAIT, what: 'answer of Redis' });
    await drained.catch(() => {});
  }

  close(): void {
    this.#isClosed = true;
    this.#lookTimer?.cancel();
    this.#pauseTimer?.cancel();
    this.#wake?.();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#only = undefined;
    this.#places = [];
    this.#release();
  }

  #break(error: HawserError): void {
    if (this.#isClosed) return;
    this.#isStale = true;
    if (this.#isWhole) {
      this.#isWhole = false;
      this.#host.broken(error);
    }
    if (!this.#isSettling) void this.#mend();
  }

  /** Tries until all is there: at once if all was well for a while, otherwise after a pause that grows. */
  async #mend(): Promise<void> {
    this.#isSettling = true;
    if (this.#world.now() - this.#wholeAt > STEADY) this.#attempt = 0;
    let isDone = false;
    while (!isDone && !this.#isClosed) {
      if (this.#attempt > 0) await this.#sleep(this.#nextPause());
      else this.#attempt = 1;
      isDone = await this.#settle().then(
        () => true,
        () => false,
      );
      this.#release();
    }
    this.#isSettling = false;
    if (this.#isClosed) return;
    this.#restore();
    this.#host.whole();
  }

  #restore(): void {
    this.#isWhole = true;
    this.#wholeAt = this.#world.now();
    this.#look();
  }

  async #settle(): Promise<void> {
    this.#isStale = false;
    const shares = await this.#shares();
    const opened = await Promise.allSettled(
      shares.map(async (share) => this.#place(share, await this.#open(share.address))),
    );
    this.#prune(shares);
    await this.#host.moved();
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (this.#isStale) throw new HawserError('ERR_CONNECT_FAILED', 'the connection to Redis was lost again');
  }

  /** Asks whom it can reach, first those that it has links to. */
  async #shares(): Promise<readonly Share[]> {
    let failure: unknown;
    const known = [...this.#links.values()].map(({ address }) => addressOf(address));
    for (const address of [...known, ...this.#settings.seeds]) {
      try {
        const link = await this.#open(address);
        return await this.#ask(link, address);
      } catch (error) {
        failure = isFinal(failure) ? failure : error;
      }
    }
    throw failure;
  }

  async #ask(link: Link, address: Address): Promise<readonly Share[]> {
    if (!link.isClustered) {
      if (this.#settings.isCluster && this.#settings.seeds.length > 1) {
        throw new HawserError('ERR_OPTION', `Redis at ${link.address} is of no cluster: give it as \`url\``);
      }
      return [{ address, ranges: [] }];
    }
    const shares = sharesOf(await link.log.sendCommand(['CLUSTER', 'SLOTS']), address);
    const covered = shares.flatMap(({ ranges }) => ranges).reduce((sum, [from, to]) => sum + to - from + 1, 0);
    if (covered < SLOTS)
      throw new HawserError('ERR_CONNECT_FAILED', `the Redis Cluster has servers for ${covered} slots of ${SLOTS}`);
    return shares;
  }

  /** The link to a server, the one that is there or a new one. */
  async #open(address: Address): Promise<Link> {
    const name = textOf(address);
    const there = this.#links.get(name);
    if (there?.isUp === true) return there;
    const opening = this.#opening.get(name) ?? this.#dial(address).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  async #dial(address: Address): Promise<Link> {
    const parts = { redis: this.#redis, settings: this.#settings, world: this.#world };
    const link = await Link.open(parts, address, (lost, error) => {
      if (this.#links.get(lost.address) === lost) this.#links.delete(lost.address);
      this.#break(error);
    });
    if (this.#isClosed) {
      link.close();
      throw new HawserError('ERR_CLOSED');
    }
    this.#links.set(link.address, link);
    link.wire.on('sharded-channel-moved', () => this.refresh(MOVED));
    return link;
  }

  #place({ ranges }: Share, link: Link): void {
    this.#only = ranges.length === 0 ? link : undefined;
    if (ranges.length === 0) return;
    const places = [...this.#places];
    for (const [from, to] of ranges) {
      for (let slot = from; slot <= to; slot += 1) places[slot] = link;
    }
    this.#places = places;
  }

  /** Links to servers that have no slot any more. */
  #prune(shares: readonly Share[]): void {
    const kept = new Set(shares.map(({ address }) => textOf(address)));
    for (const [address, link] of this.#links) {
      if (kept.has(address)) continue;
      this.#links.delete(address);
      link.close();
    }
  }

  /** A slot may move without anybody being told: its subscribers hear nothing then. */
  #look(): void {
    this.#lookTimer?.cancel();
    if (this.#only !== undefined || this.#isClosed) return;
    this.#lookTimer = this.#world.timer(this.#world.now() + LOOK_BEATS * this.#settings.heartbeat, () => {
      void this.#compare();
    });
  }

  async #compare(): Promise<void> {
    if (!this.#isWhole) return;
    try {
      const shares = await this.#shares();
      const moved = shares.some(({ address, ranges }) =>
        ranges.some(([from, to]) => [from, to].some((slot) => this.of(slot)?.address !== textOf(address))),
      );
      if (moved) this.refresh(MOVED);
      else this.#look();
    } catch (error) {
      this.refresh(error);
    }
  }

  #nextPause(): number {
    const pause = Math.min(PAUSE_MOST, PAUSE_LEAST * 2 ** this.#attempt);
    this.#attempt += 1;
    return pause * (0.5 + this.#world.random.unit());
  }

  async #sleep(pause: number): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      this.#pauseTimer = this.#world.timer(this.#world.now() + pause, resolve);
      this.#wake = resolve;
    });
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
