import type { Transport } from '../../transport/index.ts';

/**
 * `lan:NAME`: a link to a server of this name that announces itself on the local network, by one of `transports`. Each dial looks anew, so that a
 * client finds servers that have moved. What it takes is loaded on first use.
 */
export function lanTransport(transports: readonly Transport[]): Transport {
  return {
    schemes: ['lan'],
    dial: async (endpoint, options) => (await import('./dial.ts')).dialLan(endpoint, options, transports),
  };
}
