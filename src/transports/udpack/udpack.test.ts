import { describe, expect, test } from 'vitest';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import type { Listener, Transport } from '../../transport/index.ts';
import { createUdpackTransport } from './index.ts';

// UDP tells nobody that a port is closed: a dial without an answer fails by time, and with other work about none may fail so.
const bare = createUdpackTransport({ times: { handshakeWait: 2500 } });
const { privateFile, publicFile } = keyFiles();

/** The suite dials, and listens again on, what its listener is called: each side has its key added. */
const transport: Transport = {
  ...bare,
  dial: (endpoint, options) => bare.dial({ ...endpoint, reserved: { key: publicFile } }, options),
  listen: async (endpoint, options) =>
    (await bare.listen?.({ ...endpoint, reserved: { key: privateFile } }, options)) as Listener,
};

for (const host of ['127.0.0.1', '[::1]']) {
  linkSuite(`udpack on ${host}`, {
    api: { describe, test, expect },
    transport,
    world: realWorld(),
    closeWait: 3000,
    listenUrl: () => `udpack://${host}:0`,
    deadUrl: () => `udpack://${host}:1`,
  });
}
