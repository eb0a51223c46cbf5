import { afterEach, describe, expect, test } from 'vitest';
import { HttpRelay, type RelayOptions } from '../../../../test/support/http-relay.ts';
import { until } from '../../../../test/support/until.ts';
import { type ClientSocket, connect } from '../../../client/index.ts';
import { createServer, type ServerSocket } from '../../../index.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

interface Pair {
  readonly relay: HttpRelay;
  readonly client: ClientSocket;
  readonly server: ServerSocket;
}

async function pairThrough(options: Omit<RelayOptions, 'target'>, query = '?mode=stream'): Promise<Pair> {
  const server = createServer({ times: { closeWait: 200 } });
  open.push(() => server.close({ drain: 0 }));
  const [url = ''] = await server.listen('http://127.0.0.1:0');
  const arrived = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
  const relay = await HttpRelay.open({ ...options, target: Number(new URL(url).port) });
  open.push(() => relay[Symbol.asyncDispose]());
  const client = await connect(`${relay.url}/${query}`, { reconnect: { first: 10 } });
  open.push(() => client.close());
  return { relay, client, server: await arrived };
}

/** Sends numbered events both ways, with a break after each few, and sees that they arrive once and in order. */
async function talk({ client, server }: Pair, count: number): Promise<void> {
  const heard: { up: unknown[]; down: unknown[] } = { up: [], down: [] };
  const up = (data: unknown): void => void heard.up.push(data);
  const down = (data: unknown): void => void heard.down.push(data);
  server.on('number', up);
  client.on('number', down);
  for (let number = 0; number < count; number++) {
    client.send('number', number);
    server.send('number', number);
    if (number % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await until(() => heard.up.length >= count && heard.down.length >= count, 'all is heard');
  server.off('number', up);
  client.off('number', down);
  const all = Array.from({ length: count }, (_, number) => number);
  expect(heard).toEqual({ up: all, down: all });
}

describe('links by requests through a proxy', () => {
  test('that passes on what comes: streams', async () => {
    const pair = await pairThrough({});
    await talk(pair, 100);
    expect(pair.relay.modes).toEqual(['stream']);
  });

  test('that holds back each answer until it ends: polls', async () => {
    const pair = await pairThrough({ hold: 'all' });
    await talk(pair, 100);
    expect(pair.relay.modes).toEqual(['stream', 'padded', 'poll']);
  });

  test('that passes on what comes first, and holds back the rest: polls', async () => {
    const pair = await pairThrough({ hold: 'rest' });
    await talk(pair, 100);
    expect(pair.relay.modes).toEqual(['stream', 'padded', 'poll']);
  });

  test('that holds back a beginning of 2 KB: padding', async () => {
    const pair = await pairThrough({ hold: 2048 });
    await talk(pair, 100);
    expect(pair.relay.modes).toEqual(['stream', 'padded']);
  });

  test('that cuts each answer after a while: all goes on, in one session', async () => {
    const pair = await pairThrough({ cutAfter: 120 });
    const downs: unknown[] = [];
    pair.client.on('down', (reason) => downs.push(reason));
    await talk(pair, 300);
    expect(downs).toEqual([]);
    expect(pair.relay.passed.filter(({ method }) => method === 'GET').length).toBeGreaterThan(3);
  });

  test('that sends each POST twice: each message arrives once', async () => {
    const pair = await pairThrough({ posts: 2 });
    await talk(pair, 100);
    expect(pair.relay.passed.filter(({ batch }) => batch !== undefined).length).toBeGreaterThan(5);
  });

  test('whose connections are all cut now and then: each message arrives once, in one session', async () => {
    const pair = await pairThrough({});
    const downs: unknown[] = [];
    pair.client.on('down', (reason) => downs.push(reason));
    const timer = setInterval(() => pair.relay.cut(), 100);
    try {
      await talk(pair, 300);
    } finally {
      clearInterval(timer);
    }
    expect(downs).toEqual([]);
  });
});

describe('a proxy that refuses upgrades', () => {
  test('is passed by requests; once it lets them through the session goes on over a WebSocket, and back', async () => {
    const pair = await pairThrough({}, '');
    const { client, relay } = pair;
    expect(client.transport).toBe('http');
    await talk(pair, 50);
    const ups: unknown[] = [];
    client.on('up', (up) => ups.push([up.transport, up.recovered]));
    for (const upgrades of [true, false, true]) {
      const { length } = ups;
      const talking = talk(pair, 200);
      Object.assign(relay.options, { upgrades, refuse: upgrades ? 404 : undefined });
      relay.cut();
      await until(() => ups.length > length, 'the client comes back');
      relay.options.refuse = undefined;
      await talking;
    }
    expect(ups).toEqual([
      ['ws', true],
      ['http', true],
      ['ws', true],
    ]);
  });
});
