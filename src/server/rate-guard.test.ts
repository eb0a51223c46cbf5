import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import type { Dialect, RawPeer } from '../../test/support/raw-peer.ts';
import { TimerWheel } from '../runtime/index.ts';
import { type VirtualWorld, virtualWorld } from '../testing/index.ts';
import { type ChannelCodec, hawserCodec } from '../wire/index.ts';
import { RateGuard } from './rate-guard.ts';

/** A peer before a guard: it sends whenever it is read. */
class Flood {
  readonly world: VirtualWorld = virtualWorld(1);
  readonly guard: RateGuard;
  paused = false;
  pauses = 0;
  sentAwayAt: number | undefined;

  constructor(messageRate: number, messageBurst: number, rateWait = 10_000) {
    const wheel = new TimerWheel(this.world);
    const gate = {
      pause: () => {
        this.paused = true;
        this.pauses += 1;
      },
      resume: () => {
        this.paused = false;
      },
      overRate: () => {
        this.sentAwayAt ??= this.world.now();
      },
    };
    this.guard = new RateGuard({ messageRate, messageBurst, rateWait, wheel }, gate, this.world.now());
  }

  send(count: number): void {
    for (let i = 0; i < count; i++) this.guard.count(this.world.now());
  }
}

describe('a guard', () => {
  test('lets a burst pass and slows what comes beyond it', () => {
    const flood = new Flood(1000, 2000);
    flood.send(2000);
    expect(flood.paused).toBe(false);
    flood.send(500);
    expect([flood.paused, flood.pauses]).toEqual([true, 1]);
    flood.world.advance(550);
    expect(flood.paused).toBe(true);
    flood.world.advance(200);
    expect(flood.paused).toBe(false);
  });

  test('never slows who keeps to the rate', () => {
    const flood = new Flood(1000, 2000);
    for (let ms = 0; ms < 60_000; ms += 10) {
      flood.send(10);
      flood.world.advance(10);
    }
    expect(flood.pauses).toBe(0);
  });

  test('sends away who is still over after the time, and nobody who calmed down', () => {
    const flood = new Flood(1000, 2000);
    for (let ms = 0; ms < 9000; ms += 10) {
      if (!flood.paused) flood.send(500);
      flood.world.advance(10);
    }
    expect(flood.sentAwayAt).toBeUndefined();
    flood.world.advance(5000);
    for (let ms = 0; ms < 9000; ms += 10) {
      if (!flood.paused) flood.send(500);
      flood.world.advance(10);
    }
    expect(flood.sentAwayAt).toBeUndefined();
    for (let ms = 0; ms < 3000 && flood.sentAwayAt === undefined; ms += 10) {
      if (!flood.paused) flood.send(500);
      flood.world.advance(10);
    }
    expect(flood.sentAwayAt).toBeGreaterThan(23_000);
  });

  test('is off when its numbers are infinite', () => {
    for (const [rate, burst] of [
      [Infinity, 10],
      [10, Infinity],
      [Infinity, Infinity],
    ] as const) {
      const flood = new Flood(rate, burst);
      flood.send(100_000);
      flood.world.advance(1);
      flood.send(1);
      expect(flood.pauses).toBe(0);
    }
  });

  test('reads no more than the burst and the rate allow, however it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(400)), { maxLength: 60 }), (steps) => {
        const flood = new Flood(1000, 500);
        let read = 0;
        for (const [count, ms] of steps) {
          for (let i = 0; i < count && !flood.paused; i++) {
            flood.send(1);
            read += 1;
          }
          flood.world.advance(ms);
        }
        // One message more shows that there are too many.
        expect(read).toBeLessThanOrEqual(501 + flood.world.now());
      }),
    );
  });
});

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const EVERY = (['tcp', 'ws', 'ipc', 'udpack'] as Scheme[]).flatMap((scheme) =>
  (['hawser', 'json'] as Dialect[]).map((dialect): [Scheme, Dialect] => [scheme, dialect]),
);
const LIMITS = { messageRate: 200, messageBurst: 100 };
const SAY = hawserCodec.event(0, 'count', 1).bytes;

async function guarded(scheme: Scheme, dialect: Dialect, rateWait: number): Promise<[House, RawPeer, () => number]> {
  const house = await House.open({ limits: LIMITS, times: { rateWait, closeWait: 200 } }, scheme);
  open.push(house);
  let count = 0;
  house.server.on('connection', (socket) =>
    socket.on('count', () => {
      count += 1;
    }),
  );
  const peer = await house.peer(scheme, dialect);
  await peer.enter();
  return [house, peer, () => count];
}

describe.each(EVERY)('over %s in %s', (scheme, dialect) => {
  const word = dialect === 'hawser' ? SAY : { event: 'count', data: 1 };

  test('a flood is slowed, arrives whole, and harms nobody else', async () => {
    const [house, peer, count] = await guarded(scheme, dialect, 60_000);
    const others = await house.bystanders();
    for (let i = 0; i < 400; i++) peer.say(word);
    await others.check();
    const question = dialect === 'hawser' ? hawserCodec.request(0, 1, 'echo', 'last').bytes : undefined;
    peer.say(question ?? { event: 'echo', id: 1, data: 'last' });
    await peer.expect((message) => message.data === 'last');
    expect(count()).toBe(400);
    await others.check();
  });

  test('whoever goes on is sent away, with a code that lets it come back', async () => {
    const [house, peer] = await guarded(scheme, dialect, 300);
    const others = await house.bystanders();
    const gone = peer.end();
    const over = gone.then(() => true);
    const soon = (): Promise<boolean> => new Promise((resolve) => setTimeout(resolve, 20, false));
    while (!(await Promise.race([over, soon()]))) for (let i = 0; i < 200; i++) peer.say(word);
    const { code } = await gone;
    if (dialect === 'hawser' || scheme === 'ws') expect(code).toBe(4003);
    expect(peer.errors).toContain('ERR_RATE_LIMITED');
    await others.check();
  });
});

test('long messages with bytes of a channel are not counted; short ones are', async () => {
  const [house, peer] = await guarded('tcp', 'hawser', 60_000);
  house.server.on('connection', () => {});
  const [socket] = house.server.of('/').sockets;
  let bytes = 0;
  socket?.on('channel', async (channel) => {
    for await (const chunk of channel.readable) bytes += chunk.length;
  });
  const codec = hawserCodec.channels as ChannelCodec;
  peer.say(codec.open(1, 'x', undefined).bytes);
  for (let i = 0; i < 1000; i++) {
    peer.say(codec.data(1, new Uint8Array(1100)).bytes);
    // Its credit is 256 KiB: an answer shows that more was granted.
    if (i % 80 === 79) {
      peer.say(hawserCodec.request(0, i + 1, 'echo', i).bytes);
      await peer.expect((message) => message.data === i);
    }
  }
  expect(bytes).toBeGreaterThan(1_000_000);
});

test('a peer of the same process is no stranger, and sends as much as it likes', async () => {
  const house = await House.open({ limits: { messageRate: 1, messageBurst: 1 } }, 'inproc');
  open.push(house);
  const client = await house.client('inproc');
  for (let i = 0; i < 200; i++) expect(await client.request('echo', i)).toBe(i);
});
