import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { UdpRelay } from '../../test/support/udp-relay.ts';
import { codeOf, Docks, type Pair, portOf, read, readAll, streamOf } from '../../test/support/udpack.ts';
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

/** A pair with a stream whose writer is over its mark. */
interface Full {
  readonly pair: Pair;
  readonly out: UdpackStream;
  readonly into: UdpackStream;
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}

/** Waits for all that is on its way to be acknowledged, though more is written: the peer gives no more credit. */
async function stalled({ near }: Pair): Promise<void> {
  for (let calm = 0; calm < 5; ) {
    await near.ping();
    calm = near.stats().inFlight === 0 ? calm + 1 : 0;
  }
}

describe('back-pressure', () => {
  const limits = { streamWindow: 64 * 1024, streamWindowMost: 64 * 1024, sessionWindow: MB, sessionWindowMost: MB };

  test('a paused receiver gets no more than its window, and all of it when it goes on', async () => {
    const pair = await docks.pair({ limits, ...SHORT });
    const { out, into } = await streamOf(pair, { kind: 'bytes' });
    expect((await read(into, 1))[0]).toBe('first');
    const bytes = pattern(4 * MB);
    const written = out.write(bytes);
    await stalled(pair);
    // The window, and what each datagram has around it.
    expect(pair.far.stats().bytesReceived).toBeLessThan(80 * 1024);
    out.end();
    expect((await readAll(into)).equals(bytes)).toBe(true);
    await written;
  });

  test('nobody listens yet: it is as if it were paused', async () => {
    const pair = await docks.pair({ limits, ...SHORT });
    const { out, into } = await streamOf(pair, { kind: 'bytes' });
    void out.write(pattern(MB)).catch(() => {});
    await stalled(pair);
    expect(pair.far.stats().bytesReceived).toBeLessThan(80 * 1024);
    out.end();
    expect((await readAll(into)).length).toBe(MB + 5);
  });

  test('a loop reads at its own pace: what waits for it is bounded', async () => {
    const pair = await docks.pair({ limits, ...SHORT });
    const { out, into } = await streamOf(pair);
    const loop = into[Symbol.asyncIterator]();
    expect(String((await loop.next()).value)).toBe('first');
    for (let packet = 0; packet < 1000; packet++) out.send(Buffer.alloc(1000, packet % 256));
    out.end();
    await stalled(pair);
    expect(pair.far.stats().bytesReceived).toBeLessThan(100 * 1024);
    let heard = 0;
    for (let turn = await loop.next(); turn.done !== true; turn = await loop.next()) {
      expect(turn.value[0]).toBe(heard++ % 256);
    }
    expect(heard).toBe(1000);
  });

  test('write says false over the backlog, and drain follows once', async () => {
    const pair = await docks.pair({ limits, ...SHORT }, { limits: { backlogBytes: 100_000 } });
    const { out, into } = await streamOf(pair);
    const drains: string[] = [];
    out.on('drain', () => drains.push('stream'));
    pair.near.on('drain', () => drains.push('session'));
    const said: boolean[] = [];
    for (let packet = 0; packet < 4; packet++) said.push(out.send(new Uint8Array(40_000)));
    expect(said).toEqual([true, true, false, false]);
    await stalled(pair);
    expect(drains).toEqual([]);
    into.resume();
    await out.write('x');
    expect(drains).toEqual(['stream', 'session']);
    expect(out.send('room again')).toBe(true);
  });

  test.each([
    ['the peer wants no more', ({ into }: Full) => into.stop(7), 'ERR_CHANNEL_RESET'],
    ['this side gives it up', ({ out }: Full) => out.reset(7), 'ERR_CHANNEL_RESET'],
    ['the session ends', ({ pair }: Full) => void pair.near.abort(), 'ERR_CLOSED'],
  ])('who waits for drain when %s is woken, and told by the next call', async (_, end, code) => {
    const pair = await docks.pair({ limits, ...SHORT }, { limits: { backlogBytes: 100_000 } });
    const { out, into } = await streamOf(pair);
    while (out.send(new Uint8Array(40_000)));
    const drained = once(out, 'drain');
    end({ pair, out, into });
    await drained;
    expect(() => out.send('more')).toThrow(expect.objectContaining({ code }));
  });

  test('a paused stream holds up no other', async () => {
    const pair = await docks.pair({ limits, ...SHORT });
    const { out } = await streamOf(pair);
    void out.write(pattern(MB)).catch(() => {});
    const other = await streamOf(pair);
    await other.out.write('quick');
    expect(await read(other.into, 2)).toEqual(['first', 'quick']);
  });

  test('pause in the midst of packets: not one more is told until resume', async () => {
    const { out, into } = await streamOf(await docks.pair());
    for (let packet = 0; packet < 10; packet++) out.send(String(packet));
    await out.write('last');
    expect(await read(into, 4)).toEqual(['first', '0', '1', '2']);
    let heard = 0;
    into.on('data', () => heard++);
    await out.write('behind');
    expect(heard).toBe(0);
    into.resume();
    await expect.poll(() => heard).toBe(9);
  });

  test('a stream that the application has paused does not start by a listener', async () => {
    const { out, into } = await streamOf(await docks.pair());
    const heard: string[] = [];
    into.pause().on('data', (bytes) => heard.push(bytes.toString()));
    await out.write('second');
    await into.session.ping();
    expect(heard).toEqual([]);
    into.resume();
    await expect.poll(() => heard).toEqual(['first', 'second']);
  });
});

describe('loops', () => {
  test('several readers of one loop get the packets in turn, and all of them the end', async () => {
    const { out, into } = await streamOf(await docks.pair());
    const loop = into[Symbol.asyncIterator]();
    const turns = [loop.next(), loop.next(), loop.next(), loop.next()];
    out.end('second');
    expect((await Promise.all(turns)).map(({ value, done }) => (done === true ? 'done' : String(value)))).toEqual([
      'first',
      'second',
      'done',
      'done',
    ]);
  });

  test('a stream that the peer gives up throws in the loop, once, after what came before', async () => {
    const { out, into } = await streamOf(await docks.pair());
    const loop = into[Symbol.asyncIterator]();
    expect(String((await loop.next()).value)).toBe('first');
    const turns = [codeOf(loop.next()), loop.next()];
    out.reset(9);
    expect(await turns[0]).toBe('ERR_CHANNEL_RESET');
    expect(await turns[1]).toEqual({ done: true, value: undefined });
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  test('who leaves the loop asks the peer to stop', async () => {
    const { out, into } = await streamOf(await docks.pair());
    const stopped = once(out, 'stop');
    for await (const packet of into) {
      expect(packet.toString()).toBe('first');
      break;
    }
    expect(await stopped).toEqual([0]);
  });

  test('there is one loop at most', async () => {
    const { into } = await streamOf(await docks.pair());
    into[Symbol.asyncIterator]();
    expect(() => into[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('a session that ends', () => {
  /** The client has written, and closed; the server has not read. */
  async function leftBehind(packets = 3): Promise<UdpackStream> {
    const pair = await docks.pair();
    const { out, into } = await streamOf(pair);
    for (let packet = 0; packet < packets; packet++) out.send(`packet ${packet}`);
    out.end();
    await pair.near.close(4, 'done');
    await pair.far.closed;
    return into;
  }

  const ALL = ['first', 'packet 0', 'packet 1', 'packet 2'];

  test('what was written before close is read though the reader was paused', async () => {
    const into = await leftBehind();
    const heard: string[] = [];
    into.on('end', () => heard.push('end'));
    into.on('close', () => heard.push('close'));
    into.on('data', (bytes) => heard.push(bytes.toString()));
    await into.closed;
    expect(heard).toEqual([...ALL, 'end', 'close']);
  });

  test('by a loop, too, and the end after it', async () => {
    const into = await leftBehind();
    const heard: string[] = [];
    for await (const packet of into) heard.push(packet.toString());
    expect(heard).toEqual(ALL);
    // This side had not ended its own direction.
    expect(await into.closed).toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('packet by packet, when the reader pauses in between', async () => {
    const into = await leftBehind();
    const closed = vi.fn();
    into.on('close', closed);
    expect(await read(into, 2)).toEqual(ALL.slice(0, 2));
    expect(closed).not.toHaveBeenCalled();
    expect(await read(into, 2)).toEqual(ALL.slice(2));
    into.resume();
    expect(closed).toHaveBeenCalledTimes(1);
  });

  test('who wants none of it closes the stream', async () => {
    const into = await leftBehind();
    await into[Symbol.asyncDispose]();
    const heard = vi.fn();
    into.on('data', heard).resume();
    expect(heard).not.toHaveBeenCalled();
  });

  test('a slow loop gets all of a long transfer though the writer has closed long ago', async () => {
    const limits = { streamWindow: 4 * MB, sessionWindow: 16 * MB };
    const pair = await docks.pair({ limits });
    const { out, into } = await streamOf(pair, { kind: 'bytes' });
    const bytes = pattern(2 * MB);
    out.end(bytes);
    await pair.near.close();
    expect((await readAll(into)).subarray(5).equals(bytes)).toBe(true);
  });

  test('writes that are on their way are told why they fail; what is written later, too', async () => {
    const pair = await relayed();
    const { out, into } = await streamOf(pair);
    into.resume();
    pair.via.passes = () => false;
    const write = codeOf(out.write('lost'));
    const closed = once(out, 'close');
    void pair.near.abort(3, 'enough');
    expect(await write).toBe('ERR_CLOSED');
    expect((await closed)[0]).toMatchObject({ code: 'ERR_CLOSED', message: expect.stringContaining('3: enough') });
    expect(await codeOf(out.write('later'))).toBe('ERR_CLOSED');
    out.reset();
    out.stop();
    out.end();
    out.pause().resume();
    expect([out.readable, out.writable]).toEqual([false, false]);
  });

  test('a loop that waits when the session fails throws why', async () => {
    const pair = await docks.pair();
    const { into } = await streamOf(pair);
    const loop = into[Symbol.asyncIterator]();
    await loop.next();
    const turn = codeOf(loop.next());
    void pair.near.abort(3);
    expect(await turn).toBe('ERR_CLOSED');
  });
});
