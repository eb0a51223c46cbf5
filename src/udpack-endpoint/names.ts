import { lookup } from 'node:dns';
import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { HawserError } from '../core/index.ts';
import type { Address } from '../udpack/index.ts';
import { abortedError } from './failures.ts';

/** What a socket speaks: udp4 takes IPv4 alone, udp6 IPv6, and IPv4 too when it is bound to `::`. */
export type Family = 'udp4' | 'udp6';

const MAPPED = '::ffff:';

/** An IP address as the system writes it, without brackets. */
export function canonical(ip: string): string {
  const [address = '', scope] = ip.split('%');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const written = new SocketAddress({ address, family }).address;
  return scope === undefined ? written : `${written}%${scope}`;
}

/** An address for people: IPv4 that came over a socket of both kinds is written as IPv4. */
export function shown({ address, port }: Address): Address {
  return address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length))
    ? { address: address.slice(MAPPED.length), port }
    : { address, port };
}

/** Such as `127.0.0.1:4433` and `[::1]:4433`. */
export function addressText(of: Address): string {
  const { address, port } = shown(of);
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function isLoopback(ip: string): boolean {
  const { address } = shown({ address: ip, port: 0 });
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

/** Brackets, as URLs have them around IPv6, are taken off. */
export function bare(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

/**
 * The IP address of a name, in the form in which a socket of `family` sends to it. The system is asked once; a literal is an answer by itself.
 *
 * @throws HawserError ERR_CONNECT_FAILED when there is none, ERR_ABORTED.
 */
export async function resolveHost(host: string, family: Family, signal?: AbortSignal): Promise<string> {
  const name = bare(host);
  return fitted(await lookUp(name, family === 'udp4' && isIP(name) === 0 ? 4 : 0, signal), family, host);
}

function fitted(ip: string, family: Family, host: string): string {
  if (family === 'udp4' && ip.includes(':')) {
    throw new HawserError(
      'ERR_CONNECT_FAILED',
      `${host} is an IPv6 address, and the socket is bound to IPv4: use host '::'`,
    );
  }
  return family === 'udp6' && isIPv4(ip) ? `${MAPPED}${ip}` : ip;
}

/**
 * The first IP address of a name, of this family unless it is 0, as the system writes it; a literal is an answer by itself.
 *
 * @throws HawserError ERR_CONNECT_FAILED when there is none, ERR_ABORTED.
 */
export function lookUp(name: string, family: 0 | 4 | 6, signal?: AbortSignal): Promise<string> {
  const literal = isIP(name.split('%')[0] ?? '');
  if (literal > 0 && (family === 0 || family === literal)) return Promise.resolve(canonical(name));
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal === undefined ? undefined : abortedError(signal));
    if (signal?.aborted) {
      give();
      return;
    }
    signal?.addEventListener('abort', give, { once: true });
    lookup(name, { family }, (cause, ip) => {
      signal?.removeEventListener('abort', give);
      if (cause === null) resolve(canonical(ip));
      else reject(new HawserError('ERR_CONNECT_FAILED', `no address is known for the name ${name}`, { cause }));
    });
  });
}
