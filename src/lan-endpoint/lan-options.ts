import { HawserError } from '../core/index.ts';
import { type LanKey, type LanLimits, type LanTimes, lanLimits, lanTimes } from '../lan/index.ts';
import { type LanKeySource, readLanKeys } from './lan-key.ts';
import {
  checkNames,
  type ResolvedUdpOptions,
  resolveUdpOptions,
  UDP_OPTION_NAMES,
  type UdpOptions,
} from './udp-options.ts';
import type { UdpUrl } from './udp-url.ts';

/** How much a publisher keeps for who has missed something: whichever bound is reached first. */
export interface StoreOptions {
  /** Default 16 MiB. */
  readonly bytes?: number;
  /** Default 100,000. */
  readonly messages?: number;
  /** ms, default 60,000. */
  readonly age?: number;
}

/** How a bus is opened: what a UDP socket takes, and this. */
export interface LanOptions extends UdpOptions {
  /** Signs what is published, and lets nothing in that isn't signed by it. Of several the first one signs, any is taken. Default: none. */
  readonly key?: LanKeySource | readonly LanKeySource[];
  /** Lets a bus go off loopback without a key: anybody on the network may hear it, and forge messages. Default false. */
  readonly insecure?: boolean;
  readonly store?: StoreOptions;
  /** Where to begin with publishers that were there before: at the first message heard, or at the oldest in their stores. Default `now`. */
  readonly since?: 'now' | 'store';
  /** What this bus is called where its errors are told. Default: its URL. */
  readonly name?: string;
  /** Bounds, docs/LIMITS.md has them. */
  readonly limits?: Partial<LanLimits>;
  /** ms */
  readonly times?: Partial<LanTimes>;
}

export interface ResolvedLanOptions extends ResolvedUdpOptions {
  readonly keys: readonly LanKey[];
  readonly since: 'now' | 'store' | undefined;
  readonly name: string;
  readonly limits: LanLimits;
  readonly times: LanTimes;
}

const NAMES: Readonly<Record<keyof LanOptions, true>> = {
  ...UDP_OPTION_NAMES,
  key: true,
  store: true,
  since: true,
  name: true,
  limits: true,
  times: true,
};

const STORE_NAMES: Readonly<Record<keyof StoreOptions, true>> = { bytes: true, messages: true, age: true };

/** @throws HawserError ERR_OPTION, ERR_URL, ERR_KEY. */
export function resolveLanOptions(url: UdpUrl, options: LanOptions): ResolvedLanOptions {
  checkNames(options, NAMES);
  const { store = {}, since } = options;
  checkNames(store, STORE_NAMES);
  if (since !== undefined && since !== 'now' && since !== 'store') {
    throw new HawserError('ERR_OPTION', `since is 'now' or 'store', not ${String(since)}`);
  }
  const { bytes: storeBytes, messages: storeMessages, age: storeAge } = store;
  return {
    ...resolveUdpOptions(url, options),
    keys: readLanKeys(options.key),
    since,
    name: options.name ?? `udp://${url.host}:${url.port}`,
    limits: lanLimits({
      ...options.limits,
      ...(storeBytes !== undefined && { storeBytes }),
      ...(storeMessages !== undefined && { storeMessages }),
    }),
    times: lanTimes({ ...options.times, ...(storeAge !== undefined && { storeAge }) }),
  };
}
