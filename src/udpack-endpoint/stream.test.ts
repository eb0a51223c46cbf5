import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UdpRelay } from '../../test/support/udp-relay.ts';
import { codeOf, Docks, type Pair, portOf, read, readAll, streamOf } from '../../test/support/udpack.ts';
import type { HawserError } from '../core/index.ts';
import type { UdpackOptions, UdpackStream } from './index.ts';

let docks: Docks;
let relay: UdpRelay | undefined;

beforeEach(() => {
  docks = new Docks();
});

afterEach(async () => {
  await docks[Symbol.asyncDispose]();
  await relay?.[Symbol.asyncDispose]();
  relay = undefined;
});

const MB = 1024 * 1024;
/** No longer datagrams are tried: so many bytes cross that nobody asked for. */
const SHORT = { datagramSize: 1200 };

/** A pair whose datagrams can be held back. */
async function relayed(ofServer: UdpackOptions = {}, ofClient: UdpackOptions = {}): Promise<Pair & { via: UdpRelay }> {
  const server = await docks.server(ofServer);
  const via = await UdpRelay.open({ address: '127.0.0.1', port: portOf(server) });
  relay = via;
  const pair = await docks.join(server, await docks.client(ofClient), via);
  return { ...pair, via };
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}

describe('writing', () => {
  test('packets keep their bounds and their order, whatever their length', async () => {
    const pair = await docks.pair();
    const { out, into } = await streamOf(pair);
    const lengths = [0, 1, 1163, 1164, 70_000, 0, 5];
    for (const length of lengths) out.send(pattern(length));
    out.end();
    const heard: Buffer[] = [];
    for await (const packet of into) heard.push(packet);
    expect(heard.map((packet) => packet.toString('latin1'))).toEqual([
      'first',
      ...lengths.map((length) => pattern(length).toString('latin1')),
    ]);
  });

  test('text travels as UTF-8', async () => {
    const { out, into } = await streamOf(await docks.pair());
    out.send('grüß');
    expect(await read(into, 2)).toEqual(['first', 'grüß']);
  });

  test('a stream of bytes has none, and arrives whole', async () => {
    const { out, into } = await streamOf(await docks.pair(), { kind: 'bytes' });
    expect([out.kind, into.kind]).toEqual(['bytes', 'bytes']);
    const bytes = pattern(MB);
    for (let at = 0; at < MB; at += 100_000) out.send(bytes.subarray(at, at + 100_000));
    out.end('last');
    const all = await readAll(into);
    expect(all.equals(Buffer.concat([Buffer.from('first'), bytes, Buffer.from('last')]))).toBe(true);
  });

  test('the callback hears when the peer has it, and not before', async () => {
    const pair = await relayed();
    const { out } = await streamOf(pair);
    const { via } = pair;
    via.passes = (_, way) => way === 'up';
    const heard: (HawserError | null)[] = [];
    const written = new Promise<void>((resolve) => {
      const room = out.write('one', (error) => {
        heard.push(error);
        resolve();
      });
      expect(room).toBe(true);
    });
    const before = via.lost.down;
    // The peer has acknowledged it by now, and nobody here has heard of that.
    await expect.poll(() => via.lost.down).toBeGreaterThan(before);
    expect(heard).toEqual([]);
    via.passes = () => true;
    await written;
    expect(heard).toEqual([null]);
  });

  test('a promise resolves then, too; a callback may come with options', async () => {
    const { out } = await streamOf(await docks.pair());
    expect(await out.write(new Uint8Array(100_000))).toBeUndefined();
    expect(await new Promise((resolve) => out.write('x', { ordered: false }, resolve))).toBeNull();
  });

  test('a signal leaves a write alone before, and the promise of it while it is on its way', async () => {
    const pair = await relayed();
    const { out, into } = await streamOf(pair);
    await expect(out.write('never', { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: 'why',
    });
    pair.via.passes = () => false;
    const during = new AbortController();
    const write = out.write('taken back by nobody', { signal: during.signal });
    during.abort();
    expect(await codeOf(write)).toBe('ERR_ABORTED');
    pair.via.passes = () => true;
    const after = new AbortController();
    await out.write('x', { signal: after.signal });
    after.abort();
    expect(await read(into, 3)).toEqual(['first', 'taken back by nobody', 'x']);
  });

  test('a packet longer than the peer takes is refused, and the stream goes on', async () => {
    const { out, into } = await streamOf(await docks.pair({ limits: { packetBytes: 1000 } }));
    expect(await codeOf(out.write(new Uint8Array(1001)))).toBe('ERR_MESSAGE_TOO_LARGE');
    expect(() => out.send(new Uint8Array(1001))).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE_TOO_LARGE' }));
    await out.write(new Uint8Array(1000));
    expect((await read(into, 2)).map((packet) => packet.length)).toEqual([5, 1000]);
  });

  test('after end nothing is taken, and nothing is lost in silence', async () => {
    const { out, into } = await streamOf(await docks.pair());
    out.end();
    expect(out.writable).toBe(false);
    out.end();
    const closed = expect.objectContaining({ code: 'ERR_CLOSED' });
    expect(() => out.end('once more')).toThrow(closed);
    expect(await codeOf(out.write('late'))).toBe('ERR_CLOSED');
    expect(await new Promise((resolve) => out.write('late', resolve))).toMatchObject({ code: 'ERR_CLOSED' });
    expect(() => out.send('late')).toThrow(closed);
    expect((await readAll(into)).toString()).toBe('first');
  });

  test('words that mean nothing on a stream of bytes, or at all, are refused', async () => {
    const pair = await docks.pair();
    const bytes = await pair.near.openStream({ kind: 'bytes' });
    expect(await codeOf(bytes.write('x', { ordered: false }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(bytes.write('x', { maxAge: 5 }))).toBe('ERR_ARGUMENT');
    const { out } = await streamOf(pair);
    for (const maxAge of [-1, Number.NaN]) expect(await codeOf(out.write('x', { maxAge }))).toBe('ERR_ARGUMENT');
  });

  test('a callback that throws is reported, and the next one is called', async () => {
    const { out } = await streamOf(await docks.pair());
    await new Promise<void>((resolve) => {
      out.write('one', () => {
        throw new Error('oops');
      });
      out.write('two', () => resolve());
    });
    expect(docks.reported).toEqual(['the callback of a write: oops']);
  });

  test('many writers at once: every write is told once', async () => {
    const pair = await docks.pair();
    const { out, into } = await streamOf(pair);
    into.resume();
    const told = await Promise.all(Array.from({ length: 500 }, (_, index) => codeOf(out.write(String(index)))));
    expect(new Set(told)).toEqual(new Set(['nothing']));
  });
});

describe('packets that may be late or lost', () => {
  test('maxAge: what did not arrive in time is given up, on both sides, and the rest goes on', async () => {
    const pair = await relayed();
    const { out, into } = await streamOf(pair);
    const skipped = once(into, 'skipped');
    const heard = read(into, 2);
    pair.via.passes = () => false;
    const late = codeOf(out.write('too late', { maxAge: 30 }));
    expect(await late).toBe('ERR_TIMEOUT');
    pair.via.passes = () => true;
    await out.write('in time', { maxAge: 60_000 });
    expect(await heard).toEqual(['first', 'in time']);
    expect(await skipped).toEqual([1]);
  });

  test('ordered: false lets a packet overtake one that was lost; otherwise it waits', async () => {
    for (const ordered of [false, true]) {
      const pair = await relayed(SHORT, SHORT);
      const { out, into } = await streamOf(pair);
      const heard = read(into, 3);
      let lost = 0;
      // Of two datagrams the first is lost, with most of one packet.
      pair.via.passes = (bytes) => bytes.length < 1100 || ++lost > 1;
      const one = out.write(Buffer.alloc(1300, '1'), { ordered });
      const two = out.write('2', { ordered });
      await Promise.all([one, two]);
      expect((await heard).map((text) => text[0])).toEqual(ordered ? ['f', '1', '2'] : ['f', '2', '1']);
      expect(lost).toBeGreaterThan(1);
      await relay?.[Symbol.asyncDispose]();
    }
  });
});

describe('priorities', () => {
  test('what is more urgent goes first, though it was written last', async () => {
    const pair = await docks.pair({ limits: { streamWindow: 4 * MB, sessionWindow: 16 * MB } });
    const order: string[] = [];
    pair.server.on('stream', (stream) => {
      stream.on('data', (bytes) => order.push(bytes.toString('latin1', 0, 4)));
    });
    const writes: Promise<void>[] = [];
    for (const [name, priority] of [
      ['slow', 7],
      ['rest', undefined],
      ['fast', 0],
    ] as const) {
      const stream = await pair.near.openStream(priority === undefined ? {} : { priority });
      const packet = Buffer.alloc(MB, name);
      // In one turn, as soon as all are open.
      writes.push(Promise.resolve().then(() => stream.write(packet)));
    }
    await Promise.all(writes);
    await expect.poll(() => order).toHaveLength(3);
    expect(order).toEqual(['fast', 'rest', 'slow']);
  });

  test('what waits can be made more urgent', async () => {
    const pair = await docks.pair({ limits: { streamWindow: 4 * MB, sessionWindow: 16 * MB } });
    const order: string[] = [];
    pair.server.on('stream', (stream) => {
      stream.on('data', (bytes) => order.push(bytes.toString('latin1', 0, 4)));
    });
    const streams = [await pair.near.openStream(), await pair.near.openStream()];
    const writes = streams.map((stream, at) => stream.write(Buffer.alloc(MB, at === 0 ? 'slow' : 'fast')));
    streams[1]?.prioritize(0);
    await Promise.all(writes);
    await expect.poll(() => order).toHaveLength(2);
    expect(order).toEqual(['fast', 'slow']);
  });

  test.each([-1, 8, 1.5, Number.NaN])('%s is none', async (priority) => {
    const { near } = await docks.pair();
    expect(await codeOf(near.openStream({ priority }))).toBe('ERR_ARGUMENT');
    const stream = await near.openStream();
    expect(() => stream.prioritize(priority)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('ending', () => {
  test('half-close: one direction ends, the other goes on', async () => {
    const { out, into } = await streamOf(await docks.pair());
    const ended = once(into, 'end');
    into.resume();
    out.end();
    await ended;
    expect([into.readable, into.writable, out.writable, out.readable]).toEqual([false, true, false, true]);
    into.send('still here');
    expect(await read(out, 1)).toEqual(['still here']);
    const closed = Promise.all([once(into, 'close'), once(out, 'close')]);
    into.end('bye');
    out.resume();
    expect(await closed).toEqual([[undefined], [undefined]]);
    expect(await Promise.all([into.closed, out.closed])).toEqual([undefined, undefined]);
    expect([out.readable, out.writable, into.readable, into.writable]).toEqual([false, false, false, false]);
  });

  test('reset: the peer hears the code, what is not acknowledged is dropped', async () => {
    const pair = await relayed();
    const { out, into } = await streamOf(pair);
    const heard = once(into, 'reset');
    pair.via.passes = () => false;
    const write = out.write('lost');
    out.reset(77);
    await expect(write).rejects.toMatchObject({ code: 'ERR_CHANNEL_RESET', data: { code: 77 } });
    pair.via.passes = () => true;
    expect(await heard).toEqual([77]);
    expect(await codeOf(out.write('late'))).toBe('ERR_CHANNEL_RESET');
    into.end();
    out.resume();
    expect(await into.closed).toMatchObject({ code: 'ERR_CHANNEL_RESET', data: { code: 77 } });
    expect(await out.closed).toMatchObject({ code: 'ERR_CHANNEL_RESET' });
  });

  test('stop: the peer hears the code, and writes no more', async () => {
    const { out, into } = await streamOf(await docks.pair({ limits: { streamWindow: 10_000 } }));
    const heard = once(out, 'stop');
    const write = codeOf(out.write(new Uint8Array(100_000)));
    into.stop(5);
    expect(await heard).toEqual([5]);
    expect(await write).toBe('ERR_CHANNEL_RESET');
    expect(out.writable).toBe(false);
    expect(await codeOf(out.write('more'))).toBe('ERR_CHANNEL_RESET');
    into.end();
    out.resume();
    expect([(await out.closed)?.code, await into.closed]).toEqual(['ERR_CHANNEL_RESET', undefined]);
  });

  test('close ends one direction and refuses the other', async () => {
    const { out, into } = await streamOf(await docks.pair());
    into.on('stop', () => into.end());
    const heard = read(into, 2);
    out.send('last');
    expect(out.close()).toBe(out);
    expect(await heard).toEqual(['first', 'last']);
    into.resume();
    expect(await out.closed).toBeUndefined();
  });

  test('await using closes a stream, and waits for the peer', async () => {
    const pair = await docks.pair();
    pair.server.on('stream', (stream) => stream.resume());
    let kept: UdpackStream;
    {
      await using stream = await pair.near.openStream();
      kept = stream;
      stream.send('x');
    }
    expect([...pair.near.streams]).toEqual([]);
    expect(await kept.closed).toBeUndefined();
  });

  test('codes that can not be are refused, and nothing has happened', async () => {
    const { out, into } = await streamOf(await docks.pair());
    for (const code of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => out.reset(code)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      expect(() => into.stop(code)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    }
    await out.write('goes on');
    expect(await read(into, 2)).toEqual(['first', 'goes on']);
  });

  test('streams that are over are forgotten on both sides', async () => {
    const pair = await docks.pair();
    pair.server.on('stream', (stream) => stream.on('end', () => stream.end()).resume());
    for (let round = 0; round < 20; round++) {
      const stream = await pair.near.openStream();
      stream.resume();
      stream.end('x');
      await stream.closed;
    }
    await expect.poll(() => [...pair.far.streams]).toEqual([]);
    expect([...pair.near.streams]).toEqual([]);
  });
});
