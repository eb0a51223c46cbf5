import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HawserError } from '../core/index.ts';
import { udpFailed } from './failures.ts';
import { findInterface, type Interface, type IpVersion, isMulticast } from './interfaces.ts';

/**
 * Joins a group, or leaves it. The group may have a zone, which is its interface.
 * @throws HawserError ERR_ARGUMENT for what is no group, ERR_OPTION for an interface that isn't there, ERR_CONNECT_FAILED.
 */
export function changeMembership(
  socket: Socket,
  change: 'addMembership' | 'dropMembership',
  group: string,
  face: string | Interface | undefined,
): void {
  const [ip = '', zone] = group.split('%');
  const version: IpVersion = isIP(ip) === 6 ? 6 : 4;
  if (isIP(ip) === 0 || !isMulticast(ip)) throw new HawserError('ERR_ARGUMENT', `${group} is no group's address`);
  const { name } = typeof face === 'object' ? face : interfaceOf(face ?? zone, version);
  try {
    socket[change](ip, name);
  } catch (error) {
    throw udpFailed(error, change === 'addMembership' ? 'joining' : 'leaving', { address: group, port: 0 });
  }
}

/** @throws HawserError ERR_OPTION. */
export function interfaceOf(wanted: string | undefined, version: IpVersion): Interface {
  return findInterface(wanted ?? 'any', version, networkInterfaces());
}
