import { expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import type { LinkOptions } from '../../transport/index.ts';
import { createQuicTransport } from './index.ts';
import { setLimits } from './options.ts';
import type { MachineConfig } from './quiche.ts';

test.each([
  { handshakeWait: Number.NaN },
  { idleWait: -1 },
  { datagramBytes: Number.NaN },
  { handshakes: Number.NaN },
  { handshakesPerAdress: 5 },
])('%o is refused', (settings) => {
  expect(() => createQuicTransport(settings)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
});

test('the machine is told no time that the wire can not hold', () => {
  const told: number[] = [];
  const config = new Proxy({} as MachineConfig, {
    get: (_, name) => (value: number) => void (name === 'setMaxIdleTimeout' && told.push(value)),
  });
  for (const idleWait of [30_000, 2 ** 62, Infinity]) {
    setLimits(config, 'dial', { world: realWorld() } as LinkOptions, { idleWait });
  }
  expect(told).toEqual([30_000, 2 ** 31 - 1, 2 ** 31 - 1]);
});
