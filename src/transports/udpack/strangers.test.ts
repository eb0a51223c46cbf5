import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { House } from '../../../test/support/house.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { answerOfAnotherVersion } from '../../../test/support/udpack-stranger.ts';
import { type ConnectOptions, connect, type HawserError } from '../../client/index.ts';
import { createServer, type ListenTarget } from '../../server/index.ts';
import { MAGIC, parseEndpoint } from '../../transport/index.ts';
import { publicKeyText, UDPack, type UdpackSession } from '../../udpack-endpoint/index.ts';
import { generateKeys, readPublicKey } from '../../udpack-endpoint/parts.ts';
import { hawserCodec } from '../../wire/index.ts';
import { createUdpackTransport } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const folder = mkdtempSync(join(tmpdir(), 'hawser-strangers-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const { privateFile, publicFile } = keyFiles();
const other = generateKeys();
/** Who gets no answer knows it soon. */
const QUICK: ConnectOptions = { transports: [createUdpackTransport({ times: { handshakeWait: 250 } })] };

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

describe('dialling', () => {
  test('by the key itself, as a file, and as bytes beside the URL', async () => {
    const house = keep(await House.open({}, 'udpack'));
    const url = house.url('udpack').split('?')[0] as string;
    const key = readPublicKey(readFileSync(publicFile));
    for (const target of [
      `${url}?key=${publicKeyText(key)}`,
      `${url}?key=${publicFile}`,
      { url, udpack: { key } },
      { url, udpack: { key: readFileSync(publicFile), congestion: 'cubic' as const }, family: 4 as const },
    ]) {
      const client = keep(await connect(target));
      expect(await client.request('echo', 1)).toBe(1);
      expect(client.transport).toBe('udpack');
    }
    // What the URL says of its own server goes before what is said of all.
    const urls = [url, house.url('udpack')];
    for (const [at, serverKey] of [key, other.publicKey].entries()) {
      const client = keep(await connect(urls[at] as string, { serverKey }));
      expect(await client.request('echo', 1)).toBe(1);
    }
  });

  test.each<[string, string, (url: string) => string]>([
    ['no key', 'ERR_OPTION', (url) => url],
    ['a file that is not there', 'ERR_OPTION', (url) => `${url}?key=${join(folder, 'nothing')}`],
    ['a file that is no key', 'ERR_KEY', (url) => `${url}?key=${file('text', 'no key')}`],
    ['a private key', 'ERR_KEY', (url) => `${url}?key=${privateFile}`],
    ["another server's key", 'ERR_CONNECT_FAILED', (url) => `${url}?key=${file('other.pub', other.publicKey)}`],
    ['no port', 'ERR_URL', () => `udpack://127.0.0.1?key=${publicFile}`],
    ['an unknown name', 'ERR_CONNECT_FAILED', () => `udpack://no-such-host.invalid:1?key=${publicFile}`],
  ])('with %s fails with %s', async (_, code, urlOf) => {
    const house = keep(await House.open({}, 'udpack'));
    const url = house.url('udpack').split('?')[0] as string;
    expect(await errorOf(connect(urlOf(url), QUICK))).toMatchObject({ code });
  });

  test('options that udpack does not know are refused, on both sides', async () => {
    const url = `udpack://127.0.0.1:1?key=${publicFile}`;
    for (const more of [{ noDelay: true }, { tls: {} }, { udpack: { key: 7 } }, { udpack: { congestion: 'fast' } }]) {
      expect(await errorOf(connect({ url, ...more } as never))).toMatchObject({ code: 'ERR_OPTION' });
    }
    const server = keep(createServer());
    const listened = `udpack://127.0.0.1:0?key=${privateFile}`;
    for (const more of [{ backlog: 5 }, { fd: 3 }, { maxConnections: 0 }, { idleTimeout: 5 }]) {
      const target = { url: listened, ...more } as unknown as ListenTarget;
      expect(await errorOf(server.listen(target))).toMatchObject({ code: 'ERR_OPTION' });
    }
    expect(await errorOf(server.listen(`${listened}&fd=3`))).toMatchObject({ code: 'ERR_OPTION' });
  });

  test('a server of another version: ERR_VERSION', async () => {
    const stranger = createSocket('udp4').bind(0, '127.0.0.1');
    keep({ [Symbol.asyncDispose]: async () => void stranger.close() });
    await once(stranger, 'listening');
    stranger.on('message', (init, { port, address }) => {
      stranger.send(answerOfAnotherVersion(init, readPublicKey(readFileSync(publicFile))), port, address);
    });
    const url = `udpack://127.0.0.1:${stranger.address().port}?key=${publicFile}`;
    expect(await errorOf(connect(url))).toMatchObject({ code: 'ERR_VERSION' });
  });
});

describe('listening', () => {
  test.each<[string, string, string]>([
    ['no key', 'ERR_OPTION', ''],
    ['a public key', 'ERR_KEY', `?key=${publicFile}`],
    ['a file that is not there', 'ERR_OPTION', `?key=${join(folder, 'nothing')}`],
  ])('with %s fails with %s', async (_, code, query) => {
    const server = keep(createServer());
    expect(await errorOf(server.listen(`udpack://127.0.0.1:0${query}`))).toMatchObject({ code });
  });

  test('off loopback without authentication is refused; on a port that is taken: ERR_ADDRESS_IN_USE', async () => {
    const server = keep(createServer());
    expect(await errorOf(server.listen(`udpack://0.0.0.0:0?key=${privateFile}`))).toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    });
    const taken = createSocket('udp4').bind(0, '127.0.0.1');
    keep({ [Symbol.asyncDispose]: async () => void taken.close() });
    await once(taken, 'listening');
    const url = `udpack://127.0.0.1:${taken.address().port}?key=${privateFile}`;
    expect(await errorOf(server.listen(url))).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
  });

  test('on the port of links that live on: with the same key it goes on, with another it is in use until they end', async () => {
    const first = keep(createServer());
    first.on('connection', (socket) => socket.handle('who', () => 'first'));
    const [url = ''] = await first.listen(`udpack://127.0.0.1:0?key=${privateFile}`);
    const client = keep(await connect(`${url}?key=${publicFile}`));
    await first.listeners[0]?.close();
    const second = keep(createServer());
    second.on('connection', (socket) => socket.handle('who', () => 'second'));
    const key = file('other.key', other.privateKey);
    expect(await errorOf(second.listen(`${url}?key=${key}`))).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    await second.listen(`${url}?key=${privateFile}`);
    const late = keep(await connect(`${url}?key=${publicFile}`));
    expect([await client.request('who'), await late.request('who')]).toEqual(['first', 'second']);
    await second.close();
    await client.close();
    const third = keep(createServer());
    await third.listen(`${url}?key=${key}`);
  });

  test('maxConnections refuses further ones, and counts them', async () => {
    const server = keep(createServer());
    const url = `udpack://127.0.0.1:0?key=${privateFile}`;
    const [at] = await server.listen({ url, maxConnections: 1 });
    const [listener] = server.listeners;
    const only = keep(await connect(`${at}?key=${publicFile}`));
    const refused = await errorOf(connect(`${at}?key=${publicFile}`));
    expect(refused).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED', data: { code: 'ERR_TOO_MANY_SOCKETS' } });
    expect(listener?.stats).toMatchObject({ connections: 1, accepted: 1, refused: 1 });
    expect(listener?.stats?.bytesRead).toBeGreaterThan(2400);
    expect(listener?.address?.()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    await only.close();
    await expect.poll(() => listener?.stats?.connections).toBe(0);
    keep(await connect(`${at}?key=${publicFile}`));
  });

  test('a server that has closed has given its port back, and nothing of its peers is left', async () => {
    const server = createServer();
    const [url = ''] = await server.listen(`udpack://127.0.0.1:0?key=${privateFile}`);
    const [listener] = server.listeners;
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(`${url}?key=${publicFile}`)));
    expect(listener?.stats).toMatchObject({ connections: 20, accepted: 20 });
    await Promise.all(clients.splice(0, 10).map((client) => client.close()));
    await expect.poll(() => listener?.stats?.connections).toBe(10);
    await server.close();
    for (const client of clients) keep(client);
    expect(listener?.stats?.connections).toBe(0);
    const next = createSocket('udp4');
    keep({ [Symbol.asyncDispose]: async () => void next.close() });
    next.bind({ port: parseEndpoint(url).port ?? 0, address: '127.0.0.1', exclusive: true });
    await once(next, 'listening');
  });

  test('a server that closes says goodbye, and its clients come back to the next one', async () => {
    const first = createServer();
    const [url = ''] = await first.listen(`udpack://127.0.0.1:0?key=${privateFile}`);
    const client = keep(await connect(`${url}?key=${publicFile}`, { reconnect: { first: 1, most: 5 } }));
    const told: unknown[] = [];
    client.on('goaway', ({ code }) => told.push(['goaway', code]));
    client.on('down', ({ code }) => told.push(['down', code]));
    const up = new Promise((resolve) => client.on('up', resolve));
    await first.close();
    const second = keep(createServer());
    await second.listen(`${url}?key=${privateFile}`);
    expect(await up).toMatchObject({ recovered: false, transport: 'udpack' });
    expect(told).toEqual([
      ['goaway', 4006],
      ['down', 4006],
    ]);
  });
});

describe('a peer that does not know how links begin', () => {
  const preface = Buffer.concat([MAGIC, Buffer.from('hawser.v1')]);

  /** A session with a listener, and what a link would be. */
  async function session(house: House): Promise<UdpackSession> {
    const { host, port = 0 } = parseEndpoint(house.url('udpack'));
    const endpoint = keep(new UDPack());
    return await endpoint.connect({ host, port, key: readFileSync(publicFile) });
  }

  test('and says nothing is sent away with 4002', async () => {
    const house = keep(await House.open({ times: { loginWait: 150, closeWait: 100 } }, 'udpack'));
    const peer = await session(house);
    expect((await peer.closed).code).toBe(4002);
    expect(house.server.stats.sockets).toBe(0);
  });

  test('is a guest of its listener until it is a link, or gone', async () => {
    const house = keep(await House.open({}, 'udpack'));
    const guests = (): number | undefined => house.server.listeners[0]?.guests;
    const [first, second] = [await session(house), await session(house)];
    expect(guests()).toBe(2);
    (await first.openStream()).send(preface);
    await expect.poll(guests).toBe(1);
    await second.close();
    await expect.poll(guests).toBe(0);
    expect(house.server.listeners[0]?.stats?.accepted).toBe(1);
  });

  test.each<[string, number, (session: UdpackSession) => unknown]>([
    ['begins with other bytes', 4506, async (peer) => (await peer.openStream()).send('GET / HTTP/1.1')],
    [
      'says too much',
      4506,
      async (peer) => (await peer.openStream()).send(Buffer.concat([preface, Buffer.alloc(1020, 97)])),
    ],
    [
      'says what is no UTF-8',
      4506,
      async (peer) => (await peer.openStream()).send(Buffer.concat([MAGIC, Buffer.from([0xff])])),
    ],
    [
      'speaks nothing that is known',
      4506,
      async (peer) => (await peer.openStream()).send(Buffer.concat([MAGIC, Buffer.from('x.v9')])),
    ],
    ['offers nothing', 4506, async (peer) => (await peer.openStream()).send(Buffer.from(MAGIC))],
    ['opens a stream of bytes', 4506, async (peer) => (await peer.openStream({ kind: 'bytes' })).send('x')],
    [
      'opens a second stream',
      4506,
      async (peer) => {
        (await peer.openStream()).send('');
        (await peer.openStream()).send(preface);
      },
    ],
  ])('and %s is sent away with %d', async (_, code, begin) => {
    const house = keep(await House.open({ times: { closeWait: 100 } }, 'udpack'));
    const others = await house.bystanders();
    const peer = await session(house);
    await begin(peer);
    expect((await peer.closed).code).toBe(code);
    await others.check();
    expect(house.server.stats.sockets).toBe(2);
  });

  test.each<[string, number, (session: UdpackSession, main: { send(bytes: Uint8Array): void }) => unknown]>([
    ['an unknown kind', 4506, (_, main) => main.send(Buffer.from([9, 1]))],
    ['an empty packet', 4506, (_, main) => main.send(Buffer.alloc(0))],
    ['a goodbye without a code', 4506, (_, main) => main.send(Buffer.from([2, 3]))],
    ['a stream of bytes', 4506, async (peer) => (await peer.openStream({ kind: 'bytes' })).send('x')],
    ['an unknown kind by a lane', 4506, async (peer) => (await peer.openStream()).send(Buffer.from([9, 1]))],
  ])('and then sends %s hears a goodbye with %d', async (_, code, spoil) => {
    const house = keep(await House.open({ times: { closeWait: 100 } }, 'udpack'));
    const others = await house.bystanders();
    const peer = await session(house);
    const main = await peer.openStream();
    const heard: Buffer[] = [];
    main.on('data', (packet) => heard.push(packet));
    main.send(preface);
    await expect.poll(() => heard.length).toBe(1);
    expect(heard[0]).toEqual(preface);
    main.send(Buffer.concat([Buffer.from([0]), hawserCodec.hello({ version: 1 }).bytes]));
    await expect.poll(() => heard.length).toBe(2);
    await spoil(peer, main);
    await expect.poll(() => heard.at(-1)?.[0]).toBe(2);
    expect(heard.at(-1)?.readUInt16BE(1)).toBe(code);
    await peer.closed;
    await others.check();
  });
});
