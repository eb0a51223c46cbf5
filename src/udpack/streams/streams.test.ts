import { expect, test } from 'vitest';
import { CLEAN, eventsOf, StreamsPair } from '../../../test/support/udpack-streams.ts';

test('packets keep their bounds, and a stream ends when both directions have', () => {
  const pair = new StreamsPair(1, CLEAN);
  const [a, b] = [pair.client.streams, pair.server.streams];
  const id = a.open('packets');
  const sizes = [0, 1, 62, 63, 64, 1200, 16_000, 3];
  for (const size of sizes) a.write(id, new Uint8Array(size).fill(size), {}, 0);
  a.end(id);
  pair.run();
  const heard = eventsOf(b);
  expect(heard.map((event) => event.type)).toEqual(['stream', ...sizes.map(() => 'packet'), 'end']);
  expect(heard.flatMap((event) => (event.type === 'packet' ? [event.bytes.length] : []))).toEqual(sizes);
  b.end(id);
  pair.run();
  expect(eventsOf(b).map((event) => event.type)).toEqual(['closed']);
  expect(eventsOf(a).map((event) => event.type)).toEqual([...sizes.map(() => 'written'), 'end', 'closed']);
  expect([a.count, b.count, a.quiet, b.quiet]).toEqual([0, 0, true, true]);
});
