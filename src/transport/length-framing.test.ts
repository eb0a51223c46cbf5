import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CloseReason, HEADROOM, Outbound } from '../core/index.ts';
import type { FramingSink } from './framing.ts';
import { LengthFraming } from './length-framing.ts';

interface Heard {
  readonly messages: [text: boolean, hex: string][];
  readonly closes: CloseReason[];
  readonly replies: string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function hear(chunks: Iterable<Uint8Array>, messageBytes = 1 << 20): Heard {
  const heard: Heard = { messages: [], closes: [], replies: [] };
  const sink: FramingSink = {
    onMessage: (message, text) => heard.messages.push([text, hex(message)]),
    onReply: (reply) => heard.replies.push(hex(reply)),
    onPong: () => undefined,
    onClose: (reason) => heard.closes.push(reason),
  };
  const framing = new LengthFraming(messageBytes);
  for (const chunk of chunks) framing.receive(chunk, sink);
  return heard;
}

test.each([0, 15, 16, 70_000])('a frame of %d bytes is the same wherever it is made', (length) => {
  const framing = new LengthFraming(1);
  const message = (): Outbound => new Outbound(new Uint8Array(length).fill(length), true);
  const made = framing.encode(message());
  const target = new Uint8Array(3 + made.length);
  expect(framing.write(message(), target, 3)).toBe(target.length);
  expect(hex(target.subarray(3))).toBe(hex(made));
  expect(framing.write(message(), target, 4)).toBe(-1);
});

test.each([
  ['an empty binary message', '00', [[false, '']]],
  ['an empty text message', '01', [[true, '']]],
  ['one byte', '04 ff', [[false, 'ff']]],
  ['text', '09 6869', [[true, '6869']]],
  ['15 bytes, the last of the short header', `3c ${'aa'.repeat(15)}`, [[false, 'aa'.repeat(15)]]],
  ['16 bytes', `4040 ${'aa'.repeat(16)}`, [[false, 'aa'.repeat(16)]]],
  ['a header longer than needed', '80000004 ff', [[false, 'ff']]],
])('vector: %s', (_, wire, messages) => {
  expect(hear([bytes(wire)])).toEqual({ messages, closes: [], replies: [] });
});

test.each([
  ['a goodbye', '12 03e9 6279', { code: 1001, reason: 'by' }, []],
  ['a goodbye without a code', '02', { code: 1005, reason: '' }, []],
  ['a goodbye of one byte', '06 03', { code: 4506, reason: 'malformed close frame' }],
  ['a goodbye that is too long', '41fa', { code: 4506, reason: 'malformed close frame' }],
  ['an unknown kind', '03', { code: 4506, reason: 'unknown kind of frame' }],
  ['a number over 2^53', 'ffffffffffffffff', { code: 4506, reason: 'unknown kind of frame' }],
  ['a message over the limit', '84000000', { code: 4503, reason: 'a message may have 1048576 bytes' }],
])('the stream ends with %s', (_, wire, reason, replies?: string[]) => {
  const heard = hear([bytes(wire), bytes('04ff')]);
  expect(heard).toEqual({
    messages: [],
    closes: [reason],
    replies: replies ?? [hex(new LengthFraming(1).goodbye(reason))],
  });
});

test('the longest message is taken, one byte more is not', () => {
  expect(hear([bytes('4040'), new Uint8Array(16)], 16).messages).toHaveLength(1);
  expect(hear([bytes('4044')], 16).closes).toEqual([{ code: 4503, reason: 'a message may have 16 bytes' }]);
});

test('what is said in a goodbye is cut to 123 bytes, between characters', () => {
  const goodbye = new LengthFraming(1).goodbye({ code: 4000, reason: 'é'.repeat(100) });
  expect(hear([goodbye]).closes).toEqual([{ code: 4000, reason: 'é'.repeat(61) }]);
});

test('a frame is made once, in the headroom of the message', () => {
  const memory = new Uint8Array(HEADROOM + 3);
  const message = new Outbound(memory.subarray(HEADROOM), false, HEADROOM);
  const frame = new LengthFraming(1).encode(message);
  expect(frame.buffer).toBe(memory.buffer);
  expect(new LengthFraming(1).encode(message)).toBe(frame);
});

const message = fc.record({ text: fc.boolean(), body: fc.uint8Array({ maxLength: 300 }) });

test('what is sent is heard, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 80 })),
      (sent, cuts) => {
        const framing = new LengthFraming(300);
        const frames = sent.map(({ text, body }) => framing.encode(new Outbound(body, text)));
        const wire = Uint8Array.from([...frames, framing.goodbye({ code: 1000, reason: '' })].flatMap((f) => [...f]));
        expect(hear(cut(wire, cuts), 300)).toEqual({
          messages: sent.map(({ text, body }) => [text, hex(body)]),
          closes: [{ code: 1000, reason: '' }],
          replies: [],
        });
      },
    ),
  );
});

test('any bytes give the same result however they are cut, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (wire, cuts) => {
      const heard = hear([wire], 50);
      expect(hear(cut(wire, cuts), 50)).toEqual(heard);
      expect(heard.closes.length).toBeLessThanOrEqual(1);
    }),
  );
});

function* cut(wire: Uint8Array, cuts: Iterator<number>): Generator<Uint8Array> {
  for (let at = 0; at < wire.length; ) {
    const end = at + (cuts.next().value as number);
    yield wire.subarray(at, end);
    at = end;
  }
}
