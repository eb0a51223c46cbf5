import { afterEach, expect, test } from 'vitest';
import { House } from '../../../test/support/house.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { connect } from '../../client/index.ts';
import type { ServerSocket } from '../../server/index.ts';
import { type Link, parseEndpoint, type Transport } from '../../transport/index.ts';
import { udpackTransport } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const LENGTH = 1_500_000;
const CUTS = 4;
const byteAt = (at: number): number => (at * 31 + (at >> 8)) % 256;

test.each([1, 2, 3, 4])(
  'links that break, over a way that loses one in six (seed %d): nothing is lost or doubled',
  async (seed) => {
    const house = keep(await House.open({ limits: { channelBytes: 65_536 } }, 'udpack'));
    const relay = keep(
      await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(house.url('udpack')).port ?? 0 }, { seed }),
    );
    relay.weather = { loss: 1 / 6, copies: 0.05, late: 0.1 };
    const links: Link[] = [];
    const recording: Transport = {
      ...udpackTransport,
      dial: async (endpoint, options) => {
        const link = await udpackTransport.dial(endpoint, options);
        links.push(link);
        return link;
      },
    };
    const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    const url = `udpack://127.0.0.1:${relay.port}?key=${keyFiles().publicFile}`;
    const client = keep(await connect(url, { transports: [recording], reconnect: { first: 1, most: 5 } }));
    const socket = await met;
    const ups: unknown[] = [];
    client.on('up', ({ recovered }) => ups.push(recovered));
    const heard: { up: number[]; down: number[] } = { up: [], down: [] };
    socket.on('n', (n) => heard.up.push(Number(n)));
    client.on('n', (n) => heard.down.push(Number(n)));
    socket.on('channel', async (channel) => {
      const writer = channel.writable.getWriter();
      for await (const chunk of channel.readable) await writer.write(chunk);
      await writer.close();
    });

    const channel = client.openChannel('echo');
    const writer = channel.writable.getWriter();
    const written = (async () => {
      for (let at = 0; at < LENGTH; at += 10_000) {
        await writer.write(Uint8Array.from({ length: 10_000 }, (_, i) => byteAt(at + i)));
      }
      await writer.close();
    })();
    let length = 0;
    let said = 0;
    for await (const chunk of channel.readable) {
      for (const byte of chunk) if (byte !== byteAt(length++)) throw new Error(`another byte at ${length - 1}`);
      client.send('n', said);
      socket.send('n', said++);
      const due = Math.floor((length * (CUTS + 1)) / LENGTH);
      if (links.length <= Math.min(due, CUTS) && client.state === 'up') links.at(-1)?.abort(new Error('cut'));
    }
    await written;
    expect(length).toBe(LENGTH);
    await expect.poll(() => [heard.up.length, heard.down.length]).toEqual([said, said]);
    const all = Array.from({ length: said }, (_, n) => n);
    expect(heard).toEqual({ up: all, down: all });
    expect(ups).toEqual(Array.from({ length: CUTS }, () => true));
    expect(await channel.closed).toBeUndefined();
    expect(house.reported).toEqual([]);
  },
  60_000,
);
