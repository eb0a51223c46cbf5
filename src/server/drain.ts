import { type CloseReason, fillNumbers, HawserError, type World, whole } from '../core/index.ts';
import type { NodeInfo } from '../engine/index.ts';
import { type Endpoint, parseEndpoint } from '../transport/index.ts';
import type { Goaway } from '../wire/index.ts';
import type { Attendant } from './attendant.ts';

export interface CloseOptions {
  /** ms that what is under way has, from the moment that nobody new is let in. Default 5000. */
  readonly drain?: number;
  /** ms in which the node says that it is going, by `readyz` and to other nodes, and lets clients in nevertheless. Default 0. */
  readonly delay?: number;
  /** What clients are told of where to go: the other nodes of the cluster (default), these URLs, or nothing (false). */
  readonly redirect?: boolean | readonly string[];
  /** ms after which clients that know no other server may come back. Default: their own back-off alone. */
  readonly retryAfter?: number;
  /** Waits no longer: what is left is cut. */
  readonly signal?: AbortSignal;
}

/** How long a server that closes waits, and for whom not. */
export interface Patience {
  readonly world: World;
  readonly deadline: number;
  /** Fires when nobody wants to wait any longer. */
  readonly haste: AbortSignal;
}

/** How often a draining server looks whether its handlers are done, ms. */
const STEP = 20;
/** For who is on the way in when it begins, ms. */
const LET_IN = 250;
/** The part of the time to drain in which clients are sent away. */
const SPREAD = 0.8;
/** But no more of it than this for each, ms: few are sent away soon. */
const SPREAD_EACH = 20;
/** From GOAWAY to the close of a link, ms: what was on its way arrives. */
const LINGER = 100;
/** URLs that one client is told. */
const MOST = 8;

/** Schemes that serve who came by a key's, and what they are called for them: a proxy in front may have made `wss:` of `ws:`. */
const KIN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ws: { ws: 'ws', wss: 'wss', http: 'ws', https: 'wss' },
  wss: { wss: 'wss', https: 'wss' },
  http: { http: 'http', https: 'https' },
  https: { https: 'https' },
  tcp: { tcp: 'tcp', tls: 'tls' },
  tls: { tls: 'tls' },
  udpack: { udpack: 'udpack' },
  quic: { quic: 'quic' },
};

/** Where clients may go when this node goes. */
export class Elsewhere {
  /** Nobody else serves the same. */
  readonly isNowhere: boolean;
  readonly #places: readonly Endpoint[];
  readonly #world: Pick<World, 'random'>;

  /** `urls` may be none that clients can dial: then they go by their own URLs, as where one of a balancer leads to all. */
  constructor(urls: readonly string[], world: Pick<World, 'random'>, isNowhere: boolean = urls.length === 0) {
    this.isNowhere = isNowhere;
    this.#places = urls.flatMap(placeOf);
    this.#world = world;
  }

  /** The endpoints of the nodes that stay. */
  static of(nodes: readonly NodeInfo[], world: Pick<World, 'random'>): Elsewhere {
    const staying = nodes.filter(({ isSelf, isAlive, state }) => !isSelf && isAlive && state === 'up');
    const urls = staying.flatMap(({ endpoints }) => endpoints);
    return new Elsewhere(urls, world, staying.length === 0);
  }

  /** For a client that came by this scheme, in an order of its own, so that not all go to the same. */
  for(scheme: string, isLocal: boolean): readonly string[] {
    const kin = KIN[scheme] ?? {};
    const reachable = this.#places.filter(({ host }) => isLocal || !isOfThisMachine(host));
    const fit = reachable.flatMap((one) => {
      const called = kin[one.scheme];
      return called === undefined ? [] : [{ ...one, scheme: called }];
    });
    return shuffled(fit.map(urlOf), this.#world).slice(0, MOST);
  }
}

/**
 * Sends sockets away: all at once, or where there is another place for them one by one, each at a moment of its own. A socket goes when
 * nobody is at work for it; at the deadline nobody waits any more. `attendants` are those that there are at the time.
 */
export async function sendAway(
  attendants: () => Iterable<Attendant>,
  elsewhere: Elsewhere,
  goaway: Goaway & CloseReason,
  patience: Patience,
): Promise<void> {
  const { world, deadline } = patience;
  if (elsewhere.isNowhere) {
    for (const attendant of attendants()) attendant.session.goaway(goaway);
    await until(() => ![...attendants()].some(({ busy }) => busy), patience);
    return;
  }
  const all = [...attendants()];
  const start = world.now();
  const spread = Math.min((deadline - start) * SPREAD, all.length * SPREAD_EACH);
  const waiting = all.map((attendant) => ({ attendant, at: start + world.random.unit() * spread }));
  waiting.sort((a, b) => b.at - a.at);
  let leaving: typeof waiting = [];
  await until(() => {
    const now = world.now();
    for (let next = waiting.at(-1); next !== undefined && next.at <= now; next = waiting.at(-1)) {
      waiting.pop();
      const { attendant } = next;
      const alternatives = elsewhere.for(attendant.transport, attendant.peer.local);
      attendant.session.goaway({ ...goaway, alternatives });
      leaving.push({ attendant, at: now + LINGER });
    }
    leaving = leaving.filter(({ attendant, at }) => {
      if (now < at || attendant.busy) return true;
      attendant.close(goaway);
      return false;
    });
    return waiting.length + leaving.length === 0;
  }, patience);
}

/** Waits a moment for who has connected already, so that nobody is refused who came in time. */
export async function letIn(arriving: () => number, { world, deadline, haste }: Patience): Promise<void> {
  await until(() => arriving() === 0, { world, haste, deadline: Math.min(deadline, world.now() + LET_IN) });
}

/** Waits so long. */
export function pause(ms: number, world: World, haste: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = world.timer(world.now() + (haste.aborted ? 0 : ms), resolve);
    haste.addEventListener('abort', () => {
      timer.cancel();
      resolve();
    });
  });
}

/** Waits for the end of a server, which hurries when the signal fires. */
export async function hurriedBy(
  signal: AbortSignal | undefined,
  closed: Promise<void>,
  haste: AbortController,
): Promise<void> {
  const hurry = (): void => haste.abort();
  if (signal?.aborted) hurry();
  signal?.addEventListener('abort', hurry);
  try {
    await closed;
  } finally {
    signal?.removeEventListener('abort', hurry);
  }
}

/** How a server closes. */
export interface Closing {
  readonly drain: number;
  readonly delay: number;
  readonly retryAfter: number | undefined;
  /** Undefined: the other nodes. */
  readonly elsewhere: Elsewhere | undefined;
}

/** @throws HawserError ERR_OPTION for what is no number from 0, or a URL that clients can't dial. */
export function resolveClosing(
  { drain, delay, retryAfter, redirect = true }: CloseOptions,
  world: Pick<World, 'random'>,
): Closing {
  const times = fillNumbers({ drain: 5000, delay: 0, retryAfter: 0 }, { drain, delay, retryAfter }, 'close');
  const elsewhere = redirect === true ? undefined : new Elsewhere(redirect === false ? [] : checked(redirect), world);
  return { ...times, retryAfter: retryAfter === undefined ? undefined : whole(retryAfter), elsewhere };
}

function checked(urls: readonly string[]): readonly string[] {
  for (const url of urls) {
    if (placeOf(url).length === 0) throw new HawserError('ERR_OPTION', 'redirect has URLs such as wss://b.example');
  }
  return urls;
}

async function until(isOver: () => boolean, { world, deadline, haste }: Patience): Promise<void> {
  while (!isOver() && world.now() < deadline && !haste.aborted) {
    await new Promise<void>((resolve) => world.timer(world.now() + STEP, resolve));
  }
}

/** None for what names no address that could be dialled, such as what listens on all. */
function placeOf(url: string): readonly Endpoint[] {
  let place: Endpoint;
  try {
    place = parseEndpoint(url);
  } catch {
    return [];
  }
  const isAny = place.host === '' || place.host === '0.0.0.0' || /^[0:]+$/.test(place.host);
  return isAny || KIN[place.scheme] === undefined ? [] : [place];
}

function isOfThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** The address alone: what else is in an endpoint may be a secret of that node. */
function urlOf({ scheme, host, port }: Endpoint): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${scheme}://${name}${port === undefined ? '' : `:${port}`}`;
}

function shuffled<T>(list: readonly T[], { random }: Pick<World, 'random'>): T[] {
  const left = [...list];
  return list.map(() => left.splice(Math.floor(random.unit() * left.length), 1)[0] as T);
}
