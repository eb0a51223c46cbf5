import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../../test/support/lan-line.ts';
import { areBlocks, BlockReader, writeBlock } from './blocks.ts';
import {
  answers,
  DATA_HEADER,
  encodeBeat,
  encodeGone,
  encodeRequest,
  encodeWelcome,
  readBeat,
  readDataHeader,
  readGone,
  readRequest,
  readWelcome,
  sessionKey,
  sessionName,
  writeDataHeader,
} from './datagrams.ts';
import { KIND, kindOf, open } from './envelope.ts';
import { NUMBER_MAX } from './numbers.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const number = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: NUMBER_MAX - 70_000 }));
const ranges = fc.array(
  fc.record({ from: number, length: fc.integer({ min: 1, max: 65_535 }) }).map(({ from, length }) => ({
    from,
    to: from + length,
  })),
  { maxLength: 32 },
);
const key = fc.constantFrom(undefined, keyOf('a'), keyOf('b'));

/** Opens what was encoded; the body ends at what it returns. */
function bodyEnd(datagram: Uint8Array, used: ReturnType<typeof keyOf> | undefined): number {
  const end = open(datagram, used === undefined ? [] : [used]);
  expect(typeof end).toBe('number');
  return end as number;
}

describe('datagrams', () => {
  test('requests, welcomes, what is gone and signs of life come out as they went in', () => {
    fc.assert(
      fc.property(
        bytes(12),
        bytes(8),
        bytes(16),
        ranges,
        number,
        number,
        key,
        (session, nonce, proof, list, a, b, k) => {
          const request = encodeRequest(session, { nonce, proof, ranges: list }, k);
          expect(kindOf(request)).toBe(KIND.request);
          expect(readRequest(request, bodyEnd(request, k))).toEqual({ nonce, proof, ranges: list });

          const said = { proof, oldest: Math.min(a, b), next: Math.max(a, b), volatileNext: b, age: a };
          const welcome = encodeWelcome(session, nonce, said, k);
          expect(readWelcome(welcome, bodyEnd(welcome, k))).toEqual(said);
          expect(answers(welcome, bodyEnd(welcome, k), nonce)).toBe(true);
          expect(welcome.length).toBeLessThanOrEqual(request.length);

          const gone = encodeGone(session, nonce, list, k);
          expect(readGone(gone, bodyEnd(gone, k))).toEqual(list);

          const beat = encodeBeat(session, { door: a & 0xffff, first: a, count: 0xffff }, b, k);
          const end = bodyEnd(beat, k);
          expect(readDataHeader(beat, end)).toEqual({ door: a & 0xffff, first: a, count: 0xffff });
          expect(readBeat(beat)).toBe(b);
          expect(sessionName(sessionKey(beat))).toBe(Buffer.from(session).toString('hex'));
        },
      ),
    );
  });

  test('whatever bytes come, readers return something or undefined', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 7 }), (body, kind) => {
        const datagram = Uint8Array.from([0x48, 0x4c, 0x10 | kind, 0, ...body]);
        const end = bodyEnd(datagram, undefined);
        for (const read of [readDataHeader, readRequest, readWelcome, readGone]) read(datagram, end);
        const header = readDataHeader(datagram, end);
        if (header === undefined || !areBlocks(datagram, end, header.count)) return;
        const reader = new BlockReader();
        reader.start(datagram);
        for (let i = 0; i < header.count; i++) reader.step();
        expect(reader.to).toBe(end);
      }),
    );
  });

  test('a number over what is exact is malformed', () => {
    const beat = encodeBeat(new Uint8Array(12), { door: 1, first: NUMBER_MAX - 70_000, count: 0 }, 1, undefined);
    expect(readDataHeader(beat, beat.length)).toBeDefined();
    beat[18] = 0xff;
    expect(readDataHeader(beat, beat.length)).toBeUndefined();
  });

  test.each([
    ['foreign', []],
    ['foreign', [0x48]],
    ['foreign', [0x48, 0x4d, 0x11, 0]],
    ['version', [0x48, 0x4c, 0x21, 0]],
    ['malformed', [0x48, 0x4c, 0x11, 2]],
    ['malformed', [0x48, 0x4c, 0x11, 1, 0, 0]],
    ['key', [0x48, 0x4c, 0x11, 1, ...new Uint8Array(40)]],
  ])('is %s: %j', (fault, list) => {
    expect(open(Uint8Array.from(list), [])).toBe(fault);
  });
});

describe('blocks', () => {
  const block = fc
    .record({
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed()),
      same: fc.boolean(),
      more: fc.boolean(),
      continued: fc.boolean(),
      payload: fc.uint8Array({ maxLength: 100 }),
    })
    .filter(({ continued, payload }) => !continued || payload.length > 0);

  test('come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 20 }), (blocks) => {
        const datagram = new Uint8Array(10_000);
        let at = DATA_HEADER;
        let topic: string | undefined;
        const expected = blocks.map(({ topic: named, same, more, continued, payload }) => {
          const isSame = same && topic !== undefined;
          at = writeBlock(datagram, at, isSame ? undefined : Buffer.from(named), { more, continued }, payload);
          if (!continued && !isSame) topic = named;
          return { topic: continued ? undefined : topic, more, continued, payload };
        });
        writeDataHeader(datagram, KIND.data, new Uint8Array(12), { door: 0, first: 1, count: blocks.length });
        expect(areBlocks(datagram, at, blocks.length)).toBe(true);
        expect(areBlocks(datagram, at + 1, blocks.length)).toBe(false);
        expect(areBlocks(datagram, at - 1, blocks.length)).toBe(false);
        expect(areBlocks(datagram, at, blocks.length + 1)).toBe(false);
        const reader = new BlockReader();
        reader.start(datagram);
        const read = blocks.map(() => {
          reader.step();
          const { more, continued } = reader;
          return {
            topic: continued ? undefined : reader.topic,
            more,
            continued,
            payload: datagram.slice(reader.from, reader.to),
          };
        });
        expect(read).toEqual(expected);
      }),
    );
  });

  test.each([
    ['a first block without a topic of its own', [0, 2, 1, 0xc0]],
    ['an empty topic', [0, 3, 0, 0, 0xc0]],
    ['a topic that is no UTF-8', [0, 4, 0, 1, 0xff, 0xc0]],
    ['a topic that is longer than its block', [0, 4, 0, 5, 0x61, 0xc0]],
    ['a flag that nobody knows', [0, 4, 8, 1, 0x61, 0xc0]],
    ['a part that goes on and names the topic before', [0, 2, 5, 0xc0]],
    ['a block without flags', [0, 0]],
  ])('%s is malformed', (_what, one) => {
    const datagram = Uint8Array.from([...new Uint8Array(DATA_HEADER), ...one]);
    expect(areBlocks(datagram, datagram.length, 1)).toBe(false);
  });
});
