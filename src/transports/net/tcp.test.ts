import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { linkSuite } from '../../testing/link-suite.ts';
import type { Listener, Transport } from '../../transport/index.ts';
import { tcpTransport } from './index.ts';
import type { NetListener } from './listener.ts';

const sockets: Socket[] = [];

const transport: Transport = {
  ...tcpTransport,
  async listen(endpoint, options): Promise<Listener> {
    const listener = (await tcpTransport.listen?.(endpoint, options)) as NetListener;
    listener.server.on('connection', (socket) => sockets.push(socket));
    return listener;
  },
};

linkSuite('tcp', {
  api: { describe, test, expect },
  transport,
  world: realWorld(),
  halfCloses: true,
  listenUrl: () => 'tcp://127.0.0.1:0',
  deadUrl: () => 'tcp://127.0.0.1:1',
  cut: () => sockets.at(-1)?.destroy(),
});
