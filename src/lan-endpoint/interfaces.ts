import { isIP, isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { HawserError } from '../core/index.ts';

/** The interfaces of a machine, as `os.networkInterfaces()` tells them. */
export type Interfaces = NodeJS.Dict<readonly NetworkInterfaceInfo[]>;
export type IpVersion = 4 | 6;

/** An interface to join groups on and to send from. */
export interface Interface {
  /** What node:dgram takes for it: an address for IPv4, `::%eth0` for IPv6; undefined: the system chooses. */
  readonly name: string | undefined;
  /** Where a socket is bound that talks through it; `0.0.0.0` or `::` for any. */
  readonly address: string;
  readonly isLoopback: boolean;
}

/** The word for the interface that the system chooses, in options and URLs. */
export const ANY = 'any';

/**
 * The interface of this name (`eth0`) or address.
 * @throws HawserError ERR_OPTION for one that this machine doesn't have.
 */
export function findInterface(wanted: string, version: IpVersion, all: Interfaces): Interface {
  if (wanted === ANY) return { name: undefined, address: version === 4 ? '0.0.0.0' : '::', isLoopback: false };
  const name = isIP(wanted) === 0 ? wanted : nameOf(wanted, all);
  const found = name === undefined ? undefined : all[name];
  if (name === undefined || found === undefined) {
    throw new HawserError('ERR_OPTION', `this machine has no interface ${wanted}: ${Object.keys(all).join(', ')}`);
  }
  const addresses = found.filter(({ family }) => family === `IPv${version}`).map(({ address }) => address);
  const address = addresses.find((one) => one === wanted) ?? addresses[0];
  if (address === undefined) throw new HawserError('ERR_OPTION', `the interface ${name} has no IPv${version} address`);
  const isInternal = found.some(({ internal }) => internal);
  if (version === 4) return { name: address, address, isLoopback: isInternal };
  return { name: `::%${name}`, address: isInternal ? address : '::', isLoopback: isInternal };
}

/** The interface that has this address. */
export function nameOf(ip: string, all: Interfaces): string | undefined {
  return Object.keys(all).find((name) => all[name]?.some(({ address }) => address === ip));
}

/** Whether the address is this machine's own. */
export function isOwn(ip: string, all: Interfaces): boolean {
  return ip === '0.0.0.0' || ip === '::' || isLoopback(ip) || nameOf(ip, all) !== undefined;
}

export function isLoopback(ip: string): boolean {
  return ip === '::1' || /^127\.\d+\.\d+\.\d+$/.test(ip);
}

export function isMulticast(ip: string): boolean {
  return isIPv4(ip) ? (first(ip) & 0xf0) === 224 : /^ff/i.test(ip);
}

/** Whether the address means all hosts of a network of this machine, or of the network that it is in. */
export function isBroadcast(ip: string, all: Interfaces): boolean {
  return isIPv4(ip) && (ip === '255.255.255.255' || broadcasts(all).has(ip));
}

function broadcasts(all: Interfaces): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { address, netmask, family, cidr } of Object.values(all).flatMap((list) => list ?? [])) {
    // A network of one or two hosts has no such address (RFC 3021).
    if (family !== 'IPv4' || /\/3[12]$/.test(cidr ?? '')) continue;
    const mask = numberOf(netmask);
    found.add(textOf((numberOf(address) & mask) | ~mask));
  }
  return found;
}

function first(ip: string): number {
  return Number(ip.split('.', 1)[0]);
}

function numberOf(ip: string): number {
  return ip.split('.').reduce((value, part) => (value << 8) | Number(part), 0);
}

function textOf(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}
