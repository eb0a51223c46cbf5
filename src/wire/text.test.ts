import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NativeText, useNativeText } from './server-text.ts';
import { utf8 } from './text.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

function outcome(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

const pieces = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.constantFrom(
    '\ufffd',
    '\ufeff',
    '\u0000',
    '🙂',
    'é'.repeat(255),
    'a'.repeat(511),
    'a'.repeat(512),
    'a'.repeat(513),
  ),
);
const texts = fc.array(pieces, { maxLength: 4 }).map((all) => all.join(''));

const NODE: NativeText = { utf8Slice: method('utf8Slice') as Slice, utf8Write: method('utf8Write') as Write };
type Slice = NonNullable<NativeText['utf8Slice']>;
type Write = NonNullable<NativeText['utf8Write']>;

function method(name: string): unknown {
  return (Buffer.prototype as unknown as Record<string, unknown>)[name];
}

function raise(): never {
  throw new TypeError('not a Buffer');
}

describe.each<[string, NativeText]>([
  ['by the platform', {}],
  ["by Node's own calls", NODE],
  ['by the platform, where a call is gone', { utf8Slice: NODE.utf8Slice as Slice }],
  ['by the platform, where a call throws', { ...NODE, utf8Write: () => raise() }],
  ['by the platform, where a call does something else', { ...NODE, utf8Slice: () => 'é1' }],
])('texts, %s', (_, methods) => {
  beforeEach(() => useNativeText(methods));
  afterEach(() => useNativeText({}));

  test('what is UTF-8 and what is not, the strict decoder says', () => {
    const broken = fc.tuple(
      texts,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0x80, max: 0xff })), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(broken, fc.nat(5), ([text, changes], before) => {
        const bytes = Uint8Array.from([...new Uint8Array(before), ...encoder.encode(text), 1]);
        const end = bytes.length - 1;
        for (const [at, byte] of changes) if (end > before) bytes[before + (at % (end - before))] = byte;
        const read = outcome(() => utf8.read(bytes, before, end));
        expect(read).toBe(outcome(() => strict.decode(bytes.subarray(before, end))));
      }),
    );
  });

  test('text is written as the encoder does it, within its room', () => {
    fc.assert(
      fc.property(texts, fc.nat(5), fc.integer({ min: -3, max: 2000 }), (text, at, more) => {
        const whole = encoder.encode(text);
        const most = Math.max(0, whole.length + more);
        const bytes = new Uint8Array(at + most + 8);
        const written = utf8.write(bytes, at, at + most, text);
        if (written === undefined) expect(more).toBeLessThan(0);
        else expect(bytes.subarray(at, at + written)).toEqual(whole);
        expect([...bytes.subarray(0, at), ...bytes.subarray(at + most)].every((byte) => byte === 0)).toBe(true);
      }),
    );
  });
});

test("Node's own calls are taken where they are what they were", () => {
  let calls = 0;
  const { utf8Slice, utf8Write } = NODE as Required<NativeText>;
  useNativeText({
    utf8Slice: function counted(start, end) {
      calls += 1;
      return utf8Slice.call(this, start, end);
    },
    utf8Write,
  });
  const before = calls;
  expect(utf8.read(encoder.encode('abc'), 1, 3)).toBe('bc');
  expect(calls).toBe(before + 1);
  useNativeText({});
});
