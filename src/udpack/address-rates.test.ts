import { describe, expect, test } from 'vitest';
import { AddressRates, networkOf } from './address-rates.ts';

const at = (address: string) => ({ address, port: 1 });

describe('a rate', () => {
  test('is a burst, then so many a second', () => {
    const rates = new AddressRates(10, 3);
    const allowed = (now: number): number => {
      let count = 0;
      while (rates.allow(at('10.0.0.1'), now)) count++;
      return count;
    };
    expect([allowed(0), allowed(99), allowed(100), allowed(350), allowed(100_000)]).toEqual([3, 0, 1, 2, 3]);
  });

  test('is not used up by what is refused, nor by another address or port', () => {
    const rates = new AddressRates(10, 1);
    expect(rates.allow(at('10.0.0.1'), 0)).toBe(true);
    for (let now = 0; now < 100; now++) expect(rates.allow(at('10.0.0.1'), now)).toBe(false);
    expect(rates.allow(at('10.0.0.1'), 100)).toBe(true);
    expect(rates.allow({ address: '10.0.0.1', port: 2 }, 100)).toBe(false);
    expect(rates.allow(at('10.0.0.2'), 100)).toBe(true);
  });

  test('is remembered of 10,000 addresses: who was quiet longest is forgotten', () => {
    const rates = new AddressRates(0.001, 1);
    expect(rates.allow(at('192.0.2.1'), 0)).toBe(true);
    expect(rates.allow(at('192.0.2.2'), 0)).toBe(true);
    for (let other = 0; other < 9999; other++) {
      rates.allow(at(`10.0.${other >> 8}.${other & 255}`), 1);
      // This one asks again and again: it is not forgotten for it.
      if (other % 1000 === 0) expect(rates.allow(at('192.0.2.2'), 1)).toBe(false);
    }
    expect(rates.allow(at('192.0.2.2'), 1)).toBe(false);
    expect(rates.allow(at('192.0.2.1'), 1)).toBe(true);
  });
});

describe('a network', () => {
  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['2001:db8::5', '2001:db8:0:0'],
    ['2001:db8:1::4:5:6:7', '2001:db8:1:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
