import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalAddress } from './addresses.ts';
import { type Claim, claimOf } from './forwarded.ts';

const PROXIES = new Set(['10.0.0.1', '10.0.0.2', '2001:db8::1']);
const trusts = (address: string): boolean => PROXIES.has(address);

function of(headers: Record<string, string>): Claim | 'malformed' | undefined {
  return claimOf(headers, trusts);
}

describe('an address is written in one way', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::1', '::1'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['1.2.3', undefined],
    ['1.2.3.256', undefined],
    ['01.2.3.4', undefined],
    ['1.2.3.4.5', undefined],
    ['', undefined],
    ['localhost', undefined],
    [':::', undefined],
    ['::1%eth0', undefined],
    ['1::2::3', undefined],
    [':'.repeat(1000), undefined],
  ])('%s is %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address);
  });
});

describe('Forwarded', () => {
  test.each<[string, string, Claim | 'malformed']>([
    ['an address', 'for=1.2.3.4', { address: '1.2.3.4', host: undefined }],
    ['a port', 'for="1.2.3.4:5678"', { address: '1.2.3.4', host: undefined }],
    ['IPv6 in brackets', 'for="[2001:db8:cafe::17]:4711"', { address: '2001:db8:cafe::17', host: undefined }],
    ['any case, and blanks', 'For=1.2.3.4 ; PROTO=https;host=a.example', { address: '1.2.3.4', host: 'a.example' }],
    ['a quoted host', 'for=1.2.3.4;host="a.example:8080"', { address: '1.2.3.4', host: 'a.example:8080' }],
    ['escapes in quotes', 'for="1.2.\\3.4"', { address: '1.2.3.4', host: undefined }],
    ['an identifier', 'for=_gazonk', { address: '_gazonk', host: undefined }],
    ['unknown', 'for=unknown', { address: 'unknown', host: undefined }],
    ['no for', 'proto=https', { address: 'unknown', host: undefined }],
    ['what is no address', 'for=example.org', { address: 'unknown', host: undefined }],
    ['several hops', 'for=6.6.6.6, for=1.2.3.4, for=10.0.0.2', { address: '1.2.3.4', host: undefined }],
    ['proxies alone', 'for=10.0.0.1, for=10.0.0.2', { address: '10.0.0.1', host: undefined }],
    [
      'a host that the nearest proxy said',
      'for=1.2.3.4;host=evil, for=10.0.0.2;host=good',
      { address: '1.2.3.4', host: 'evil' },
    ],
    ['an empty element', 'for=1.2.3.4,', { address: 'unknown', host: undefined }],
    ['an open quote', 'for="1.2.3.4, for=10.0.0.2', 'malformed'],
    ['a field twice', 'for=1.2.3.4;for=5.6.7.8', 'malformed'],
    ['no value', 'for=', 'malformed'],
    ['no name', '=1.2.3.4', 'malformed'],
    ['text after a quote', 'for="1.2.3.4"x', 'malformed'],
    ['too many hops', 'for=10.0.0.1,'.repeat(40).slice(0, -1), 'malformed'],
  ])('with %s', (_, forwarded, claim) => {
    expect(of({ forwarded })).toEqual(claim);
  });

  test('and X-Forwarded-For must say the same: one of them may be the peer’s own word', () => {
    const forwarded = 'for=1.1.1.1;host=a.example';
    expect(of({ forwarded, 'x-forwarded-for': '2.2.2.2' })).toBe('malformed');
    expect(of({ forwarded, 'x-forwarded-for': '1.1.1.1' })).toEqual({ address: '1.1.1.1', host: 'a.example' });
  });
});

describe('X-Forwarded-For', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['1.2.3.4, 10.0.0.1,10.0.0.2', '1.2.3.4'],
    ['10.0.0.1', '10.0.0.1'],
    ['1.2.3.4:80', '1.2.3.4'],
    ['[2001:db8::2]:80', '2001:db8::2'],
    ['2001:db8::2', '2001:db8::2'],
    ['garbage', 'unknown'],
    ['1.2.3.4, garbage', 'unknown'],
    ['', 'unknown'],
  ])('%j is %s', (list, address) => {
    expect(of({ 'x-forwarded-for': list })).toEqual({ address, host: undefined });
  });

  test('takes the host from the nearest proxy', () => {
    const headers = { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-host': 'evil.example, app.example' };
    expect(of(headers)).toEqual({ address: '1.2.3.4', host: 'app.example' });
  });
});

test('nothing is said without a header, and nothing is believed that a peer put before its proxy', () => {
  expect(of({})).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 200 }), fc.boolean(), (noise, standard) => {
      const claim = standard
        ? of({ forwarded: `${noise}, for=1.2.3.4` })
        : of({ 'x-forwarded-for': `${noise}, 1.2.3.4` });
      // What can't be read is refused; what can leads no further than to the peer that the proxy has seen.
      expect(claim === 'malformed' || claim?.address === '1.2.3.4').toBe(true);
    }),
  );
});

test('headers of any length are read in a time that grows with them', () => {
  for (const noise of [' ', '\t', 'a', '"', '\\', 'for=', ';', ',', 'for="\\"', 'for=1.1.1.1;']) {
    const claim = of({ forwarded: noise.repeat(16_384 / noise.length), 'x-forwarded-for': ',' });
    expect(claim).toBeDefined();
  }
});
