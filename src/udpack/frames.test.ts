import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { framesOf } from '../../test/support/udpack-streams.ts';
import type { Fault } from './faults.ts';
import {
  ACK_RANGES_MOST,
  AckRanges,
  asksForAck,
  FRAME,
  type FrameHandler,
  FrameReader,
  FrameWriter,
  STREAM,
} from './frames.ts';
import { Ranges } from './ranges.ts';

type Write = (writer: FrameWriter) => unknown;

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const TOKEN = new Uint8Array(16).fill(9);
const LARGE = 2 ** 53 - 1;

/** Each frame once, and how it is told. */
const FRAMES: readonly [name: string, write: Write, told: readonly unknown[]][] = [
  ['PING', (w) => w.numbers(FRAME.ping), ['onPing']],
  ['AUTH', (w) => w.counted(FRAME.auth, TOKEN), ['onAuth', 16]],
  ['ACCEPT', (w) => w.numbers(FRAME.accept), ['onAccept']],
  ['CLOSE', (w) => w.ending(FRAME.close, 3, ID), ['onClose', false, 3, 8]],
  ['CLOSE by the application', (w) => w.ending(FRAME.closeByApplication, LARGE, ID), ['onClose', true, LARGE, 8]],
  ['GOAWAY', (w) => w.ending(FRAME.goaway, 500, ID), ['onGoaway', 500, 8]],
  ['NEW_ID', (w) => w.newId(70, 65, ID, TOKEN), ['onNewId', 70, 65, 8, 16]],
  ['RETIRE_ID', (w) => w.numbers(FRAME.retireId, 70), ['onRetireId', 70]],
  ['CHALLENGE', (w) => w.fixed(FRAME.challenge, ID), ['onChallenge', 8]],
  ['ANSWER', (w) => w.fixed(FRAME.answer, ID), ['onAnswer', 8]],
  ['CREDIT', (w) => w.numbers(FRAME.credit, LARGE), ['onCredit', LARGE]],
  ['STREAM_CREDIT', (w) => w.numbers(FRAME.streamCredit, 5, 20_000), ['onStreamCredit', 5, 20_000]],
  ['STREAMS_CREDIT', (w) => w.numbers(FRAME.streamsCredit, 1, 100), ['onStreamsCredit', 1, 100]],
  ['ACK_RATE', (w) => w.numbers(FRAME.ackRate, 1, 20, 300), ['onAckRate', 1, 20, 300]],
  ['RESET', (w) => w.numbers(FRAME.reset, 5, 6, 70_000), ['onReset', 5, 6, 70_000]],
  ['STOP', (w) => w.numbers(FRAME.stop, 5, 6), ['onStop', 5, 6]],
  ['SKIP', (w) => w.numbers(FRAME.skip, 5, 6, 700), ['onSkip', 5, 6, 700]],
  ['DATAGRAM', (w) => w.counted(FRAME.datagram, TOKEN), ['onDatagram', 16]],
];

/** The frames' bytes. */
function bytesOf(...writes: readonly Write[]): Uint8Array {
  const bytes = new Uint8Array(2000);
  const writer = new FrameWriter(bytes, 0, bytes.length);
  for (const write of writes) write(writer);
  return bytes.slice(0, writer.at);
}

const silent = new Proxy({} as FrameHandler, { get: () => (): undefined => {} });

function read(bytes: Uint8Array, handler: FrameHandler = silent): Fault | undefined {
  return new FrameReader().read(bytes, handler);
}

describe.each(FRAMES)('%s', (_, write, told) => {
  const bytes = bytesOf(write);

  test('is told as it was written, alone and among others', () => {
    expect(framesOf(bytes)).toEqual([told]);
    const ping = (writer: FrameWriter): unknown => writer.numbers(FRAME.ping);
    expect(framesOf(bytesOf(ping, write, () => {}, ping))).toEqual([['onPing'], told, ['onPing']]);
    expect(read(bytes)).toBeUndefined();
  });

  test('that ends early is malformed, and not told', () => {
    for (let length = 1; length < bytes.length; length++) {
      const told_of: string[] = [];
      const handler = new Proxy({} as FrameHandler, {
        get: (_target, name) => (): undefined => void told_of.push(String(name)),
      });
      expect([read(bytes.subarray(0, length), handler), told_of]).toEqual(['frame-malformed', []]);
    }
  });

  test('is not written where it does not fit, and nothing of it is', () => {
    for (let room = 0; room < bytes.length; room++) {
      const target = new Uint8Array(bytes.length);
      const writer = new FrameWriter(target, 0, room);
      expect(write(writer)).toBe(false);
      expect([writer.at, target.every((byte) => byte === 0)]).toEqual([0, true]);
    }
  });
});

describe('STREAM', () => {
  const data = new Uint8Array(50).fill(4);

  test('has its length, or reaches to the end', () => {
    const head = (flags: number, ...numbers: readonly number[]): Uint8Array =>
      Buffer.concat([bytesOf((w) => w.numbers(FRAME.stream | flags, ...numbers)), data]);
    // What comes behind is read as frames: 4 is ACCEPT.
    expect(framesOf(head(STREAM.length, 5, 1000, 48))).toEqual([
      ['onStream', 5, STREAM.length, 1000, 48],
      ['onAccept'],
      ['onAccept'],
    ]);
    expect(framesOf(head(STREAM.fin, 5, 1000))).toEqual([['onStream', 5, STREAM.fin, 1000, 50]]);
    expect(framesOf(bytesOf((w) => w.numbers(FRAME.stream, 5, 1000)))).toEqual([['onStream', 5, 0, 1000, 0]]);
  });

  test('that ends early, or beyond all numbers, is malformed', () => {
    const whole = Buffer.concat([bytesOf((w) => w.numbers(FRAME.stream | STREAM.length, 5, 1000, 50)), data]);
    expect(read(whole)).toBeUndefined();
    for (let length = 1; length < whole.length; length++)
      expect(read(whole.subarray(0, length))).toBe('frame-malformed');
    const beyond = Buffer.concat([bytesOf((w) => w.numbers(FRAME.stream, 5, LARGE - 49)), data]);
    expect(read(beyond)).toBe('frame-malformed');
    const last = Buffer.concat([bytesOf((w) => w.numbers(FRAME.stream, 5, LARGE - 50)), data]);
    expect(read(last)).toBeUndefined();
  });
});

describe('ACK', () => {
  /** What a handler hears of the ranges of an ACK. */
  function heard(bytes: Uint8Array): [from: number, to: number][] | undefined {
    const list = framesOf(bytes)[0]?.[2];
    if (!(list instanceof AckRanges)) return undefined;
    return list.from.slice(0, list.count).map((from, at) => [from, list.to[at] ?? 0]);
  }

  test('names the highest ranges that fit, whatever they are', () => {
    const ranges = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 300 })), { minLength: 1, maxLength: 60 });
    const property = fc.property(ranges, fc.nat(2 ** 40), fc.integer({ min: 1, max: 40 }), (gaps, start, most) => {
      const set = new Ranges();
      const all: [number, number][] = [];
      let at = start;
      for (const [gap, length] of gaps) {
        at += gap + 1;
        set.add(at, at + length);
        all.unshift([at, at + length]);
        at += length;
      }
      for (const room of [20, 60, 2000]) {
        const bytes = new Uint8Array(room);
        const writer = new FrameWriter(bytes, 0, room);
        if (!writer.ack(3, set, 8.2, most)) {
          expect(room).toBe(20);
          continue;
        }
        expect(writer.at).toBeLessThanOrEqual(room);
        const named = heard(bytes.subarray(0, writer.at)) ?? [];
        expect(named).toEqual(all.slice(0, named.length));
        if (room === 2000) expect(named).toHaveLength(Math.min(all.length, most));
        expect(framesOf(bytes.subarray(0, writer.at))[0]?.slice(0, 2)).toEqual(['onAck', 3]);
      }
    });
    fc.assert(property);
  });

  test('says its delay in units of eight microseconds', () => {
    const set = new Ranges();
    set.add(0, 1);
    const delay = (ms: number): unknown => framesOf(bytesOf((w) => w.ack(0, set, ms, 1)))[0]?.[3];
    expect([delay(0), delay(8), delay(8.008), delay(-5)]).toEqual([0, 8, 8.008, 0]);
  });

  test.each<[string, readonly number[]]>([
    ['below nought', [0, 5, 0, 0, 6]],
    ['below nought behind a gap', [0, 5, 0, 1, 0, 4, 0]],
    ['below nought by their length', [0, 5, 0, 1, 0, 0, 4]],
    ['in more ranges than may be', [0, LARGE, 0, ACK_RANGES_MOST, 0]],
  ])('of numbers %s is malformed', (_, numbers) => {
    expect(read(bytesOf((w) => w.numbers(FRAME.ack, ...numbers)))).toBe('frame-malformed');
  });

  test('of numbers down to nought is fine, and so are 256 ranges', () => {
    expect(heard(bytesOf((w) => w.numbers(FRAME.ack, 0, 5, 0, 1, 0, 2, 1)))).toEqual([
      [5, 6],
      [0, 2],
    ]);
    const most = [0, 1000, 0, ACK_RANGES_MOST - 1, 0, ...Array.from({ length: 2 * (ACK_RANGES_MOST - 1) }, () => 0)];
    expect(heard(bytesOf((w) => w.numbers(FRAME.ack, ...most)))).toHaveLength(ACK_RANGES_MOST);
  });

  test('that ends early is malformed', () => {
    const whole = bytesOf((w) => w.numbers(FRAME.ack, 0, 500, 9000, 2, 3, 4, 5, 6, 7));
    expect(read(whole)).toBeUndefined();
    for (let length = 1; length < whole.length; length++)
      expect(read(whole.subarray(0, length))).toBe('frame-malformed');
  });
});

describe('a datagram', () => {
  test('without a frame is malformed', () => {
    expect(read(new Uint8Array())).toBe('frame-malformed');
    expect(read(new Uint8Array(5))).toBeUndefined();
  });

  test('with a frame of a kind that there is not is a fault', () => {
    const unknown: number[] = [];
    for (let type = 0; type < 256; type++) {
      if (read(Uint8Array.of(FRAME.ping, type, 0, 0, 0, 0)) === 'frame-unknown') unknown.push(type);
    }
    const from = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, at) => first + at);
    expect(unknown).toEqual([...from(FRAME.datagram + 1, FRAME.stream), ...from(FRAME.stream + 16, 256)]);
  });

  test('is read up to the first fault', () => {
    let pings = 0;
    const handler = new Proxy({} as FrameHandler, {
      get: (_, name) => (): Fault | undefined => {
        if (name === 'onPing') pings++;
        return name === 'onAccept' ? 'frame-unexpected' : undefined;
      },
    });
    expect(read(Uint8Array.of(FRAME.ping, FRAME.accept, FRAME.ping), handler)).toBe('frame-unexpected');
    expect(pings).toBe(1);
  });

  test('with a reason of more than 256 bytes is malformed', () => {
    for (const type of [FRAME.close, FRAME.closeByApplication, FRAME.goaway]) {
      expect(read(bytesOf((w) => w.ending(type, 0, new Uint8Array(256))))).toBeUndefined();
      expect(read(bytesOf((w) => w.ending(type, 0, new Uint8Array(257))))).toBe('frame-malformed');
    }
  });

  test('asks for an ack, and moves the session, by its frames', () => {
    const flags = (...types: readonly number[]): [boolean, boolean] => {
      const reader = new FrameReader();
      reader.read(bytesOf(...types.map((type) => frame(type))), silent);
      return [reader.asked, reader.moved];
    };
    const frame = (type: number): Write => {
      if (type === FRAME.challenge || type === FRAME.answer) return (w) => w.fixed(type, ID);
      if (type === FRAME.newId) return (w) => w.newId(1, 0, ID, TOKEN);
      if (type === FRAME.ack) return (w) => w.numbers(type, 0, 0, 0, 0, 0);
      return type === FRAME.close ? (w) => w.ending(type, 0, ID) : (w) => w.numbers(type);
    };
    expect(flags(FRAME.padding)).toEqual([false, false]);
    expect(flags(FRAME.ack)).toEqual([false, true]);
    expect(flags(FRAME.close, FRAME.padding)).toEqual([false, true]);
    expect(flags(FRAME.ping)).toEqual([true, true]);
    expect(flags(FRAME.challenge, FRAME.answer, FRAME.newId, FRAME.padding)).toEqual([true, false]);
    expect(flags(FRAME.challenge, FRAME.ack)).toEqual([true, true]);
    expect(asksForAck(FRAME.closeByApplication)).toBe(false);
  });

  test('of whatever bytes never throws, and tells nothing that lies outside of it', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const spacious = new Uint8Array(bytes.length + 64);
      spacious.set(bytes, 32);
      const inner = spacious.subarray(32, 32 + bytes.length);
      const handler = new Proxy({} as FrameHandler, {
        get:
          () =>
          (...values: unknown[]): undefined => {
            for (const value of values) {
              if (value instanceof Uint8Array) {
                expect(value.byteOffset).toBeGreaterThanOrEqual(inner.byteOffset);
                expect(value.byteOffset + value.length).toBeLessThanOrEqual(inner.byteOffset + inner.length);
              } else if (typeof value === 'number') expect(value).toBeGreaterThanOrEqual(0);
            }
          },
      });
      read(inner, handler);
    });
    fc.assert(property, { numRuns: 3000 });
  });
});
