import { HawserError } from '../core/index.ts';
import type { LanKey } from '../lan/index.ts';
import { isName } from './discovery-wire.ts';
import { type LanKeySource, readLanKeys } from './lan-key.ts';
import { checkOpen, type Plan } from './plan.ts';
import { type ResolvedUdpOptions, resolveUdpOptions } from './udp-options.ts';
import { makePlan } from './udp-socket.ts';
import { parseUdpUrl } from './udp-url.ts';

/** The group on which servers are asked for, unless it is said. */
export const DISCOVERY_URL = 'udp://239.192.0.77:7077';

/** Where servers are asked for, and who is believed. */
export interface DiscoveryOptions {
  /** The group, or a broadcast address. Default `udp://239.192.0.77:7077`. */
  readonly group?: string;
  /** As of the bus: default loopback. */
  readonly interface?: string;
  /** Signs; what isn't signed by it is not believed. Default: none. */
  readonly key?: LanKeySource | readonly LanKeySource[];
  /** Lets discovery go off loopback without a key, where anybody may answer, and is told the token of who believes it. Default false. */
  readonly insecure?: boolean;
  /** Hops, 0 to 255. Default 1. */
  readonly multicastTtl?: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

export const DISCOVERY_OPTION_NAMES: Readonly<Record<keyof DiscoveryOptions, true>> = {
  group: true,
  interface: true,
  key: true,
  insecure: true,
  multicastTtl: true,
  signal: true,
};

export interface ResolvedDiscovery {
  readonly plan: Plan;
  readonly keys: readonly LanKey[];
  readonly udp: ResolvedUdpOptions;
}

/** @throws HawserError ERR_URL, ERR_OPTION, ERR_KEY, ERR_ABORTED. */
export async function resolveDiscovery(options: DiscoveryOptions): Promise<ResolvedDiscovery> {
  const { group = DISCOVERY_URL, interface: face, insecure, multicastTtl, signal } = options;
  const url = parseUdpUrl(group);
  const given = {
    listen: true,
    ...(face !== undefined && { interface: face }),
    ...(insecure !== undefined && { insecure }),
    ...(multicastTtl !== undefined && { multicastTtl }),
    ...(signal !== undefined && { signal }),
  };
  const udp = resolveUdpOptions(url, given);
  const keys = readLanKeys(options.key);
  const plan = await makePlan(url, udp);
  if (plan.kind === 'unicast') throw new HawserError('ERR_OPTION', 'servers are asked for on a group, or by broadcast');
  checkOpen(plan, keys, udp.insecure, 'discovery');
  return { plan, keys, udp };
}

/** The longest that a timer can be told; more would ring at once. */
const MOST_MS = 2 ** 31 - 1;

/** @throws HawserError ERR_OPTION. */
export function checkMs(name: string, ms: number | undefined, least: number): void {
  if (ms === undefined || (typeof ms === 'number' && ms >= least && ms <= MOST_MS)) return;
  throw new HawserError('ERR_OPTION', `${name} is a number of ms from ${least} to ${MOST_MS}, not ${ms}`);
}

/** @throws HawserError ERR_ARGUMENT for what no server can be called. */
export function checkName(text: string): string {
  const name: unknown = text;
  if (isName(name)) return name;
  throw new HawserError('ERR_ARGUMENT', `a server's name is 1 to 64 letters, digits, '.', '_' and '-', not '${text}'`);
}
