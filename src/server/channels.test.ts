import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import type { Channel } from '../channel/index.ts';
import { type ClientSocket, connect } from '../client/index.ts';
import type { HawserError } from '../core/index.ts';
import { createServer, type Server, type ServerSocket } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const SCHEMES: readonly Scheme[] = ['tcp', 'ws', 'ipc', 'inproc', 'worker', 'udpack', 'quic'];
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) % 256);

async function read(channel: Channel): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of channel.readable) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function write(channel: Channel, bytes: Uint8Array): Promise<void> {
  const writer = channel.writable.getWriter();
  await writer.write(bytes);
  await writer.close();
}

/** A client and its socket on the server. */
async function pair(house: House, scheme: Scheme): Promise<[ClientSocket, ServerSocket]> {
  const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
  const client = await house.client(scheme);
  return [client, await met];
}

describe.each(SCHEMES)('over %s, a channel', (scheme) => {
  test('carries bytes both ways, events and requests, opened by either side', async () => {
    const house = keep(await House.open({}, scheme));
    const [client, server] = await pair(house, scheme);
    const bytes = pattern(700_000);
    for (const [opener, other] of [
      [client, server],
      [server, client],
    ] as const) {
      const served = new Promise<unknown>((resolve) => {
        (other as ClientSocket).on('channel', async (channel) => {
          channel.handle('double', (n) => Number(n) * 2);
          channel.on('note', (note) => channel.send('noted', note));
          const got = await read(channel);
          await write(channel, got.toReversed());
          resolve([channel.name, channel.data, got.length]);
        });
      });
      const channel = (opener as ClientSocket).openChannel('upload', { size: bytes.length });
      const noted = new Promise((resolve) => channel.on('noted', resolve));
      channel.send('note', { a: 1 });
      expect(await channel.request('double', 21)).toBe(42);
      expect(await noted).toEqual({ a: 1 });
      const [back] = await Promise.all([read(channel), write(channel, bytes)]);
      expect(Buffer.compare(back, bytes.toReversed())).toBe(0);
      expect(await served).toEqual(['upload', { size: bytes.length }, bytes.length]);
      expect(await channel.closed).toBeUndefined();
    }
    expect(house.reported).toEqual([]);
  });

  test('whose reader is stalled holds up neither its neighbours nor the socket', async () => {
    const house = keep(await House.open({}, scheme));
    const [client, server] = await pair(house, scheme);
    const channels: Channel[] = [];
    server.on('channel', (channel) => {
      channels.push(channel);
      if (channel.name === 'quick') void read(channel).then((got) => channel.send('got', got.length));
    });
    const stalled = client.openChannel('stalled');
    let unsent = 0;
    const writer = stalled.writable.getWriter();
    writer.closed.catch(() => {});
    void (async () => {
      for (;;) {
        unsent += 1;
        await writer.write(new Uint8Array(64 * 1024));
        unsent -= 1;
      }
    })().catch(() => {});
    const quick = client.openChannel('quick');
    const got = new Promise((resolve) => quick.on('got', resolve));
    await write(quick, new Uint8Array(3_000_000));
    expect(await got).toBe(3_000_000);
    expect(await client.request('echo', 'still here')).toBe('still here');
    expect(unsent).toBe(1);
    const inbox = channels[0]?.port.inbox;
    let unread = 0;
    for (let bytes = inbox?.take(); bytes; bytes = inbox?.take()) unread += bytes.length;
    // What was allowed, one message more, and what taking it out allowed again.
    expect(unread).toBeLessThan(4 * (1 << 18));
    stalled.reset();
  });
});

describe('a channel', () => {
  test('that one side has ended, and resets when much waits unread, still takes what the other sends, and drops it', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    server.handle('echo', (data) => data);
    server.on('channel', (channel) => {
      channel.end();
      server.handle('reset', () => channel.reset());
    });
    const channel = client.openChannel('drop');
    const writer = channel.writable.getWriter();
    const written = writer.write(pattern(1_000_000));
    // On one link: what was granted has all come before the answer.
    await client.request('echo');
    await client.request('reset');
    await written;
    await writer.close();
    await channel.closed;
    expect(client.state).toBe('up');
  });

  test.each<[string, (socket: ServerSocket) => void, string]>([
    ['nobody takes', () => {}, 'ERR_NO_SUCH_CHANNEL'],
    [
      'whose listener throws',
      (socket) =>
        socket.on('channel', () => {
          throw new Error('secret');
        }),
      'ERR_HANDLER_FAILED',
    ],
    [
      'whose listener rejects later',
      (socket) => socket.on('channel', () => Promise.reject(new Error('secret'))),
      'ERR_HANDLER_FAILED',
    ],
    ['that is reset', (socket) => socket.on('channel', (channel) => channel.reset('ERR_FULL', 'no')), 'ERR_FULL'],
  ])('%s ends with a code, and no word of what went wrong inside', async (_, prepare, code) => {
    const house = keep(await House.open({}, 'tcp'));
    house.server.on('connection', prepare);
    const client = await house.client('tcp');
    const channel = client.openChannel('x');
    const asked = channel.request('anything').catch((error: unknown) => error as HawserError);
    const error = await channel.closed;
    expect(error?.code).toBe(code);
    expect(error?.message).not.toContain('secret');
    expect([code, 'ERR_NO_SUCH_REQUEST']).toContain(((await asked) as HawserError).code);
    expect(() => channel.send('more')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    await expect(read(channel)).rejects.toMatchObject({ code });
    expect(await client.request('echo', 1)).toBe(1);
  });

  test('beyond the number that the peer takes is refused, and one more is allowed when one has ended', async () => {
    const house = keep(await House.open({ limits: { channels: 3 } }, 'ws'));
    house.server.on('connection', (socket) =>
      socket.on('channel', (channel) => channel.on('end', () => channel.end())),
    );
    const client = await house.client('ws');
    const channels = [1, 2, 3].map(() => client.openChannel('x'));
    expect(() => client.openChannel('x')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_CHANNELS' }));
    channels[0]?.end();
    await channels[0]?.closed;
    const fourth = client.openChannel('x');
    fourth.end();
    expect(await fourth.closed).toBeUndefined();
  });

  test('goes on over another link, with every byte', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const proxy = keep(await CuttingProxy.open({ target: { port: Number(new URL(house.url('tcp')).port) } }));
    const received = new Promise<Uint8Array>((resolve) => {
      house.server.on('connection', (socket) => {
        socket.on('channel', (channel) => read(channel).then(resolve));
      });
    });
    const client = keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect: { first: 10, most: 50 } }));
    const bytes = pattern(5_000_000);
    const channel = client.openChannel('upload');
    const writer = channel.writable.getWriter();
    let cuts = 0;
    for (let at = 0; at < bytes.length; at += 100_000) {
      await writer.write(bytes.subarray(at, at + 100_000));
      if (at % 1_000_000 === 0) {
        cuts += 1;
        proxy.cut();
      }
    }
    await writer.close();
    expect(Buffer.compare(await received, bytes)).toBe(0);
    expect(await channel.closed).toBeUndefined();
    expect(cuts).toBe(5);
  });

  test('ends with its socket, on both sides', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    const met = new Promise<Channel>((resolve) => server.on('channel', resolve));
    const channel = client.openChannel('x');
    const theirs = await met;
    const reading = read(channel).catch((error: unknown) => (error as HawserError).code);
    server.close();
    expect((await theirs.closed)?.code).toBe('ERR_CLOSED');
    expect((await channel.closed)?.code).toBeDefined();
    expect(await reading).toBeDefined();
  });

  test('ends when the session is lost, and another can be opened in the new one', async () => {
    const takes = (server: Server): Server => {
      server.on('connection', (socket) => socket.on('channel', () => {}));
      return server;
    };
    const first = takes(createServer());
    const [url = ''] = await first.listen('tcp://127.0.0.1:0');
    const client = keep(await connect(url, { reconnect: { first: 10, most: 20 } }));
    const channel = client.openChannel('x');
    const asked = channel.request('anything').catch((error: unknown) => (error as HawserError).code);
    const up = new Promise<boolean | undefined>((resolve) => client.on('up', ({ recovered }) => resolve(recovered)));
    await first.close({ drain: 0 });
    const second = keep(takes(createServer()));
    await second.listen(url);
    expect(await up).toBe(false);
    expect((await channel.closed)?.code).toBe('ERR_SESSION_LOST');
    expect(await asked).toBeDefined();
    const another = client.openChannel('y');
    expect(another.id).toBe(1);
    another.end();
    await expect(client.request('nothing')).rejects.toMatchObject({ code: 'ERR_NO_SUCH_REQUEST' });
  });

  test('counts in what the server has sent', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    client.on('channel', (channel) => channel.on('n', () => {}));
    const before = house.server.stats.sent;
    const channel = server.openChannel('x');
    for (let i = 0; i < 9; i++) channel.send('n', i);
    expect(house.server.stats.sent - before).toBe(10);
  });

  test('can not be opened with more than 16 KiB', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client] = await pair(house, 'tcp');
    const tooLarge = expect.objectContaining({ code: 'ERR_MESSAGE_TOO_LARGE' });
    expect(() => client.openChannel('x', 'y'.repeat(17_000))).toThrow(tooLarge);
    await expect(client.request('echo', 1)).resolves.toBe(1);
  });

  test('shares the bound of requests at work with its socket and its neighbours', async () => {
    const house = keep(await House.open({ limits: { pendingRequests: 3 } }, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    const gates: (() => void)[] = [];
    const wait = (): Promise<number> => new Promise((resolve) => gates.push(() => resolve(1)));
    server.handle('wait', wait);
    server.on('channel', (channel) => channel.handle('wait', wait));
    const [one, two] = [client.openChannel('a'), client.openChannel('b')];
    const waiting = [client.request('wait'), one.request('wait'), two.request('wait')];
    await expect.poll(() => gates.length).toBe(3);
    for (const talk of [client, one, two])
      await expect(talk.request('wait')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
    for (const answer of gates) answer();
    expect(await Promise.all(waiting)).toEqual([1, 1, 1]);
  });

  test('is aborted by its signal', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    const met = new Promise<Channel>((resolve) => server.on('channel', resolve));
    const abort = new AbortController();
    const channel = client.openChannel('x', undefined, { signal: abort.signal });
    const theirs = await met;
    abort.abort();
    expect((await channel.closed)?.code).toBe('ERR_ABORTED');
    expect((await theirs.closed)?.code).toBe('ERR_ABORTED');
    expect(() => client.openChannel('x', undefined, { signal: abort.signal })).toThrow(
      expect.objectContaining({ code: 'ERR_ABORTED' }),
    );
  });

  test('that is paused gets nothing until it goes on, and then everything in order', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    const met = new Promise<Channel>((resolve) => {
      server.on('channel', (channel) => {
        channel.pause();
        resolve(channel);
      });
    });
    const channel = client.openChannel('x');
    for (let i = 0; i < 100; i++) channel.send('n', i);
    channel.end();
    const theirs = await met;
    const heard: unknown[] = [];
    theirs.on('n', (n) => heard.push(n));
    await client.request('echo', 1);
    expect(heard).toEqual([]);
    const ended = new Promise<void>((resolve) => theirs.on('end', resolve));
    theirs.resume();
    await ended;
    expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('takes what is sent up to the backlog, says when it is too much, and drains', async () => {
    const house = keep(await House.open({ limits: { channelBytes: 10_000 } }, 'tcp'));
    const [client, server] = await pair(house, 'tcp');
    const met = new Promise<Channel>((resolve) => {
      server.on('channel', (channel) => {
        channel.pause();
        resolve(channel);
      });
    });
    const channel = client.openChannel('x');
    const theirs = await met;
    let sent = 0;
    const fill = (): void => {
      for (; ; sent++) channel.send('n', 'x'.repeat(10_000));
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'ERR_BACKLOG_FULL' }));
    expect(sent).toBeGreaterThan(90);
    expect(sent).toBeLessThan(120);
    const drained = new Promise<void>((resolve) => channel.on('drain', resolve));
    theirs.resume();
    await drained;
    expect(channel.send('n', 1)).toBe(true);
  });

  test('is not to be had in JSON', async () => {
    const house = keep(await House.open({}, 'ws'));
    const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    await house.peer('ws', 'json');
    const server = await met;
    expect(() => server.openChannel('x')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});

test('a channel that its peer has ended is told of the end of the socket once', async () => {
  const house = keep(await House.open({}, 'tcp'));
  const [client, server] = await pair(house, 'tcp');
  const told: unknown[] = [];
  const halfClosed = new Promise<Channel>((resolve) => {
    server.on('channel', (channel) => {
      channel.on('close', (error) => told.push(error?.code));
      channel.on('end', () => resolve(channel));
    });
  });
  client.openChannel('half').end();
  const channel = await halfClosed;
  server.close();
  expect(await channel.closed).toMatchObject({ code: 'ERR_CLOSED' });
  expect(told).toEqual(['ERR_CLOSED']);
});
