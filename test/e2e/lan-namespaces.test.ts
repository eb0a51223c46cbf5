import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FoundServer, LanOptions } from '../../src/lan-endpoint/index.ts';
import type { Heard, PublishArgs, RelayArgs } from '../support/lan-peer.ts';
import { ADDRESSES, Namespaces, type Peer } from '../support/namespaces.ts';

const PROGRAM = 'lan-peer.ts';
const KEY = 'a key that both hosts have';
/** The seed of what is lost on the way. */
const SEED = 20_261_121;

let net: Namespaces;

beforeAll(async () => {
  net = await Namespaces.open(PROGRAM);
});

afterEach(async () => {
  await Promise.all([net.near.ask('close'), net.far.ask('close')]);
});

afterAll(() => net[Symbol.asyncDispose]());

/** The bus on both hosts: the near one publishes, the far one listens. */
async function open(url: string, options: LanOptions, heardOn: string = url): Promise<void> {
  const times = { endSpacing: 5, ...options.times };
  await net.near.ask('open', { url, options: { ...options, times, interface: ADDRESSES.near.four } });
  await listen(net.far, heardOn, { ...options, times, interface: ADDRESSES.far.four });
  await greet(net.near, net.far);
}

async function listen(peer: Peer, url: string, options: LanOptions): Promise<void> {
  await peer.ask('open', { url, options });
  await peer.ask('listen');
}

/** Until the far host has heard of the near one, so that nothing of what follows is missed. */
async function greet(from: Peer, to: Peer, count = 1): Promise<void> {
  const known = to.ask('publishers', { count });
  const again = setInterval(() => void from.ask('greet'), 20);
  await known.finally(() => clearInterval(again));
}

const publish = (args: PublishArgs, from: Peer = net.near): Promise<void> => from.ask('publish', args);
const hears = (last: number, who: Peer = net.far): Promise<Heard> => who.ask('hears', { last });
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('two hosts', () => {
  test.each([
    ['a group', 'udp://239.192.0.1:3000', {}],
    ['a group, signed', 'udp://239.192.0.1:3000', { key: KEY }],
    ['all of their network', 'udp://10.77.0.255:3000', {}],
    ['all that are there', 'udp://255.255.255.255:3000', { key: KEY }],
  ])('%s: every message, in order', async (_name, url, trust: LanOptions) => {
    await open(url, { insecure: true, ...trust });
    await publish({ from: 0, count: 3000, burst: 30, pause: 1 });
    expect(await hears(2999)).toMatchObject({ data: numbers(3000), gaps: [], lost: 0 });
  });

  test('a group of IPv6', async () => {
    const url = 'udp://[ff02::77%cable]:3000';
    await net.near.ask('open', { url, options: { key: KEY, times: { endSpacing: 5 } } });
    await listen(net.far, url, { key: KEY });
    await greet(net.near, net.far);
    await publish({ from: 0, count: 1000, burst: 30, pause: 1 });
    expect(await hears(999)).toMatchObject({ data: numbers(1000), gaps: [], lost: 0 });
  });

  test('one to one', async () => {
    await listen(net.far, `udp://${ADDRESSES.far.four}:3000`, { insecure: true });
    await net.near.ask('open', { url: `udp://${ADDRESSES.far.four}:3000`, options: { insecure: true } });
    await greet(net.near, net.far);
    await publish({ from: 0, count: 1000, burst: 30, pause: 1 });
    expect(await hears(999)).toMatchObject({ data: numbers(1000), gaps: [], lost: 0 });
  });

  test('what goes out without loopback is heard by others alone', async () => {
    const url = 'udp://239.192.0.2:3000';
    await using other = await net.peer('near', PROGRAM);
    await listen(other, url, { insecure: true, interface: 'cable' });
    await open(url, { insecure: true, loopback: false });
    await publish({ from: 0, count: 10, burst: 10, pause: 1 });
    expect((await hears(9)).data).toEqual(numbers(10));
    expect(await other.ask<object>('stats')).toMatchObject({ heard: { datagrams: 0, publishers: 0 } });
  });
});

describe('loss', () => {
  /** What is published on one group is passed on to another, but for a tenth; requests and answers go straight. */
  async function lossy(options: LanOptions, loss: number): Promise<void> {
    const [from, to] = ['udp://239.192.1.1:3001', 'udp://239.192.1.2:3002'];
    const way: RelayArgs = { from, to, options: { insecure: true, interface: 'cable' }, loss, seed: SEED };
    await net.near.ask('relay', way);
    // The way has two ports in which the messages are.
    await open(from, options, to);
  }

  test.each<[string, LanOptions]>([
    ['without a key', { insecure: true }],
    ['with a key', { key: KEY }],
  ])('of a tenth is repaired, %s', async (_name, options) => {
    await lossy(options, 0.1);
    await publish({ from: 0, count: 10_000, burst: 20, pause: 1 });
    const { data, gaps, recovered, lost } = await hears(9999);
    expect(data).toEqual(numbers(10_000));
    expect([gaps, lost, recovered > 200]).toEqual([[], 0, true]);
  });

  test('of what is kept no longer is told, message by message', async () => {
    await lossy({ insecure: true, store: { messages: 5 } }, 0.3);
    await publish({ from: 0, count: 2000, burst: 5, pause: 1 });
    // A message that is surely heard ends it: heartbeats tell of it.
    const { data, gaps, lost } = await hears(1999);
    const missing = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    expect([data.length + missing, lost, data.toSorted((a, b) => a - b)]).toEqual([2000, missing, data]);
    expect([missing > 0, new Set(data).size]).toEqual([true, data.length]);
  });

  test('by a cable that is too slow for what is said at once is repaired', async () => {
    await open('udp://239.192.0.3:3000', { insecure: true });
    net.slow('near', 20_000, 30);
    await publish({ from: 0, count: 30_000, burst: 10_000, pause: 100 });
    const { data, gaps, recovered } = await hears(29_999);
    net.fast('near');
    expect(data).toEqual(numbers(30_000));
    expect([gaps, recovered > 0]).toEqual([[], true]);
  });
});

describe('a publisher', () => {
  test('that is killed is missed; the one that takes its place is heard from its beginning', async () => {
    const url = 'udp://239.192.0.4:3000';
    await listen(net.far, url, { key: KEY, interface: 'cable', times: { silence: 500 } });
    for (const round of [0, 1, 2]) {
      await using peer = await net.peer('near', PROGRAM);
      await peer.ask('open', { url, options: { key: KEY, interface: 'cable', listen: false } });
      await greet(peer, net.far, round + 1);
      await publish({ from: round * 100, count: 100, burst: 10, pause: 1 }, peer);
      const { data } = await hears(round * 100 + 99);
      expect(data).toEqual(numbers((round + 1) * 100));
    }
    await net.far.ask('ends', { count: 3 });
    await publishAgain(url);
  });

  /** And the bus is as good as before. */
  async function publishAgain(url: string): Promise<void> {
    await net.near.ask('open', {
      url,
      options: { key: KEY, interface: 'cable', listen: false, times: { endSpacing: 5 } },
    });
    await greet(net.near, net.far, 4);
    await publish({ from: 300, count: 10, burst: 10, pause: 1 });
    expect(await hears(309)).toMatchObject({ publishers: 4, gaps: [], lost: 0 });
  }

  test('and who listens to it are unmoved by floods', async () => {
    const url = 'udp://239.192.0.5:3000';
    await open(url, { key: KEY });
    await using attacker = await net.peer('far', PROGRAM);
    const floods = [1, 2, 3].map((seed) =>
      attacker.ask('attack', { url, options: { interface: 'cable' }, count: 5000, seed }),
    );
    await publish({ from: 0, count: 5000, burst: 10, pause: 1 });
    expect(await hears(4999)).toMatchObject({ data: numbers(5000), gaps: [], lost: 0 });
    await Promise.all(floods);
    const { heard } = await net.far.ask<{ heard: { faults: Record<string, number> } }>('stats');
    expect(Object.keys(heard.faults).length).toBeGreaterThan(0);
  });
});

describe('a server', () => {
  test('that announces itself is found by another host, at the address that it spoke from', async () => {
    const lan = { key: KEY, interface: 'cable' };
    const [endpoint = ''] = await net.near.ask<string[]>('serve', { url: 'tcp://0.0.0.0:0', name: 'shop', ...lan });
    const port = endpoint.split(':').at(-1);
    const found = await net.far.ask<FoundServer[]>('discover', { name: 'shop', settle: 50, ...lan });
    const there = `tcp://${ADDRESSES.near.four}:${port}`;
    expect(found).toMatchObject([{ name: 'shop', endpoints: [there], address: ADDRESSES.near.four, isTrusted: true }]);
    expect(await net.far.ask('visit', { target: { url: 'lan:shop', lan } })).toEqual(['tcp', 'shop']);
    const stranger = { key: 'a key that nobody else has', interface: 'cable', name: 'shop', timeout: 200 };
    expect(await net.far.ask('discover', stranger)).toEqual([]);
  });
});
