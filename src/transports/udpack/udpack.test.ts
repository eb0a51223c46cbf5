import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import { generateKeys } from '../../udpack-endpoint/parts.ts';
import { createUdpackTransport } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hawser-udpack-'));
afterAll(() => rmSync(folder, { recursive: true }));
const keys = generateKeys();
writeFileSync(join(folder, 'server.key'), keys.privateKey);
writeFileSync(join(folder, 'server.pub'), keys.publicKey);

// UDP tells nobody that a port is closed: a dial without an answer fails by time.
const bare = createUdpackTransport({ times: { handshakeWait: 300 } });
const transport: typeof bare = {
  ...bare,
  // The suite dials, and listens again on, what its listener is called.
  dial: (endpoint, options) => bare.dial({ ...endpoint, reserved: { key: join(folder, 'server.pub') } }, options),
  listen: (endpoint, options) => bare.listen!({ ...endpoint, reserved: { key: join(folder, 'server.key') } }, options),
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
