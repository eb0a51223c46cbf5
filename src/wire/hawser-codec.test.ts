import assert from 'node:assert/strict';
import { decode as otherDecode, encode as otherEncode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { anyChanges, anyValue, fromHex, meaningOf, mutated, readVectors, toHex } from '../../test/vectors/vectors.ts';
import { HawserError, HEADROOM, type Outbound } from '../core/index.ts';
import {
  type ChannelCodec,
  type ChannelCount,
  type ChannelFailure,
  type Goaway,
  type Hello,
  hawserCodec,
  type Incoming,
  jsonCodec,
  MESSAGE,
  type Meta,
  type Welcome,
} from './index.ts';
import { fromJson } from './json-values.ts';
import { Writer } from './messagepack-writer.ts';
import { DEPTH_MAX } from './rules.ts';

const vectors = readVectors('hawser-v1.json');
const channels = hawserCodec.channels as ChannelCodec;
const decode = (bytes: Uint8Array) => hawserCodec.decode(bytes, false);
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

function arrives(value: unknown): unknown {
  const message = decode(hawserCodec.event(0, 'v', value).bytes);
  if (message.kind === 0) throw new Error(message.message);
  return message.data;
}

/** Sends again what a vector says. */
function encode({
  kind,
  channel = 0,
  id = 0,
  name = '',
  code = '',
  message = '',
  data: told,
  meta,
}: (typeof vectors.valid)[0]['message']): Outbound {
  const data = fromJson(structuredClone(told), { members: 0, surrogates: false }, DEPTH_MAX + 2);
  switch (kind) {
    case 'hello':
      return hawserCodec.hello(data as Hello);
    case 'welcome':
      return hawserCodec.welcome(data as Welcome);
    case 'event':
      return hawserCodec.event(channel, name, data, meta as Meta | undefined);
    case 'volatile':
      return hawserCodec.volatile(channel, name, data, meta as Meta | undefined);
    case 'request':
      return hawserCodec.request(channel, Number(id), name, data);
    case 'response':
      return hawserCodec.response(channel, id, '', data);
    case 'failure':
      return hawserCodec.failure(channel, id, code, { message, data });
    case 'channelOpen':
      return channels.open(channel, name, data);
    case 'channelData':
      return channels.data(channel, data as Uint8Array);
    case 'channelCredit':
      return channels.credit(channel, data as number);
    case 'channelClose':
      return channels.close(channel, data as ChannelFailure | undefined);
    case 'ack':
      return hawserCodec.ack(data as ChannelCount[]);
    case 'ping':
      return hawserCodec.ping(data as number);
    case 'pong':
      return hawserCodec.pong(data as number);
    default:
      return hawserCodec.goaway(data as Goaway);
  }
}

describe('vectors', () => {
  test.each(vectors.valid.map((vector) => [vector.what, vector] as const))('means: %s', (_, { hex, message }) => {
    // A float such as -0 is compared in the words of the JSON dialect.
    expect(meaningOf(decode(fromHex(hex)))).toEqual(message);
  });

  test.each(vectors.valid.filter((vector) => !vector.decodeOnly).map((vector) => [vector.what, vector] as const))(
    'is written: %s',
    (_, { hex, message }) => {
      expect(toHex(encode(message).bytes)).toBe(hex);
    },
  );

  test.each(vectors.invalid.map((vector) => [vector.what, vector] as const))('refuses: %s', (_, { hex, code }) => {
    expect(decode(fromHex(hex ?? ''))).toMatchObject({ kind: 0, code });
  });
});

test('text is refused', () => {
  expect(hawserCodec.decode(new TextEncoder().encode('{}'), true)).toMatchObject({ kind: 0, code: 'ERR_PROTOCOL' });
});

describe('values', () => {
  test('arrive as they were sent', () => {
    fc.assert(
      fc.property(anyValue, (value) => assert.deepStrictEqual(arrives(value), value)),
      { numRuns: 300 },
    );
  });

  test('are standard: another implementation reads them', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const { bytes } = hawserCodec.response(0, 1, '', value);
        // It drops U+FEFF at the start of long strings, and keys that it can't take.
        fc.pre(!toHex(bytes).includes('efbbbf'));
        const read = otherDecode(bytes.subarray(3), { useBigInt64: true });
        assert.deepStrictEqual(integersAsBigint(read), integersAsBigint(value));
      }),
      { numRuns: 200 },
    );
  });

  test('of other implementations are read', () => {
    const packr = new Packr({ useRecords: false, variableMapSize: true });
    fc.assert(
      fc.property(anyValue, (value) => {
        fc.pre(!isBeyondOthers(value));
        for (const body of [otherEncode(value, { useBigInt64: true }), packr.pack(value)]) {
          const message = decode(Uint8Array.from([6, 0, 1, ...body])) as Incoming;
          assert.deepStrictEqual(message.data, value);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('undefined is left out of objects, and null in arrays', () => {
    expect(arrives({ a: undefined, b: 1, c: [undefined, 2] })).toEqual({ b: 1, c: [null, 2] });
    expect(Object.keys(arrives({ a: undefined }) as object)).toEqual([]);
  });

  test('a bigint that a number can hold arrives as a number', () => {
    expect(arrives([5n, -(2n ** 53n) + 1n, 2n ** 53n])).toEqual([5, -(2 ** 53) + 1, 2n ** 53n]);
  });

  test('objects without a prototype and of another realm are plain', () => {
    expect(arrives(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 });
  });

  test('keys that objects inherit are own properties and harmless', () => {
    const data = arrives({ constructor: 1, toString: 'x', hasOwnProperty: null }) as object;
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
    expect(Object.entries(data)).toEqual([
      ['constructor', 1],
      ['toString', 'x'],
      ['hasOwnProperty', null],
    ]);
  });

  test('bytes are a copy, and no Buffer', () => {
    const { bytes } = hawserCodec.event(0, 'v', Buffer.from('abc'));
    const received = Buffer.from(bytes);
    const data = (decode(received) as Incoming).data as Uint8Array;
    received.fill(0);
    expect(Object.getPrototypeOf(data)).toBe(Uint8Array.prototype);
    expect([...data]).toEqual([97, 98, 99]);
  });

  test.each<[string, number, boolean, boolean, number?]>([
    ['not given', 5000, false, false],
    ['given', 5000, true, true],
    ['given, and few', 4000, true, false],
    ['given, and a small part of it', 5000, true, false, 6000],
  ])('bytes in memory that is %s', (_, length, given, isView, more = 0) => {
    const { bytes } = hawserCodec.event(0, 'v', [new Uint8Array(length).fill(7), new Uint8Array(more)]);
    const received = Buffer.from(new Uint8Array(bytes).buffer);
    const [data] = (hawserCodec.decode(received, false, given) as Incoming).data as [Uint8Array];
    expect(Object.getPrototypeOf(data)).toBe(Uint8Array.prototype);
    expect(data).toEqual(new Uint8Array(length).fill(7));
    expect(data.buffer === received.buffer).toBe(isView);
  });

  test('64 levels pass and 65 do not', () => {
    expect(arrives(deep(DEPTH_MAX))).toEqual(deep(DEPTH_MAX));
    expect(() => hawserCodec.event(0, 'v', deep(DEPTH_MAX + 1))).toThrow(/too deep/);
  });
});

class Point {
  readonly x = 1;
}
const cycle: unknown[] = [];
cycle.push(cycle);
let reads = 0;
const fickle = {
  get now(): unknown {
    return reads++ % 2 === 0 ? 1 : undefined;
  },
};

test.each([
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
  ['a function in an object', { f: () => 1 }],
  ['an instance of a class', new Point()],
  ['a map', new Map()],
  ['a set', new Set()],
  ['a regular expression', /a/],
  ['an error', new Error('e')],
  ['a promise', Promise.resolve()],
  ['an ArrayBuffer', new ArrayBuffer(1)],
  ['floats', new Float64Array(1)],
  ['an invalid date', new Date(Number.NaN)],
  ['an integer of more than 64 bits', 2n ** 64n],
  ['a negative integer of more than 64 bits', -(2n ** 63n) - 1n],
  ['half a surrogate pair', '\ud83d'],
  ['half a surrogate pair in a long string', `${'a'.repeat(100)}\udea2`],
  ['half a surrogate pair in a key', { '\ud83d': 1 }],
  ['the key __proto__', JSON.parse('{"__proto__":1}')],
  ['a cycle', cycle],
  ['a property that comes and goes', fickle],
])('can not be sent: %s', (_, value) => {
  const before = hawserCodec.event(0, 'v', 'before');
  for (const data of [value, [value], { key: value }]) {
    expect(codeOf(() => hawserCodec.event(0, 'v', data))).toBe('ERR_UNENCODABLE');
  }
  expect(arrives('after')).toBe('after');
  expect((decode(before.bytes) as Incoming).data).toBe('before');
});

test('a failure can always be told', () => {
  const { bytes } = hawserCodec.failure(0, 1, 'ERR_X', { message: 'half \ud83d' });
  expect((decode(bytes) as Incoming).data).toEqual({ message: 'half \ufffd' });
});

test('a getter may send a message of its own', () => {
  let inner: Outbound | undefined;
  const outer = hawserCodec.event(0, 'outer', {
    a: 'x'.repeat(100),
    get b(): string {
      inner ??= hawserCodec.event(0, 'inner', 'y'.repeat(100_000));
      return 'z';
    },
  });
  expect((decode(outer.bytes) as Incoming).data).toEqual({ a: 'x'.repeat(100), b: 'z' });
  expect((decode(inner?.bytes ?? new Uint8Array()) as Incoming).data).toBe('y'.repeat(100_000));
});

test.each([
  ['a header that grows', 'é'.repeat(200)],
  ['a header that stays', 'a'.repeat(300)],
  ['three bytes a character', '☃'.repeat(20)],
])('a text ends at every place of the memory that messages share: %s', (_, text) => {
  const wrong: number[] = [];
  for (let filler = 15_500; filler < 16_400; filler++) {
    const writer = new Writer();
    writer.start(MESSAGE.response);
    writer.varint(0);
    writer.varint(1);
    writer.array(2);
    writer.value(new Uint8Array(filler));
    writer.value(text);
    const message = decode(writer.finish().bytes);
    if (message.kind === 0 || (message.data as unknown[])[1] !== text) wrong.push(filler);
  }
  expect(wrong).toEqual([]);
});

test('a message too long for the memory that messages share leaves it to the next ones', () => {
  const send = (data: unknown): ArrayBufferLike => hawserCodec.event(0, 'v', data).bytes.buffer;
  // What was written before may have left no room: the next memory has some.
  const first = send('before');
  let shared = first;
  while (shared === first) shared = send('x'.repeat(1000));
  expect(send(new Uint8Array(100_000))).not.toBe(shared);
  expect(codeOf(() => send([new Uint8Array(100_000), cycle]))).toBe('ERR_UNENCODABLE');
  expect(send('after')).toBe(shared);
});

test('messages do not touch each other, whatever their size, and each has its headroom', () => {
  const sizes = fc.array(fc.oneof(fc.nat(64), fc.nat(5000), fc.nat(70_000)), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, (lengths) => {
      const sent = lengths.map((length, i) => hawserCodec.event(i, 'v', String(i % 10).repeat(length)));
      for (const message of sent)
        new Uint8Array(message.bytes.buffer, message.bytes.byteOffset - HEADROOM, HEADROOM).fill(0xee);
      for (const [i, message] of sent.entries()) {
        expect(message.headroom).toBe(HEADROOM);
        expect(decode(message.bytes)).toMatchObject({ channel: i, data: String(i % 10).repeat(lengths[i] ?? 0) });
      }
    }),
    { numRuns: 30 },
  );
});

describe('bad input never throws', () => {
  test('random bytes', () => {
    const input = fc.tuple(fc.integer({ min: 0, max: 16 }), fc.uint8Array({ maxLength: 200 }));
    fc.assert(
      fc.property(input, ([type, rest]) => {
        expect(decode(Uint8Array.from([type, ...rest])).kind).toBeTypeOf('number');
      }),
      { numRuns: 2000 },
    );
  });

  test('valid messages with changes; what passes can be sent on', () => {
    expect.hasAssertions();
    const valid = vectors.valid.map(({ hex }) => fromHex(hex));
    fc.assert(
      fc.property(fc.constantFrom(...valid), anyChanges, (bytes, changes) => {
        const message = decode(mutated(bytes, changes));
        if (message.kind === 0) expect(message.code).toMatch(/^ERR_(MESSAGE_MALFORMED|PROTOCOL|VERSION)$/);
        else if (message.kind <= 6) assert.deepStrictEqual(arrives(message.data ?? null), message.data ?? null);
      }),
      { numRuns: 3000 },
    );
  });

  test('every cut of every vector', () => {
    for (const { hex } of vectors.valid) {
      const bytes = fromHex(hex);
      for (let end = 0; end < bytes.length; end++) expect(decode(bytes.subarray(0, end)).kind).toBeTypeOf('number');
    }
  });

  test('a map of very many keys, and the last one twice', () => {
    const keys = Array.from({ length: 50_000 }, (_, i) => `k${i}`);
    const { bytes } = hawserCodec.event(0, 'v', Object.fromEntries(keys.map((name) => [name, 1])));
    expect(decode(bytes).kind).toBe(3);
    const twice = Uint8Array.from(bytes);
    twice.set(new TextEncoder().encode('k49998'), twice.length - 7);
    expect(decode(twice)).toMatchObject({ kind: 0, code: 'ERR_MESSAGE_MALFORMED' });
  });

  test('a very deep value takes no stack', () => {
    const bytes = new Uint8Array(1_000_000).fill(0x91);
    bytes.set([3, 0, 0x92, 0xa1, 0x78]);
    expect(decode(bytes)).toMatchObject({ kind: 0, code: 'ERR_MESSAGE_MALFORMED' });
  });
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof HawserError ? error.code : 'not an error of ours';
  }
  return undefined;
}

/** One type for the integers that implementations read as they like: beyond 32 bits as number or bigint. */
function integersAsBigint(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(integersAsBigint);
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, integersAsBigint(inner)]));
}

/** What the others write otherwise than it was meant: -0, and times outside 32 bits of seconds. */
function isBeyondOthers(value: unknown): boolean {
  if (Object.is(value, -0)) return true;
  if (value instanceof Date) return value.getTime() < 0 || value.getTime() >= 2 ** 32 * 1000;
  return typeof value === 'object' && value !== null && Object.values(value).some(isBeyondOthers);
}

describe('the positions of a HELLO', () => {
  const shown = (count: number, epoch: string): Hello => ({
    version: 1,
    positions: Array.from({ length: count }, (_, at) => [`room ${at}`, at, epoch] as const),
  });
  const kindOf = (hello: Hello): number => hawserCodec.decode(hawserCodec.hello(hello).bytes, false).kind;

  test.each([
    ['as many as there may be', shown(1000, 'e'.repeat(64)), MESSAGE.hello],
    ['one more', shown(1001, 'e'), 0],
    ['a longer epoch', shown(1, 'e'.repeat(65)), 0],
  ])('%s', (_, hello, kind) => {
    expect(kindOf(hello)).toBe(kind);
    expect(jsonCodec.decode(jsonCodec.hello(hello).bytes, true).kind).toBe(kind);
  });
});
