import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chance, eventsOf, framesSent, machine, parametersOf } from '../../../test/support/udpack-streams.ts';
import { varintLength, writeVarint } from '../../core/index.ts';
import { STREAM } from '../frames.ts';
import { UDPACK_LIMITS, type UdpackLimits } from '../options.ts';
import { GAPS_MOST } from './receive-stream.ts';
import { Streams } from './streams.ts';

/** A stream of packets as it lies in offsets, and where each packet begins. */
function laidOut(sizes: readonly number[]): { bytes: Uint8Array; starts: number[] } {
  const starts: number[] = [];
  const parts: number[] = [];
  sizes.forEach((size, number) => {
    starts.push(parts.length);
    const head = new Uint8Array(varintLength(size + 1));
    writeVarint(head, 0, size + 1);
    parts.push(...head, ...Array.from({ length: size }, (_, at) => (number * 17 + at) & 255));
  });
  return { bytes: Uint8Array.from(parts), starts };
}

function packetsOf(streams: Streams): Uint8Array[] {
  return eventsOf(streams).flatMap((event) => (event.type === 'packet' ? [event.bytes.slice()] : []));
}

function server(limits: Partial<UdpackLimits> = {}): Streams {
  return machine('server', limits);
}

/** Ids of the client's first streams of either kind. */
const PACKETS = 0;
const BYTES = 2;

test('however a stream is cut, repeated and mixed up, its packets are the same', () => {
  const plans = fc.record({
    sizes: fc.array(fc.oneof(fc.nat(5), fc.integer({ min: 60, max: 70 }), fc.nat(9000)), {
      minLength: 1,
      maxLength: 12,
    }),
    seed: fc.nat(),
    pieces: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(plans, ({ sizes, seed, pieces }) => {
      const { bytes } = laidOut(sizes);
      const random = chance(seed);
      const streams = server();
      // Random pieces, then pieces that cover all, in random order.
      const cuts = Array.from({ length: pieces }, () => {
        const from = Math.floor(random() * bytes.length);
        return [from, from + Math.floor(random() * 2000)] as const;
      });
      for (let at = 0; at < bytes.length; at += 700) cuts.push([at, at + 700]);
      cuts.sort(() => random() - 0.5);
      for (const [from, to] of cuts) {
        const data = bytes.slice(from, to);
        const fin = from + data.length === bytes.length ? STREAM.fin : 0;
        expect(streams.onStream(PACKETS, fin, from, data)).toBeUndefined();
      }
      const events = eventsOf(streams);
      const heard = events.flatMap((event) => (event.type === 'packet' ? [event.bytes] : []));
      expect(heard.map((packet) => packet.length)).toEqual(sizes);
      expect(Buffer.concat(heard).equals(Buffer.concat(sizes.map((size, number) => packetOf(size, number))))).toBe(
        true,
      );
      expect(events.at(-1)?.type).toBe('end');
      expect(streams.memory()).toMatchObject({ waiting: 0, assembly: 0, unreleased: 0, gaps: 0 });
    }),
    { numRuns: 100 },
  );
});

function packetOf(size: number, number: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => (number * 17 + at) & 255);
}

test('however loose packets are cut, repeated and mixed up, each is handed on once', () => {
  const plans = fc.record({
    sizes: fc.array(fc.oneof(fc.nat(5), fc.integer({ min: 60, max: 70 }), fc.nat(9000)), {
      minLength: 1,
      maxLength: 12,
    }),
    seed: fc.nat(),
    loose: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(plans, ({ sizes, seed, loose }) => {
      const { bytes, starts } = laidOut(sizes);
      const random = chance(seed);
      const streams = server();
      const cuts: [from: number, to: number, flags: number][] = Array.from({ length: loose }, () => {
        const from = starts[Math.floor(random() * starts.length)] ?? 0;
        return [from, from + 1 + Math.floor(random() * 12_000), STREAM.loose];
      });
      for (let at = 0; at < bytes.length; at += 700) cuts.push([at, at + 700, 0]);
      cuts.sort(() => random() - 0.5);
      for (const [from, to, flags] of cuts) {
        expect(streams.onStream(PACKETS, flags, from, bytes.slice(from, to))).toBeUndefined();
      }
      const hexes = (packets: readonly Uint8Array[]): string[] =>
        packets.map((one) => Buffer.from(one).toString('hex')).toSorted();
      expect(hexes(packetsOf(streams))).toEqual(hexes(sizes.map((size, number) => packetOf(size, number))));
      expect(streams.memory()).toMatchObject({ waiting: 0, assembly: 0, unreleased: 0, gaps: 0 });
    }),
    { numRuns: 100 },
  );
});

test('a loose packet is handed on before those that are missing before it, once', () => {
  const { bytes, starts } = laidOut([100, 3000, 5, 7]);
  const [first = 0, second = 0, third = 0] = starts.slice(1);
  const streams = server();
  // The last two are whole in one frame, the second comes in two pieces, the latter first.
  expect(streams.onStream(PACKETS, STREAM.loose, second, bytes.slice(second))).toBeUndefined();
  expect(packetsOf(streams).map((packet) => packet.length)).toEqual([5, 7]);
  expect(streams.onStream(PACKETS, 0, first + 1000, bytes.slice(first + 1000, second))).toBeUndefined();
  expect(packetsOf(streams)).toEqual([]);
  expect(streams.onStream(PACKETS, STREAM.loose, first, bytes.slice(first, first + 1000))).toBeUndefined();
  expect(packetsOf(streams)).toEqual([packetOf(3000, 1)]);
  // Again, and without the flag.
  streams.onStream(PACKETS, STREAM.loose, third, bytes.slice(third));
  streams.onStream(PACKETS, 0, first, bytes.slice(first));
  expect(packetsOf(streams)).toEqual([]);
  expect(streams.onStream(PACKETS, 0, 0, bytes.slice(0, first))).toBeUndefined();
  expect(packetsOf(streams)).toEqual([packetOf(100, 0)]);
  expect(streams.memory()).toMatchObject({ waiting: 0, unreleased: 0, gaps: 0 });
});

test('bytes come in order, as they come', () => {
  const streams = server();
  streams.onStream(BYTES, 0, 3, Uint8Array.of(4, 5));
  expect(eventsOf(streams)).toEqual([{ type: 'stream', stream: BYTES }]);
  streams.onStream(BYTES, STREAM.fin, 5, Uint8Array.of());
  streams.onStream(BYTES, 0, 0, Uint8Array.of(1, 2, 3, 4));
  const events = eventsOf(streams);
  expect(events.flatMap((event) => (event.type === 'bytes' ? [...event.bytes] : []))).toEqual([1, 2, 3, 4, 5]);
  expect(events.at(-1)).toEqual({ type: 'end', stream: BYTES });
});

test('a given-up packet is passed over, before, while and after it comes', () => {
  const { bytes, starts } = laidOut([10, 20, 30, 40]);
  const [second = 0, third = 0, fourth = 0] = starts.slice(1);
  const streams = server();
  streams.onStream(PACKETS, 0, 0, bytes.slice(0, second + 5));
  expect(streams.onSkip(PACKETS, second, third)).toBeUndefined();
  expect(streams.onSkip(PACKETS, second, third)).toBeUndefined();
  expect(streams.onSkip(PACKETS, third, fourth)).toBeUndefined();
  streams.onStream(PACKETS, 0, second, bytes.slice(second, fourth));
  streams.onStream(PACKETS, STREAM.fin, fourth, bytes.slice(fourth));
  expect(streams.onSkip(PACKETS, 0, second)).toBeUndefined();
  const events = eventsOf(streams).map((event) => (event.type === 'packet' ? event.bytes.length : event.type));
  expect(events).toEqual(['stream', 10, 'skipped', 40, 'end']);
  expect(streams.memory()).toMatchObject({ waiting: 0, assembly: 0, unreleased: 0, gaps: 0 });
});

test('a packet that was cut off in the middle ends where its sender says', () => {
  const { bytes } = laidOut([1000]);
  const streams = server();
  streams.onStream(PACKETS, 0, 0, bytes.slice(0, 300));
  // What follows the cut waits for the SKIP, and is not taken for the rest of the packet.
  streams.onStream(PACKETS, STREAM.fin, 301, Uint8Array.of(3, 8, 9));
  expect(packetsOf(streams)).toEqual([]);
  expect(streams.onSkip(PACKETS, 0, 301)).toBeUndefined();
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['skipped', 'packet', 'end']);
});

test('gravestones count as skipped, loose ones too', () => {
  const streams = server();
  streams.onStream(PACKETS, 0, 0, Uint8Array.of(0, 0, 2, 7, 0));
  streams.onStream(PACKETS, STREAM.loose, 6, Uint8Array.of(0, 1));
  expect(eventsOf(streams).map((event) => (event.type === 'skipped' ? event.count : event.type))).toEqual([
    'stream',
    2,
    'packet',
    2,
    'packet',
  ]);
});

test('who lies about packets is at fault', () => {
  const { bytes, starts } = laidOut([10, 20, 30]);
  const [second = 0, third = 0] = starts.slice(1);
  const begun = (): Streams => {
    const streams = server({ packetBytes: 100 });
    streams.onStream(PACKETS, 0, 0, bytes.slice(0, second + 5));
    return streams;
  };
  expect(begun().onSkip(PACKETS, 5, third)).toBe('frame-malformed');
  expect(begun().onSkip(PACKETS, second + 2, third)).toBe('frame-malformed');
  expect(begun().onSkip(PACKETS, second, third + 1)).toBe('frame-malformed');
  expect(begun().onSkip(PACKETS, second, second)).toBe('frame-malformed');
  expect(begun().onSkip(BYTES, 0, 5)).toBe('stream-state');
  expect(begun().onStream(PACKETS, 0x02, second + 5, bytes)).toBe('frame-malformed');
  expect(begun().onStream(BYTES, STREAM.loose, 0, bytes)).toBe('frame-malformed');
  // A SKIP within the packet that is being read.
  expect(begun().onSkip(PACKETS, second + 8, second + 9)).toBeUndefined();
  const within = begun();
  within.onSkip(PACKETS, second + 8, second + 9);
  expect(within.onStream(PACKETS, 0, second + 5, bytes.slice(second + 5))).toBe('frame-malformed');
  // A loose packet within another one.
  const inside = begun();
  inside.onStream(PACKETS, STREAM.loose, second + 8, Uint8Array.of(2, 9));
  expect(inside.onStream(PACKETS, 0, second + 5, bytes.slice(second + 5))).toBe('frame-malformed');
  // Longer than what is taken in; by its length alone.
  expect(begun().onStream(PACKETS, 0, second + 5, Uint8Array.of(...bytes.slice(second + 5, third), 0x40, 102))).toBe(
    'packet-too-long',
  );
  expect(begun().onStream(PACKETS, STREAM.loose, 900, Uint8Array.of(0x40, 102))).toBe('packet-too-long');
  const huge = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  expect(begun().onStream(PACKETS, STREAM.loose, 900, huge)).toBe('packet-too-long');
  expect(server().onStream(PACKETS, 0, 0, huge)).toBe('packet-too-long');
});

test('a final size stands (RFC 9000 4.5)', () => {
  const ended = (): Streams => {
    const streams = server();
    streams.onStream(BYTES, STREAM.fin, 5, new Uint8Array(5));
    return streams;
  };
  expect(ended().onStream(BYTES, 0, 8, new Uint8Array(3))).toBe('final-size');
  expect(ended().onStream(BYTES, STREAM.fin, 5, new Uint8Array(4))).toBe('final-size');
  expect(ended().onReset(BYTES, 0, 11)).toBe('final-size');
  expect(ended().onReset(BYTES, 0, 9)).toBe('final-size');
  expect(ended().onReset(BYTES, 0, 10)).toBeUndefined();
  expect(ended().onStream(BYTES, STREAM.fin, 0, new Uint8Array(10))).toBeUndefined();
  const open = server();
  open.onStream(BYTES, 0, 5, new Uint8Array(5));
  expect(open.onStream(BYTES, STREAM.fin, 0, new Uint8Array(9))).toBe('final-size');
  expect(open.onSkip(PACKETS, 0, 3)).toBeUndefined();
  expect(open.onStream(PACKETS, STREAM.fin, 0, new Uint8Array(2))).toBe('final-size');
});

test('credit binds: of a stream, of the session, of streams', () => {
  const limits = { streamWindow: 100, streamWindowMost: 100, sessionWindow: 150, sessionWindowMost: 150, streams: 2 };
  expect(server(limits).onStream(BYTES, 0, 99, new Uint8Array(1))).toBeUndefined();
  expect(server(limits).onStream(BYTES, 0, 99, new Uint8Array(2))).toBe('credit-exceeded');
  expect(server(limits).onReset(BYTES, 0, 101)).toBe('credit-exceeded');
  expect(server(limits).onSkip(PACKETS, 0, 101)).toBe('credit-exceeded');
  const streams = server(limits);
  expect(streams.onStream(BYTES, 0, 20, new Uint8Array(80))).toBeUndefined();
  expect(streams.onStream(BYTES + 4, 0, 20, new Uint8Array(30))).toBeUndefined();
  expect(streams.onStream(BYTES + 4, 0, 50, new Uint8Array(1))).toBe('credit-exceeded');
  expect(server(limits).onStream(BYTES + 8, 0, 0, new Uint8Array(1))).toBe('streams-exceeded');
  expect(server(limits).onStop(PACKETS + 8, 0)).toBe('streams-exceeded');
});

test('the use of a stream opens those before it; ours must have been opened', () => {
  const streams = server();
  expect(streams.onStop(PACKETS + 8, 0)).toBeUndefined();
  expect(eventsOf(streams).filter((event) => event.type === 'stream')).toEqual(
    [0, 4, 8].map((stream) => ({ type: 'stream', stream })),
  );
  expect(streams.onStream(1, 0, 0, new Uint8Array(1))).toBe('stream-state');
  expect(streams.onStreamCredit(1, 9)).toBe('stream-state');
  expect(streams.onStop(1, 0)).toBe('stream-state');
  expect(streams.open('packets')).toBe(1);
  expect(streams.onStream(1, 0, 0, Uint8Array.of(1))).toBeUndefined();
  expect(streams.onStream(5, 0, 0, Uint8Array.of(1))).toBe('stream-state');
  expect(streams.onStreamsCredit(2, 5)).toBe('frame-malformed');
  expect(streams.onStreamsCredit(0, 2 ** 51)).toBe('frame-malformed');
});

test('a stream that waits for leave is none to the peer', () => {
  const streams = new Streams({ role: 'server', limits: UDPACK_LIMITS, onWork: () => {} });
  streams.start({ ...parametersOf(UDPACK_LIMITS), packetStreams: 0 });
  const id = streams.open('packets');
  expect(streams.onStream(id, 0, 0, Uint8Array.of(1))).toBe('stream-state');
});

test('late frames of a stream that is over are ignored', () => {
  const streams = server();
  streams.onStream(PACKETS, STREAM.fin, 0, Uint8Array.of(2, 7));
  streams.end(PACKETS);
  framesSent(streams, 0, true);
  expect(eventsOf(streams).at(-1)).toEqual({ type: 'closed', stream: PACKETS });
  expect(streams.count).toBe(0);
  expect(streams.onStream(PACKETS, 0, 500, Uint8Array.of(2, 7))).toBeUndefined();
  expect(streams.onReset(PACKETS, 4, 12)).toBeUndefined();
  expect(streams.onSkip(PACKETS, 4, 12)).toBeUndefined();
  expect(streams.onStop(PACKETS, 4)).toBeUndefined();
  expect(streams.onStreamCredit(PACKETS, 4)).toBeUndefined();
  expect(eventsOf(streams)).toEqual([]);
});

test('more holes than are kept book of close the session', () => {
  const streams = server({ streamWindow: 1_000_000, sessionWindow: 2_000_000 });
  let fault: unknown;
  let holes = 0;
  while (fault === undefined && holes < 100_000) {
    const stream = BYTES + 4 * (holes % 2);
    fault = streams.onStream(stream, 0, 1 + Math.floor(holes / 2) * 2, Uint8Array.of(1));
    holes++;
  }
  expect(fault).toBe('gaps-exceeded');
  expect(holes).toBe(GAPS_MOST + 1);
});

test('a paused stream keeps what comes, its end too, and gives no credit', () => {
  const limits = { streamWindow: 4000, streamWindowMost: 4000 };
  const streams = server(limits);
  streams.onStream(PACKETS, 0, 0, laidOut([500]).bytes);
  streams.pause(PACKETS);
  expect(eventsOf(streams)).toEqual([{ type: 'stream', stream: PACKETS }]);
  const { bytes } = laidOut([500, 1400, 1400]);
  streams.onStream(PACKETS, STREAM.fin, 502, bytes.slice(502));
  expect(eventsOf(streams)).toEqual([]);
  expect(framesSent(streams)).toEqual([]);
  expect(streams.memory().unreleased).toBe(bytes.length);
  expect(streams.resume(PACKETS)).toBeUndefined();
  expect(eventsOf(streams).map((event) => (event.type === 'packet' ? event.bytes.length : event.type))).toEqual([
    500,
    1400,
    1400,
    'end',
  ]);
  expect(streams.memory().unreleased).toBe(0);
});

test('what is found at fault when a stream goes on is told then', () => {
  const streams = server({ packetBytes: 10 });
  streams.onStream(PACKETS, 0, 0, Uint8Array.of(1));
  streams.pause(PACKETS);
  expect(streams.onStream(PACKETS, 0, 1, new Uint8Array(20).fill(40))).toBeUndefined();
  expect(streams.resume(PACKETS)).toBe('packet-too-long');
  expect(streams.onStream(BYTES, 0, 0, Uint8Array.of(1))).toBe('packet-too-long');
});

test('what comes late, behind a reset that nobody has heard of yet, is not read', () => {
  const { bytes } = laidOut([1900]);
  const streams = server();
  expect(streams.onStream(PACKETS, 0, 0, bytes.slice(0, 1000))).toBeUndefined();
  expect(streams.onReset(PACKETS, 5, bytes.length)).toBeUndefined();
  // In the middle of a packet: read as its beginning, its first bytes would be a length that can't be.
  expect(streams.onStream(PACKETS, 0, 1000, new Uint8Array(902).fill(0xff))).toBeUndefined();
  expect(eventsOf(streams).filter(({ type }) => type !== 'stream')).toEqual([
    { type: 'reset', stream: PACKETS, code: 5 },
  ]);
  expect(streams.memory()).toMatchObject({ assembly: 0, waiting: 0 });
});

test('a reset throws away what waits, and its credit goes back', () => {
  const streams = server();
  streams.onStream(PACKETS, 0, 0, laidOut([5, 3000]).bytes.slice(0, 2000));
  streams.pause(PACKETS);
  eventsOf(streams);
  streams.onStream(PACKETS, 0, 5000, new Uint8Array(1000));
  expect(streams.onReset(PACKETS, 77, 9000)).toBeUndefined();
  expect(eventsOf(streams)).toEqual([{ type: 'reset', stream: PACKETS, code: 77 }]);
  expect(streams.memory()).toMatchObject({ waiting: 0, assembly: 0, unreleased: 0, gaps: 0 });
  expect(streams.onReset(PACKETS, 78, 9000)).toBeUndefined();
  expect(eventsOf(streams)).toEqual([]);
});

test('a stopped stream tells nothing more, and its credit goes back', () => {
  const streams = server();
  streams.onStream(PACKETS, 0, 0, laidOut([5, 3000]).bytes.slice(0, 2000));
  streams.stop(PACKETS, 33);
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['stream']);
  expect(framesSent(streams)).toEqual([['onStop', PACKETS, 33]]);
  streams.onStream(PACKETS, 0, 7000, new Uint8Array(1000));
  expect(streams.memory()).toMatchObject({ waiting: 0, assembly: 0, unreleased: 0 });
  expect(streams.onReset(PACKETS, 33, 9000)).toBeUndefined();
  expect(streams.memory().unreleased).toBe(0);
  streams.end(PACKETS);
  framesSent(streams, 0, true);
  expect(eventsOf(streams)).toEqual([{ type: 'closed', stream: PACKETS }]);
});

test('events of a stream that is over before they are taken give their credit back', () => {
  const streams = server({ sessionWindow: 2000, sessionWindowMost: 2000 });
  streams.onStream(PACKETS, 0, 0, laidOut([900]).bytes);
  streams.stop(PACKETS, 1);
  streams.reset(PACKETS, 1);
  framesSent(streams, 0, true);
  streams.onReset(PACKETS, 1, 950);
  expect(streams.count).toBe(0);
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['stream', 'closed']);
  expect(streams.memory().unreleased).toBe(0);
  expect(framesSent(streams)).toEqual([['onCredit', 2950]]);
});
