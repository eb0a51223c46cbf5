import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.ts';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import type { Listener, Transport } from '../../transport/index.ts';
import { createQuicTransport } from './index.ts';

const authority = new Authority();
const { certFile, keyFile } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1,IP:::1');
afterAll(() => authority[Symbol.dispose]());

/** The suite dials, and listens again on, what its listener is called: each side has its files added. */
function transportWith(datagramBytes?: number): Transport {
  // UDP tells nobody that a port is closed: a dial without an answer fails by time.
  const bare = createQuicTransport({ handshakeWait: 2500, ...(datagramBytes !== undefined && { datagramBytes }) });
  return {
    ...bare,
    dial: (endpoint, options) => bare.dial({ ...endpoint, reserved: { ca: authority.caFile } }, options),
    listen: async (endpoint, options) =>
      (await bare.listen?.({ ...endpoint, reserved: { cert: certFile, key: keyFile } }, options)) as Listener,
  };
}

for (const [name, host, datagramBytes] of [
  ['127.0.0.1', '127.0.0.1', undefined],
  ['[::1]', '[::1]', undefined],
  ['datagrams as on the internet', '127.0.0.1', 1200],
] as const) {
  linkSuite(`quic on ${name}`, {
    api: { describe, test, expect },
    transport: transportWith(datagramBytes),
    world: realWorld(),
    closeWait: 3000,
    listenUrl: () => `quic://${host}:0`,
    deadUrl: () => `quic://${host}:1`,
  });
}
