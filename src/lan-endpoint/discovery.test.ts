import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type Announced, readDiscovered, writeAnswer, writeAsk } from './discovery-wire.ts';
import {
  type Announcement,
  type AnnounceOptions,
  announce,
  discover,
  type FoundServer,
  openUdp,
  type ServerWatch,
  watchServers,
} from './index.ts';
import { readLanKeys } from './lan-key.ts';

const open: AsyncDisposable[] = [];
const KEY = 'sixteen bytes at the least';
const SERVER = { endpoints: ['ws://127.0.0.1:3000/', 'tcp://0.0.0.0:3001'], stats: { sockets: 7 } };

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** A group that nobody else asks on. */
async function freeGroup(): Promise<string> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return `udp://239.192.77.77:${probe.address().port}`;
}

async function announced(server: typeof SERVER, options: AnnounceOptions): Promise<Announcement> {
  const made = await announce(server, options);
  open.push(made);
  return made;
}

async function watching(options: Parameters<typeof watchServers>[0]): Promise<ServerWatch> {
  const made = await watchServers(options);
  open.push(made);
  return made;
}

function next(watch: ServerWatch, event: 'found' | 'changed' | 'lost'): Promise<FoundServer> {
  return new Promise((resolve) => watch.once(event, resolve));
}

describe('discover', () => {
  test('refuses what is no option, and times that no timer can be told', async () => {
    const group = await freeGroup();
    for (const options of [
      { timeout: 0 },
      { timeout: Infinity },
      { timeout: 2 ** 40 },
      { settle: -1 },
      { keys: KEY },
    ]) {
      await expect(discover({ group, ...options })).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
    for (const options of [
      { interval: 0 },
      { interval: NaN },
      { interval: 2 ** 40 },
      { load: () => NaN },
      { keys: KEY },
    ]) {
      await expect(announced(SERVER, { group, name: 'shop', ...options })).rejects.toMatchObject({
        code: 'ERR_OPTION',
      });
    }
    await expect(watching({ group, ...{ keys: KEY } })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  test('a load that fails is told once, and the last one stands', async () => {
    const group = await freeGroup();
    const errors: unknown[] = [];
    const broken = new Error('no load');
    let isBroken = false;
    const load = (): number => {
      if (isBroken) throw broken;
      return 3;
    };
    const options = { group, name: 'shop', load, onError: (error: unknown) => errors.push(error) };
    const announcement = await announced(SERVER, options);
    isBroken = true;
    for (let i = 0; i < 2; i++) {
      const [found] = await discover({ group, name: 'shop', timeout: 1000, settle: 0 });
      expect(found?.load).toBe(3);
    }
    expect(errors).toEqual([broken]);
    await announcement.close();
    await expect(announced(SERVER, options)).rejects.toBe(broken);
  });

  test('finds the servers of a name, the one with the least load first', async () => {
    const group = await freeGroup();
    await announced(SERVER, { group, name: 'shop' });
    await announced({ endpoints: ['tcp://127.0.0.1:4001'], stats: { sockets: 2 } }, { group, name: 'shop' });
    await announced(SERVER, { group, name: 'other', load: () => 0 });
    const found = await discover({ group, name: 'shop', timeout: 300 });
    expect(found.map(({ endpoints, load }) => [load, ...endpoints])).toEqual([
      [2, 'tcp://127.0.0.1:4001'],
      [7, 'ws://127.0.0.1:3000', 'tcp://127.0.0.1:3001'],
    ]);
    expect(found[0]).toMatchObject({ address: '127.0.0.1', isTrusted: false, name: 'shop' });
    expect(await discover({ group, timeout: 300, settle: 100 })).toHaveLength(3);
    expect(await discover({ group, name: 'nobody', timeout: 50 })).toEqual([]);
  });

  test('believes public keys of udpack only when a key has signed for them', async () => {
    const group = await freeGroup();
    const key43 = 'k'.repeat(43);
    const endpoints = [`udpack://127.0.0.1:4433?key=${key43}&secret=1`, 'wss://h.example/chat?key=server.key'];
    await announced(SERVER, { group, name: 'plain', endpoints });
    await announced(SERVER, { group, name: 'signed', endpoints, key: KEY });
    const [plain] = await discover({ group, name: 'plain', timeout: 300, settle: 20 });
    expect(plain?.endpoints).toEqual(['udpack://127.0.0.1:4433', 'wss://h.example/chat']);
    const [signed] = await discover({
      group,
      name: 'signed',
      timeout: 300,
      settle: 20,
      key: ['another key, also long', KEY],
    });
    // The first key asks, and nobody knows it.
    expect(signed).toBe(undefined);
    const [trusted] = await discover({ group, name: 'signed', timeout: 300, settle: 20, key: KEY });
    expect(trusted).toMatchObject({
      isTrusted: true,
      endpoints: [`udpack://127.0.0.1:4433?key=${key43}`, 'wss://h.example/chat'],
    });
    expect(await discover({ group, name: 'plain', timeout: 100, key: KEY })).toEqual([]);
    expect(await discover({ group, name: 'signed', timeout: 100 })).toEqual([]);
    expect(await discover({ group, name: 'signed', timeout: 100, key: 'some other key of 24 bytes' })).toEqual([]);
  });

  test('is ended by its signal', async () => {
    const group = await freeGroup();
    const stop = new AbortController();
    const found = discover({ group, signal: stop.signal, timeout: 60_000 });
    setImmediate(() => stop.abort());
    await expect(found).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(discover({ group, signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a watch', () => {
  test('tells who comes, changes and goes', async () => {
    const group = await freeGroup();
    const watch = await watching({ group, name: 'shop' });
    const found = next(watch, 'found');
    let load = 1;
    const announcement = await announced(SERVER, { group, name: 'shop', load: () => load, interval: 20 });
    expect((await found).load).toBe(1);
    const changed = next(watch, 'changed');
    load = 9;
    expect((await changed).load).toBe(9);
    expect(watch.servers).toHaveLength(1);
    const lost = next(watch, 'lost');
    await announcement.close();
    expect((await lost).instance).toBe(announcement.instance);
    expect(watch.servers).toEqual([]);
  });

  test('with a key asks who has begun, for a replay can tell that too', async () => {
    const group = await freeGroup();
    const watch = await watching({ group, key: KEY });
    const recorder = await openUdp(group);
    open.push(recorder);
    const recorded = recorder.datagrams();
    const found = next(watch, 'found');
    const announcement = await announced(SERVER, { group, name: 'shop', key: KEY, interval: 20 });
    expect((await found).isTrusted).toBe(true);
    let replay: Uint8Array | undefined;
    while (replay === undefined) {
      const bytes = (await recorded.next()).value?.bytes ?? new Uint8Array();
      if (readDiscovered(bytes, readLanKeys(KEY)).kind === 'answer') replay = bytes;
    }
    await announcement.close();
    const other = await watching({ group, key: KEY });
    const told: string[] = [];
    other.on('found', ({ name }) => told.push(name));
    for (let i = 0; i < 5; i++) await recorder.send(replay);
    const second = next(other, 'found');
    await announced(SERVER, { group, name: 'other', key: KEY });
    expect((await second).name).toBe('other');
    expect(told).toEqual(['other']);
  });

  test('is unmoved by garbage and forgeries', async () => {
    const group = await freeGroup();
    const watch = await watching({ group, key: KEY });
    const [key] = readLanKeys(KEY);
    const [wrong] = readLanKeys('a key that is not the right one');
    const sender = await openUdp(group, { listen: false });
    open.push(sender);
    const gone: Announced = {
      name: 'shop',
      instance: 'abcdefgh',
      endpoints: ['tcp://1.2.3.4:5'],
      load: 1,
      gone: false,
    };
    const ask = writeAsk({ nonce: new Uint8Array(16).fill(1), name: 'shop' }, key);
    const hostile = [
      new Uint8Array(0),
      new Uint8Array(1400).fill(0xff),
      writeAnswer({ nonce: undefined, announced: gone }, undefined) as Uint8Array,
      writeAnswer({ nonce: undefined, announced: gone }, wrong) as Uint8Array,
      writeAnswer({ nonce: new Uint8Array(16).fill(7), announced: gone }, key) as Uint8Array,
      ask.subarray(0, 100),
    ];
    for (const bytes of hostile) await sender.send(bytes);
    const found = next(watch, 'found');
    await announced(SERVER, { group, name: 'shop', key: KEY, interval: 20 });
    expect((await found).endpoints).toHaveLength(2);
    expect(watch.servers).toHaveLength(1);
  });
});

describe('an announcement', () => {
  test('answers nobody with more than he has sent, and not without end', async () => {
    const group = await freeGroup();
    await announced(SERVER, { group, name: 'shop', interval: 1e9 });
    const asker = await openUdp(group, { listen: false });
    open.push(asker);
    const answers = asker.datagrams({ limit: 10_000 });
    const ask = writeAsk({ nonce: new Uint8Array(16).fill(1), name: undefined }, undefined);
    const began = performance.now();
    for (let i = 0; i < 1000; i++) await asker.send(ask);
    let [count, most] = [0, 0];
    for await (const { bytes } of answers) {
      count += 1;
      most = Math.max(most, bytes.length);
      if (count === 200) await asker.close();
    }
    const allowed = 200 + ((performance.now() - began) * 200) / 1000 + 1;
    expect([count <= allowed, most <= ask.length]).toEqual([true, true]);
  });

  test.each<[Partial<AnnounceOptions>, string]>([
    [{ name: '' }, 'ERR_ARGUMENT'],
    [{ name: 'a b' }, 'ERR_ARGUMENT'],
    [{ name: 'x'.repeat(65) }, 'ERR_ARGUMENT'],
    [{ endpoints: [] }, 'ERR_OPTION'],
    [{ endpoints: ['ipc:///tmp/a', 'not a URL', 'tcp://user:secret@h:1'] }, 'ERR_OPTION'],
    [{ endpoints: Array.from({ length: 16 }, (_, i) => `ws://h:1/${'p'.repeat(100)}${i}`) }, 'ERR_MESSAGE_TOO_LARGE'],
    [{ group: 'udp://127.0.0.1:7077' }, 'ERR_OPTION'],
    [{ interface: 'any' }, 'ERR_OPTION'],
    [{ key: 'too short' }, 'ERR_KEY'],
  ])('%o is refused', async (options, code) => {
    const group = await freeGroup();
    await expect(announce(SERVER, { group, name: 'shop', ...options })).rejects.toMatchObject({ code });
  });
});

describe('datagrams of discovery', () => {
  const [key] = readLanKeys(KEY);

  test.each([[[]], [[key]]])('whatever comes is read without an exception', (keys) => {
    const known = keys.flatMap((one) => one ?? []);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1300 }), fc.constantFrom(8, 9), (noise, kind) => {
        const bytes = new Uint8Array([0x48, 0x4c, 0x10 | kind, 0, ...noise]);
        for (const one of [noise, bytes]) expect(['ask', 'answer', 'fault']).toContain(readDiscovered(one, known).kind);
      }),
    );
  });

  test('each wrong field of an answer is seen', () => {
    const right = { name: 'shop', instance: 'abcdefgh', endpoints: ['tcp://h:1'], load: 0, gone: false };
    const read = (said: unknown): string =>
      readDiscovered(
        writeAnswer({ nonce: undefined, announced: said as Announced }, key) as Uint8Array,
        key ? [key] : [],
      ).kind;
    expect(read(right)).toBe('answer');
    for (const wrong of [
      { name: 'a/b' },
      { name: 3 },
      { instance: 'short' },
      { instance: undefined },
      { endpoints: 'tcp://h:1' },
      { endpoints: [1] },
      { endpoints: Array.from({ length: 17 }, () => 'tcp://h:1') },
      { endpoints: ['x'.repeat(513)] },
      { load: -1 },
      { load: '1' },
      { gone: 'no' },
    ]) {
      expect([wrong, read({ ...right, ...wrong })]).toEqual([wrong, 'fault']);
    }
    for (const wrong of [null, 1, 'text', []]) expect(read(wrong)).toBe('fault');
  });
});
