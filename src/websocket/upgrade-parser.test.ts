import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chop, concat, cutAt } from '../../test/support/websocket-frames.ts';
import {
  acceptKey,
  acceptText,
  chooseProtocol,
  encodeRefusal,
  type HeadLimits,
  judgeUpgrade,
  packHeaders,
  refuse,
  refuseProtocols,
  UpgradeParser,
  type UpgradeRequest,
  type UpgradeResult,
  unpackHeaders,
} from './index.ts';

const sha1 = (text: string): string => createHash('sha1').update(text).digest('base64');
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const SAMPLE = {
  Host: 'server.example.com',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  Origin: 'http://example.com',
  'Sec-WebSocket-Protocol': 'chat, superchat',
  'Sec-WebSocket-Version': '13',
};

/** The RFC's request with other headers (undefined leaves one out), more lines, or another first line. */
function head(
  headers: Record<string, string | undefined> = {},
  more: readonly string[] = [],
  line = 'GET /chat HTTP/1.1',
): string {
  const fields = Object.entries({ ...SAMPLE, ...headers }).filter(([, value]) => value !== undefined);
  return [line, ...fields.map(([name, value]) => `${name}: ${value}`), ...more, '', ''].join('\r\n');
}

function read(text: string | Uint8Array, limits?: HeadLimits): UpgradeResult {
  return new UpgradeParser(limits).receive(typeof text === 'string' ? latin1(text) : text);
}

function granted(result: UpgradeResult): UpgradeRequest {
  if (result.kind !== 'upgrade') throw new Error(`not granted: ${JSON.stringify(result)}`);
  return result.request;
}

function statusOf(result: UpgradeResult): number | string {
  return result.kind === 'refuse' ? result.refusal.status : result.kind;
}

test("the RFC's request and answer (1.3)", () => {
  const request = granted(read(head()));
  expect(request).toMatchObject({
    path: '/chat',
    query: '',
    host: 'server.example.com',
    origin: 'http://example.com',
    protocols: ['chat', 'superchat'],
  });
  expect(acceptKey(request.key, sha1)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  expect(acceptText(request.key, sha1, chooseProtocol(request.protocols, ['other', 'chat']))).toBe(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n',
  );
});

const good: [string, string, Partial<UpgradeRequest>][] = [
  ['a query', head({}, [], 'GET /a%20b/c?x=1&y=%3F?z HTTP/1.1'), { path: '/a%20b/c', query: 'x=1&y=%3F?z' }],
  ['an empty query', head({}, [], 'GET /a? HTTP/1.1'), { path: '/a', query: '' }],
  ['no origin, no protocols', head({ Origin: undefined, 'Sec-WebSocket-Protocol': undefined }), { protocols: [] }],
  ['a list in Connection', head({ Connection: 'keep-alive , UPGRADE' }), {}],
  ['another case', head({ Upgrade: 'WebSocket' }), {}],
  ['a length of 0', head({ 'Content-Length': '0' }), {}],
  ['an IPv6 host', head({ Host: '[::1]:3000' }), { host: '[::1]:3000' }],
  ['the absolute form', head({ Host: 'h:80' }, [], 'GET http://H:80/p?q HTTP/1.1'), { path: '/p', query: 'q' }],
  ['the absolute form, ws', head({ Host: 'h' }, [], 'GET ws://h HTTP/1.1'), { path: '/', query: '' }],
  ['protocols on two lines', head({}, ['sec-websocket-protocol: c']), { protocols: ['chat', 'superchat', 'c'] }],
];

test.each(good)('taken: %s', (_name, text, wanted) => {
  expect(granted(read(text))).toMatchObject(wanted);
});

const http: [string, string][] = [
  ['a plain request', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'],
  ['a POST, at its first byte', 'P'],
  ['a POST that asks for an upgrade', head({}, [], 'POST /chat HTTP/1.1')],
  ['HTTP/1.0', head({}, [], 'GET /chat HTTP/1.0')],
  ['HTTP/2 in clear text', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['another upgrade', head({ Upgrade: 'h2c' })],
  ['an upgrade that Connection does not name', head({ Connection: 'keep-alive' })],
  ['no Connection', head({ Connection: undefined })],
  ['a lone LF at the end of a line', head().replace('Upgrade: websocket\r\n', 'Upgrade: websocket\n')],
  ['a lone LF, never ended', 'GET / HTTP/1.1\nHost: h\n'],
  ['a lone CR', head({ Origin: 'a\rb' })],
  ['a NUL', head({ Origin: 'a\0b' })],
  ['a DEL', head({ Origin: 'a\x7fb' })],
  ['a folded line', head({ Origin: 'a\r\n b' })],
  ['a space before the colon', head({}, ['X : y'])],
  ['a line without colon', head({}, ['nothing'])],
  ['a header without name', head({}, [': x'])],
  ['a space before the first header', head().replace('Host:', ' Host:')],
  ['two spaces in the first line', head({}, [], 'GET  /chat HTTP/1.1')],
  ['a space in the target', head({}, [], 'GET /a b HTTP/1.1')],
  ['a byte over 126 in the target', head({}, [], 'GET /\xe9 HTTP/1.1')],
  ['an empty line first', `\r\n${head()}`],
  ['a TLS hello', '\x16\x03\x01\x02'],
  ['lower case', head({}, [], 'get /chat HTTP/1.1')],
];

test.each(http)('handed to an HTTP server, every byte of it: %s', (_name, text) => {
  for (const pieces of [[latin1(text)], chop(latin1(text), 1)]) {
    const parser = new UpgradeParser();
    const fed: Uint8Array[] = [];
    let result: UpgradeResult = { kind: 'more' };
    for (const piece of pieces) {
      if (result.kind !== 'more') break;
      fed.push(piece);
      result = parser.receive(piece);
    }
    expect(result.kind).toBe('http');
    if (result.kind === 'http') expect(textOf(result.bytes)).toBe(textOf(concat(fed)));
  }
});

const refused: [string, string, number][] = [
  ['no Host', head({ Host: undefined }), 400],
  ['an empty Host', head({ Host: '' }), 400],
  ['a Host with a path', head({ Host: 'h/p' }), 400],
  ['a Host with a user', head({ Host: 'u@h' }), 400],
  ['two Hosts', head({}, ['Host: other']), 400],
  ['the same Host twice', head({}, ['host: server.example.com']), 400],
  ['two keys', head({}, ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']), 400],
  ['two versions', head({}, ['Sec-WebSocket-Version: 13']), 400],
  ['two origins', head({}, ['Origin: http://evil.example']), 400],
  ['no key', head({ 'Sec-WebSocket-Key': undefined }), 400],
  ['a short key', head({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZQ==' }), 400],
  ['a long key', head({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZSBub25jZQ==' }), 400],
  ['a key that is not base64', head({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j!!==' }), 400],
  ['no version', head({ 'Sec-WebSocket-Version': undefined }), 426],
  ['version 8', head({ 'Sec-WebSocket-Version': '8' }), 426],
  ['version 13 and more', head({ 'Sec-WebSocket-Version': '13, 8' }), 426],
  ['a body in chunks', head({ 'Transfer-Encoding': 'chunked' }), 400],
  ['a body of a length', head({ 'Content-Length': '5' }), 400],
  ['a length that is none', head({ 'Content-Length': '+0' }), 400],
  ['two lengths', head({}, ['Content-Length: 0', 'Content-Length: 0']), 400],
  ['a fragment in the target', head({}, [], 'GET /a#b HTTP/1.1'), 400],
  ['the target *', head({}, [], 'GET * HTTP/1.1'), 400],
  ['a target without slash', head({}, [], 'GET chat HTTP/1.1'), 400],
  ['an absolute target of another host', head({}, [], 'GET http://evil.example/ HTTP/1.1'), 400],
  ['an absolute target with a user', head({}, [], 'GET http://u@server.example.com/ HTTP/1.1'), 400],
  ['an absolute target of another scheme', head({}, [], 'GET ftp://server.example.com/ HTTP/1.1'), 400],
  ['a protocol that is no token', head({ 'Sec-WebSocket-Protocol': 'a b' }), 400],
  ['a protocol twice', head({ 'Sec-WebSocket-Protocol': 'a, a' }), 400],
  [
    '101 headers',
    head(
      {},
      Array.from({ length: 94 }, (_, at) => `X-${at}: y`),
    ),
    431,
  ],
];

test.each(refused)('refused: %s', (_name, text, status) => {
  expect(statusOf(read(text))).toBe(status);
});

test('the refusal of a version names the one that is spoken', () => {
  const result = read(head({ 'Sec-WebSocket-Version': '7' }));
  if (result.kind !== 'refuse') throw new Error(result.kind);
  expect(result.refusal.headers['Sec-WebSocket-Version']).toBe('13');
});

test('a hundred headers pass', () => {
  const result = read(
    head(
      {},
      Array.from({ length: 93 }, (_, at) => `X-${at}: y`),
    ),
  );
  expect(result.kind).toBe('upgrade');
});

test('a head of just the limit passes; one byte more is 431, also when it never ends', () => {
  const padded = (length: number): string => head({ Origin: 'o'.repeat(length - head({ Origin: '' }).length) });
  granted(read(padded(16_384)));
  expect(statusOf(read(padded(16_385)))).toBe(431);
  expect(statusOf(read(`GET /${'x'.repeat(16_379)}`))).toBe(431);
  granted(read(padded(600), { headBytes: 600 }));
  expect(statusOf(read(padded(601), { headBytes: 600 }))).toBe(431);
});

test('a byte more than the limit after the head is no fault', () => {
  const text = head();
  const result = read(`${text}${'x'.repeat(20_000)}`, { headBytes: text.length });
  expect(result.kind === 'upgrade' && result.rest.length).toBe(20_000);
});

test('names that mean something to JavaScript are plain headers', () => {
  const { headers } = granted(read(head({}, ['__proto__: x', 'constructor: y', 'toString: z'])));
  expect(Object.keys(headers)).toEqual(expect.arrayContaining(['__proto__', 'constructor', 'tostring']));
  expect(headers['hasOwnProperty']).toBeUndefined();
});

test('repeated headers are joined: cookies with semicolons, others with commas', () => {
  const { headers } = granted(read(head({}, ['Cookie: a=1', 'X: 1', 'cookie: b=2', 'x: 2'])));
  expect(headers['cookie']).toBe('a=1; b=2');
  expect(headers['x']).toBe('1, 2');
});

test('the frames that follow are given back, wherever the bytes are cut', () => {
  const bytes = concat([latin1(head()), Uint8Array.of(0x81, 0x80, 1, 2, 3, 4)]);
  const headLength = bytes.length - 6;
  for (let cut = 0; cut < bytes.length; cut++) {
    const parser = new UpgradeParser();
    const [first, second] = cutAt(bytes, [cut]) as [Uint8Array, Uint8Array];
    const early = parser.receive(first);
    expect(early.kind).toBe(cut < headLength ? 'more' : 'upgrade');
    first.fill(0);
    const result = early.kind === 'more' ? parser.receive(second) : early;
    expect(granted(result).path).toBe('/chat');
    if (result.kind === 'upgrade') expect(result.rest.length).toBe(cut < headLength ? 6 : cut - headLength);
  }
});

test('one byte at a time', () => {
  const parser = new UpgradeParser();
  const results = chop(latin1(head()), 1).map((byte) => parser.receive(byte));
  expect(results.slice(0, -1).every(({ kind }) => kind === 'more')).toBe(true);
  granted(results.at(-1) as UpgradeResult);
});

test('any bytes get a verdict without a throw', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.nat(400), fc.nat(255)).map(([at, byte]) => {
      const bytes = latin1(head());
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(noise, (bytes) => {
      expect(['more', 'http', 'refuse', 'upgrade']).toContain(read(bytes).kind);
    }),
    { numRuns: 500 },
  );
});

test('a request that an HTTP server has read passes the same gate', () => {
  const raw = Object.entries(SAMPLE).flat();
  expect(judgeUpgrade('GET', '/chat?x', '1.1', raw)).toMatchObject({ kind: 'upgrade', request: { query: 'x' } });
  expect(judgeUpgrade('POST', '/chat', '1.1', raw).kind).toBe('http');
  expect(judgeUpgrade('GET', '/chat', '1.0', raw).kind).toBe('http');
  expect(judgeUpgrade('GET', '/chat', '1.1', [...raw, 'HOST', 'x']).kind).toBe('refuse');
});

test('a refusal as bytes', () => {
  expect(textOf(encodeRefusal(refuse(503, 'full', { 'Retry-After': '5' })))).toBe(
    'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n' +
      'Content-Length: 5\r\nRetry-After: 5\r\n\r\nfull\n',
  );
  expect(textOf(encodeRefusal(refuseProtocols(['hawser.v1', 'hawser.v1.json'])))).toContain(
    'known: hawser.v1, hawser.v1.json',
  );
});

test('an answer can carry no header that begins another', () => {
  const key = SAMPLE['Sec-WebSocket-Key'];
  expect(() => acceptText(key, sha1, 'a\r\nX: y')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  expect(() => acceptText(key, sha1, 'a', { X: 'y\nZ: z' })).toThrow('the header X');
  expect(() => encodeRefusal(refuse(403, 'no', { 'X:': 'y' }))).toThrow('name');
  expect(acceptText(key, sha1, '', { 'Set-Cookie': 'a=1' })).toContain('\r\nSet-Cookie: a=1\r\n\r\n');
});

test('headers that were kept as one text are the same when they are taken apart', () => {
  const parsed = new UpgradeParser().receive(
    latin1(head({ Cookie: 'a=1' }, ['cookie: b=2', 'X-Empty:', 'x-tag: 1', 'X-Tag: 2'])),
  );
  if (parsed.kind !== 'upgrade') throw new Error(parsed.kind);
  const { headers, rawHeaders } = parsed.request;
  expect(unpackHeaders(packHeaders(rawHeaders))).toEqual(headers);
  expect(headers).toMatchObject({ cookie: 'a=1; b=2', 'x-empty': '', 'x-tag': '1, 2' });
  expect(Object.keys(unpackHeaders(packHeaders([])))).toEqual([]);
});
