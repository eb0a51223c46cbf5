import { isIP } from 'node:net';
import { HawserError } from '../core/index.ts';

/** Parameters of a `udp:` URL; an option of the same name goes before it. docs/guides/lan.md has the table. */
export const URL_PARAMETERS = ['interface', 'ttl', 'multicastTtl', 'loopback', 'reuseAddr', 'broadcast'] as const;
export type UrlParameter = (typeof URL_PARAMETERS)[number];

/** A `udp:` URL, taken apart. */
export interface UdpUrl {
  /** A name or an address, without brackets and without zone. */
  readonly host: string;
  /** What follows `%` in an IPv6 address: an interface. */
  readonly zone: string | undefined;
  readonly port: number;
  readonly parameters: Readonly<Partial<Record<UrlParameter, string>>>;
}

const KNOWN: ReadonlySet<string> = new Set(URL_PARAMETERS);
/** URLs of the platform have no zones in addresses, so that this takes them apart itself. */
const SHAPE = /^udp:\/\/(?:\[([^\]]*)\]|([^:/?#@[\]]+)):(\d{1,5})\/?(?:\?([^#]*))?$/i;

/** @throws HawserError ERR_URL. The port must be said; 0 lets the system choose. */
export function parseUdpUrl(text: string): UdpUrl {
  const [, six, other, digits = '', query = ''] = SHAPE.exec(text) ?? [];
  const port = Number(digits);
  if ((six ?? other) === undefined || port > 65_535) refuse(`'${text}' is no URL like udp://239.192.0.1:3000`);
  const [host = '', zone, ...more] = (six ?? other ?? '').replace('%25', '%').split('%');
  if (six !== undefined && isIP(host) !== 6) refuse(`${host} is no IPv6 address`);
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) refuse(`${host} is no IPv4 address`);
  if (more.length > 0 || zone === '' || (six === undefined && zone !== undefined)) refuse(`'${text}' has a wrong zone`);
  return { host, zone, port, parameters: parametersOf(query) };
}

function parametersOf(query: string): UdpUrl['parameters'] {
  const parameters: Partial<Record<UrlParameter, string>> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!KNOWN.has(name)) refuse(`udp: URLs have no parameter '${name}'; they have ${URL_PARAMETERS.join(', ')}`);
    parameters[name as UrlParameter] = value;
  }
  return parameters;
}

/** Such as `udp://127.0.0.1:3000` and `udp://[ff02::1%eth0]:3000`. */
export function udpUrl({ address, port }: { readonly address: string; readonly port: number }): string {
  return `udp://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function refuse(why: string): never {
  throw new HawserError('ERR_URL', why);
}
