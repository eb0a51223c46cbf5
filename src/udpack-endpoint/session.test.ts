import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UdpRelay } from '../../test/support/udp-relay.ts';
import { codeOf, Docks, next, type Pair, portOf, read, readAll, streamOf } from '../../test/support/udpack.ts';
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

async function relayed(ofServer: UdpackOptions = {}, ofClient: UdpackOptions = {}): Promise<Pair & { via: UdpRelay }> {
  const server = await docks.server(ofServer);
  const via = await UdpRelay.open({ address: '127.0.0.1', port: portOf(server) });
  relay = via;
  return { ...(await docks.join(server, await docks.client(ofClient), via)), via };
}

describe('streams', () => {
  test('either side opens them; the other hears of them with their first data', async () => {
    const { near, far, client } = await docks.pair();
    const opened = await far.openStream({ priority: 0 });
    const arrived = Promise.all([once(near, 'stream'), once(client, 'stream')]);
    opened.send('from the server');
    const [[ofSession], [ofEndpoint]] = (await arrived) as [[UdpackStream], [UdpackStream]];
    expect(ofSession).toBe(ofEndpoint);
    expect([ofSession.id, ofSession.session]).toEqual([opened.id, near]);
    expect([...near.streams]).toEqual([ofSession]);
    expect(await read(ofSession, 1)).toEqual(['from the server']);
  });

  test('beyond the limit of the peer they wait, and what is written on them; a callback waits, too', async () => {
    const pair = await docks.pair({ limits: { streams: 2 } });
    const { near, server } = pair;
    const open: UdpackStream[] = [];
    server.on('stream', (stream) => {
      open.push(stream);
      stream.on('end', () => stream.end()).resume();
    });
    const [one, two] = [await near.openStream(), await near.openStream()];
    one.send('1');
    two.send('2');
    const told: string[] = [];
    const third = near.openStream().then((stream) => {
      told.push('third');
      return stream;
    });
    const fourth = new Promise<UdpackStream | undefined>((resolve) => {
      near.openStream((_, stream) => {
        told.push('fourth');
        resolve(stream);
      });
    });
    // The other kind has a limit of its own.
    (await near.openStream({ kind: 'bytes' })).send('bytes');
    await expect.poll(() => open).toHaveLength(3);
    await near.ping();
    expect(told).toEqual([]);
    one.resume().end();
    (await third).send('3');
    await expect.poll(() => open).toHaveLength(4);
    expect(told).toEqual(['third']);
    two.resume().end();
    (await fourth)?.send('4');
    await expect.poll(() => open).toHaveLength(5);
  });

  test('a signal ends the waiting for a stream, and takes no place for good', async () => {
    const pair = await docks.pair({ limits: { streams: 1 } });
    const { near, server } = pair;
    server.on('stream', (stream) => stream.on('end', () => stream.end()).resume());
    expect(await codeOf(near.openStream({ signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');
    const one = await near.openStream({ signal: new AbortController().signal });
    one.send('1');
    const during = new AbortController();
    const two = codeOf(near.openStream({ signal: during.signal }));
    during.abort();
    expect(await two).toBe('ERR_ABORTED');
    one.resume().end();
    // The one that nobody wanted is over on both sides, and a third gets its place.
    const three = await near.openStream();
    await three.write('3');
    expect([...near.streams].map(({ id }) => id)).toEqual([three.id]);
  });

  test('streams that nobody listens to are given up at once, on both sides', async () => {
    const { near } = await docks.pair();
    const stream = await near.openStream();
    const stopped = once(stream, 'stop');
    const reset = once(stream, 'reset');
    stream.send('is anybody there?');
    expect([await stopped, await reset]).toEqual([[1], [1]]);
    expect(await stream.closed).toMatchObject({ code: 'ERR_CHANNEL_RESET' });
  });
});

describe('pings', () => {
  test('resolve with the round trip; the other side hears ping, this one pong', async () => {
    const { near, far } = await docks.pair();
    const [ping, pong] = [once(far, 'ping'), once(near, 'pong')];
    const rtt = await near.ping();
    expect(rtt).toBeGreaterThan(0);
    expect(await pong).toEqual([rtt]);
    expect(await ping).toEqual([]);
  });

  test('a signal ends the waiting for one: before, while, never after', async () => {
    const { near, via } = await relayed();
    expect(await codeOf(near.ping({ signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');
    via.passes = () => false;
    const during = new AbortController();
    const ping = codeOf(near.ping({ signal: during.signal }));
    during.abort();
    expect(await ping).toBe('ERR_ABORTED');
    via.passes = () => true;
    const after = new AbortController();
    const rtt = await near.ping({ signal: after.signal });
    after.abort();
    expect(rtt).toBeGreaterThan(0);
  });
});

describe('unreliable datagrams', () => {
  test('arrive as they are, both ways', async () => {
    const { near, far } = await docks.pair();
    const [there, back] = [once(far, 'datagram'), once(near, 'datagram')];
    expect([near.sendDatagram('up'), far.sendDatagram(Uint8Array.of(1, 2, 3))]).toEqual([true, true]);
    expect([await there, await back]).toEqual([[Buffer.from('up')], [Buffer.of(1, 2, 3)]]);
  });

  test('one that is too long for the path is refused', async () => {
    const { near, far } = await docks.pair({ datagramSize: 1200 }, { datagramSize: 1200 });
    const most = [1100, 1170].map((length) => near.sendDatagram(new Uint8Array(length)));
    expect(most).toEqual([true, false]);
    const [bytes] = (await once(far, 'datagram')) as [Buffer];
    expect(bytes).toHaveLength(1100);
  });

  test('a peer that takes none gets none', async () => {
    const { near, far } = await docks.pair({ limits: { datagramBytes: 0 } });
    expect(near.sendDatagram('x')).toBe(false);
    // It has no room for one that is to be sent, either.
    const dropped = once(far, 'datagram-dropped');
    far.sendDatagram('x');
    expect(await dropped).toEqual([1]);
  });

  test('one that is too old when its turn comes is dropped and told; what waits has a limit', async () => {
    const { near, far } = await docks.pair({}, { limits: { datagramBytes: 2000 } });
    const dropped = once(near, 'datagram-dropped');
    expect(near.sendDatagram('old', { maxAge: 0 })).toBe(true);
    expect(await dropped).toEqual([1]);
    const pushed = once(near, 'datagram-dropped');
    const heard: number[] = [];
    far.on('datagram', (bytes) => heard.push(bytes[0] ?? -1));
    // In one turn, so that none has left before the last has come.
    for (let count = 0; count < 5; count++) near.sendDatagram(new Uint8Array(900).fill(count), { maxAge: 60_000 });
    expect(await pushed).toEqual([3]);
    await expect.poll(() => heard).toEqual([3, 4]);
  });

  test('lost ones are lost: nothing else is held up', async () => {
    const { near, far, via } = await relayed({ datagramSize: 1200 }, { datagramSize: 1200 });
    const heard: string[] = [];
    far.on('datagram', (bytes) => heard.push(bytes.toString()));
    // Its length tells it from whatever else is on the way.
    let lost = 0;
    via.passes = ({ length }, way) => way === 'down' || length < 1000 || length > 1100 || ++lost === 0;
    near.sendDatagram('lost'.padEnd(1000));
    await expect.poll(() => lost).toBeGreaterThan(0);
    via.passes = () => true;
    near.sendDatagram('arrives');
    await expect.poll(() => heard).toEqual(['arrives']);
  });
});

describe('goaway', () => {
  test('is told to session and endpoint with code and reason; what is open goes on', async () => {
    const pair = await docks.pair();
    const { near, far, client } = pair;
    const { out, into } = await streamOf(pair);
    const told = Promise.all([once(near, 'goaway'), once(client, 'goaway')]);
    far.goaway(12, 'going down');
    expect(await told).toEqual([
      [12, 'going down'],
      [near, 12, 'going down'],
    ]);
    await out.write('still');
    expect(await read(into, 2)).toEqual(['first', 'still']);
    expect([near.ended, far.ended]).toEqual([undefined, undefined]);
  });
});

describe('closing', () => {
  test('politely: what was written arrives, then both sides hear the code and the reason', async () => {
    const pair = await docks.pair();
    const { near, far } = pair;
    const { out, into } = await streamOf(pair, { kind: 'bytes' });
    const all = readAll(into).catch(() => Buffer.alloc(0));
    const bytes = Buffer.alloc(3_000_000, 'hawser');
    const write = out.write(bytes);
    out.end();
    const closed = once(far, 'close');
    expect(await near.close(42, 'that was it')).toEqual({
      by: 'self',
      code: 42,
      reason: 'that was it',
      error: undefined,
    });
    await write;
    expect(await closed).toEqual([{ by: 'peer', code: 42, reason: 'that was it', error: undefined }]);
    expect((await all).length).toBe(bytes.length + 5);
    expect([near.ended?.code, far.ended?.code]).toEqual([42, 42]);
    expect(await near.close(1)).toBe(near.ended);
  });

  test('politely, to a peer that takes nothing in: at the latest after closeWait', async () => {
    const { near, via } = await relayed({}, { times: { closeWait: 150 } });
    const stream = await near.openStream();
    via.passes = () => false;
    const write = codeOf(stream.write('nobody hears it'));
    expect(await near.close(3)).toMatchObject({ by: 'self', code: 3 });
    expect(await write).toBe('ERR_CLOSED');
  });

  test('abort waits for nothing', async () => {
    const pair = await docks.pair({ limits: { streamWindow: 1000 } });
    const { near, far } = pair;
    const { out } = await streamOf(pair);
    const write = codeOf(out.write(new Uint8Array(100_000)));
    expect(await near.abort(6, 'at once')).toMatchObject({ by: 'self', code: 6, reason: 'at once' });
    expect(await far.closed).toMatchObject({ by: 'peer', code: 6, reason: 'at once' });
    expect(await write).toBe('ERR_CLOSED');
  });

  test('abort hurries a polite close that waits', async () => {
    const { near, far, via } = await relayed();
    const stream = await near.openStream();
    via.passes = (_, way) => way === 'up';
    stream.send('acknowledged by nobody');
    const closed = near.close(1);
    void near.abort(2);
    expect(await closed).toMatchObject({ code: 2 });
    expect(await far.closed).toMatchObject({ code: 2 });
  });

  test('a long reason is cut between two characters', async () => {
    const { near, far } = await docks.pair();
    await near.close(0, 'ü'.repeat(1000));
    expect((await far.closed).reason).toBe('ü'.repeat(128));
  });

  test('after the end every call says so', async () => {
    const { near } = await docks.pair();
    const ended = near.close(5, 'over');
    await ended;
    for (const call of [near.openStream(), near.ping()]) expect(await codeOf(call)).toBe('ERR_CLOSED');
    expect(await new Promise((resolve) => near.openStream(resolve))).toMatchObject({
      code: 'ERR_CLOSED',
      message: 'this side has closed the session (5: over)',
    });
    expect(() => near.sendDatagram('x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    near.goaway();
    await near[Symbol.asyncDispose]();
    expect([...near.streams]).toEqual([]);
  });

  test('calls that wait when the session ends hear why', async () => {
    const { near, far } = await docks.pair({ limits: { streams: 1 } });
    (await near.openStream()).send('1');
    const calls = [codeOf(near.openStream())];
    void far.abort(1);
    expect(await Promise.all(calls)).toEqual(['ERR_CLOSED']);
  });

  test('await using closes it politely', async () => {
    const server = await docks.server();
    const client = await docks.client();
    const arrived = next(server, 'stream');
    {
      await using session = await client.connect({ port: portOf(server) });
      (await session.openStream()).send('last');
    }
    const [into] = await arrived;
    expect(await read(into, 1)).toEqual(['last']);
    await into.session.closed;
    expect(into.session.ended).toMatchObject({ by: 'peer', code: 0, error: undefined });
  });

  test('a listener that throws at the end harms nobody', async () => {
    const { near, far } = await docks.pair();
    far.on('close', () => {
      throw new Error('oops');
    });
    await near.close();
    expect(await far.closed).toMatchObject({ code: 0 });
    expect(docks.reported).toEqual(["a listener of 'close': oops"]);
  });
});

describe('an address that changes', () => {
  test('in the midst of a transfer nothing is lost, and the server tells the new address', async () => {
    const { near, far, via, ...pair } = await relayed();
    const { out, into } = await streamOf({ near, far, ...pair }, { kind: 'bytes' });
    const before = far.remote;
    const moved = once(far, 'moved');
    const bytes = Buffer.alloc(2_000_000, 'moving house');
    out.end(bytes);
    const parts: Buffer[] = [];
    for await (const part of into) {
      if (parts.push(part) === 20) await via.rebind();
    }
    expect(Buffer.concat(parts).subarray(5).equals(bytes)).toBe(true);
    const [address] = await moved;
    expect(address).toEqual(far.remote);
    expect(far.remote.port).not.toBe(before.port);
    expect([far.stats().migrations, near.ended]).toEqual([1, undefined]);
  });

  test('rebind: from then on other connection ids are on the way', async () => {
    const { near, via } = await relayed();
    const ids: string[] = [];
    via.passes = (bytes, way) => {
      if (way === 'up') ids.push(Buffer.from(bytes).toString('hex', 1, 9));
      return true;
    };
    await near.ping();
    const [before = ''] = ids;
    expect(near.rebind()).toBe(true);
    await near.ping();
    // What had left before is on its way under the old one.
    const others = ids.slice(ids.lastIndexOf(before) + 1);
    expect(others.length).toBeGreaterThan(0);
    await near.ping();
    expect(ids.slice(ids.indexOf(others[0] ?? ''))).not.toContain(before);
    expect(near.stats().migrations).toBe(1);
    await near.close();
    expect(near.rebind()).toBe(false);
  });

  test('of a quiet session: it goes on with the first word', async () => {
    const { near, far, via } = await relayed();
    await near.ping();
    const moved = once(far, 'moved');
    await via.rebind();
    await near.ping();
    expect((await moved)[0]).toMatchObject({ port: (await via.ports())[0] });
    await far.ping();
  });
});

test('stats tell the state, the round trip and what was carried', async () => {
  const pair = await relayed();
  const { near, far } = pair;
  const { out, into } = await streamOf(pair);
  into.resume();
  await out.write(new Uint8Array(200_000));
  const stats = near.stats();
  expect(stats).toMatchObject({ state: 'open', congestion: 'bbr', address: near.remote, migrations: 0 });
  expect(stats.rtt).toBeGreaterThan(0);
  expect(stats.rttLeast).toBeLessThanOrEqual(stats.rtt);
  expect(stats.bytesSent).toBeGreaterThan(200_000);
  expect(far.stats().bytesReceived).toBeGreaterThan(200_000);
  expect(stats.datagramsSent).toBeGreaterThanOrEqual(far.stats().datagramsReceived);
  const ended = near.close();
  await ended;
  expect(['closing', 'ended']).toContain(near.stats().state);
});

test.each(['bbr', 'cubic', 'newreno'] as const)(
  'congestion %s carries a transfer over a lossy way',
  async (congestion) => {
    const pair = await relayed({ congestion, datagramSize: 1200 }, { congestion, datagramSize: 1200 });
    let datagrams = 0;
    pair.via.passes = (_, way) => way === 'down' || ++datagrams % 50 !== 0;
    pair.via.weather = { loss: 0.01, copies: 0.02, flips: 0.01, late: 0.05 };
    const { out, into } = await streamOf(pair, { kind: 'bytes' });
    const bytes = Buffer.alloc(500_000, 'through wind and weather');
    out.end(bytes);
    expect((await readAll(into)).subarray(5).equals(bytes)).toBe(true);
    expect(pair.near.stats().congestion).toBe(congestion);
    expect(pair.near.stats().datagramsLost).toBeGreaterThan(0);
  },
);
