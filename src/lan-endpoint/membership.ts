import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HawserError } from '../core/index.ts';
import { udpFailed } from './failures.ts';
import { ANY, findInterface, type Interface, type IpVersion, isMulticast } from './interfaces.ts';

/**
 * Joins a group, or leaves it. The group may have a zone, which is its interface.
 * @throws HawserError ERR_ARGUMENT for what is no group, ERR_CONNECT_FAILED.
 */
export function changeMembership(
  socket: Socket,
  change: 'addMembership' | 'dropMembership',
  group: string,
  { name }: Interface,
): void {
  const [ip = ''] = group.split('%');
  if (isIP(ip) === 0 || !isMulticast(ip)) throw new HawserError('ERR_ARGUMENT', `${group} is no group's address`);
  try {
    socket[change](ip, name);
  } catch (error) {
    throw udpFailed(error, change === 'addMembership' ? 'joining' : 'leaving', { address: group, port: 0 });
  }
}

/** The interface of this machine with this name or address. @throws HawserError ERR_OPTION. */
export function interfaceOf(wanted: string | undefined, version: IpVersion): Interface {
  return findInterface(wanted ?? ANY, version, networkInterfaces());
}
