import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyChanges, anyValue, fromHex, meaningOf, mutated, readVectors } from '../../test/vectors/vectors.ts';
import { HawserError } from '../core/index.ts';
import { type Incoming, jsonCodec, MESSAGE, type Meta } from './index.ts';
import { fromJson } from './json-values.ts';
import { DEPTH_MAX } from './rules.ts';

const vectors = readVectors('json-v1.json');
const encoder = new TextEncoder();
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const decode = (text: string) => jsonCodec.decode(encoder.encode(text), true);

function arrives(value: unknown): unknown {
  const message = jsonCodec.decode(jsonCodec.event(0, 'v', value).bytes, true);
  if (message.kind === 0) throw new Error(message.message);
  return message.data;
}

describe('vectors', () => {
  test.each(vectors.valid.map((vector) => [vector.what, vector] as const))('means: %s', (_, { text, message }) => {
    expect(meaningOf(decode(text))).toEqual(message);
  });

  const events = vectors.valid.filter(({ decodeOnly, message }) => !decodeOnly && message.kind === 'event');
  test.each(events.map((vector) => [vector.what, vector] as const))('is written: %s', (_, { text, message }) => {
    const data = fromJson(structuredClone(message.data), { members: 0, surrogates: false });
    const { bytes } = jsonCodec.event(0, message.name ?? '', data, message.meta as Meta | undefined);
    expect(textOf(bytes)).toBe(text);
  });

  test.each(vectors.invalid.map((vector) => [vector.what, vector] as const))(
    'refuses: %s',
    (_, { text, hex, binary = false, code, id }) => {
      const bytes = hex === undefined ? encoder.encode(text) : fromHex(hex);
      expect(jsonCodec.decode(bytes, !binary)).toMatchObject({ kind: 0, code, id });
    },
  );
});

test.each([
  [
    'a response repeats event and id',
    jsonCodec.response(0, 'a1', 'join', { n: 1 }),
    '{"event":"join","id":"a1","data":{"n":1}}',
  ],
  ['a response without data', jsonCodec.response(0, 'a', 'leave', undefined), '{"event":"leave","id":"a"}'],
  ['a request of our own', jsonCodec.request(0, 7, 'where', undefined), '{"event":"where","id":"$7"}'],
  [
    'a failure',
    jsonCodec.failure(0, 3, 'ERR_X', { message: 'm', data: new Uint8Array(1) }),
    '{"event":"error","code":"ERR_X","message":"m","id":3,"data":{"$bytes":"AA=="}}',
  ],
  [
    'a failure about the socket',
    jsonCodec.failure(0, undefined, 'ERR_X', { message: 'm' }),
    '{"event":"error","code":"ERR_X","message":"m"}',
  ],
  [
    'hello',
    jsonCodec.hello({ version: 1, namespace: '/', token: 't' }),
    '{"event":"hello","token":"t","namespace":"/"}',
  ],
  [
    'hello with positions',
    jsonCodec.hello({ version: 1, positions: [['lobby', 41, 'e1']] }),
    '{"event":"hello","positions":[["lobby",41,"e1"]]}',
  ],
  [
    'welcome',
    jsonCodec.welcome({
      version: 1,
      id: 's1',
      user: null,
      server: 'hawser',
      heartbeat: 1,
      readWait: 2,
      resumeWindow: 3,
      messageBytes: 4,
    }),
    '{"event":"welcome","data":{"id":"s1","user":null,"server":"hawser"}}',
  ],
  [
    'goaway',
    jsonCodec.goaway({ code: 1012, reason: 'r' }),
    '{"event":"error","code":"ERR_SERVER_CLOSING","message":"r"}',
  ],
  [
    'goaway with when and where',
    jsonCodec.goaway({ code: 1012, reason: 'r', retryAfter: 5, alternatives: ['ws://b:1'] }),
    '{"event":"error","code":"ERR_SERVER_CLOSING","message":"r","data":{"retryAfter":5,"alternatives":["ws://b:1"]}}',
  ],
])('writes %s', (_, message, text) => {
  expect(textOf(message.bytes)).toBe(text);
  expect(message.text).toBe(true);
});

test('an id of 0 is an id', () => {
  const { kind, id } = decode('{"event":"join","id":0}') as Incoming;
  expect(kind).toBe(MESSAGE.request);
  expect(textOf(jsonCodec.response(0, id, 'join', 1).bytes)).toBe('{"event":"join","id":0,"data":1}');
  expect(textOf(jsonCodec.failure(0, id, 'ERR_X', { message: '' }).bytes)).toContain('"id":0');
  expect(textOf(jsonCodec.failure(0, 0, 'ERR_X', { message: '' }).bytes)).not.toContain('"id"');
});

test('a hello can not resume', () => {
  const hello = decode(
    '{"event":"hello","resume":{"ticket":{"$bytes":"AAAAAAAAAAAAAAAAAAAAAA=="},"counts":[]}}',
  ) as Incoming;
  expect(hello.data).toEqual({ version: 1 });
});

test('a welcome is read as one', () => {
  const welcome = decode('{"event":"welcome","data":{"id":"s1","user":"ada","server":"hawser"}}') as Incoming;
  expect(welcome.kind).toBe(MESSAGE.welcome);
  expect(welcome.data).toMatchObject({ version: 1, id: 's1', user: 'ada', server: 'hawser' });
});

describe('values', () => {
  test('arrive as they were sent', () => {
    fc.assert(
      fc.property(anyValue, (value) => assert.deepStrictEqual(arrives(value), value)),
      { numRuns: 300 },
    );
  });

  test('64 levels pass and 65 do not, bytes at the bottom or not', () => {
    const nest = (levels: number, bottom: unknown): unknown => (levels === 0 ? bottom : [nest(levels - 1, bottom)]);
    for (const bottom of [1, new Uint8Array(1), { $bytes: 'AA==' }]) {
      const levels = DEPTH_MAX - (bottom !== 1 && !(bottom instanceof Uint8Array) ? 1 : 0);
      expect(arrives(nest(levels, bottom))).toStrictEqual(nest(levels, bottom));
      expect(() => jsonCodec.event(0, 'v', nest(levels + 1, bottom === 1 ? [] : bottom))).not.toThrow(TypeError);
    }
    expect(() => jsonCodec.event(0, 'v', nest(DEPTH_MAX + 1, 1))).toThrow(/too deep/);
  });

  test('a message is one line', () => {
    expect(textOf(jsonCodec.event(0, 'v', 'a\nb\r\u2028').bytes)).not.toMatch(/[\r\n]/);
  });

  test.each([
    ['a function', () => 1],
    ['a set', new Set()],
    ['a map', new Map()],
    ['an integer of more than 64 bits', 2n ** 64n],
    ['an invalid date', new Date(Number.NaN)],
    ['half a surrogate pair', '\ud83d'],
    ['half a surrogate pair in a key', { '\ud83d': 1 }],
    ['the key __proto__', JSON.parse('{"__proto__":1}')],
  ])('can not be sent: %s', (_, value) => {
    for (const data of [value, [value], { key: value }]) {
      expect(() => jsonCodec.event(0, 'v', data)).toThrow(expect.objectContaining({ code: 'ERR_UNENCODABLE' }));
    }
    expect(() => jsonCodec.event(0, '\ud83d', 1)).toThrow(HawserError);
  });
});

describe('bad input never throws', () => {
  test('random text and bytes', () => {
    const input = fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => encoder.encode(text)),
      fc.uint8Array(),
      fc.json().map((text) => encoder.encode(text)),
    );
    fc.assert(
      fc.property(input, fc.boolean(), (bytes, text) => {
        expect(jsonCodec.decode(bytes, text).kind).toBeTypeOf('number');
      }),
      { numRuns: 1000 },
    );
  });

  test('valid messages with changes; what passes can be sent on', () => {
    expect.hasAssertions();
    const valid = vectors.valid.map(({ text }) => encoder.encode(text));
    fc.assert(
      fc.property(fc.constantFrom(...valid), anyChanges, (bytes, changes) => {
        const message = jsonCodec.decode(mutated(bytes, changes), true);
        if (message.kind === 0) expect(message.code).toBe('ERR_MESSAGE_MALFORMED');
        else if (message.kind <= 6) assert.deepStrictEqual(arrives(message.data), message.data);
      }),
      { numRuns: 2000 },
    );
  });

  test('every JSON that names no key twice is taken, and none that does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.string({ unit: 'grapheme' }), (value, name) => {
        const text = JSON.stringify({ event: 'v', data: value });
        fc.pre(!text.includes('__proto__') && !/"\$+(bytes|date|float|int)"/.test(text));
        expect(decode(text)).toMatchObject({ kind: MESSAGE.event });
        const key = JSON.stringify(name);
        const twice = `{"event":"v","data":[${JSON.stringify(value)},{${key}:1,"other":2,${key}:3}]}`;
        expect(decode(twice)).toMatchObject({ kind: 0, code: 'ERR_MESSAGE_MALFORMED' });
      }),
      { numRuns: 300 },
    );
  });

  test.each(['[', '{"a":'])('a very deep value of %s takes no stack', (open) => {
    expect(decode(`{"event":"v","data":${open.repeat(200_000)}`)).toMatchObject({ code: 'ERR_MESSAGE_MALFORMED' });
  });

  test('backslashes take no more time than other characters', () => {
    expect(decode(`{"event":"v","data":"${'\\\\"'.repeat(100_000)}"}`)).toMatchObject({ kind: 0 });
    expect(decode(`{"event":"v","data":"${'\\"'.repeat(100_000)}"}`)).toMatchObject({ kind: MESSAGE.event });
  });
});
