import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createSecureServer } from 'node:tls';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HistoryRule, Position } from '../../src/engine/index.ts';
import { loadRedis } from '../../src/engines/redis/client.ts';
import { RedisBus } from '../../src/engines/redis/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { Authority } from '../support/certificates.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';
import { ROOT } from '../support/tree.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './redis-bus.ts';

const RULE: HistoryRule = { name: '/ *', size: 100, age: 60_000 };
const ROOM = { kind: 'room', namespace: '/', room: 'lobby' } as const;
const ALL = { kind: 'all' } as const;
const SECRET = 'hunter2';

describe('a start', () => {
  test('without a server fails in the time that is stated', async () => {
    await using nobody = await server(() => {});
    const { url } = nobody;
    await nobody[Symbol.asyncDispose]();
    const began = performance.now();
    await expect(HeardBus.start({ url, connectWait: 300 })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test('waits for a server that comes a little later', async () => {
    await using redis = await startRedis();
    await redis.daemon.stop();
    const starting = HeardBus.start({ url: redis.url });
    await redis.daemon.start();
    await using one = await starting;
    expect(one.told).toEqual([]);
  });

  test('with a wrong password, or none, is refused without a word about it', async () => {
    await using redis = await startRedis({ password: SECRET });
    const wrong = `redis://:${SECRET}x@127.0.0.1:${redis.port}`;
    for (const options of [
      { url: wrong },
      { url: redis.url },
      { url: redis.url, username: 'ada', password: `${SECRET}y` },
    ]) {
      const error = await HeardBus.start(options).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'ERR_AUTH_FAILED' });
      expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain(SECRET);
    }
    await using one = await HeardBus.start({ url: `redis://:${SECRET}@127.0.0.1:${redis.port}` });
    await using two = await HeardBus.start({ url: redis.url, password: SECRET });
    expect(one.told.concat(two.told)).toEqual([]);
  });

  test('with the rights that docs/guides/redis.md names is enough, and without them is told', async () => {
    const guide = readFileSync(join(ROOT, 'docs/guides/redis.md'), 'utf8');
    const line = /^ACL SETUSER .*$/m.exec(guide)?.[0] ?? '';
    const rights = line.replace('ACL SETUSER hawser on >PASSWORD ', '').split(' ');
    await using redis = await startRedis();
    const admin = await createClient({ url: redis.url })
      .on('error', () => {})
      .connect();
    await admin.sendCommand(['ACL', 'SETUSER', 'ada', 'on', `>${SECRET}`, ...rights]);
    await admin.sendCommand(['ACL', 'SETUSER', 'bob', 'on', `>${SECRET}`, ...rights, 'resetchannels']);
    await admin.sendCommand(['ACL', 'SETUSER', 'cy', 'on', `>${SECRET}`, '+@connection']);
    await using one = await HeardBus.start({ url: redis.url, username: 'ada', password: SECRET });
    one.bus.subscribe(ROOM);
    one.bus.watchLog('/', 'lobby');
    const { position } = await one.bus.read('/', 'lobby', RULE);
    one.bus.publish(ROOM, bytes('a'));
    await one.bus.append('/', 'lobby', RULE, bytes('b'), { id: 'b' });
    const later = await one.bus.read('/', 'lobby', RULE, { since: position });
    expect(later.isWhole && later.entries).toHaveLength(1);
    await admin.sendCommand(['XADD', 'hawser:hawser:push:stream', '*', 'json', '"c"']);
    await until(() => one.heard.length + one.entries.length + one.pushes.length === 3, 'all three');
    expect(one.reported).toEqual([]);
    // Its user may use no channel.
    await using two = await HeardBus.start({ url: redis.url, username: 'bob', password: SECRET, push: false });
    two.bus.subscribe(ROOM);
    two.bus.publish(ROOM, bytes('x'));
    await until(() => two.reported.length === 2, 'both refusals');
    expect(two.reported).toMatchObject([1, 2].map(() => ({ code: 'ERR_ENGINE_DOWN', message: /NOPERM/ })));
    await expect(two.bus.append('/', 'r', RULE, bytes('x'))).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN' });
    const third = HeardBus.start({ url: redis.url, username: 'cy', password: SECRET });
    await expect(third).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
    admin.destroy();
  });

  test('by TLS trusts the authorities that it is given, and no others', async () => {
    await using redis = await startRedis();
    using authority = new Authority();
    const pair = authority.issue('localhost', 'DNS:localhost');
    const sockets = new Set<Socket>();
    const front = createSecureServer({ cert: pair.cert, key: pair.key }, (socket) => {
      const back = connect(redis.port, '127.0.0.1');
      for (const one of [socket, back]) sockets.add(one.on('error', () => {}));
      socket.pipe(back).pipe(socket);
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    const url = `rediss://localhost:${(front.address() as AddressInfo).port}`;
    try {
      await using one = await HeardBus.start({ url, tls: { ca: authority.ca } });
      one.bus.subscribe(ROOM);
      one.bus.publish(ROOM, bytes('sealed'));
      await until(() => one.heard.length === 1, 'the echo');
      await expect(HeardBus.start({ url, connectWait: 300 })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    } finally {
      for (const socket of sockets) socket.destroy();
      front.close();
    }
  });

  test.each([
    ['says something else', (socket: Socket) => void socket.write('220 mail.example ESMTP\r\n')],
    ['says nothing', () => {}],
    ['hangs up', (socket: Socket) => void socket.destroy()],
    ['speaks HTTP', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['announces what never comes', (socket: Socket) => void socket.write('$1000000000\r\n')],
  ])('with what is no Redis, and %s, fails', async (_, behave) => {
    await using fake = await server(behave);
    await expect(HeardBus.start({ url: fake.url, connectWait: 400 })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    });
  });

  test.each([
    ['6.2.6', 'ERR_VERSION'],
    ['7.0.0', 'ERR_CONNECT_FAILED'],
  ])('with a server of version %s ends with %s', async (version, code) => {
    await using old = await server((socket) => {
      socket.on('data', (chunk) => {
        for (const word of chunk.toString().match(/HELLO|SETINFO|SCRIPT/g) ?? []) {
          socket.write(word === 'HELLO' ? helloOf(version) : word === 'SETINFO' ? '+OK\r\n' : '-ERR no scripts\r\n');
        }
      });
    });
    await expect(HeardBus.start({ url: old.url, connectWait: 400 })).rejects.toMatchObject({ code });
  });

  test('with a server that drops one of the connections in between fails, instead of being deaf', async () => {
    let first: Socket | undefined;
    await using fake = await server((socket) => {
      first ??= socket;
      socket.on('data', (chunk) => {
        const words: string[] = chunk.toString().match(/HELLO|SCRIPT/g) ?? [];
        for (const word of words) if (word === 'HELLO') socket.write(helloOf('7.0.0'));
        if (!words.includes('SCRIPT')) return;
        // Answered when the client has seen that the other one is gone.
        first?.once('end', () => socket.write('+OK\r\n+OK\r\n')).end();
      });
    });
    await expect(HeardBus.start({ url: fake.url, connectWait: 400, heartbeat: 5000 })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    });
  });

  test('with a server that knows no RESP3 ends with ERR_VERSION', async () => {
    await using old = await server((socket) => {
      socket.on('data', () => socket.write("-ERR unknown command 'HELLO'\r\n"));
    });
    await expect(HeardBus.start({ url: old.url })).rejects.toMatchObject({ code: 'ERR_VERSION' });
  });

  test('without the client library says what to install', async () => {
    const bus = new RedisBus({}, realWorld(), async () => loadRedis(() => Promise.reject(new Error('not found'))));
    const starting = bus.start(new HeardBus({}));
    await expect(starting).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('npm install @redis/client'),
    });
  });

  test.each([
    { url: 'http://localhost' },
    { url: `redis://:${SECRET}@` },
    { url: 'redis://localhost/3' },
    { url: 'redis://localhost', cluster: ['redis://localhost'] },
    { cluster: [] },
    { name: 'a b' },
    { name: '' },
    { heartbeat: Number.NaN },
    { payloadBytes: 2 ** 40 },
    { nmae: 'x' } as object,
  ])('with options %j is refused', (options) => {
    const make = (): unknown => new RedisBus(options, realWorld());
    expect(make).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_(OPTION|URL)$/),
        message: expect.not.stringContaining(SECRET),
      }),
    );
  });
});

describe('while Redis', () => {
  let redis: Redis;
  let names = 0;
  const fresh = (): { url: string; name: string } => {
    names += 1;
    return { url: redis.url, name: `t${names}` };
  };
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => redis[Symbol.asyncDispose]());

  const append = async ({ bus }: HeardBus, words: string, id?: string) =>
    bus.append('/', 'lobby', RULE, bytes(words), { id });
  const read = async ({ bus }: HeardBus, since: Position) => {
    const said = await bus.read('/', 'lobby', RULE, { since });
    return said.isWhole ? said.entries.map((entry) => text(entry.bytes)) : said.reason;
  };

  test('is gone, callers are told; it comes back with its data, and all goes on', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.subscribe(ROOM);
    one.bus.watchLog('/', 'lobby');
    const first = await append(one, 'a');
    // The server may answer who adds before it tells who watches: killed in between, it tells nobody.
    await until(() => one.entries.length === 1, 'the first entry');
    await redis.daemon.stop('SIGKILL');
    await until(() => one.told.length > 0, 'the news');
    expect(one.told).toEqual(['disconnected ERR_CONNECT_FAILED']);
    await expect(append(one, 'lost')).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'no' });
    await expect(read(one, first)).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN' });
    one.bus.publish(ROOM, bytes('lost'));
    one.bus.subscribe(ALL);
    await redis.daemon.start();
    await until(() => one.told.length > 1, 'its return');
    expect(one.told.slice(1)).toEqual(['reconnected']);
    one.bus.publish(ROOM, bytes('again'));
    one.bus.publish(ALL, bytes('all'));
    const second = await append(one, 'b');
    expect(second.epoch).toBe(first.epoch);
    await until(() => one.entries.length === 2 && one.heard.length === 2, 'what came after');
    expect(one.heard).toEqual(['again', 'all']);
    expect(one.entries.map((entry) => entry.text)).toEqual(['a', 'b']);
    expect(one.entries[1]?.entry.previous).toBe(first.offset);
    expect(await read(one, first)).toEqual(['b']);
  });

  test('comes back without its data, a new epoch tells', async () => {
    await using one = await HeardBus.start(fresh());
    const first = await append(one, 'a', 'id');
    await redis.daemon.restart({ keepsData: false });
    await until(() => one.told.length > 1, 'its return');
    expect(await read(one, first)).toBe('epoch');
    const again = await append(one, 'a', 'id');
    expect(again).toMatchObject({ isDuplicate: false });
    expect(again.epoch).not.toBe(first.epoch);
  });

  test('is emptied, a new epoch tells at the next entry', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.watchLog('/', 'lobby');
    const first = await append(one, 'a');
    await command('FLUSHALL');
    const second = await append(one, 'b');
    await until(() => one.entries.length === 2, 'two entries');
    expect(one.entries[1]).toMatchObject({ epoch: second.epoch, entry: { previous: 0 } });
    expect(second.epoch).not.toBe(first.epoch);
    expect(one.told).toEqual([]);
  });

  test('has lost its latest writes, a place in them leads nowhere, and never to other messages', async () => {
    await using one = await HeardBus.start(fresh());
    const kept = await append(one, 'kept');
    const keys = [`hawser:t${names}:{log:/|lobby}`, `hawser:t${names}:{log:/|lobby}:meta`];
    const before = await Promise.all(keys.map(async (key) => dumpOf(key)));
    const lost = [await append(one, 'lost 1'), await append(one, 'lost 2')];
    for (const [at, key] of keys.entries()) await command('RESTORE', key, '0', before[at] ?? '', 'REPLACE');
    expect(await read(one, lost[0] as Position)).toBe('unknown');
    const later = await append(one, 'later');
    expect(later.epoch).toBe(kept.epoch);
    expect(await read(one, kept)).toEqual(['later']);
    expect(await read(one, lost[0] as Position)).toBe('unknown');
    expect(await read(one, lost[1] as Position)).toBe('unknown');
  });

  test('is frozen, it is taken for gone, and comes back', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.subscribe(ROOM);
    redis.daemon.freeze();
    const waiting = append(one, 'perhaps');
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    await until(() => one.told.length > 0, 'the news');
    expect(one.told).toEqual(['disconnected ERR_PEER_SILENT']);
    redis.daemon.thaw();
    await until(() => one.told.length > 1, 'its return');
    one.bus.publish(ROOM, bytes('again'));
    await until(() => one.heard.includes('again'), 'the room');
  });

  test('forgets its scripts, they are told to it again', async () => {
    await using one = await HeardBus.start(fresh());
    const first = await append(one, 'a');
    await command('SCRIPT', 'FLUSH');
    await append(one, 'b');
    await command('SCRIPT', 'FLUSH');
    expect(await read(one, first)).toEqual(['b']);
  });

  test('has no memory left, appends are refused and nothing was added', async () => {
    await using one = await HeardBus.start(fresh());
    const first = await append(one, 'a');
    await command('CONFIG', 'SET', 'maxmemory', '1');
    await expect(append(one, 'x')).rejects.toMatchObject({
      code: 'ERR_ENGINE_DOWN',
      delivered: 'no',
      message: expect.stringContaining('OOM'),
    });
    await command('CONFIG', 'SET', 'maxmemory', '0');
    await append(one, 'b');
    expect(await read(one, first)).toEqual(['b']);
  });

  test('is a replica for a while, it is left alone until it is none', async () => {
    await using one = await HeardBus.start(fresh());
    const first = await append(one, 'a');
    await command('REPLICAOF', '127.0.0.1', '1');
    await expect(append(one, 'x')).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'no' });
    await until(() => one.told.length > 0, 'the news');
    await expect(HeardBus.start({ url: redis.url, connectWait: 1000 })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
      message: expect.stringContaining('replica'),
    });
    await command('REPLICAOF', 'NO', 'ONE');
    await until(() => one.told.length > 1, 'its return');
    await append(one, 'b');
    expect(await read(one, first)).toEqual(['b']);
  });

  test('takes nothing, what waits for it is bounded', async () => {
    await using one = await HeardBus.start({ ...fresh(), heartbeat: 5000 });
    one.bus.subscribe(ROOM);
    redis.daemon.freeze();
    const large = new Uint8Array(1_048_576);
    for (let sent = 0; sent < 70; sent += 1) one.bus.publish(ROOM, large);
    expect(one.reported).toMatchObject([{ code: 'ERR_ENGINE_DOWN' }]);
    await expect(one.bus.append('/', 'lobby', RULE, large)).rejects.toMatchObject({
      code: 'ERR_ENGINE_DOWN',
      delivered: 'no',
    });
    redis.daemon.thaw();
    await until(() => one.heard.length === 64, 'what was taken');
    one.bus.publish(ROOM, bytes('there is room'));
    await until(() => one.heard.includes('there is room'), 'what came after');
    expect(one.reported).toHaveLength(1);
  });

  test('has keys of another kind where ours should be, they stay as they are', async () => {
    await using one = await HeardBus.start(fresh());
    const key = `hawser:t${names}:{log:/|lobby}`;
    await command('SET', key, 'mine');
    for (const call of [append(one, 'x'), one.bus.read('/', 'lobby', RULE)]) {
      await expect(call).rejects.toMatchObject({
        code: 'ERR_ENGINE_DOWN',
        message: expect.stringContaining('WRONGTYPE'),
      });
    }
    expect(await command('GET', key)).toBe('mine');
    await command('DEL', key);
    await append(one, 'a');
    expect(one.told).toEqual([]);
  });

  test('has entries in our stream that are not ours, ours are read without them; where none can follow, the log begins anew', async () => {
    await using one = await HeardBus.start(fresh());
    const key = `hawser:t${names}:{log:/|lobby}`;
    const first = await append(one, 'a');
    await command('XADD', key, `${first.offset}-7`, 'x', 'y');
    await append(one, 'b');
    expect(await read(one, first)).toEqual(['b']);
    await command('XADD', key, '9000000000000000-0', 'x', 'y');
    const third = await append(one, 'c');
    expect(third.epoch).not.toBe(first.epoch);
    expect(await read(one, first)).toBe('epoch');
    await command('SET', `${key}:meta`, 'nonsense');
    const fourth = await append(one, 'd');
    expect(fourth.epoch).not.toBe(third.epoch);
  });

  test('carries what is not ours on our channels, it is reported, and the bus lives', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.watchLog('/', 'lobby');
    const { position } = await one.bus.read('/', 'lobby', RULE);
    const channel = `hawser:t${names}:{log:/|lobby}`;
    const strange = ['', 'x', `${'a'.repeat(100)}\n`, 'zz 1 0\n', `${position.epoch} -1 0\n`, `${position.epoch} 1\n`];
    for (const words of strange) await command('SPUBLISH', channel, words);
    await append(one, 'a');
    await until(() => one.entries.length === 1, 'the one entry');
    expect(one.reported).toHaveLength(strange.length);
    expect(one.reported).toMatchObject(strange.map(() => ({ code: 'ERR_MESSAGE_MALFORMED' })));
  });

  test('waits are ended by a signal or a time', async () => {
    await using one = await HeardBus.start({ ...fresh(), heartbeat: 5000 });
    redis.daemon.freeze();
    const aborting = new AbortController();
    const first = one.bus.append('/', 'lobby', RULE, bytes('x'), { signal: aborting.signal });
    const second = one.bus.read('/', 'lobby', RULE, { timeout: 50 });
    aborting.abort();
    await expect(first).rejects.toMatchObject({ code: 'ERR_ABORTED', delivered: 'unknown' });
    await expect(second).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    redis.daemon.thaw();
    const over = one.bus.append('/', 'lobby', RULE, bytes('x'), { signal: AbortSignal.abort() });
    await expect(over).rejects.toMatchObject({ code: 'ERR_ABORTED', delivered: 'no' });
  });

  async function command(...args: (string | Buffer)[]): Promise<unknown> {
    const client = await createClient({ url: redis.url }).connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  async function dumpOf(key: string): Promise<Buffer> {
    const client = await createClient({ url: redis.url }).connect();
    try {
      return (await client.sendCommand(['DUMP', key], { typeMapping: { 36: Buffer } })) as unknown as Buffer;
    } finally {
      client.destroy();
    }
  }
});

/** What a server of this version says to HELLO. */
function helloOf(version: string): string {
  const fields = { server: 'redis', version, mode: 'standalone' };
  const bulk = (words: string): string => `$${words.length}\r\n${words}\r\n`;
  return `%3\r\n${Object.entries(fields).flat().map(bulk).join('')}`;
}

interface Fake extends AsyncDisposable {
  readonly url: string;
}

/** Something that listens where a Redis is looked for. */
async function server(behave: (socket: Socket) => void): Promise<Fake> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    behave(socket);
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return {
    url: `redis://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (listening.listening) await new Promise((resolve) => listening.close(resolve));
    },
  };
}
