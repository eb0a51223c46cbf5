import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyChanges, anyValue, fromHex, mutated, readVectors, toHex } from '../../test/vectors/vectors.ts';
import type { Outbound } from '../core/index.ts';
import { type ChannelCodec, type Codec, clientCodec, type Incoming, pageCodec, UNSAID } from './index.ts';
import { DEPTH_MAX } from './rules.ts';

// What a page speaks is what Node speaks: the fast codec, which has vectors and other implementations beside it, says what is right.

const vectors = readVectors('hawser-v1.json');
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

/** Every message that a client sends, with this value in it. */
function messagesOf(codec: Codec, value: unknown): Outbound[] {
  const { channels } = codec as { channels: ChannelCodec };
  return [
    codec.event(0, 'näme', value),
    codec.volatile(70, 'b', value),
    codec.request(1 << 14, 2 ** 40, 'c', value),
    codec.response(0, 1, '', value),
    codec.failure(2, 3, 'ERR_X', { message: 'half \ud83d', data: value }),
    channels.open(5, 'c', value),
  ];
}

const hexes = (messages: readonly Outbound[]): string[] => messages.map(({ bytes }) => toHex(bytes));
const pageReads = (bytes: Uint8Array): unknown => pageCodec.decode(bytes, false);
const nodeReads = (bytes: Uint8Array): unknown => clientCodec.decode(bytes, false);

describe('writes the same bytes', () => {
  test('for every value, in every message', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(hexes(messagesOf(pageCodec, value))).toEqual(hexes(messagesOf(clientCodec, value)));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['nothing', undefined],
    ['properties that are undefined', { a: undefined, b: [undefined] }],
    ['16 items', Array.from({ length: 16 }, (_, i) => i)],
    ['17 properties', Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, i]))],
    ['70,000 items', new Array(70_000).fill(0)],
    ['70,000 bytes', new Uint8Array(70_000)],
    ['long text', 'é☃'.repeat(40_000)],
    ['the edges of integers', [7, 8, 15, 16, 31, 32, 53, 63, 64].flatMap((n) => edgesOf(n))],
    ['the edges of dates', [-1, 0, 1, 999, 2 ** 32 * 1000, 2 ** 34 * 1000, -8.64e15].map((time) => new Date(time))],
    ['64 levels', deep(DEPTH_MAX)],
  ])('for %s', (_, value) => {
    expect(hexes(messagesOf(pageCodec, value))).toEqual(hexes(messagesOf(clientCodec, value)));
  });

  test('for what has no value of the application in it', () => {
    const all = ({ hello, ack, ping, pong, failure, channels }: Codec): Outbound[] => [
      hello({ version: 1, namespace: '/', token: 't', user: undefined, query: { a: '1' } }),
      hello({
        version: 1,
        channels: { most: 7, bytes: 2 ** 18, message: 300 },
        positions: [
          ['lobby', 2 ** 33, 'e1'],
          ['__proto__', 0, ''],
        ],
        resume: { ticket: new Uint8Array(16).fill(1), counts: [[0, 2 ** 40]], attempt: 2 },
      }),
      ack([
        [0, 3],
        [5, 2 ** 53 - 1],
      ]),
      ping(2 ** 45),
      pong(0),
      failure(0, undefined, 'ERR_X', { message: '' }),
      ...[channels as ChannelCodec].flatMap(({ data, credit, close }) => [
        data(5, Uint8Array.of(1, 2, 3)),
        credit(5, 2 ** 31),
        close(5),
        close(5, { code: 'ERR_X', message: '\udea2' }),
      ]),
    ];
    expect(hexes(all(pageCodec))).toEqual(hexes(all(clientCodec)));
  });

  test('and refuses the same values, with the next message whole', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const values = [() => 1, Symbol('s'), new Map(), /a/, new ArrayBuffer(1), new Float64Array(1), 2n ** 64n];
    const more = [-(2n ** 63n) - 1n, '\ud83d', `${'a'.repeat(99)}\udea2`, { '\ud83d': 1 }, cycle, deep(DEPTH_MAX + 1)];
    for (const value of [...values, ...more, new Date(Number.NaN), JSON.parse('{"__proto__":1}')]) {
      for (const codec of [pageCodec, clientCodec]) {
        for (const data of value === more.at(-1) ? [value] : [value, [value], { key: value }]) {
          expect(() => messagesOf(codec, data)).toThrow(expect.objectContaining({ code: 'ERR_UNENCODABLE' }));
        }
      }
      expect(hexes([pageCodec.ping(7)])).toEqual(hexes([clientCodec.ping(7)]));
    }
    expect(() => pageCodec.response(0, 1, '', deep(DEPTH_MAX + 1))).toThrow(/too deep/);
  });

  test('when a getter sends a message of its own', () => {
    let inner: Outbound | undefined;
    const outer = pageCodec.event(0, 'outer', {
      a: 'x'.repeat(100),
      list: [
        {
          get b(): string {
            inner = pageCodec.event(0, 'inner', 'y'.repeat(100_000));
            return 'z';
          },
        },
      ],
    });
    expect(hexes([outer])).toEqual(hexes([clientCodec.event(0, 'outer', { a: 'x'.repeat(100), list: [{ b: 'z' }] })]));
    expect(hexes([inner as Outbound])).toEqual(hexes([clientCodec.event(0, 'inner', 'y'.repeat(100_000))]));
  });

  test('what only a server says is never written', () => {
    expect(pageCodec.goaway({ code: 1000, reason: '' })).toBe(UNSAID);
    expect(pageCodec.welcome({} as never)).toBe(UNSAID);
  });
});

describe('reads the same messages', () => {
  test('those of the vectors, and every cut of them', () => {
    for (const { hex } of vectors.valid) {
      const bytes = fromHex(hex);
      for (let end = 1; end <= bytes.length; end++) {
        assert.deepStrictEqual(pageReads(bytes.subarray(0, end)), nodeReads(bytes.subarray(0, end)), hex);
      }
    }
  });

  test.each(vectors.invalid.map((vector) => [vector.what, vector] as const))('refuses: %s', (_, { hex }) => {
    expect(pageReads(fromHex(hex ?? ''))).toMatchObject({
      kind: 0,
      code: (nodeReads(fromHex(hex ?? '')) as { code: string }).code,
    });
  });

  test('and text never', () => {
    expect(pageCodec.decode(new Uint8Array(0), true)).toMatchObject({ kind: 0, code: 'ERR_PROTOCOL' });
  });

  test('with any value in them', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        for (const { bytes } of messagesOf(clientCodec, value)) {
          assert.deepStrictEqual(pageReads(bytes), nodeReads(bytes));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('with anything changed in them, or nothing but chance', () => {
    const valid = vectors.valid.map(({ hex }) => fromHex(hex));
    const changed = fc.tuple(fc.constantFrom(...valid), anyChanges).map(([bytes, changes]) => mutated(bytes, changes));
    const random = fc
      .tuple(fc.integer({ min: 0, max: 16 }), fc.uint8Array({ maxLength: 200 }))
      .map(([type, rest]) => Uint8Array.from([type, ...rest]));
    fc.assert(
      fc.property(fc.oneof(changed, random), (bytes) => {
        const [page, node] = [pageReads(bytes), nodeReads(bytes)] as { kind: number; code?: string }[];
        if (page?.kind === 0) expect(page.code).toBe(node?.code);
        else assert.deepStrictEqual(page, node);
      }),
      { numRuns: 5000 },
    );
  });

  test('every head of MessagePack with what may follow it', () => {
    for (let head = 0; head < 256; head++) {
      for (const fill of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = new Uint8Array(40).fill(fill);
        bytes.set([6, 0, 1, head]);
        for (let end = 4; end <= bytes.length; end++) {
          const [page, node] = [pageReads(bytes.subarray(0, end)), nodeReads(bytes.subarray(0, end))];
          assert.deepStrictEqual(page, node, `${head.toString(16)} ${fill} ${end}`);
        }
      }
    }
  });

  test('of memory that is not theirs alone, and keeps none of it', () => {
    const received = Buffer.from(clientCodec.event(0, 'v', [Uint8Array.of(1, 2), 1.5, 2n ** 60n]).bytes);
    const { data } = pageReads(received) as Incoming;
    received.fill(0);
    expect(data).toEqual([Uint8Array.of(1, 2), 1.5, 2n ** 60n]);
    const stream = Buffer.from((clientCodec.channels as ChannelCodec).data(5, Uint8Array.of(1, 2)).bytes);
    const { data: bytes } = pageReads(stream) as Incoming;
    stream.fill(0);
    expect(bytes).toEqual(Uint8Array.of(1, 2));
  });

  test('lists that announce more than there is take no memory', () => {
    const bytes = new Uint8Array(1 << 20).fill(0xc1);
    bytes.set([3, 0, 0x92, 0xa1, 0x78]);
    const view = new DataView(bytes.buffer);
    for (let at = 5, level = 1; level < DEPTH_MAX; level++, at += 5) {
      view.setUint8(at, 0xdd);
      view.setUint32(at + 1, bytes.length - 1000);
    }
    const before = process.memoryUsage().heapUsed;
    expect(pageReads(bytes)).toMatchObject({ kind: 0, code: 'ERR_MESSAGE_MALFORMED' });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
  });

  test('a very deep value takes no stack', () => {
    const bytes = new Uint8Array(1_000_000).fill(0x91);
    bytes.set([3, 0, 0x92, 0xa1, 0x78]);
    expect(pageReads(bytes)).toMatchObject({ kind: 0, code: 'ERR_MESSAGE_MALFORMED' });
  });
});

/** The integers around plus and minus a power of two. */
function edgesOf(power: number): bigint[] {
  const edge = 2n ** BigInt(power);
  const all = [edge - 1n, edge, edge + 1n, -edge - 1n, -edge, -edge + 1n];
  return all.filter((value) => value >= -(2n ** 63n) && value < 2n ** 64n);
}
