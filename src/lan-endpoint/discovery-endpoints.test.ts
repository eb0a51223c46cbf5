import { expect, test } from 'vitest';
import { dialableUrls } from './discovery-endpoints.ts';

test.each([
  '127.0.0.1',
  '127.1',
  '0x7f.1',
  '2130706433',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  'localhost',
  'LOCALHOST.',
  'shop.localhost',
])('who is elsewhere leads nobody to his own machine: %s', (host) => {
  for (const scheme of ['tcp', 'ws', 'https']) {
    const endpoint = `${scheme}://${host}:22`;
    expect(dialableUrls([endpoint], '10.0.0.5', true, false)).toEqual([]);
    expect(dialableUrls([endpoint], '127.0.0.1', true, true)).toHaveLength(1);
  }
});

test('an endpoint on all addresses is where the announcement came from', () => {
  const everywhere = ['tcp://0.0.0.0:1', 'tcp://[::]:1'];
  expect(dialableUrls(everywhere, '10.0.0.5', false, false)).toEqual(['tcp://10.0.0.5:1', 'tcp://10.0.0.5:1']);
  expect(dialableUrls(['tcp://0:1'], '10.0.0.5', false, false)).toEqual([]);
  expect(dialableUrls(['tcp://127.example:1'], '10.0.0.5', false, false)).toEqual(['tcp://127.example:1']);
});
