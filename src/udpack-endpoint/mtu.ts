import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { isLoopback } from './names.ts';

/** Bytes of UDP payload that cross almost every path: 1500 less the headers of IPv6 and UDP. */
const DATAGRAM_USUAL = 1452;
/** What every path of UDPack carries. */
export const DATAGRAM_LEAST = 1200;
/** The longest payload of UDP over IPv4; over IPv6 it is 20 bytes less. */
export const DATAGRAM_MOST = 65_507;
/** The headers of IP and UDP. */
const HEADERS = { 4: 28, 6: 48 } as const;

const WILDCARDS = new Set(['0.0.0.0', '::']);

/**
 * The longest datagram, in bytes of UDP payload, that the interface of a local address sends in one piece; above it the system would cut it up
 * without a word, so that a probe of the path proves nothing. For a wildcard the smallest of all interfaces that lead off this
 * machine. 1452 where it can't be known.
 */
export function datagramSizeOf(local: string): number {
  const version = local.includes(':') ? 6 : 4;
  const mtus = interfacesOf(local).map(mtuOf);
  if (mtus.length === 0 || mtus.includes(undefined)) return DATAGRAM_USUAL;
  const least = Math.min(...(mtus as number[]));
  return Math.max(DATAGRAM_LEAST, Math.min(least - HEADERS[version], DATAGRAM_MOST - (HEADERS[version] - HEADERS[4])));
}

function interfacesOf(local: string): string[] {
  const all = Object.entries(networkInterfaces());
  const [ip = ''] = local.split('%');
  if (WILDCARDS.has(ip)) {
    const outward = all.filter(([, of]) => of?.some(({ internal }) => !internal));
    return (outward.length > 0 ? outward : all).map(([name]) => name);
  }
  const own = all.filter(([, of]) =>
    of?.some(({ address, internal }) => address === ip || (internal && isLoopback(ip))),
  );
  return own.slice(0, 1).map(([name]) => name);
}

/** Linux tells; elsewhere nobody does. */
function mtuOf(name: string): number | undefined {
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'));
    return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}
