import { expect, test } from 'vitest';
import { watched } from './certificates.ts';

test.each(['tls', 'wss', 'https', 'quic'])('the certificate of %s: is watched', (scheme) => {
  const url = `${scheme}://127.0.0.1:0?cert=cert.pem&key=key.pem`;
  expect(watched(url)).toEqual({ url, tls: { watch: true } });
});

test.each(['tcp', 'ws', 'http', 'udpack'])('%s: has none', (scheme) => {
  expect(watched(`${scheme}://127.0.0.1:0`)).toBe(`${scheme}://127.0.0.1:0`);
});
