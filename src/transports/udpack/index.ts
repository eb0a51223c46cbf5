import type { Transport } from '../../transport/index.ts';
import type { UdpackSettings } from './options.ts';

export type { UdpackSettings } from './options.ts';

/**
 * `udpack://host:port?key=…`: links over UDP, encrypted, to a server whose public key is known. Channels don't wait for each other's losses, volatile
 * messages may be lost, and a client that changes its address keeps its link. What it takes is loaded on first use.
 */
export const udpackTransport: Transport = createUdpackTransport();

export function createUdpackTransport(settings: UdpackSettings = {}): Transport {
  return {
    schemes: ['udpack'],
    dial: async (endpoint, options) => (await import('./dial.ts')).dialUdpack(endpoint, options, settings),
    listen: async (endpoint, options) => (await import('./listener.ts')).listenUdpack(endpoint, options, settings),
  };
}
