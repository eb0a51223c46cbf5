import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The one thing that differs between transports: where the server is. */
const PLACES = {
  ws: { scheme: 'ws://', address: '127.0.0.1:8000' },
  tcp: { scheme: 'tcp://', address: '127.0.0.1:8000' },
  ipc: { scheme: 'ipc://', address: join(tmpdir(), 'hawser-mock.sock') },
  worker: { scheme: 'worker:', address: 'mock' },
};

export const PROTOCOLS = Object.keys(PLACES).join('|');

/**
 * The URL for `-p` and `-a`.
 * @param {string} protocol
 * @param {string} [address] instead of the usual one
 */
export function urlOf(protocol, address) {
  const place = PLACES[/** @type {keyof typeof PLACES} */ (protocol)];
  if (place === undefined) throw new Error(`-p is one of ${PROTOCOLS}, not ${protocol}`);
  return place.scheme + (address ?? place.address);
}
