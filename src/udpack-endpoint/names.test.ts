import { expect, test } from 'vitest';
import { codeOf } from '../../test/support/udpack.ts';
import { addressText, bare, canonical, isLoopback, resolveHost, shown } from './names.ts';

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['2001:DB8:0::00ff', '2001:db8::ff'],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
  ['fe80:0::1%eth0', 'fe80::1%eth0'],
])('%s is written %s', (ip, written) => {
  expect(canonical(ip)).toBe(written);
});

test('IPv4 that came over a socket of both kinds is shown as IPv4, and nothing else is', () => {
  expect(shown({ address: '::ffff:192.0.2.1', port: 5 })).toEqual({ address: '192.0.2.1', port: 5 });
  for (const address of ['192.0.2.1', '::1', '::ffff:1:2', 'fe80::1%eth0']) {
    expect(shown({ address, port: 5 })).toEqual({ address, port: 5 });
  }
});

test('an address with its port is written so that it can be read', () => {
  expect(addressText({ address: '127.0.0.1', port: 1 })).toBe('127.0.0.1:1');
  expect(addressText({ address: '::1', port: 1 })).toBe('[::1]:1');
  expect(addressText({ address: '::ffff:127.0.0.1', port: 1 })).toBe('127.0.0.1:1');
});

test('loopback is known in all its forms, and nothing else is taken for it', () => {
  for (const ip of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1'])
    expect([ip, isLoopback(ip)]).toEqual([ip, true]);
  for (const ip of ['0.0.0.0', '::', '128.0.0.1', '::2', '127.example.com', '1.127.0.0.1', '']) {
    expect([ip, isLoopback(ip)]).toEqual([ip, false]);
  }
});

test('brackets are taken off in pairs', () => {
  expect(['[::1]', '::1', '[x', 'x]'].map(bare)).toEqual(['::1', '::1', '[x', 'x]']);
});

test('a host is written for the socket that sends to it', async () => {
  expect(await resolveHost('192.0.2.1', 'udp4')).toBe('192.0.2.1');
  expect(await resolveHost('192.0.2.1', 'udp6')).toBe('::ffff:192.0.2.1');
  expect(await resolveHost('[2001:DB8::1]', 'udp6')).toBe('2001:db8::1');
  expect(await resolveHost('localhost', 'udp4')).toBe('127.0.0.1');
  expect(await codeOf(resolveHost('::1', 'udp4'))).toBe('ERR_CONNECT_FAILED');
  expect(await codeOf(resolveHost('nobody.invalid', 'udp6'))).toBe('ERR_CONNECT_FAILED');
  expect(await codeOf(resolveHost('localhost', 'udp4', AbortSignal.abort()))).toBe('ERR_ABORTED');
});
