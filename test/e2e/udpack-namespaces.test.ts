import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ADDRESSES, Namespaces } from '../support/namespaces.ts';
import type { Weather } from '../support/udp-relay.ts';
import { KEYS } from '../support/udpack.ts';
import type { Transferred } from '../support/udpack-peer.ts';

const MB = 1024 * 1024;

let net: Namespaces;

beforeAll(async () => {
  net = await Namespaces.open();
});

afterEach(async () => {
  await Promise.all([net.near.ask('close'), net.far.ask('close')]);
});

afterAll(() => net[Symbol.asyncDispose]());

const FROM = { four: '0.0.0.0', six: '::' } as const;

/** A session from the near end to the far one. */
async function join(family: 'four' | 'six' = 'four', weather?: Weather): Promise<void> {
  const host = ADDRESSES.far[family];
  const port = await net.far.ask<number>('serve', { host, prikey: KEYS.privateKey });
  // Through a relay the way begins on loopback, where longer ones would go.
  const from = weather === undefined ? { host: FROM[family] } : { host: '127.0.0.1', datagramSize: 1452 };
  await net.near.ask('dial', { ...from, pubkey: KEYS.publicKey, to: { host, port }, weather });
}

const start = (): Promise<void> => net.near.ask('start');
const more = (bytes: number): Promise<void> => net.near.ask('more', { bytes });
const finish = (): Promise<Transferred> => net.near.ask('finish');

describe.each(['four', 'six'] as const)('over a cable, IPv%s', (family) => {
  test.each([
    [1500, 1452],
    [1280, 1200],
    [9000, 8900],
  ])('of MTU %i: datagrams of %i bytes', async (mtu, size) => {
    net.mtu(mtu);
    await join(family);
    await start();
    await more(2 * MB);
    const { same, bytes, datagramSize } = await finish();
    expect([same, bytes >= 2 * MB, datagramSize]).toEqual([true, true, size]);
    net.mtu(1500);
  });
});

describe('a way that changes in the midst of a transfer', () => {
  test('a NAT that forgets: other ports from now on', async () => {
    await join('four', {});
    await start();
    for (let times = 0; times < 3; times++) {
      await more(MB);
      await net.near.ask('rebind');
    }
    await more(MB);
    const { same, moved } = await finish();
    expect([same, moved.length]).toEqual([true, 3]);
  });

  test('another address, as when a laptop goes from one network into another', async () => {
    await join();
    await start();
    await more(MB);
    // Of a prefix of its own: otherwise it would go with the old one.
    net.ip('near', 'addr', 'add', '10.77.0.9/25', 'dev', 'cable');
    net.ip('near', 'addr', 'del', `${ADDRESSES.near.four}/24`, 'dev', 'cable');
    await more(2 * MB);
    const { same, moved } = await finish();
    net.ip('near', 'addr', 'add', `${ADDRESSES.near.four}/24`, 'dev', 'cable');
    net.ip('near', 'addr', 'del', '10.77.0.9/25', 'dev', 'cable');
    expect([same, moved]).toEqual([true, ['10.77.0.9']]);
  });

  test('a cable that is pulled and put back', async () => {
    await join();
    await start();
    await more(MB);
    net.ip('near', 'link', 'set', 'cable', 'down');
    for (;;) {
      const { probeTimeouts } = await net.near.ask<{ probeTimeouts: number }>('stats');
      if (probeTimeouts >= 2) break;
    }
    net.ip('near', 'link', 'set', 'cable', 'up');
    await more(MB);
    expect(await finish()).toMatchObject({ same: true });
  });

  test('a black hole for datagrams that were not too long until now', async () => {
    await join('four', {});
    await start();
    await more(MB);
    // IPv6 and UDP have 48 bytes of it.
    await net.near.ask('weather', { mtu: 1280 - 48 });
    await more(MB);
    const { same, datagramSize, datagramsLost } = await finish();
    expect([same, datagramSize, datagramsLost >= 6]).toEqual([true, 1200, true]);
  });
});

describe('bad weather', () => {
  test.each<[string, Weather]>([
    ['loss', { loss: 0.05 }],
    ['datagrams that overtake each other', { late: 0.2 }],
    ['copies', { copies: 0.2 }],
    ['flipped bits', { flips: 0.05 }],
    ['all of it, and a narrow way', { loss: 0.02, late: 0.1, copies: 0.05, flips: 0.02, mtu: 1232 }],
  ])('%s: all arrives as it was sent', async (_, weather) => {
    await join('four', weather);
    await start();
    await more(MB);
    expect(await finish()).toMatchObject({ same: true });
  });
});

test.each([
  ['four', '192.0.2.1'],
  ['six', '2001:db8::1'],
] as const)('IPv%s without a route: the dial fails at once, and says so', async (family, host) => {
  const words = await net.near.ask('fail', { host: FROM[family], pubkey: KEYS.publicKey, to: { host, port: 9 } });
  expect(words).toMatch(/^ERR_CONNECT_FAILED .*can't be reached: ENETUNREACH$/);
});
