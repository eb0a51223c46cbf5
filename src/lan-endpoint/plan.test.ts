import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { Interfaces } from './interfaces.ts';
import { type Plan, planOf } from './plan.ts';
import { resolveUdpOptions, type UdpOptions } from './udp-options.ts';
import { parseUdpUrl } from './udp-url.ts';

function four(address: string, netmask: string, bits: number, internal = false): NetworkInterfaceInfo {
  return { address, netmask, family: 'IPv4', mac: '', internal, cidr: `${address}/${bits}` };
}

function six(address: string, internal = false): NetworkInterfaceInfo {
  return { address, netmask: 'ffff::', family: 'IPv6', mac: '', internal, cidr: `${address}/64`, scopeid: 0 };
}

const ALL: Interfaces = {
  lo: [four('127.0.0.1', '255.0.0.0', 8, true), six('::1', true)],
  eth0: [four('10.0.0.5', '255.255.255.0', 24), six('fd00::5'), six('fe80::5')],
  eth1: [four('172.16.3.1', '255.255.240.0', 20)],
  tunnel: [four('10.9.9.1', '255.255.255.255', 32)],
};

function plan(url: string, options: UdpOptions = {}): Plan {
  const parsed = parseUdpUrl(url);
  return planOf(parsed, parsed.host, resolveUdpOptions(parsed, options), ALL);
}

const withCode = (code: string): unknown => expect.objectContaining({ code });

describe('a group', () => {
  test('is joined on loopback unless an interface is named', () => {
    expect(plan('udp://239.192.0.1:3000')).toMatchObject({
      kind: 'multicast',
      listens: true,
      isLocal: true,
      reuseAddr: true,
      ear: { address: '239.192.0.1', port: 3000 },
      mouth: { address: '127.0.0.1', port: 0 },
      face: { name: '127.0.0.1' },
    });
  });

  test.each(['eth0', '10.0.0.5'])('is joined on %s', (face) => {
    const there = { isLocal: false, mouth: { address: '10.0.0.5', port: 0 }, face: { name: '10.0.0.5' } };
    expect(plan(`udp://239.192.0.1:3000?interface=${face}`)).toMatchObject(there);
    expect(plan('udp://239.192.0.1:3000', { interface: face })).toMatchObject(there);
    expect(plan('udp://239.192.0.1:3000?interface=eth1', { interface: face })).toMatchObject(there);
  });

  test('is joined where the system chooses', () => {
    const { face, isLocal } = plan('udp://239.192.0.1:3000?interface=any');
    expect([face.name, face.address, isLocal]).toEqual([undefined, '0.0.0.0', false]);
  });

  test('of IPv6 needs an interface, by zone or by option', () => {
    const there = {
      version: 6,
      isLocal: false,
      target: { address: 'ff02::7%eth0', port: 3000 },
      ear: { address: 'ff02::7%eth0', port: 3000 },
      mouth: { address: '::', port: 0 },
      face: { name: '::%eth0' },
    };
    expect(plan('udp://[ff02::7%eth0]:3000')).toMatchObject(there);
    expect(plan('udp://[ff02::7]:3000?interface=eth0')).toMatchObject(there);
    expect(plan('udp://[ff02::7]:3000?interface=fd00::5')).toMatchObject(there);
    expect(() => plan('udp://[ff02::7]:3000')).toThrow(withCode('ERR_OPTION'));
    expect(() => plan('udp://[ff02::7%eth1]:3000')).toThrow(withCode('ERR_OPTION'));
  });

  test('is only sent to when that is asked for', () => {
    expect(plan('udp://239.192.0.1:3000', { listen: false })).toMatchObject({ kind: 'multicast', listens: false });
  });

  test('is no peer to be connected with, and has a port', () => {
    expect(() => plan('udp://239.192.0.1:3000', { connected: true })).toThrow(withCode('ERR_OPTION'));
    expect(() => plan('udp://239.192.0.1:0')).toThrow(withCode('ERR_URL'));
  });

  test.each(['eth7', '10.0.0.6', ''])('is not joined on %s, which is not here', (face) => {
    expect(() => plan('udp://239.192.0.1:3000', { interface: face })).toThrow(withCode('ERR_OPTION'));
  });
});

describe('a broadcast address', () => {
  test.each([
    ['255.255.255.255', '127.0.0.1', true],
    ['127.255.255.255', '127.0.0.1', true],
    ['10.0.0.255', '0.0.0.0', false],
    ['172.16.15.255', '0.0.0.0', false],
  ])('%s', (ip, mouth, isLocal) => {
    expect(plan(`udp://${ip}:3000`)).toMatchObject({
      kind: 'broadcast',
      broadcast: true,
      reuseAddr: true,
      listens: true,
      isLocal,
      ear: { address: ip, port: 3000 },
      mouth: { address: mouth },
    });
  });

  test('goes through the interface that is named', () => {
    expect(plan('udp://255.255.255.255:3000?interface=eth1').mouth.address).toBe('172.16.3.1');
  });

  test('of another network is one when it is said to be', () => {
    expect(plan('udp://10.2.255.255:3000').kind).toBe('unicast');
    expect(plan('udp://10.2.255.255:3000?broadcast').kind).toBe('broadcast');
    expect(plan('udp://10.9.9.1:3000').kind).toBe('unicast');
  });
});

describe('an address', () => {
  test('of this machine is listened on', () => {
    expect(plan('udp://127.0.0.1:0')).toMatchObject({
      kind: 'unicast',
      listens: true,
      isLocal: true,
      reuseAddr: false,
    });
    expect(plan('udp://10.0.0.5:1')).toMatchObject({ listens: true, isLocal: false });
    expect(plan('udp://0.0.0.0:1')).toMatchObject({ listens: true, isLocal: false });
    expect(plan('udp://[::1]:1')).toMatchObject({ listens: true, isLocal: true, version: 6 });
  });

  test('of another machine, or of a peer, is sent to', () => {
    expect(plan('udp://10.0.0.9:1')).toMatchObject({ listens: false, mouth: { address: '0.0.0.0', port: 0 } });
    expect(plan('udp://127.0.0.1:1', { listen: false })).toMatchObject({
      listens: false,
      mouth: { address: '127.0.0.1' },
    });
    expect(plan('udp://127.0.0.1:1', { connected: true }).listens).toBe(false);
    expect(() => plan('udp://10.0.0.9:0')).toThrow(withCode('ERR_URL'));
  });
});

describe('options', () => {
  test.each<[UdpOptions]>([
    [{ ttl: 0 }],
    [{ ttl: 256 }],
    [{ ttl: 1.5 }],
    [{ multicastTtl: -1 }],
    [{ multicastTtl: 256 }],
    [{ recvBufferSize: 0 }],
    [{ sendBufferSize: 2 ** 31 }],
    [{ connected: true, listen: true }],
  ])('%o is refused', (options) => {
    expect(() => plan('udp://127.0.0.1:1', options)).toThrow(withCode('ERR_OPTION'));
  });

  test.each(['ttl=0', 'ttl=x', 'multicastTtl=256', 'loopback=maybe', 'reuseAddr=2'])('?%s is refused', (query) => {
    expect(() => plan(`udp://127.0.0.1:1?${query}`)).toThrow(withCode('ERR_URL'));
  });

  test('go before what the URL says', () => {
    const parsed = parseUdpUrl('udp://239.1.1.1:1?multicastTtl=3&ttl=9&loopback=0&reuseAddr=false');
    expect(resolveUdpOptions(parsed, {})).toMatchObject({ multicastTtl: 3, ttl: 9, loopback: false, reuseAddr: false });
    const given = { multicastTtl: 0, ttl: 1, loopback: true, reuseAddr: true };
    expect(resolveUdpOptions(parsed, given)).toMatchObject(given);
  });
});
