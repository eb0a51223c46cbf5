import { isUtf8 as nodeIsUtf8 } from 'node:buffer';
import { expect, test } from 'vitest';
import {
  chop,
  closeBody,
  concat,
  cutAt,
  frame,
  fromHex,
  hear,
  KEY,
  masked,
  recorder,
  spoken,
  toHex,
} from '../../test/support/websocket-frames.ts';
import { FRAME_SLOT, HEADROOM, Outbound } from '../core/index.ts';
import type { Framing } from '../transport/index.ts';
import { WebSocketFraming } from './index.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const server = (): WebSocketFraming => new WebSocketFraming({ role: 'server', messageBytes: 1 << 20 });
const client = (): WebSocketFraming =>
  new WebSocketFraming({ role: 'client', messageBytes: 1 << 20, maskKey: () => 0x37fa213d });

test('it is a Framing', () => {
  const framing: Framing = server();
  expect(framing.answersGoodbye).toBe(true);
});

// RFC 6455 5.7, to the byte.

test('the RFC: an unmasked text, made by a server and read by a client', () => {
  expect(toHex(server().encode(new Outbound(utf8('Hello'), true)))).toBe('810548656c6c6f');
  expect(spoken(hear([fromHex('810548656c6c6f')], { role: 'client' }))).toEqual(['Hello']);
});

test('the RFC: a masked text, made by a client and read by a server', () => {
  expect(toHex(client().encode(new Outbound(utf8('Hello'), true)))).toBe('818537fa213d7f9f4d5158');
  expect(spoken(hear([fromHex('818537fa213d7f9f4d5158')]))).toEqual(['Hello']);
});

test('the RFC: a text in two fragments', () => {
  expect(spoken(hear([fromHex('010348656c 80026c6f')], { role: 'client' }))).toEqual(['Hello']);
});

test('the RFC: a ping and the masked pong that answers it', () => {
  expect(hear([fromHex('890548656c6c6f')], { role: 'client' }).replies).toEqual(['8a8537fa213d7f9f4d5158']);
  expect(hear([fromHex('898537fa213d7f9f4d5158')]).replies).toEqual(['8a0548656c6c6f']);
});

test.each([
  [256, '827e0100'],
  [65_536, '827f0000000000010000'],
])('the RFC: a binary message of %d bytes', (length, header) => {
  const message = new Outbound(new Uint8Array(length).fill(7), false);
  const made = server().encode(message);
  expect(toHex(made.subarray(0, made.length - length))).toBe(header);
  expect(hear([made], { role: 'client' }).messages).toEqual([{ text: false, hex: toHex(message.bytes) }]);
});

// What is sent.

test('a server frames a message once, in the headroom before it', () => {
  const memory = new Uint8Array(HEADROOM + 3);
  memory.set([1, 2, 3], HEADROOM);
  const message = new Outbound(memory.subarray(HEADROOM), false, HEADROOM);
  const made = server().encode(message);
  expect(made.buffer).toBe(memory.buffer);
  expect(toHex(made)).toBe('8203010203');
  expect(message.frame(FRAME_SLOT.websocket)).toBe(made);
  expect(server().encode(message)).toBe(made);
});

test.each([0, 1, 125, 126, 65_535, 65_536])('a frame of %d bytes is the same wherever it is made', (length) => {
  const bytes = Uint8Array.from({ length }, (_, at) => at * 7);
  for (const framing of [server(), client()]) {
    for (const text of [true, false]) {
      const made = framing.encode(new Outbound(bytes, text));
      const target = new Uint8Array(3 + made.length);
      expect(framing.write(new Outbound(bytes, text), target, 3)).toBe(target.length);
      expect(toHex(target.subarray(3))).toBe(toHex(made));
      expect(framing.write(new Outbound(bytes, text), target, 4)).toBe(-1);
    }
  }
  const message = new Outbound(bytes, true);
  expect(toHex(concat([server().head(message) as Uint8Array, bytes]))).toBe(toHex(server().encode(message)));
});

test('a header is made apart only where that saves a copy', () => {
  const roomy = new Outbound(new Uint8Array(HEADROOM + 9).subarray(HEADROOM), false, HEADROOM);
  expect(server().head(roomy)).toBe(undefined);
  server().encode(roomy);
  expect(server().head(roomy)).toBe(undefined);
  expect(client().head(new Outbound(new Uint8Array(9), false))).toBe(undefined);
});

test('a client masks a copy, with a new key each time, and leaves the message alone', () => {
  let key = 0;
  const framing = new WebSocketFraming({ role: 'client', messageBytes: 10, maskKey: () => ++key });
  const message = new Outbound(utf8('abcde'), true);
  expect(toHex(framing.encode(message))).toBe('8185000000016162636565');
  expect(toHex(framing.encode(message))).toBe('8185000000026162636665');
  expect(toHex(message.bytes)).toBe(toHex(utf8('abcde')));
  expect(message.frame(FRAME_SLOT.websocket)).toBeUndefined();
});

test('a client without masking keys is a mistake of ours', () => {
  expect(() => new WebSocketFraming({ role: 'client', messageBytes: 1 })).toThrow('masking keys');
});

test.each([
  [{ code: 1000, reason: '' }, '880203e8'],
  [{ code: 4001, reason: 'slow' }, '88060fa1736c6f77'],
  [{ code: 1005, reason: 'no status' }, '8800'],
  [{ code: 1006, reason: 'never sent' }, '8800'],
])('a goodbye: %o', (reason, bytes) => {
  expect(toHex(server().goodbye(reason))).toBe(bytes);
});

test('the reason of a goodbye is cut between two characters to fit 125 bytes', () => {
  const bytes = server().goodbye({ code: 1000, reason: `${'x'.repeat(122)}é` });
  expect(bytes.length).toBe(2 + 2 + 122);
});

test('pings of both sides', () => {
  expect(toHex(server().ping())).toBe('8900');
  expect(toHex(client().ping())).toBe('898037fa213d');
});

// 1: messages of each length, both kinds, whole and chopped.

test.each([0, 1, 124, 125, 126, 127, 128, 4095, 4096, 65_535, 65_536, 200_000])('messages of %d bytes', (length) => {
  const text = '*'.repeat(length);
  const bytes = Uint8Array.from({ length }, (_, at) => at & 0xff);
  const both = concat([masked(TEXT, text), masked(BINARY, bytes), masked(TEXT, 'end')]);
  for (const size of [both.length, 997, 65_536]) {
    expect(spoken(hear(chop(both, size)))).toEqual([text, `<${toHex(bytes)}>`, 'end']);
  }
});

// 2: pings and pongs.

test.each([
  ['empty', ''],
  ['text', 'Hello, world!'],
  ['bytes that are no text', fromHex('00fffefdfcfb00ff')],
  ['125 bytes', new Uint8Array(125).fill(0xfe)],
])('a ping with %s is answered with the same', (_name, payload) => {
  const ping = masked(PING, payload);
  const pong = toHex(frame({ opcode: PONG, payload }));
  expect(hear([ping]).replies).toEqual([pong]);
  expect(hear(chop(ping, 1)).replies).toEqual([pong]);
});

test('a pong, asked for or not, is told and not answered', () => {
  const told = hear([concat([masked(PONG), masked(PONG, 'unasked'), masked(PING, 'p')])]);
  expect(told.pongs).toBe(2);
  expect(told.replies).toEqual([toHex(frame({ opcode: PONG, payload: 'p' }))]);
});

test('ten pings at once get ten pongs, in order', () => {
  const payloads = Array.from({ length: 10 }, (_, at) => `ping ${at}`);
  const pings = concat(payloads.map((payload) => masked(PING, payload)));
  const pongs = payloads.map((payload) => toHex(frame({ opcode: PONG, payload })));
  expect(hear([pings]).replies).toEqual(pongs);
  expect(hear(chop(pings, 1)).replies).toEqual(pongs);
});

test('a flood of pings in one chunk gets sixteen pongs, the last for the latest ping', () => {
  const flood = concat(Array.from({ length: 1000 }, (_, at) => masked(PING, String(at))));
  const { replies } = hear([flood]);
  expect(replies.length).toBe(16);
  expect(replies[15]).toBe(toHex(frame({ opcode: PONG, payload: '999' })));
});

test('pings are not answered after our own goodbye', () => {
  const framing = server();
  const { told, sink } = recorder();
  framing.goodbye({ code: 1000, reason: '' });
  framing.receive(masked(PING, 'late'), sink);
  expect(told.order).toEqual([]);
});

// 3, 4, 5 and the rest of what no frame may be. What came before the fault is delivered, nothing after it.

const reserved = [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) =>
  [TEXT, BINARY, CLOSE, PING, PONG].map((opcode): [string, Uint8Array] => [
    `reserved bits ${rsv} in opcode ${opcode}`,
    frame({ rsv, opcode, payload: '', key: KEY }),
  ]),
);
const opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): [string, Uint8Array][] => [
  [`opcode ${opcode}, empty`, masked(opcode)],
  [`opcode ${opcode} with a payload`, masked(opcode, 'x')],
]);
const faults: [string, Uint8Array][] = [
  ...reserved,
  ...opcodes,
  ['a ping of 126 bytes', masked(PING, new Uint8Array(126))],
  ['a pong of 126 bytes', masked(PONG, new Uint8Array(126))],
  ['a close of 126 bytes', masked(CLOSE, closeBody(1000, 'x'.repeat(124)))],
  ['a fragmented ping', masked(PING, 'x', false)],
  ['a fragmented pong', masked(PONG, 'x', false)],
  ['a fragmented close', masked(CLOSE, closeBody(1000), false)],
  ['a continuation of nothing', masked(0, 'x')],
  ['a continuation of nothing that goes on', masked(0, 'x', false)],
  ['a text inside a fragmented text', concat([masked(TEXT, 'a', false), masked(TEXT, 'b')])],
  ['a binary inside a fragmented text', concat([masked(TEXT, 'a', false), masked(BINARY, 'b', false)])],
  ['a continuation after the last fragment', concat([masked(TEXT, '', false), masked(0, 'b'), masked(0, 'c')])],
  ['no mask', frame({ opcode: TEXT, payload: 'x' })],
  ['a ping without mask', frame({ opcode: PING, payload: 'x' })],
  ['a length of 125 in two bytes', frame({ opcode: BINARY, payload: new Uint8Array(125), key: KEY, lengthBytes: 2 })],
  ['a length of 5 in eight bytes', frame({ opcode: TEXT, payload: 'Hello', key: KEY, lengthBytes: 8 })],
  ['a length of 65535 in eight bytes', frame({ opcode: 2, payload: new Uint8Array(65_535), key: KEY, lengthBytes: 8 })],
  ['a length with its top bit set', fromHex('82ff 8000000000000000 00000000')],
  ['a length of all ones', fromHex('82ff ffffffffffffffff 00000000')],
  ['a close of one byte', masked(CLOSE, Uint8Array.of(3))],
];

test.each(faults)('refused with 1002: %s', (_name, bytes) => {
  const whole = concat([masked(TEXT, 'before'), bytes, masked(TEXT, 'after'), masked(PING, 'after')]);
  for (const chunks of [[whole], chop(whole, 1), chop(whole, 7)]) {
    const told = hear(chunks);
    expect(told.closed.map(({ code }) => code)).toEqual([1002]);
    expect(told.replies.length).toBe(1);
    expect(told.replies[0]?.startsWith('88')).toBe(true);
    expect(told.replies[0]?.slice(4, 8)).toBe('03ea');
    expect(told.order.slice(-2)).toEqual(['reply', 'close']);
    expect(spoken(told).filter((text) => text !== 'b')).toEqual(['before']);
  }
});

test('a client refuses masked frames', () => {
  const told = hear([masked(TEXT, 'x')], { role: 'client' });
  expect(told.closed.map(({ code }) => code)).toEqual([1002]);
  expect(told.messages).toEqual([]);
});

test('a header is refused at its second byte, whatever follows', () => {
  expect(hear([fromHex('f1ff')]).closed.length).toBe(1);
  expect(hear([fromHex('f1'), fromHex('ff')]).closed.length).toBe(1);
});

// 5: fragments.

const fragmented: [string, Uint8Array[], string[], number][] = [
  ['two', [masked(TEXT, 'frag', false), masked(0, 'ment')], ['fragment'], 0],
  ['a ping between two', [masked(TEXT, 'frag', false), masked(PING, 'p'), masked(0, 'ment')], ['fragment'], 1],
  ['empty ones', [masked(TEXT, '', false), masked(0, '', false), masked(0, '')], [''], 0],
  ['one of three not empty', [masked(TEXT, '', false), masked(0, 'mid', false), masked(0, '')], ['mid'], 0],
  [
    'five and two pings',
    [
      masked(TEXT, 'f1,', false),
      masked(0, 'f2,', false),
      masked(PING, 'p1'),
      masked(0, 'f3,', false),
      masked(0, 'f4,', false),
      masked(PING, 'p2'),
      masked(0, 'f5'),
    ],
    ['f1,f2,f3,f4,f5'],
    2,
  ],
  ['binary ones', [masked(BINARY, fromHex('ff00'), false), masked(0, fromHex('01'))], ['<ff0001>'], 0],
];

test.each(fragmented)('fragments: %s', (_name, frames, messages, pongs) => {
  const whole = concat([...frames, masked(TEXT, 'next')]);
  for (const chunks of [[whole], [...frames, masked(TEXT, 'next')], chop(whole, 1)]) {
    const told = hear(chunks);
    expect(spoken(told)).toEqual([...messages, 'next']);
    expect(told.replies.length).toBe(pongs);
    expect(told.closed).toEqual([]);
  }
});

test('a pong comes before the message whose fragments its ping lies between, when they come apart', () => {
  const told = hear([concat([masked(TEXT, 'a', false), masked(PING)]), masked(0, 'b')]);
  expect(told.order).toEqual(['reply', 'message']);
});

// 6: text.

const good: [string, string][] = [
  ['two, three and four bytes', 'Hello-µ@ßöäüàá-UTF-8!!  κόσμε € 𐍈'],
  ['the first of each length', '00 c280 e0a080 f0908080'],
  ['the last of each length', '7f dfbf efbfbf f48fbfbf'],
  ['around the surrogates', 'ed9fbf ee8080'],
  ['noncharacters', 'efbfbe efbfbf efb790 f09fbfbe f48fbfbf'],
  ['a byte order mark', 'efbbbf 61'],
];
const bad: [string, string][] = [
  ['a lone continuation byte', '80'],
  ['another', 'bf'],
  ['all leads without their rest', 'c0 20 c1 20 df 20'],
  ['a lead of five bytes', 'f888808080'],
  ['a lead of six bytes', 'fc8480808080'],
  ['ff', 'ff'],
  ['fe', 'fe'],
  ['overlong slash in two bytes', 'c0af'],
  ['overlong slash in three', 'e080af'],
  ['overlong slash in four', 'f08080af'],
  ['overlong NUL', 'c080'],
  ['the largest overlong in two', 'c1bf'],
  ['the largest overlong in three', 'e09fbf'],
  ['the largest overlong in four', 'f08fbfbf'],
  ['the lowest surrogate', 'eda080'],
  ['the highest surrogate', 'edbfbf'],
  ['a pair of surrogates', 'edae80edb080'],
  ['above U+10FFFF', 'f4908080'],
  ['a lead f5', 'f5808080'],
  ['a cut character before another', 'e282 41'],
  ['a good word and a surrogate', 'cebae1bdb9cf83cebcceb5 eda080 656469746564'],
];
const cutOff = ['c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98'];

const checks = [
  ['our own check', undefined],
  ["Node's check", nodeIsUtf8],
] as const;

test.each(checks)('texts are taken, in any pieces, with %s', (_name, isUtf8) => {
  for (const [name, given] of good) {
    const bytes = /^[0-9a-f ]+$/.test(given) ? fromHex(given) : utf8(given);
    const fragments = chop(bytes, 1).map((piece, at) => masked(at === 0 ? TEXT : 0, piece, at === bytes.length - 1));
    for (const chunks of [[masked(TEXT, bytes)], chop(masked(TEXT, bytes), 1), [concat(fragments)], fragments]) {
      expect(hear(chunks, { isUtf8 }).messages, name).toEqual([{ text: true, hex: toHex(bytes) }]);
    }
  }
});

test.each(checks)('what is no text is refused with 1007, in any pieces, with %s', (_name, isUtf8) => {
  const all = [...bad.map(([, given]) => given), ...cutOff];
  for (const given of all) {
    const bytes = concat([utf8('ok '), fromHex(given)]);
    const fragments = chop(bytes, 1).map((piece, at) => masked(at === 0 ? TEXT : 0, piece, at === bytes.length - 1));
    for (const chunks of [[masked(TEXT, bytes)], chop(masked(TEXT, bytes), 1), [concat(fragments)], fragments]) {
      const told = hear([...chunks, masked(TEXT, 'after')], { isUtf8 });
      expect(
        told.closed.map(({ code }) => code),
        given,
      ).toEqual([1007]);
      expect(told.messages, given).toEqual([]);
      expect(told.replies[0]?.slice(4, 8)).toBe('03ef');
    }
  }
});

test.each(checks)(
  'a broken text fails at its first wrong byte, before the frame or message is over, with %s',
  (_n, isUtf8) => {
    const start = fromHex('cebae1bdb9 f4');
    const whole = masked(TEXT, concat([start, fromHex('90'), utf8('never sent')]));
    const header = whole.subarray(0, 6 + start.length);
    expect(hear([header], { isUtf8 }).closed).toEqual([]);
    expect(hear([header, whole.subarray(header.length, header.length + 1)], { isUtf8 }).closed.length).toBe(1);
    const fragments = [masked(TEXT, start, false), masked(0, fromHex('90'), false)];
    expect(hear(fragments.slice(0, 1), { isUtf8 }).closed).toEqual([]);
    expect(hear(fragments, { isUtf8 }).closed.length).toBe(1);
  },
);

test('binary messages may be any bytes', () => {
  for (const [, given] of bad) expect(hear([masked(BINARY, fromHex(given))]).messages.length).toBe(1);
});

// 7: closing.

test('a close is answered with its code, then told; nothing is delivered after it', () => {
  const told = hear([
    concat([masked(TEXT, 'last'), masked(CLOSE, closeBody(1000, 'done')), masked(TEXT, 'x'), masked(PING)]),
    masked(CLOSE, closeBody(1001)),
    masked(TEXT, 'y'),
  ]);
  expect(told.order).toEqual(['message', 'reply', 'close']);
  expect(told.closed).toEqual([{ code: 1000, reason: 'done' }]);
  expect(told.replies).toEqual(['880203e8']);
});

test('pings before a close in the same chunk are answered before it', () => {
  expect(hear([concat([masked(PING, 'p'), masked(CLOSE)])]).replies).toEqual(['8a0170', '8800']);
});

test('a close without a code is answered by one, and told as 1005', () => {
  const told = hear([masked(CLOSE)]);
  expect(told.replies).toEqual(['8800']);
  expect(told.closed).toEqual([{ code: 1005, reason: '' }]);
});

test('the answer to our goodbye is told and not answered', () => {
  const framing = server();
  const { told, sink } = recorder();
  framing.goodbye({ code: 1001, reason: 'restart' });
  framing.receive(concat([masked(TEXT, 'under way'), masked(CLOSE, closeBody(1001))]), sink);
  expect(told.order).toEqual(['message', 'close']);
});

test('a client answers with a masked close', () => {
  expect(hear([frame({ opcode: CLOSE, payload: closeBody(1000) })], { role: 'client' }).replies).toEqual([
    toHex(frame({ opcode: CLOSE, payload: closeBody(1000), key: KEY })),
  ]);
});

test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
  'the close code %d is taken',
  (code) => {
    expect(hear([masked(CLOSE, closeBody(code, 'why'))]).closed).toEqual([{ code, reason: 'why' }]);
  },
);

test.each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])(
  'the close code %d is refused with 1002',
  (code) => {
    expect(hear([masked(CLOSE, closeBody(code))]).closed.map((reason) => reason.code)).toEqual([1002]);
  },
);

test('the reason may have 123 bytes, and must be UTF-8', () => {
  expect(hear([masked(CLOSE, closeBody(1000, 'x'.repeat(123)))]).closed[0]?.reason.length).toBe(123);
  const told = hear([masked(CLOSE, closeBody(1000, fromHex('cebaeda080')))]);
  expect(told.closed.map(({ code }) => code)).toEqual([1007]);
});

// 9 and 10: limits.

test('a message of just the limit passes, whole, chopped and in fragments; one byte more is 1009', () => {
  const messageBytes = 1000;
  for (const over of [0, 1]) {
    const bytes = new Uint8Array(messageBytes + over).fill(1);
    const pieces = chop(bytes, 300).map((piece, at) => masked(at === 0 ? BINARY : 0, piece, at === 3));
    for (const chunks of [[masked(BINARY, bytes)], chop(masked(BINARY, bytes), 50), pieces, [concat(pieces)]]) {
      const told = hear(chunks, { messageBytes });
      expect(told.messages.length).toBe(1 - over);
      expect(told.closed.map(({ code }) => code)).toEqual(over === 0 ? [] : [1009]);
    }
  }
});

test.each([
  ['a byte too many', '82ff 0000000000100001'],
  ['2^53', '82ff 0020000000000000'],
  ['the longest there is', '82ff 7fffffffffffffff'],
])('a length over the limit is refused at its header: %s', (_name, header) => {
  expect(hear([fromHex(`${header} 00000000`)]).closed.map(({ code }) => code)).toEqual([1009]);
});

test('control frames between fragments do not count towards the limit', () => {
  const frames = [masked(BINARY, new Uint8Array(9), false), masked(PING, new Uint8Array(125)), masked(0, 'x')];
  expect(hear(frames, { messageBytes: 10 }).messages.length).toBe(1);
});

test('a message of too many fragments is refused with 1008', () => {
  const cut = (count: number): Uint8Array =>
    concat(Array.from({ length: count }, (_, at) => masked(at === 0 ? BINARY : 0, '', at === count - 1)));
  expect(hear([cut(3), cut(3)], { fragmentsMax: 3 }).messages.length).toBe(2);
  expect(hear([cut(4)], { fragmentsMax: 3 }).closed.map(({ code }) => code)).toEqual([1008]);
  expect(hear([cut(16_384)]).messages.length).toBe(1);
  expect(hear([cut(16_385)]).closed.map(({ code }) => code)).toEqual([1008]);
});

test('a text of 64 KiB in fragments of 1300 bytes', () => {
  const text = 'ü'.repeat(32_768);
  const pieces = chop(utf8(text), 1301);
  const frames = pieces.map((piece, at) => masked(at === 0 ? TEXT : 0, piece, at === pieces.length - 1));
  expect(spoken(hear(frames))).toEqual([text]);
  expect(spoken(hear(frames, { isUtf8: nodeIsUtf8 }))).toEqual([text]);
});

test('a conversation cut in two at each place tells the same', () => {
  const talk = concat([
    masked(TEXT, 'Hellö'),
    masked(BINARY, new Uint8Array(130).fill(9)),
    masked(TEXT, 'frâg', false),
    masked(PING, 'ping'),
    masked(0, 'mént'),
    masked(PONG, 'x'),
    masked(TEXT, ''),
    masked(CLOSE, closeBody(4000, 'bye')),
  ]);
  const { order: _, ...whole } = hear([talk]);
  expect(whole.messages.length).toBe(4);
  for (let at = 0; at <= talk.length; at++) {
    expect(hear(cutAt(talk, [at])), `cut at ${at}`).toMatchObject(whole);
    expect(hear(cutAt(talk, [at, at + 1])), `cut at ${at} and after`).toMatchObject(whole);
  }
});
