import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chop,
  concat,
  cutAt,
  frame,
  hear,
  KEY,
  masked,
  recorder,
  spoken,
  toHex,
} from '../../../test/support/websocket-frames.ts';
import { FRAME_SLOT, Outbound } from '../../core/index.ts';
import type { CompressionOptions } from '../../transport/index.ts';
import { type DeflateAgreement, deflatedAtMost, WebSocketFraming } from '../../websocket/index.ts';
import { resolveCompression, ZlibCompression } from './compression.ts';

const TEXT = 1;
const BINARY = 2;
const COMPRESSED = 4;
const LIMIT = 100_000;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

type Role = 'server' | 'client';

function compression(
  role: Role,
  change: Partial<DeflateAgreement> = {},
  options: CompressionOptions = {},
): ZlibCompression {
  const settings = resolveCompression({ threshold: 0, ...options });
  if (settings === undefined) throw new Error('no settings');
  return new ZlibCompression(settings, { ...FORGETFUL, ...change }, role);
}

const FORGETFUL: DeflateAgreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

function framing(role: Role, change?: Partial<DeflateAgreement>, options?: CompressionOptions): WebSocketFraming {
  const maskKey = (): number => randomBytes(4).readInt32BE();
  return new WebSocketFraming({ role, messageBytes: LIMIT, maskKey, compression: compression(role, change, options) });
}

const deflated = (bytes: Uint8Array): Uint8Array =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
/** A frame of a client's compressed message, or a later one of its fragments. */
const part = (opcode: number, payload: Uint8Array, fin: boolean, rsv = COMPRESSED): Uint8Array =>
  frame({ fin, rsv, opcode, payload, key: KEY });
/** What a server that agreed on compression makes of these bytes. */
const heard = (...chunks: Uint8Array[]): ReturnType<typeof hear> =>
  hear(chunks, { messageBytes: LIMIT, compression: compression('server') });

describe('what is sent', () => {
  const long = new Outbound(utf8('again and again and '.repeat(200)), true);

  test('has the bit where it is compressed, and is read by the other side', () => {
    for (const [from, to] of [
      ['server', 'client'],
      ['client', 'server'],
    ] as const) {
      const bytes = framing(from).encode(long);
      expect((bytes[0] as number) >> 4).toBe(8 | COMPRESSED);
      expect(bytes.length).toBeLessThan(long.length / 10);
      const { told, sink } = recorder();
      framing(to).receive(Uint8Array.from(bytes), sink);
      expect(told.messages).toEqual([{ text: true, hex: toHex(long.bytes) }]);
    }
  });

  test('is as it was under the threshold, where it would not get shorter, and in control frames', () => {
    const server = framing('server', {}, { threshold: 100 });
    const short = new Outbound(utf8('a'.repeat(99)), true);
    const noise = new Outbound(new Uint8Array(randomBytes(500)), false);
    for (const message of [short, noise]) expect(toHex(server.encode(message))).toContain(toHex(message.bytes));
    for (const bytes of [
      server.encode(short),
      server.encode(noise),
      server.ping(),
      server.goodbye({ code: 1000, reason: 'a'.repeat(100) }),
    ]) {
      expect((bytes[0] as number) & 0x70).toBe(0);
    }
  });

  test('is compressed once for all members of a broadcast, also where that gains nothing', () => {
    let calls = 0;
    const counted = (bytes: Uint8Array): Outbound => {
      calls = 0;
      return new Outbound(bytes, false);
    };
    const member = (): WebSocketFraming => {
      const inner = compression('server');
      return new WebSocketFraming({
        role: 'server',
        messageBytes: LIMIT,
        compression: {
          threshold: 0,
          shared: inner.shared,
          inflate: (bytes, limit) => inner.inflate(bytes, limit),
          deflate: (bytes) => {
            calls++;
            return inner.deflate(bytes);
          },
        },
      });
    };
    const good = counted(new Uint8Array(5000));
    expect(member().encode(good)).toBe(member().encode(good));
    expect(calls).toBe(1);
    const noise = counted(new Uint8Array(randomBytes(500)));
    expect(member().encode(noise)).toBe(member().encode(noise));
    expect(calls).toBe(1);
    const plain = new WebSocketFraming({ role: 'server', messageBytes: LIMIT });
    expect(plain.encode(good).length).toBe(5004);
    expect(member().encode(good).length).toBeLessThan(100);
  });

  test('is compressed for each member whose memory or window is its own', () => {
    const message = new Outbound(new Uint8Array(5000), false);
    const [one, other] = [
      framing('server', { serverNoContextTakeover: false }),
      framing('server', { serverMaxWindowBits: 9 }),
    ];
    expect(one.encode(message)).not.toBe(one.encode(message));
    expect(other.encode(message)).not.toBe(other.encode(message));
    expect(message.frame(FRAME_SLOT.websocketDeflated)).toBeUndefined();
  });
});

describe('the bit', () => {
  const payload = deflated(utf8('Hello'));

  test('without an agreement is a broken rule', () => {
    expect(hear([part(TEXT, payload, true)]).closed[0]?.code).toBe(1002);
  });

  test.each([
    ['a ping', frame({ rsv: COMPRESSED, opcode: 9, payload: 'x', key: KEY })],
    ['a pong', frame({ rsv: COMPRESSED, opcode: 10, key: KEY })],
    ['a close', frame({ rsv: COMPRESSED, opcode: 8, key: KEY })],
    ['a later fragment', concat([part(TEXT, payload, false), part(0, payload, true)])],
    ['a later fragment of a plain message', concat([masked(TEXT, 'a', false), part(0, payload, true)])],
    ['another bit beside it', part(TEXT, payload, true, 6)],
    ['a third bit', part(TEXT, payload, true, 1)],
  ])('on %s is a broken rule', (_, bytes) => {
    expect(heard(bytes).closed[0]?.code).toBe(1002);
  });
});

describe('what is taken in', () => {
  test('plain and compressed messages in turn', () => {
    const bytes = [
      masked(TEXT, 'one'),
      part(TEXT, deflated(utf8('two')), true),
      masked(TEXT, 'three'),
      part(BINARY, deflated(Uint8Array.of(4)), true),
    ];
    expect(spoken(heard(concat(bytes)))).toEqual(['one', 'two', 'three', '<04>']);
  });

  test('empty messages, whole and in empty fragments', () => {
    const zero = Uint8Array.of(0);
    const none = new Uint8Array(0);
    expect(spoken(heard(part(TEXT, zero, true), part(BINARY, none, true)))).toEqual(['', '<>']);
    expect(spoken(heard(part(TEXT, none, false), part(0, zero, false, 0), part(0, none, true, 0)))).toEqual(['']);
  });

  test('fragments, with pings between them and a character cut in two', () => {
    const text = 'grüße, '.repeat(50);
    const pieces = chop(deflated(utf8(text)), 3);
    const frames = pieces.flatMap((piece, at) => [
      part(at === 0 ? TEXT : 0, piece, at === pieces.length - 1, at === 0 ? COMPRESSED : 0),
      masked(9, String(at)),
    ]);
    const told = heard(...frames);
    expect(spoken(told)).toEqual([text]);
    expect(told.replies.length).toBe(pieces.length);
  });

  test('text that is none, once it is inflated: 1007', () => {
    const bad = deflated(Uint8Array.of(0x41, 0xc3, 0x28));
    expect(heard(part(TEXT, bad, true)).closed[0]?.code).toBe(1007);
    expect(heard(part(BINARY, bad, true)).messages.length).toBe(1);
    expect(heard(part(TEXT, bad.subarray(0, 2), false), part(0, bad.subarray(2), true, 0)).closed[0]?.code).toBe(1007);
  });

  test('data that is none: 1007, said to the peer, and nothing more is read', () => {
    const told = heard(concat([part(TEXT, utf8('no deflate at all'), true), masked(TEXT, 'late')]));
    expect([told.closed[0]?.code, told.messages, told.replies.length]).toEqual([1007, [], 1]);
  });

  test('a message that inflates to the limit, and a bomb: 1009', () => {
    const [fits, over, bomb] = [LIMIT, LIMIT + 1, 1 << 27].map((size) => deflated(new Uint8Array(size)));
    expect(heard(part(BINARY, fits as Uint8Array, true)).messages[0]?.hex.length).toBe(LIMIT * 2);
    expect(heard(part(BINARY, over as Uint8Array, true)).closed[0]?.code).toBe(1009);
    const told = heard(...chop(part(BINARY, (bomb as Uint8Array).subarray(0, deflatedAtMost(LIMIT)), true), 5000));
    expect([told.closed[0]?.code, told.messages]).toEqual([1009, []]);
  });

  test('noise up to the limit, which takes more bytes than it has, and no frame that announces more than that', () => {
    const noise = new Uint8Array(randomBytes(LIMIT));
    const stored = deflateRawSync(noise, { level: 0, memLevel: 1, finishFlush: constants.Z_SYNC_FLUSH }).subarray(
      0,
      -4,
    );
    expect(stored.length).toBeGreaterThan(LIMIT);
    expect(heard(part(BINARY, stored, true)).messages).toEqual([{ text: false, hex: toHex(noise) }]);
    const most = deflatedAtMost(LIMIT);
    const announced = (length: number): Uint8Array => part(BINARY, new Uint8Array(length), true).subarray(0, 14);
    expect(heard(announced(most)).closed).toEqual([]);
    expect(heard(announced(most + 1)).closed[0]?.code).toBe(1009);
    expect(heard(part(BINARY, new Uint8Array(most), false), part(0, new Uint8Array(1), false, 0)).closed[0]?.code).toBe(
      1009,
    );
  });
});

const agreements = fc.record({
  serverNoContextTakeover: fc.boolean(),
  clientNoContextTakeover: fc.boolean(),
  serverMaxWindowBits: fc.integer({ min: 8, max: 15 }),
  clientMaxWindowBits: fc.integer({ min: 8, max: 15 }),
});
const words = fc.array(
  fc.tuple(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(200)).map(([word, times]) => word.repeat(times)),
  { maxLength: 10 },
);

test('any messages, either way, with any agreement, in any fragments and any chunks, arrive as they were', () => {
  fc.assert(
    fc.property(
      agreements,
      fc.constantFrom<Role>('server', 'client'),
      fc.nat(200),
      words,
      fc.array(fc.nat(5000), { maxLength: 6 }),
      fc.array(fc.nat(5000), { maxLength: 6 }),
      (agreement, from, threshold, all, breaks, cuts) => {
        const sender = framing(from, agreement, { threshold });
        const reader = framing(from === 'server' ? 'client' : 'server', agreement);
        const { told, sink } = recorder();
        for (const text of all) {
          const bytes = fragments(sender.encode(new Outbound(utf8(text), true)), breaks, from === 'client');
          for (const chunk of cutAt(
            bytes,
            cuts.map((at) => at % (bytes.length + 1)),
          ))
            reader.receive(chunk, sink);
        }
        expect(told.closed).toEqual([]);
        expect(spoken(told)).toEqual(all);
      },
    ),
    { numRuns: 150 },
  );
});

/** One frame made into several, with a ping after each. */
function fragments(bytes: Uint8Array, breaks: readonly number[], isMasked: boolean): Uint8Array {
  const first = bytes[0] as number;
  const short = (bytes[1] as number) & 0x7f;
  const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (isMasked ? 4 : 0);
  const key = isMasked ? [...bytes.subarray(start - 4, start)] : undefined;
  const payload = bytes.slice(start).map((byte, at) => byte ^ (key?.[at % 4] ?? 0));
  const pieces = cutAt(
    payload,
    breaks.map((at) => at % (payload.length + 1)),
  );
  return concat(
    pieces.flatMap((piece, at) => [
      frame({
        fin: at === pieces.length - 1,
        rsv: at === 0 ? (first >> 4) & 7 : 0,
        opcode: at === 0 ? first & 0x0f : 0,
        payload: piece,
        key,
      }),
      frame({ opcode: 9, key }),
    ]),
  );
}

test('any bytes to a side that agreed on compression end without a throw, and never in a message over the limit', () => {
  const shapes = fc.tuple(
    fc.constantFrom(TEXT, BINARY, 0),
    fc.boolean(),
    fc.constantFrom(0, COMPRESSED),
    fc.uint8Array({ maxLength: 60 }),
  );
  fc.assert(
    fc.property(fc.array(shapes, { maxLength: 8 }), (frames) => {
      const told = heard(concat(frames.map(([opcode, fin, rsv, payload]) => part(opcode, payload, fin, rsv))));
      expect(told.closed.every(({ code }) => [1002, 1007, 1009].includes(code))).toBe(true);
      expect(told.messages.every(({ hex }) => hex.length <= LIMIT * 2)).toBe(true);
    }),
    { numRuns: 300 },
  );
});
