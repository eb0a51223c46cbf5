import { HawserError } from '../core/index.ts';
import type { UdpUrl, UrlParameter } from './udp-url.ts';

/** How a UDP socket is opened. `interface`, `ttl`, `multicastTtl`, `loopback`, `reuseAddr` and `broadcast` may stand in the URL as well. */
export interface UdpOptions {
  /**
   * Whether the socket is bound to the address of the URL, and joins it if it is a group. False: it has a port of the system's choosing, sends
   * to that address, and hears what is sent back. Default: true for groups, broadcast and addresses of this machine.
   */
  readonly listen?: boolean;
  /** Talks with the address of the URL alone, and is told by `error` when nobody is there; goes without `listen`. Default false. */
  readonly connected?: boolean;
  /** Other sockets may have the same address and port. Default: true for groups and broadcast. */
  readonly reuseAddr?: boolean;
  /** Whether datagrams may go to broadcast addresses. Default: true where the URL's is one. */
  readonly broadcast?: boolean;
  /** Hops that datagrams may take, 1 to 255. Default: the system's, mostly 64. */
  readonly ttl?: number;
  /** Hops for those to groups, 0 to 255; 0 stays on this machine. Default 1: no router passes them on. */
  readonly multicastTtl?: number;
  /** Whether what goes to a group is heard on this machine too. Default true. */
  readonly loopback?: boolean;
  /** For groups and broadcast: `eth0`, an address of one, or `any`. Default: the loopback interface, for IPv6 groups the one in the URL. */
  readonly interface?: string;
  /** What the system is asked to hold for the socket, bytes; it may give less. Default 4 MiB. */
  readonly recvBufferSize?: number;
  readonly sendBufferSize?: number;
  /** For `::`: take no IPv4. Default false. */
  readonly ipv6Only?: boolean;
  /** Lets the socket be bound off loopback, where anybody on the network reaches it. Default false. */
  readonly insecure?: boolean;
  /** Gives up opening, and closes the socket later. */
  readonly signal?: AbortSignal;
  /** Hears what a listener threw. Default: it is written to stderr. */
  readonly onError?: (error: unknown, during: string) => void;
}

export interface ResolvedUdpOptions {
  readonly listen: boolean | undefined;
  readonly connected: boolean;
  readonly reuseAddr: boolean | undefined;
  readonly broadcast: boolean | undefined;
  readonly ttl: number | undefined;
  readonly multicastTtl: number;
  readonly loopback: boolean;
  readonly interface: string | undefined;
  readonly recvBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly ipv6Only: boolean;
  readonly insecure: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onError: (error: unknown, during: string) => void;
}

/** Every option there is: a typing error must not leave a socket open to the network. */
export const UDP_OPTION_NAMES: Readonly<Record<keyof UdpOptions, true>> = {
  listen: true,
  connected: true,
  reuseAddr: true,
  broadcast: true,
  ttl: true,
  multicastTtl: true,
  loopback: true,
  interface: true,
  recvBufferSize: true,
  sendBufferSize: true,
  ipv6Only: true,
  insecure: true,
  signal: true,
  onError: true,
};

/** Where errors go that nobody hears. */
export function report(error: unknown, during: string): void {
  console.error(`hawser: ${during} failed:`, error);
}

/** @throws HawserError ERR_OPTION for a name that is none of these. */
export function checkNames(options: object, names: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(options)) if (!Object.hasOwn(names, name)) refuse(`${name} is no option`);
}

const FLAGS = ['listen', 'connected', 'reuseAddr', 'broadcast', 'loopback', 'ipv6Only', 'insecure'] as const;

/** `'false'` must not open a socket to the network. @throws HawserError ERR_OPTION. */
function checkFlags(options: UdpOptions): void {
  for (const name of FLAGS) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'boolean') refuse(`${name} is true or false`);
  }
}

/** @throws HawserError ERR_OPTION, ERR_URL for a parameter of the URL that can't be. */
export function resolveUdpOptions(url: UdpUrl, options: UdpOptions): ResolvedUdpOptions {
  checkFlags(options);
  const said = new Parameters(url.parameters);
  const { listen, connected = false } = options;
  if (connected && listen === true) refuse('a connected socket does not listen');
  return {
    listen: connected ? false : listen,
    connected,
    reuseAddr: options.reuseAddr ?? said.flag('reuseAddr'),
    broadcast: options.broadcast ?? said.flag('broadcast'),
    ttl: hops('ttl', options.ttl, 1) ?? said.hops('ttl', 1),
    multicastTtl: hops('multicastTtl', options.multicastTtl, 0) ?? said.hops('multicastTtl', 0) ?? 1,
    loopback: options.loopback ?? said.flag('loopback') ?? true,
    interface: options.interface ?? said.text('interface'),
    recvBufferSize: bufferSize('recvBufferSize', options.recvBufferSize),
    sendBufferSize: bufferSize('sendBufferSize', options.sendBufferSize),
    ipv6Only: options.ipv6Only ?? false,
    insecure: options.insecure ?? false,
    signal: options.signal,
    onError: options.onError ?? report,
  };
}

/** What stands in the URL: text that is to be a number or a flag. */
class Parameters {
  readonly #given: UdpUrl['parameters'];

  constructor(given: UdpUrl['parameters']) {
    this.#given = given;
  }

  text(name: UrlParameter): string | undefined {
    return this.#given[name];
  }

  flag(name: UrlParameter): boolean | undefined {
    const text = this.#given[name];
    if (text === undefined) return undefined;
    if (text === '' || text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new HawserError('ERR_URL', `${name} in the URL is true or false, not ${text}`);
  }

  hops(name: UrlParameter, least: number): number | undefined {
    const text = this.#given[name];
    if (text === undefined) return undefined;
    if (isHops(Number(text), least)) return Number(text);
    throw new HawserError('ERR_URL', `${name} in the URL is a number from ${least} to 255, not ${text}`);
  }
}

/** @throws HawserError ERR_OPTION. */
export function hops(name: string, value: number | undefined, least: number): number | undefined {
  if (value !== undefined && !isHops(value, least)) refuse(`${name} is a number from ${least} to 255, not ${value}`);
  return value;
}

function isHops(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least && value <= 255;
}

/** @throws HawserError ERR_OPTION. */
export function bufferSize(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && !(Number.isInteger(value) && value > 0 && value < 2 ** 31)) {
    refuse(`${name} is a number of bytes from 1, not ${value}`);
  }
  return value;
}

function refuse(why: string): never {
  throw new HawserError('ERR_OPTION', why);
}
