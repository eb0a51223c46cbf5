import { isUtf8 as nodeIsUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  chop,
  closeBody,
  concat,
  cutAt,
  frame,
  hear,
  KEY,
  recorder,
  spoken,
  type Told,
  toHex,
} from '../../test/support/websocket-frames.ts';
import { advanceUtf8, isUtf8, Outbound, UTF8_BROKEN, UTF8_START } from '../core/index.ts';
import { WebSocketFraming } from './index.ts';
import { mask, turnKey } from './mask.ts';
import { MessageBuffer } from './message-buffer.ts';

const kinds = (told: Told): Omit<Told, 'order'> => {
  const { order: _, ...rest } = told;
  return rest;
};

/** One message as its frames, with a ping here and there; few pings, so that no cut changes which are answered. */
const message = fc
  .record({
    pieces: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
    ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
    key: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
  })
  .map(({ pieces, ping, key }) => {
    const frames = pieces.map((payload, at) =>
      frame({ fin: at === pieces.length - 1, opcode: at === 0 ? 2 : 0, payload, key }),
    );
    if (ping !== undefined) frames.splice(1, 0, frame({ opcode: 9, payload: ping, key }));
    return { bytes: concat(frames), whole: toHex(concat(pieces)) };
  });

test('frames tell the same, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(4000), { maxLength: 12 }), (messages, cuts) => {
      const talk = concat([
        ...messages.map(({ bytes }) => bytes),
        frame({ opcode: 8, payload: closeBody(1000), key: KEY }),
      ]);
      const pieces = cutAt(
        talk,
        cuts.map((cut) => cut % (talk.length + 1)),
      );
      const told = hear(pieces);
      expect(told.messages.map(({ hex }) => hex)).toEqual(messages.map(({ whole }) => whole));
      expect(told.closed).toEqual([{ code: 1000, reason: '' }]);
      expect(kinds(told)).toEqual(kinds(hear([talk])));
    }),
  );
});

test('any bytes are read without a throw, and end at most once, in both roles', () => {
  const roles = fc.constantFrom('server' as const, 'client' as const);
  fc.assert(
    fc.property(roles, fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (role, chunks) => {
      const told = hear(chunks, { role });
      expect(told.closed.length).toBeLessThanOrEqual(1);
      const again = hear(chop(concat(chunks), 1), { role });
      expect(again.messages).toEqual(told.messages);
      expect(again.closed).toEqual(told.closed);
      if (told.closed.length === 1) expect(told.order.at(-1)).toBe('close');
    }),
    { numRuns: 500 },
  );
});

test('a talk with a few bytes changed is read without a throw', () => {
  const change = fc.tuple(fc.nat(4000), fc.nat(255));
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.array(change, { maxLength: 3 }),
      (messages, changes) => {
        const talk = concat(messages.map(({ bytes }) => bytes));
        for (const [at, byte] of changes) talk[at % talk.length] = byte;
        const told = hear([talk]);
        expect(told.closed.length).toBeLessThanOrEqual(1);
        expect(hear(chop(talk, 3)).messages).toEqual(told.messages);
      },
    ),
    { numRuns: 300 },
  );
});

const LENGTHS = [0, 1, 2, 3, 124, 125, 126, 127, 128, 191, 192, 193, 65_534, 65_535, 65_536, 65_537];

test.each(['server', 'client'] as const)('what the other side encodes, a %s reads', (role) => {
  const other = role === 'server' ? 'client' : 'server';
  const sender = new WebSocketFraming({ role: other, messageBytes: 1, maskKey: () => 0x9f_03_70_e1 });
  for (const length of LENGTHS) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) & 0xff);
    const text = 'é'.repeat(length >> 1);
    const chunk = concat([
      sender.encode(new Outbound(bytes, false)),
      sender.encode(new Outbound(new TextEncoder().encode(text), true)),
      sender.ping(),
      sender.goodbye({ code: 4321, reason: 'ende' }),
    ]);
    const told = hear([chunk], { role });
    expect(spoken(told)).toEqual([`<${toHex(bytes)}>`, text]);
    expect(told.replies.length).toBe(2);
    expect(told.closed).toEqual([{ code: 4321, reason: 'ende' }]);
  }
});

test('the chunk may lie anywhere in its memory', () => {
  fc.assert(
    fc.property(fc.nat(9), fc.nat(600), (offset, length) => {
      const payload = Uint8Array.from({ length }, (_, at) => (at * 7) & 0xff);
      const bytes = frame({ opcode: 2, payload, key: KEY });
      const memory = new Uint8Array(bytes.length + 20).fill(0xaa);
      memory.set(bytes, offset);
      const { told, sink } = recorder();
      const framing = new WebSocketFraming({ role: 'server', messageBytes: 1000 });
      framing.receive(memory.subarray(offset, offset + bytes.length), sink);
      expect(told.messages).toEqual([{ text: false, hex: toHex(payload) }]);
      expect(memory.subarray(0, offset).every((byte) => byte === 0xaa)).toBe(true);
      expect(memory.subarray(offset + bytes.length).every((byte) => byte === 0xaa)).toBe(true);
    }),
  );
});

test('masking does what RFC 6455 5.3 says, byte by byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.integer(), fc.nat(8), fc.nat(8), (bytes, key, from, less) => {
      const start = Math.min(from, bytes.length);
      const end = Math.max(start, bytes.length - less);
      const keyBytes = [key >>> 24, (key >>> 16) & 0xff, (key >>> 8) & 0xff, key & 0xff];
      const plain = bytes.map((byte, at) =>
        at < start || at >= end ? byte : byte ^ (keyBytes[(at - start) % 4] as number),
      );
      const masked = bytes.slice();
      mask(masked, start, end, key);
      expect(toHex(masked)).toBe(toHex(plain));
    }),
  );
});

test('masking goes on where it stopped', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 900 }), fc.integer(), fc.nat(900), (bytes, key, at) => {
      const cut = at % bytes.length;
      const whole = bytes.slice();
      mask(whole, 0, whole.length, key);
      const halves = bytes.slice();
      mask(halves, 0, cut, key);
      mask(halves, cut, halves.length, turnKey(key, cut));
      expect(toHex(halves)).toBe(toHex(whole));
    }),
  );
});

/** Bytes that are text, nearly text, or neither. */
const textLike = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => new Uint8Array(Buffer.from(text))),
  fc
    .array(fc.constantFrom(0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4), {
      maxLength: 6,
    })
    .map((bytes) => Uint8Array.from(bytes)),
);

test("our check of UTF-8 agrees with Node's, whole and in pieces", () => {
  fc.assert(
    fc.property(textLike, fc.nat(12), fc.nat(12), fc.boolean(), (bytes, one, two, fast) => {
      const good = nodeIsUtf8(bytes);
      expect(isUtf8(bytes)).toBe(good);
      let state = UTF8_START;
      for (const piece of cutAt(bytes, [one % (bytes.length + 1), two % (bytes.length + 1)])) {
        if (state !== UTF8_BROKEN) state = advanceUtf8(state, piece, fast ? nodeIsUtf8 : undefined);
      }
      expect(state === UTF8_START).toBe(good);
    }),
    { numRuns: 5000 },
  );
});

test('memory for a message is taken in steps, and at most to its announced length', () => {
  const buffer = new MessageBuffer();
  const piece = new Uint8Array(1000).fill(5);
  const sizes = new Set<number>();
  for (let sent = 0; sent < 100; sent++) {
    buffer.append(piece, 0, piece.length, 100_000);
    sizes.add(buffer.capacity);
    expect(buffer.capacity).toBeLessThanOrEqual(Math.max(4096, buffer.length * 4));
  }
  expect([...sizes]).toEqual([4096, 20_000, 84_000, 100_000]);
  expect(buffer.take().length).toBe(100_000);
  expect(buffer.capacity).toBe(0);
});
