import { afterEach, describe, expect, test } from 'vitest';
import {
  type LanBus,
  type LanGap,
  type LanMessage,
  type LanOptions,
  openLan,
  openUdp,
  type UdpSocket,
} from './index.ts';

const KEY = 'sixteen bytes at the least';
const open: AsyncDisposable[] = [];

afterEach(async () => {
  const stopping = open.splice(0).map((one) => one[Symbol.asyncDispose]());
  await Promise.all(stopping);
});

async function bus(url: string, options: LanOptions = {}): Promise<LanBus> {
  // Tells its end soon: tests don't wait for who may have missed it.
  const made = await openLan(url, { times: { endSpacing: 5, ...options.times }, ...options });
  open.push(made);
  return made;
}

async function udp(...args: Parameters<typeof openUdp>): Promise<UdpSocket> {
  const made = await openUdp(...args);
  open.push(made);
  return made;
}

async function freePort(): Promise<number> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return probe.address().port;
}

const group = async (): Promise<string> => `udp://239.192.77.79:${await freePort()}`;

async function take(from: AsyncIterator<LanMessage>, count: number): Promise<unknown[]> {
  const found: unknown[] = [];
  while (found.length < count) {
    const { value, done } = await from.next();
    if (done) break;
    found.push(value.data);
  }
  return found;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A publisher that has been heard, so that nothing of what follows is missed. */
async function heard(publisher: LanBus, ...subscribers: LanBus[]): Promise<void> {
  const told = subscribers.map((one) => new Promise((resolve) => one.once('publisher', resolve)));
  const hello = setInterval(() => publisher.publish('hello', 0, { volatile: true }), 5);
  await Promise.all(told).finally(() => clearInterval(hello));
}

/** Passes datagrams on to `to`, or doesn't. */
async function relay(to: string, passes: (number: number, size: number) => boolean): Promise<string> {
  const through = await udp('udp://127.0.0.1:0');
  const out = await udp(to, { listen: false });
  let count = 0;
  through.on('message', (bytes) => (passes(count++, bytes.length) ? out.send(bytes) : undefined));
  return through.url;
}

describe('a bus', () => {
  test.each([
    ['a group', async () => await group()],
    ['broadcast', async () => `udp://127.255.255.255:${await freePort()}`],
    ['a group, signed', async () => await group(), KEY],
  ])('on %s: all hear it, in order, but for who says it', async (_name, url, key?: string) => {
    const where = await url();
    const options = key === undefined ? {} : { key };
    const [one, two, speaker] = await Promise.all([bus(where, options), bus(where, options), bus(where, options)]);
    const own: unknown[] = [];
    speaker.on('message', (message) => own.push(message));
    await heard(speaker, one, two);
    const [all, some] = [one.subscribe('n/*'), two.subscribe('n/odd')];
    for (const i of numbers(100)) speaker.publish(i % 2 === 0 ? 'n/even' : 'n/odd', { i });
    speaker.publish('other', 1);
    expect(await take(all, 100)).toEqual(numbers(100).map((i) => ({ i })));
    expect(await take(some, 50)).toEqual(numbers(50).map((i) => ({ i: 2 * i + 1 })));
    expect(own).toEqual([]);
    // Many travel in one datagram: those of one turn.
    expect(speaker.stats().published?.datagrams).toBeLessThan(20);
    expect(one.publishers()).toMatchObject([{ publisher: speaker.publisher, address: speaker.address, missing: 0 }]);
  });

  test.each([
    ['127.0.0.1', {}],
    ['127.0.0.1', { connected: true }],
    ['[::1]', { listen: false }],
  ] as const)('for one address, %s %o', async (host, options) => {
    const hearer = await bus(`udp://${host}:0`);
    const speaker = await bus(hearer.url, { listen: false, ...options });
    await heard(speaker, hearer);
    const all = hearer.subscribe('n');
    for (const i of numbers(10)) speaker.publish('n', i);
    expect(await take(all, 10)).toEqual(numbers(10));
    expect(() => hearer.publish('n', 1)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    for (const wrong of [() => speaker.subscribe(), () => speaker.on('gap', () => {})]) {
      expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    }
  });

  test('hears a further group, until it leaves it', async () => {
    const [first, port] = [await group(), await freePort()];
    const one = `udp://239.192.77.80:${first.split(':').at(-1)}`;
    const hearer = await bus(first);
    const speaker = await bus(one, { listen: false });
    hearer.on('message', () => {});
    await hearer.addMembership('239.192.77.80');
    await heard(speaker, hearer);
    const all = hearer.subscribe('n');
    speaker.publish('n', 'heard');
    expect(await take(all, 1)).toEqual(['heard']);
    await hearer.dropMembership('239.192.77.80');
    await expect(hearer.dropMembership('239.192.77.80')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    for (const [wrong, face, code] of [
      ['127.0.0.1', undefined, 'ERR_ARGUMENT'],
      ['ff02::1%lo', undefined, 'ERR_ARGUMENT'],
      ['239.192.77.81', 'any', 'ERR_OPTION'],
      ['239.192.77.81', 'no-such', 'ERR_OPTION'],
    ] as const) {
      await expect(hearer.addMembership(wrong, face)).rejects.toMatchObject({ code });
    }
    const single = await bus(`udp://127.0.0.1:${port}`);
    await expect(single.addMembership('239.192.77.81')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  test('tells who comes and who ends', async () => {
    const url = await group();
    const hearer = await bus(url);
    const speaker = await bus(url, { listen: false });
    await heard(speaker, hearer);
    const ended = new Promise((resolve) => hearer.once('end', resolve));
    const { publisher } = speaker;
    await speaker.close();
    expect(await ended).toMatchObject({ publisher, reason: 'ended' });
    const silent = await bus(url, { listen: false });
    const deaf = await bus(url, { times: { silence: 100 } });
    await heard(silent, deaf);
    const lost = new Promise((resolve) => deaf.once('end', resolve));
    const stop = new AbortController();
    const other = await bus(url, { listen: false, signal: stop.signal });
    await heard(other, deaf);
    // Who is cut off says nothing.
    stop.abort();
    expect(await lost).toMatchObject({ reason: 'silent' });
  });

  test('has 50 who listen, and none misses anything', async () => {
    const url = await group();
    const hearers = await Promise.all(numbers(50).map(() => bus(url)));
    const speaker = await bus(url, { listen: false });
    await heard(speaker, ...hearers);
    const taken = hearers.map((one) => take(one.subscribe('q'), 2000));
    for (const i of numbers(2000)) {
      speaker.publish('q', i);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const one of await Promise.all(taken)) expect(one).toEqual(numbers(2000));
    expect(hearers.map((one) => one.stats().heard?.lost)).toEqual(numbers(50).map(() => 0));
  });
});

describe('what is lost on the way', () => {
  test.each([undefined, KEY])('comes again, with 10 %% lost (key: %s)', async (key) => {
    const options = key === undefined ? {} : { key };
    const hearer = await bus('udp://127.0.0.1:0', options);
    const speaker = await bus(await relay(hearer.url, (i) => i % 10 !== 3), { listen: false, ...options });
    await heard(speaker, hearer);
    const gaps: LanGap[] = [];
    let recovered = 0;
    hearer.on('gap', (gap) => gaps.push(gap));
    hearer.on('recovered', ({ from, to }) => {
      recovered += to - from + 1;
    });
    const all = hearer.subscribe('n', { limit: 5000 });
    for (const i of numbers(5000)) {
      speaker.publish('n', i);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await take(all, 5000)).toEqual(numbers(5000));
    expect(gaps).toEqual([]);
    expect(recovered).toBeGreaterThan(100);
    expect(hearer.stats().heard).toMatchObject({ lost: 0 });
  });

  test('and is kept no longer is told, and all else comes', async () => {
    const hearer = await bus('udp://127.0.0.1:0');
    let isBroken = false;
    let hasDropped = (): void => {};
    const dropped = new Promise<void>((resolve) => {
      hasDropped = resolve;
    });
    // A short one is a greeting that was on its way.
    const url = await relay(hearer.url, (_number, size) => {
      const isLost = isBroken && size > 300;
      if (isLost) hasDropped();
      return !isLost;
    });
    const speaker = await bus(url, { listen: false, store: { messages: 10 } });
    await heard(speaker, hearer);
    const gap = new Promise<LanGap>((resolve) => hearer.once('gap', resolve));
    const all = hearer.subscribe('n');
    isBroken = true;
    for (const i of numbers(100)) speaker.publish('n', i);
    await dropped;
    isBroken = false;
    speaker.publish('n', 100);
    const { reason, from, to } = await gap;
    const lost = to - from + 1;
    expect([reason, lost > 90]).toEqual(['expired', true]);
    expect(await take(all, 101 - lost)).toEqual(numbers(101).slice(lost));
  });

  test('before somebody came is given to who asks for it', async () => {
    const url = await group();
    const speaker = await bus(url, { listen: false });
    for (const i of numbers(20)) speaker.publish('n', i);
    await expect.poll(() => speaker.stats().published?.datagrams).toBeGreaterThan(0);
    const late = await bus(url);
    const now = await bus(url, { since: 'now' });
    const [all, some] = [late.subscribe('n', { since: 'store' }), now.subscribe('n')];
    expect(await take(all, 20)).toEqual(numbers(20));
    await heard(speaker, await bus(url));
    speaker.publish('n', 'last');
    expect(await take(some, 1)).toEqual(['last']);
    expect(() => late.subscribe('x', { since: 'now' })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    expect(late.subscribe('x', { since: 'store' })).toBeDefined();
  });
});

describe('hostile datagrams', () => {
  test('garbage and floods of it change nothing', async () => {
    const url = await group();
    const hearer = await bus(url);
    const speaker = await bus(url, { listen: false });
    await heard(speaker, hearer);
    const fault = new Promise((resolve) => hearer.once('fault', resolve));
    const all = hearer.subscribe('n');
    const attacker = await udp(url, { listen: false });
    for (const i of numbers(2000)) {
      const bytes = crypto.getRandomValues(new Uint8Array(i % 1400));
      if (i % 2 === 0) bytes.set([0x48, 0x4c, 0x10 | (i % 7), 0].slice(0, bytes.length));
      await attacker.send(bytes);
      await attacker.send(bytes, `udp://127.0.0.1:${speaker.address.port}`);
      if (i % 100 === 0) speaker.publish('n', i / 100);
    }
    expect(await take(all, 20)).toEqual(numbers(20));
    expect(await fault).toMatchObject({ from: { address: '127.0.0.1' } });
    expect(hearer.stats().heard).toMatchObject({ lost: 0 });
  });

  test('forged and unsigned ones are not let in, nor is who has another key', async () => {
    const url = await group();
    const hearer = await bus(url, { key: [KEY, 'a key that is new, and not yet used'] });
    const messages: unknown[] = [];
    hearer.on('message', ({ data }) => messages.push(data));
    const [plain, other] = [
      await bus(url, { listen: false }),
      await bus(url, { listen: false, key: 'another long key' }),
    ];
    const speaker = await bus(url, { listen: false, key: ['a key that is new, and not yet used', KEY] });
    const faults = new Set<string>();
    const told = new Promise<void>((resolve) => {
      hearer.on('fault', ({ reason }) => {
        faults.add(reason);
        resolve();
      });
    });
    plain.publish('n', 'plain');
    other.publish('n', 'other');
    await told;
    await heard(speaker, hearer);
    const all = hearer.subscribe('n');
    speaker.publish('n', 'signed');
    expect(await take(all, 1)).toEqual(['signed']);
    expect(messages.filter((data) => data !== 0)).toEqual(['signed']);
    expect([...faults]).toEqual(['key']);
  });

  test('what was recorded is not believed when it is sent again, by nobody', async () => {
    const url = await group();
    const recorder = await udp(url);
    const recorded: Uint8Array[] = [];
    recorder.on('message', (bytes) => recorded.push(bytes));
    const hearer = await bus(url, { key: KEY });
    const messages: unknown[] = [];
    hearer.on('message', ({ data }) => messages.push(data));
    const speaker = await bus(url, { listen: false, key: KEY });
    await heard(speaker, hearer);
    const all = hearer.subscribe('n');
    for (const i of numbers(50)) speaker.publish('n', i);
    expect(await take(all, 50)).toEqual(numbers(50));
    await speaker.close();
    const late = await bus(url, { key: KEY, since: 'store' });
    late.on('message', ({ data }) => messages.push(data));
    const before = messages.length;
    for (const bytes of recorded.slice()) await recorder.send(bytes);
    const next = await bus(url, { listen: false, key: KEY });
    await heard(next, hearer, late);
    const more = late.subscribe('n');
    next.publish('n', 'fresh');
    expect(await take(more, 1)).toEqual(['fresh']);
    expect(messages.slice(before).filter((data) => data !== 0)).toEqual(expect.arrayContaining(['fresh']));
    expect(messages.slice(before).filter((data) => data !== 0 && data !== 'fresh')).toEqual([]);
  });
});

describe('what is refused', () => {
  test.each<[string, LanOptions, string]>([
    ['udp://239.192.77.79:3000?interface=any', {}, 'ERR_OPTION'],
    ['udp://0.0.0.0:0', {}, 'ERR_OPTION'],
    ['udp://192.0.2.99:3000', {}, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { key: 'short' }, 'ERR_KEY'],
    ['udp://127.0.0.1:0', { key: [] }, 'ERR_KEY'],
    ['udp://127.0.0.1:0', { key: { file: 'no/such/file' } }, 'ERR_KEY'],
    ['udp://127.0.0.1:0', { since: 'ever' as 'now' }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { store: { age: -1 } }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { store: { byte: 1 } as object }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { limits: { datagramBytes: 5 } }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { times: { heartbeat: 0 } }, 'ERR_OPTION'],
    ['udp://0.0.0.0:0', { insecure: 'false' } as object, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { limits: { nothing: 1 } as object }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { times: { storeAge: Number.NaN } }, 'ERR_OPTION'],
    ['udp://127.0.0.1:0', { colour: 'red' } as LanOptions, 'ERR_OPTION'],
    ['tcp://127.0.0.1:0', {}, 'ERR_URL'],
    ['udp://127.0.0.1:0', { signal: AbortSignal.abort() }, 'ERR_ABORTED'],
  ])('%s %o', async (url, options, code) => {
    await expect(openLan(url, options)).rejects.toMatchObject({ code });
  });

  test('what nobody can say, and what waits for too long', async () => {
    const url = await group();
    const speaker = await bus(url, { listen: false, limits: { backlogMark: 10_000, backlogBytes: 50_000 } });
    const refused = (topic: string, data: unknown): unknown => {
      try {
        return speaker.publish(topic, data);
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(refused('', 1)).toBe('ERR_ARGUMENT');
    expect(refused('n', () => {})).toBe('ERR_UNENCODABLE');
    expect(refused('n', new Uint8Array(70_000))).toBe('ERR_MESSAGE_TOO_LARGE');
    const drained = new Promise<void>((resolve) => speaker.once('drain', resolve));
    const answers = numbers(60).map(() => refused('n', new Uint8Array(1000)));
    expect([answers[0], answers[20], answers.at(-1)]).toEqual([true, false, 'ERR_BACKLOG_FULL']);
    await drained;
    expect(refused('n', 1)).toBe(true);
    const hearer = await bus(url);
    await heard(speaker, hearer);
    const slow = hearer.subscribe('n', { limit: 3 });
    for (const i of numbers(5)) speaker.publish('n', i);
    await new Promise<void>((resolve) => hearer.on('message', ({ data }) => (data === 4 ? resolve() : undefined)));
    expect(await take(slow, 3)).toEqual([0, 1, 2]);
    await expect(slow.next()).rejects.toMatchObject({ code: 'ERR_BACKLOG_FULL' });
  });
});

describe('its end', () => {
  test('ends iterations, and refuses what comes later', async () => {
    const one = await openLan(await group());
    const waiting = one.subscribe().next();
    let closes = 0;
    one.on('close', () => closes++);
    await Promise.all([one.close(), one.close()]);
    await one[Symbol.asyncDispose]();
    expect([closes, (await waiting).done]).toEqual([1, true]);
    for (const late of [() => one.publish('n', 1), () => one.subscribe()]) {
      expect(late).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    }
    await expect(one.addMembership('239.192.77.82')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('is cut short by its signal', async () => {
    const stop = new AbortController();
    const one = await openLan(await group(), { signal: stop.signal, times: { endSpacing: 60_000 } });
    one.publish('n', 1);
    const ended = one.close();
    stop.abort();
    await ended;
    const aborted = await openLan(await group(), { signal: AbortSignal.timeout(20) });
    await expect(aborted.subscribe().next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const listener = await bus(await group());
    const late = listener.subscribe('*', { signal: AbortSignal.abort() });
    await expect(late.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  test('does not come by what a listener throws; the process is kept alive or not', async () => {
    const told: unknown[] = [];
    const url = await group();
    const hearer = await bus(url, { onError: (error, during) => told.push([error, during]) });
    const speaker = await bus(url, { listen: false });
    hearer.unref().ref();
    const fault = new Error('mine');
    hearer.once('publisher', () => {
      throw fault;
    });
    await heard(speaker, hearer);
    expect(told).toEqual([[fault, "a listener of 'publisher'"]]);
  });
});
