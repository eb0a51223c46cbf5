import { beforeEach, expect, test, vi } from 'vitest';
import { datagramSizeOf } from './mtu.ts';

/** The machine: interfaces with their addresses, and what they carry; undefined where the system doesn't say. */
const machine = vi.hoisted(() => ({
  interfaces: {} as Record<string, { address: string; internal: boolean }[]>,
  mtus: {} as Record<string, string | undefined>,
}));

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  networkInterfaces: () => machine.interfaces,
}));
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  readFileSync: (path: string) => {
    const mtu = machine.mtus[path.split('/')[4] ?? ''];
    if (mtu === undefined) throw new Error('ENOENT');
    return `${mtu}\n`;
  },
}));

beforeEach(() => {
  machine.interfaces = {
    lo: [
      { address: '127.0.0.1', internal: true },
      { address: '::1', internal: true },
    ],
    eth0: [
      { address: '192.0.2.1', internal: false },
      { address: 'fe80::1', internal: false },
    ],
    wg0: [{ address: '10.0.0.1', internal: false }],
  };
  machine.mtus = { lo: '65536', eth0: '9000', wg0: '1420' };
});

test.each([
  ['127.0.0.1', 65_507],
  ['127.0.0.9', 65_507],
  ['::1', 65_487],
  ['192.0.2.1', 8972],
  ['fe80::1%eth0', 8952],
  ['10.0.0.1', 1392],
  // The least of those that lead off the machine.
  ['0.0.0.0', 1392],
  ['::', 1372],
  ['198.51.100.1', 1452],
])('bound to %s: %i bytes', (local, size) => {
  expect(datagramSizeOf(local)).toBe(size);
});

test('what the system does not say, or says in other words, is as on most paths', () => {
  machine.mtus = { lo: '65536', eth0: '9000', wg0: undefined };
  expect([datagramSizeOf('10.0.0.1'), datagramSizeOf('0.0.0.0'), datagramSizeOf('192.0.2.1')]).toEqual([
    1452, 1452, 8972,
  ]);
  for (const odd of ['', '0', '-1', 'many', '1500.5']) {
    machine.mtus['eth0'] = odd;
    expect(datagramSizeOf('192.0.2.1')).toBe(1452);
  }
});

test('no interface carries less than every path of UDPack must', () => {
  machine.mtus['eth0'] = '576';
  expect(datagramSizeOf('192.0.2.1')).toBe(1200);
});

test('a machine of loopback alone', () => {
  const { lo = [] } = machine.interfaces;
  machine.interfaces = { lo };
  expect(datagramSizeOf('0.0.0.0')).toBe(65_507);
});
