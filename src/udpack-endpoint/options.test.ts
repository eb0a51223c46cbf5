import { describe, expect, test } from 'vitest';
import { generateKeys } from './keys.ts';
import { resolveOptions, tokenBytes } from './options.ts';

const { privateKey: prikey } = generateKeys();

describe('options of an endpoint', () => {
  test.each([
    ['a name that is none', { tokens: 'x' }],
    ['a port that can not be', { port: 65_536 }],
    ['a controller that there is not', { congestion: 'vegas' }],
    ['datagrams shorter than any path carries', { datagramSize: 1199 }],
    ['a limit that there is not', { limits: { packets: 1 } }],
    ['a listener off loopback that asks nobody for a token', { prikey, host: '0.0.0.0' }],
    ['a token that one datagram may not hold', { token: 'x'.repeat(1025) }],
  ])('refuse %s', (_, options) => {
    expect(() => resolveOptions(options as object)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });

  test('a listener that asks for tokens, lets all in by its own word, or stays on loopback is let be', () => {
    for (const more of [{ authToken: () => true }, { anonymous: true }, { host: '127.0.0.1' }, { host: '[::1]' }]) {
      expect(resolveOptions({ prikey, host: '0.0.0.0', ...more }).key?.publicKey).toHaveLength(32);
    }
  });

  test('a token travels as UTF-8, or as the bytes that it is', () => {
    expect(tokenBytes('ü')).toEqual(Uint8Array.of(0xc3, 0xbc));
    expect(tokenBytes(Uint8Array.of(0xff))).toEqual(Uint8Array.of(0xff));
    expect(tokenBytes('x'.repeat(1024))).toHaveLength(1024);
  });
});
