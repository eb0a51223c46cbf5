import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { openUdp, type UdpOptions, type UdpSocket } from './index.ts';

const open: UdpSocket[] = [];

async function socket(url: string, options?: UdpOptions): Promise<UdpSocket> {
  const made = await openUdp(url, options);
  open.push(made);
  return made;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return probe.address().port;
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

async function next(from: UdpSocket): Promise<string> {
  for await (const { bytes } of from) return text(bytes);
  return '';
}

describe('unicast', () => {
  test.each(['127.0.0.1', '[::1]', 'localhost'])('a server on %s answers its client', async (host) => {
    const server = await socket(`udp://${host}:0`);
    server.on('message', (bytes, info) => server.send(`confirmed: ${text(bytes)}`, info));
    const client = await socket(server.url, { listen: false });
    const answer = next(client);
    expect(await client.send('你好，服务器!')).toBe(19);
    expect(await answer).toBe('confirmed: 你好，服务器!');
    expect(server.address().port).toBeGreaterThan(0);
  });

  test('sends to names and URLs too', async () => {
    const server = await socket('udp://127.0.0.1:0');
    const client = await socket('udp://127.0.0.1:0');
    const heard = server.datagrams();
    await client.send('by URL', server.url);
    await client.send(new TextEncoder().encode('by name'), { address: 'localhost', port: server.address().port });
    expect(text((await heard.next()).value?.bytes ?? new Uint8Array())).toBe('by URL');
    const second = (await heard.next()).value;
    expect(second?.info).toMatchObject({ address: '127.0.0.1', port: client.address().port, family: 'IPv4', size: 7 });
    await expect(client.send('x', 'http://127.0.0.1:1')).rejects.toMatchObject({ code: 'ERR_URL' });
    await expect(client.send('x', { address: '127.0.0.1', port: 70_000 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    });
  });

  test('a connected socket hears its peer alone, and that nobody is there', async () => {
    const server = await socket('udp://127.0.0.1:0');
    server.on('message', (bytes, info) => server.send(bytes, info));
    const client = await socket(server.url, { connected: true });
    const heard = client.datagrams();
    const stranger = await socket('udp://127.0.0.1:0');
    await stranger.send('from a stranger', client.url);
    await client.send('hello');
    expect(text((await heard.next()).value?.bytes ?? new Uint8Array())).toBe('hello');
    await expect(client.send('x', server.url)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await server.close();
    const told = new Promise((resolve) => client.on('error', resolve));
    // The system tells by the event, or to who sends next.
    const sent = client.send('anybody?').then(() => client.send('nobody'));
    await expect(Promise.race([told, sent.catch((error: unknown) => error)])).resolves.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    });
    await Promise.allSettled([sent]);
  });
});

describe('to many', () => {
  test.each(['239.192.77.1', '255.255.255.255', '127.255.255.255'])('all on %s hear it', async (host) => {
    const url = `udp://${host}:${await freePort()}`;
    const hearers = await Promise.all([1, 2, 3].map(() => socket(url)));
    const heard = hearers.map(next);
    const sender = await socket(url, { listen: false });
    await sender.send('to all');
    expect(await Promise.all(heard)).toEqual(['to all', 'to all', 'to all']);
    const [one, two] = hearers as [UdpSocket, UdpSocket];
    const answer = next(two);
    await one.send('among us');
    expect(await answer).toBe('among us');
  });

  test('who leaves a group hears no more of it, who is back does', async () => {
    const url = `udp://239.192.77.2:${await freePort()}`;
    const hearer = await socket(url);
    const control = await socket(url);
    const sender = await socket(url, { listen: false });
    const heard: string[] = [];
    hearer.on('message', (bytes) => heard.push(text(bytes)));
    hearer.dropMembership('239.192.77.2', '127.0.0.1');
    hearer.addMembership('239.192.77.2', 'lo');
    hearer.dropMembership('239.192.77.2', 'lo');
    const there = control.datagrams();
    await sender.send('one');
    await there.next();
    expect(() => hearer.dropMembership('239.192.77.2', 'lo')).toThrow(
      expect.objectContaining({ code: 'ERR_CONNECT_FAILED' }),
    );
    hearer.addMembership('239.192.77.2', '127.0.0.1');
    const again = next(hearer);
    await sender.send('two');
    expect(await again).toBe('two');
  });

  test('one socket may be in several groups, unless it is bound to one', async () => {
    const hearer = await socket('udp://0.0.0.0:0', { insecure: true });
    const { port } = hearer.address();
    const heard = hearer.datagrams();
    for (const group of ['239.192.77.3', '239.192.77.4']) {
      hearer.addMembership(group, '127.0.0.1');
      const sender = await socket(`udp://${group}:${port}`, { listen: false });
      await sender.send(group);
      expect(text((await heard.next()).value?.bytes ?? new Uint8Array())).toBe(group);
    }
    const bound = await socket(`udp://239.192.77.5:${await freePort()}`);
    for (const group of ['239.192.77.6', '10.0.0.1', 'nonsense']) {
      expect(() => bound.addMembership(group)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    }
    expect(() => bound.addMembership('239.192.77.5', 'no-such')).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    );
  });

  test('may be sent another way while the socket is open', async () => {
    const url = `udp://239.192.77.7:${await freePort()}`;
    const hearer = await socket(url);
    const sender = await socket('udp://127.0.0.1:0', { loopback: false });
    sender.setMulticastLoopback(true);
    sender.setMulticastTtl(0);
    sender.setMulticastInterface('lo');
    const heard = next(hearer);
    await sender.send('heard', url);
    expect(await heard).toBe('heard');
  });
});

describe('what is refused', () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');

  test.each([
    ['udp://0.0.0.0:0', {}, 'ERR_OPTION'],
    ['udp://[::]:0', {}, 'ERR_OPTION'],
    [`udp://${outside?.address ?? '0.0.0.0'}:0`, {}, 'ERR_OPTION'],
    ['udp://239.192.77.8:3999?interface=any', {}, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { reuseAdr: true }, 'ERR_OPTION'],
    ['udp://192.0.2.77:3999', { listen: true, insecure: true }, 'ERR_CONNECT_FAILED'],
    ['udp://no-such-host.invalid:3999', {}, 'ERR_CONNECT_FAILED'],
    ['udp://127.0.0.1:0', { signal: AbortSignal.abort() }, 'ERR_ABORTED'],
    ['udp://localhost:0', { signal: AbortSignal.abort() }, 'ERR_ABORTED'],
  ])('%s %o', async (url, options, code) => {
    await expect(openUdp(url, options as UdpOptions)).rejects.toMatchObject({ code });
  });

  test('a port that is taken, unless both share it', async () => {
    const first = await socket('udp://127.0.0.1:0');
    await expect(openUdp(first.url)).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    await expect(openUdp(first.url, { reuseAddr: true })).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    const url = `udp://127.0.0.1:${await freePort()}`;
    await socket(url, { reuseAddr: true });
    await socket(url, { reuseAddr: true });
  });

  test('a datagram that is longer than any can be', async () => {
    const server = await socket('udp://127.0.0.1:0');
    await expect(server.send(new Uint8Array(65_508), server.url)).rejects.toMatchObject({
      code: 'ERR_MESSAGE_TOO_LARGE',
    });
    const answer = next(server);
    await server.send(new Uint8Array(65_507), server.url);
    expect((await answer).length).toBe(65_507);
  });

  test('broadcast by a socket that is not for it', async () => {
    const plain = await socket('udp://127.0.0.1:0');
    await expect(plain.send('x', 'udp://255.255.255.255:3999')).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' });
    plain.setBroadcast(true);
    expect(await plain.send('x', 'udp://255.255.255.255:3999')).toBe(1);
  });

  test('wrong hops and sizes', async () => {
    const one = await socket('udp://127.0.0.1:0', { ttl: 7, recvBufferSize: 65_536, sendBufferSize: 65_536 });
    expect(one.bufferSizes).toEqual({ recv: 131_072, send: 131_072 });
    one.setRecvBufferSize(32_768);
    one.setSendBufferSize(32_768);
    expect(one.bufferSizes).toEqual({ recv: 65_536, send: 65_536 });
    one.setTtl(255);
    for (const wrong of [
      () => one.setTtl(0),
      () => one.setMulticastTtl(256),
      () => one.setRecvBufferSize(0),
      () => one.setSendBufferSize(-1),
      () => one.setMulticastInterface('no-such'),
    ]) {
      expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    }
  });
});

describe('its end', () => {
  test('ends iterations after what waits, and refuses what comes later', async () => {
    const one = await socket('udp://127.0.0.1:0');
    const heard = one.datagrams();
    const came = new Promise((resolve) => one.once('message', resolve));
    await one.send('last', one.url);
    await came;
    const waiting = one.datagrams().next();
    let closes = 0;
    one.on('close', () => closes++);
    await Promise.all([one.close(), one.close()]);
    await one[Symbol.asyncDispose]();
    expect([closes, (await waiting).done]).toEqual([1, true]);
    expect([(await heard.next()).value?.info.size, (await heard.next()).done]).toEqual([4, true]);
    await expect(one.send('x', one.url)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(() => one.setTtl(1)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect((await one.datagrams().next()).done).toBe(true);
    one.ref().unref();
  });

  test('comes by its signal, which iterations tell', async () => {
    const stop = new AbortController();
    const one = await socket('udp://127.0.0.1:0', { signal: stop.signal });
    const closed = new Promise<void>((resolve) => one.on('close', resolve));
    const waiting = one.datagrams().next();
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const late = (await socket('udp://127.0.0.1:0')).datagrams({ signal: AbortSignal.abort() });
    await expect(late.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await closed;
  });

  test('does not come by what a listener throws', async () => {
    const told: unknown[] = [];
    const one = await socket('udp://127.0.0.1:0', { onError: (error, during) => told.push([error, during]) });
    const fault = new Error('mine');
    one.once('message', () => {
      throw fault;
    });
    const heard = one.datagrams();
    await one.send('a', one.url);
    await heard.next();
    one.once('message', async () => {
      throw fault;
    });
    await one.send('b', one.url);
    await heard.next();
    expect(told).toEqual([
      [fault, "a listener of 'message'"],
      [fault, "a listener of 'message'"],
    ]);
  });
});
