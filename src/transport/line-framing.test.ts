import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CloseReason, Outbound } from '../core/index.ts';
import { LineFraming } from './line-framing.ts';

interface Heard {
  readonly lines: string[];
  readonly closes: CloseReason[];
  readonly replies: string[];
  readonly end: CloseReason;
}

function hear(chunks: Iterable<Uint8Array>, messageBytes = 100): Heard {
  const lines: string[] = [];
  const closes: CloseReason[] = [];
  const replies: string[] = [];
  const framing = new LineFraming(messageBytes);
  for (const chunk of chunks) {
    framing.receive(chunk, {
      onMessage: (line, text) => lines.push(`${text ? '' : 'binary '}${Buffer.from(line).toString('latin1')}`),
      onReply: (reply) => replies.push(Buffer.from(reply).toString()),
      onPong: () => undefined,
      onClose: (reason) => closes.push(reason),
    });
  }
  return { lines, closes, replies, end: framing.ended() };
}

const whole = (text: string): Uint8Array[] => [Buffer.from(text)];
const bytewise = (text: string): Uint8Array[] => [...Buffer.from(text)].map((byte) => Uint8Array.of(byte));

test.each([
  ['LF ends a line', '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
  ['a CR before it is dropped', '{}\r\n', ['{}']],
  ['only one', '{}\r\r\n', ['{}\r']],
  ['empty lines mean nothing', '\n\r\n\n{}\n', ['{}']],
  ['half a line waits', '{}\n{"a"', ['{}']],
])('%s', (_, text, lines) => {
  expect(hear(whole(text)).lines).toEqual(lines);
  expect(hear(bytewise(text)).lines).toEqual(lines);
});

test.each([
  ['whole', whole],
  ['byte by byte', bytewise],
])('a line over the limit gets an error line and the end: %s', (_, cut) => {
  const heard = hear(cut('12345678\n123456789\n1\n'), 8);
  expect(heard.lines).toEqual(['12345678']);
  expect(heard.closes).toEqual([{ code: 4503, reason: 'a line may have 8 bytes' }]);
  expect(heard.replies).toEqual([
    '{"event":"error","code":"ERR_MESSAGE_TOO_LARGE","message":"a line may have 8 bytes"}\n',
  ]);
});

test('a line of the limit and a CR is taken', () => {
  expect(hear(bytewise('12345678\r\n'), 8).lines).toEqual(['12345678']);
});

test('an unfinished line over the limit is not waited for', () => {
  expect(hear(whole('1234567890'), 8).closes).toHaveLength(1);
});

test('the end of the stream is a goodbye after whole lines, a break within one', () => {
  expect(hear(whole('{}\n')).end.code).toBe(1005);
  expect(hear(whole('{}\n{')).end.code).toBe(1006);
});

test('a message is written as one line, once for all links', () => {
  const message = new Outbound(Buffer.from('{"event":"é"}'), true);
  const frame = new LineFraming(1).encode(message);
  expect(Buffer.from(frame).toString()).toBe('{"event":"é"}\n');
  expect(new LineFraming(1).encode(message)).toBe(frame);
});

test('a goodbye is an error line, and nothing at all for a normal end', () => {
  const say = (code: number): string => Buffer.from(new LineFraming(1).goodbye({ code, reason: 'why' })).toString();
  expect(say(1000)).toBe('');
  expect(say(4002)).toBe('{"event":"error","code":"ERR_LOGIN_TIMEOUT","message":"why"}\n');
  expect(say(4999)).toBe('{"event":"error","code":"ERR_CLOSED","message":"why"}\n');
});

test('any bytes give the same lines however they are cut', () => {
  const byte = fc.oneof(fc.constant(10), fc.constant(13), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 120 }), fc.nat(120), (wire, at) => {
      const chunk = Uint8Array.from(wire);
      const { lines, closes } = hear([chunk], 20);
      expect(hear([chunk.subarray(0, at), chunk.subarray(at)], 20)).toMatchObject({ lines, closes });
    }),
  );
});
