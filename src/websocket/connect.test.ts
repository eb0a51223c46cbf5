import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeConnect, splitHeaders } from './index.ts';

/** The request of RFC 8441 5.1, as node:http2 tells it. */
const SAMPLE: Readonly<Record<string, string>> = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'https',
  ':path': '/chat?a=b',
  ':authority': 'server.example.com',
  'sec-websocket-protocol': 'chat, superchat',
  'sec-websocket-extensions': 'permessage-deflate',
  'sec-websocket-version': '13',
  origin: 'http://www.example.com',
};

const listed = (headers: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));

const judged = (change: Readonly<Record<string, string | undefined>>, ...more: readonly string[]): string =>
  judgeConnect([...listed({ ...SAMPLE, ...change }), ...more]).kind;

describe('an extended CONNECT', () => {
  test('is a wish for WebSocket, and says what an upgrade says', () => {
    expect(judgeConnect(listed(SAMPLE))).toMatchObject({
      kind: 'upgrade',
      request: {
        path: '/chat',
        query: 'a=b',
        host: 'server.example.com',
        origin: 'http://www.example.com',
        protocols: ['chat', 'superchat'],
        headers: { host: 'server.example.com', 'sec-websocket-extensions': 'permessage-deflate' },
      },
    });
  });

  test('has its cookies joined, which HTTP/2 may cut in pieces', () => {
    const verdict = judgeConnect([...listed(SAMPLE), 'cookie', 'a=1', 'cookie', 'b=2']);
    expect(verdict).toMatchObject({ request: { headers: { cookie: 'a=1; b=2' } } });
  });

  test('to something else, or another method, is not ours', () => {
    expect(judged({ ':protocol': 'connect-udp' })).toBe('http');
    expect(judged({ ':protocol': undefined })).toBe('http');
    expect(judged({ ':method': 'GET' })).toBe('http');
  });

  test.each([
    ['another version', { 'sec-websocket-version': '8' }],
    ['no version', { 'sec-websocket-version': undefined }],
    ['a length', { 'content-length': '5' }],
    ['no authority', { ':authority': undefined }],
    ['a broken authority', { ':authority': 'a b' }],
    ['a host that is not the authority', { host: 'other.example.com' }],
    ['no path', { ':path': undefined }],
    ['a path without a slash', { ':path': 'chat' }],
    ['a path with a space', { ':path': '/a b' }],
    ['the same protocol twice', { 'sec-websocket-protocol': 'a, a' }],
    ['a protocol that is no token', { 'sec-websocket-protocol': 'a b' }],
  ] as const)('with %s is refused', (_, change) => {
    expect(judged(change)).toBe('refuse');
  });

  test('with a header twice that may come once is refused', () => {
    expect(judged({}, 'origin', 'https://other.example.com')).toBe('refuse');
  });

  test('of any headers is judged, and never throws', () => {
    const names = fc.constantFrom(...Object.keys(SAMPLE), 'host', 'cookie', '__proto__', 'constructor');
    const value = fc.oneof(fc.constantFrom(...Object.values(SAMPLE)), fc.string());
    fc.assert(
      fc.property(fc.array(fc.tuple(names, value), { maxLength: 20 }), (pairs) => {
        expect(['http', 'refuse', 'upgrade']).toContain(judgeConnect(pairs.flat()).kind);
      }),
    );
  });
});

test('the authority is the host, unless there is one', () => {
  expect(splitHeaders([':method', 'GET', ':authority', 'a', 'x', '1']).fields).toEqual(['host', 'a', 'x', '1']);
  expect(splitHeaders([':authority', 'a', 'host', 'b']).fields).toEqual(['host', 'b']);
  expect(splitHeaders([':authority', 'a', 'x', '1']).pseudo).toEqual({ ':authority': 'a' });
});
