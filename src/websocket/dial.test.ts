import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chop, cutAt } from '../../test/support/websocket-frames.ts';
import {
  acceptText,
  DialParser,
  type DialRequest,
  type DialResult,
  dialKey,
  encodeDial,
  encodeRefusal,
  type HeadLimits,
  refuse,
  UpgradeParser,
} from './index.ts';

const sha1 = (text: string): string => createHash('sha1').update(text).digest('base64');
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const REQUEST: DialRequest = {
  host: 'server.example.com',
  target: '/chat?x=1',
  nonce: latin1('the sample nonce'),
  protocols: ['chat', 'superchat'],
};
const ANSWER = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
};

function answer(
  headers: Record<string, string | undefined> = {},
  more: readonly string[] = [],
  line = 'HTTP/1.1 101 Switching Protocols',
): string {
  const fields = Object.entries({ ...ANSWER, ...headers }).filter(([, value]) => value !== undefined);
  return [line, ...fields.map(([name, value]) => `${name}: ${value}`), ...more, '', ''].join('\r\n');
}

function read(text: string | Uint8Array, limits?: HeadLimits, request: DialRequest = REQUEST): DialResult {
  return new DialParser(request, sha1, limits).receive(typeof text === 'string' ? latin1(text) : text);
}

test("the RFC's key (1.3)", () => {
  expect(dialKey(REQUEST.nonce)).toBe('dGhlIHNhbXBsZSBub25jZQ==');
  expect(() => dialKey(new Uint8Array(15))).toThrow('16 bytes');
});

test('the request, to the byte', () => {
  expect(textOf(encodeDial({ ...REQUEST, headers: { Cookie: 'a=1' } }))).toBe(
    'GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
      'Sec-WebSocket-Protocol: chat, superchat\r\nCookie: a=1\r\n\r\n',
  );
  expect(textOf(encodeDial({ ...REQUEST, protocols: [] }))).not.toContain('Protocol');
});

test('our server reads what our client asks, and the reverse', () => {
  const asked = new UpgradeParser().receive(encodeDial(REQUEST));
  if (asked.kind !== 'upgrade') throw new Error(asked.kind);
  expect(asked.request).toMatchObject({ path: '/chat', query: 'x=1', protocols: ['chat', 'superchat'] });
  expect(read(acceptText(asked.request.key, sha1, 'superchat'))).toMatchObject({
    kind: 'open',
    protocol: 'superchat',
  });
});

const injections: [string, Partial<DialRequest>][] = [
  ['a line break in the target', { target: '/a\r\nX: y' }],
  ['a space in the target', { target: '/a HTTP/1.1' }],
  ['a target without slash', { target: 'a' }],
  ['a fragment', { target: '/a#b' }],
  ['a character over 126 in the target', { target: '/é' }],
  ['a line break in the host', { host: 'h\r\nX: y' }],
  ['no host', { host: '' }],
  ['a line break in a value', { headers: { X: 'y\r\nZ: z' } }],
  ['a lone LF in a value', { headers: { X: 'y\nZ: z' } }],
  ['a character over 255 in a value', { headers: { X: '漢' } }],
  ['a line break in a name', { headers: { 'X: y\r\nZ': 'z' } }],
  ['an empty name', { headers: { '': 'z' } }],
  ['a header of the handshake', { headers: { 'sec-websocket-KEY': 'x' } }],
  ['a second Host', { headers: { Host: 'x' } }],
  ['an extension', { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }],
  ['a body', { headers: { 'Content-Length': '5' } }],
  ['a line break in a subprotocol', { protocols: ['a\r\nX: y'] }],
  ['a comma in a subprotocol', { protocols: ['a,b'] }],
  ['a subprotocol twice', { protocols: ['a', 'a'] }],
  ['an empty subprotocol', { protocols: [''] }],
];

test.each(injections)('a request that can not be sent: %s', (_name, change) => {
  expect(() => encodeDial({ ...REQUEST, ...change })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
});

test.each([
  ['without a subprotocol', answer(), ''],
  ['with one', answer({ 'Sec-WebSocket-Protocol': 'chat' }), 'chat'],
  ['in another case', answer({ Upgrade: 'WebSocket', Connection: 'keep-alive, upgrade' }), ''],
  ['without a reason phrase', answer({}, [], 'HTTP/1.1 101'), ''],
  ['with an empty reason phrase', answer({}, [], 'HTTP/1.1 101 '), ''],
])('an answer is taken %s', (_name, text, protocol) => {
  expect(read(text)).toMatchObject({ kind: 'open', protocol });
});

test.each([
  ['no Upgrade', answer({ Upgrade: undefined })],
  ['another Upgrade', answer({ Upgrade: 'h2c' })],
  ['two Upgrades', answer({}, ['Upgrade: websocket'])],
  ['no Connection', answer({ Connection: undefined })],
  ['another Connection', answer({ Connection: 'close' })],
  ['no Accept', answer({ 'Sec-WebSocket-Accept': undefined })],
  ['the Accept of another key', answer({ 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' })],
  ['the Accept in another case', answer({ 'Sec-WebSocket-Accept': ANSWER['Sec-WebSocket-Accept'].toLowerCase() })],
  ['two Accepts', answer({}, ['Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='])],
  ['an extension', answer({ 'Sec-WebSocket-Extensions': 'permessage-deflate' })],
  ['a subprotocol that was not offered', answer({ 'Sec-WebSocket-Protocol': 'other' })],
  ['an offered subprotocol in another case', answer({ 'Sec-WebSocket-Protocol': 'Chat' })],
  ['two subprotocols', answer({ 'Sec-WebSocket-Protocol': 'chat, superchat' })],
  ['an empty subprotocol', answer({ 'Sec-WebSocket-Protocol': '' })],
  ['HTTP/1.0', answer({}, [], 'HTTP/1.0 101 Switching Protocols')],
  ['no HTTP', answer({}, [], 'SSH-2.0-OpenSSH')],
  ['a lone LF', answer().replaceAll('\r\n', '\n')],
  ['a folded line', answer({}, ['X: y', ' z'])],
  ['a NUL', answer({}, ['X: \0'])],
  [
    '101 headers',
    answer(
      {},
      Array.from({ length: 98 }, (_, at) => `X-${at}: y`),
    ),
  ],
  ['a head that never ends', `HTTP/1.1 101 ${'x'.repeat(16_384)}`],
])('an answer is broken: %s', (_name, text) => {
  expect(read(text).kind).toBe('broken');
});

test('an empty subprotocol is broken when none was offered, too', () => {
  const request = { ...REQUEST, protocols: [] };
  expect(read(answer({ 'Sec-WebSocket-Protocol': '' }), {}, request).kind).toBe('broken');
  expect(read(answer({ 'Sec-WebSocket-Protocol': 'chat' }), {}, request).kind).toBe('broken');
});

test('a refusal is told with its status, headers and words', () => {
  const result = read(encodeRefusal(refuse(403, 'not from there', { 'X-Why': 'origin' })));
  expect(result).toMatchObject({ kind: 'refused', status: 403, headers: { 'x-why': 'origin' } });
  expect(result.kind === 'refused' && textOf(result.rest)).toBe('not from there\n');
});

test('the frames that follow are given back, wherever the bytes are cut', () => {
  const bytes = latin1(`${answer()}\x81\x00`);
  for (let cut = 0; cut < bytes.length - 2; cut++) {
    const parser = new DialParser(REQUEST, sha1);
    const [first, second] = cutAt(bytes, [cut]) as [Uint8Array, Uint8Array];
    expect(parser.receive(first).kind).toBe('more');
    first.fill(0);
    const result = parser.receive(second);
    expect(result.kind === 'open' && textOf(result.rest)).toBe('\x81\x00');
  }
  const parser = new DialParser(REQUEST, sha1);
  const kinds = chop(latin1(answer()), 1).map((byte) => parser.receive(byte).kind);
  expect(kinds.indexOf('open')).toBe(kinds.length - 1);
});

test('any bytes get a verdict without a throw', () => {
  const changed = fc.tuple(fc.nat(400), fc.nat(255)).map(([at, byte]) => {
    const bytes = latin1(answer());
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
      expect(['more', 'open', 'refused', 'broken']).toContain(read(bytes).kind);
    }),
    { numRuns: 500 },
  );
});
