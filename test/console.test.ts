import { describe, expect, test } from 'vitest';
import type { Totals } from '../console/src/api.ts';
import { niceTop, Rates } from '../console/src/rates.ts';
import { describeData, milliseconds, rate } from '../console/src/words.ts';

function totals(received: number, sent: number, sockets = 1): Totals {
  return { received, sent, sockets, links: sockets };
}

describe('the rates of the page', () => {
  test('are what was counted between two readings, per second', () => {
    const rates = new Rates(60_000);
    expect(rates.add(totals(100, 1000), 5000)).toBeUndefined();
    expect(rates.add(totals(150, 1200, 3), 7000)).toEqual({ at: 7000, received: 25, sent: 100, sockets: 3, links: 3 });
    expect(rates.samples).toHaveLength(1);
  });

  test('are not taken from readings right after each other, and lose nothing by it', () => {
    const rates = new Rates(60_000);
    rates.add(totals(0, 0), 0);
    expect(rates.add(totals(90, 0), 10)).toBeUndefined();
    expect(rates.add(totals(100, 0), 1000)).toMatchObject({ received: 100 });
  });

  test('begin anew when the totals are those of another server', () => {
    const rates = new Rates(60_000);
    rates.add(totals(100, 100), 0);
    expect(rates.add(totals(5, 5), 1000)).toBeUndefined();
    expect(rates.add(totals(15, 25), 2000)).toMatchObject({ received: 10, sent: 20 });
  });

  test('go when they are older than what is shown', () => {
    const rates = new Rates(3000);
    for (let at = 0; at <= 10_000; at += 1000) rates.add(totals(at, at), at);
    expect(rates.samples.map((sample) => sample.at)).toEqual([7000, 8000, 9000, 10_000]);
  });
});

test.each([
  [0, 10, 10],
  [11, 10, 20],
  [20, 10, 20],
  [21, 10, 50],
  [99, 10, 100],
  [0, 5, 5],
  [123_456, 10, 200_000],
])('the top of an axis for %d is at least %d: %d', (most, least, top) => {
  expect(niceTop(most, least)).toBe(top);
});

describe('the words of the page', () => {
  test('say what was said, whatever was sent', () => {
    expect(describeData('say', { text: 'hello' })).toBe('hello');
    expect(describeData('say', 'hello')).toBe('hello');
    expect(describeData('say', { text: 7 })).toBe('{"text":7}');
    expect(describeData('say', null)).toBe('null');
    expect(describeData('say', undefined)).toBe('');
    expect(describeData('position', { text: 'here', at: 9n, map: new Uint8Array(3) })).toBe(
      '{"text":"here","at":"9","map":"3 bytes"}',
    );
    expect(describeData('say', 'x'.repeat(10_000))).toBe(`${'x'.repeat(4000)}…`);
  });

  test('are short for numbers', () => {
    expect([undefined, 0.04, 1.26, 9.96, 123.4].map(milliseconds)).toEqual([
      '–',
      '0.0 ms',
      '1.3 ms',
      '10 ms',
      '123 ms',
    ]);
    expect([0, 1, 1.04, 1.26, 9.96, 1234.5].map(rate)).toEqual(['0', '1', '1', '1.3', '10', '1,235']);
  });
});
