import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseUdpUrl, udpUrl } from './udp-url.ts';

describe('parseUdpUrl', () => {
  test.each([
    ['udp://127.0.0.1:8181', { host: '127.0.0.1', zone: undefined, port: 8181, parameters: {} }],
    ['UDP://localhost:0/', { host: 'localhost', zone: undefined, port: 0, parameters: {} }],
    ['udp://[::1]:3000', { host: '::1', zone: undefined, port: 3000, parameters: {} }],
    ['udp://[ff02::1%eth0]:3000', { host: 'ff02::1', zone: 'eth0', port: 3000, parameters: {} }],
    ['udp://[ff02::1%25eth0]:3000', { host: 'ff02::1', zone: 'eth0', port: 3000, parameters: {} }],
    [
      'udp://239.192.0.1:3000?interface=10.0.0.5&multicastTtl=4&loopback=false',
      {
        host: '239.192.0.1',
        zone: undefined,
        port: 3000,
        parameters: { interface: '10.0.0.5', multicastTtl: '4', loopback: 'false' },
      },
    ],
  ])('%s', (text, expected) => {
    expect(parseUdpUrl(text)).toEqual(expected);
  });

  test.each([
    'tcp://127.0.0.1:1',
    'udp:127.0.0.1:1',
    'udp://127.0.0.1',
    'udp://127.0.0.1:',
    'udp://127.0.0.1:65536',
    'udp://127.0.0.256:1',
    'udp://1.2.3:1',
    'udp://::1:1',
    'udp://[127.0.0.1]:1',
    'udp://[::1%]:1',
    'udp://[::1%a%b]:1',
    'udp://host%eth0:1',
    'udp://user:secret@host:1',
    'udp://host:1/path',
    'udp://host:1#fragment',
    'udp://host:1?colour=red',
    '',
  ])('refuses %s', (text) => {
    expect(() => parseUdpUrl(text)).toThrow(expect.objectContaining({ code: 'ERR_URL' }));
  });

  test('takes what udpUrl writes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65_535 }), (address, port) => {
        expect(parseUdpUrl(udpUrl({ address, port }))).toMatchObject({ host: address, port });
      }),
    );
  });

  test('never throws anything else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseUdpUrl(`udp://${text}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_URL' });
        }
      }),
    );
  });
});
