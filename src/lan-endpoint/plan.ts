import { isIPv4 } from 'node:net';
import { HawserError } from '../core/index.ts';
import {
  ANY,
  findInterface,
  type Interface,
  type Interfaces,
  type IpVersion,
  isBroadcast,
  isLoopback,
  isMulticast,
  isOwn,
} from './interfaces.ts';
import type { ResolvedUdpOptions } from './udp-options.ts';
import { type UdpUrl, udpUrl } from './udp-url.ts';

export interface Address {
  readonly address: string;
  readonly port: number;
}

/** What a URL and its options come to on this machine. */
export interface Plan {
  readonly version: IpVersion;
  readonly kind: 'unicast' | 'multicast' | 'broadcast';
  /** Where datagrams go that are sent to nobody else; IPv6 with its zone. */
  readonly target: Address;
  readonly listens: boolean;
  /** Where a socket is bound that hears what comes to the target. */
  readonly ear: Address;
  /** Where a socket is bound that sends to the target and hears answers. */
  readonly mouth: Address;
  readonly reuseAddr: boolean;
  readonly broadcast: boolean;
  readonly face: Interface;
  /** Nobody off this machine reaches the socket. */
  readonly isLocal: boolean;
}

/**
 * @param ip The address of the URL's host.
 * @throws HawserError ERR_OPTION, ERR_URL.
 */
export function planOf(url: UdpUrl, ip: string, options: ResolvedUdpOptions, all: Interfaces): Plan {
  const version = isIPv4(ip) ? 4 : 6;
  const kind = isMulticast(ip) ? 'multicast' : isBroadcast(ip, all) || options.broadcast ? 'broadcast' : 'unicast';
  const listens = options.listen ?? (!options.connected && (kind !== 'unicast' || isOwn(ip, all)));
  if (url.port === 0 && (kind !== 'unicast' || !listens)) throw new HawserError('ERR_URL', 'nothing can go to port 0');
  if (options.connected && kind !== 'unicast') {
    throw new HawserError('ERR_OPTION', 'only a socket for one peer can be connected: say listen: false');
  }
  const face = faceOf(kind, version, ip, url.zone, options.interface, all);
  const target = { address: zoned(ip, url.zone ?? zoneOf(kind, version, face)), port: url.port };
  return {
    version,
    kind,
    target,
    listens,
    ear: { address: earOf(kind, version, target.address), port: url.port },
    mouth: { address: face.address, port: 0 },
    reuseAddr: options.reuseAddr ?? kind !== 'unicast',
    broadcast: options.broadcast ?? kind === 'broadcast',
    face,
    isLocal: kind === 'unicast' ? isLoopback(ip) : face.isLoopback,
  };
}

/** Nobody lets the network in by leaving a word out. @throws HawserError ERR_OPTION. */
export function checkOpen(plan: Plan, keys: readonly unknown[], insecure: boolean, what: string): void {
  if (plan.isLocal || keys.length > 0 || insecure) return;
  throw new HawserError('ERR_OPTION', `${what} on ${udpUrl(plan.target)} off loopback needs a key, or insecure: true`);
}

function faceOf(
  kind: Plan['kind'],
  version: IpVersion,
  ip: string,
  zone: string | undefined,
  wanted: string | undefined,
  all: Interfaces,
): Interface {
  if (wanted !== undefined) return findInterface(wanted, version, all);
  if (kind === 'unicast' || (kind === 'broadcast' && !/^(?:255|127)\./.test(ip))) {
    const every = findInterface(ANY, version, all);
    return isLoopback(ip) ? { ...every, address: ip, isLoopback: true } : every;
  }
  if (version === 6) {
    if (zone !== undefined) return findInterface(zone, 6, all);
    throw new HawserError('ERR_OPTION', 'an IPv6 group needs an interface: udp://[ff02::1%eth0]:3000, or interface');
  }
  return findInterface('127.0.0.1', 4, all);
}

/** Groups of a link are told apart by their interface. */
function zoneOf(kind: Plan['kind'], version: IpVersion, { name }: Interface): string | undefined {
  return kind === 'multicast' && version === 6 ? name?.split('%')[1] : undefined;
}

function zoned(ip: string, zone: string | undefined): string {
  return zone === undefined ? ip : `${ip}%${zone}`;
}

/** A socket that is bound to its group hears nothing else; Windows can't bind to one. */
function earOf(kind: Plan['kind'], version: IpVersion, target: string): string {
  if (kind === 'unicast' || process.platform !== 'win32') return target;
  return version === 4 ? '0.0.0.0' : '::';
}
