import { BlockList, isIP } from 'node:net';
import { HawserError } from '../core/index.ts';
import { canonicalAddress } from '../transport/index.ts';

/** Words that stand for addresses: this machine's own, and Unix sockets, which have none. */
const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/**
 * Tells the proxies that are believed, by addresses, CIDR ranges, and the words `loopback` and `unix`. Undefined when none is.
 * @throws HawserError ERR_OPTION for what is none of these.
 */
export function trustOf(list: readonly string[]): ((address: string) => boolean) | undefined {
  if (list.length === 0) return undefined;
  const trusted = new BlockList();
  for (const one of list.flatMap((text) => (text === 'loopback' ? LOOPBACK : [text]))) {
    if (one !== 'unix') add(trusted, one);
  }
  const unix = list.includes('unix');
  return (address) => {
    if (address === '') return unix;
    const family = isIP(address);
    return family !== 0 && trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

function add(trusted: BlockList, text: string): void {
  const [address = '', bits, ...more] = text.split('/');
  const plain = canonicalAddress(address);
  const most = plain?.includes(':') ? 128 : 32;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (plain === undefined || more.length > 0 || length < 0 || length > most) {
    throw new HawserError(
      'ERR_OPTION',
      `trustProxy has addresses, CIDR ranges, 'loopback' and 'unix', not '${text.slice(0, 64)}'`,
    );
  }
  trusted.addSubnet(plain, length, most === 128 ? 'ipv6' : 'ipv4');
}
