import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Shelf } from './shelf.ts';

/** Chunks of bytes that are counted, each of them looked at when its length is asked for. */
class Looks {
  count = 0;

  chunk(length: number): Uint8Array {
    return new Proxy(new Uint8Array(length), {
      get: (target, name) => {
        if (name === 'length') this.count += 1;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}

test('who has a link sent again from the beginning has each event looked at a few times, however many there are', () => {
  const looks = new Looks();
  const shelf = new Shelf(1_000_000);
  for (let event = 0; event < 2000; event++) {
    shelf.announce(40);
    shelf.put(looks.chunk(40));
  }
  shelf.rewind();
  looks.count = 0;
  let bytes = 0;
  for (let piece = shelf.take(100); piece !== undefined; piece = shelf.take(100)) bytes += piece.length;
  expect(bytes).toBe(80_000);
  expect(looks.count).toBeLessThan(20_000);
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), length: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ kind: fc.constant('take' as const), length: fc.integer({ min: 1, max: 90 }) }),
  fc.record({ kind: fc.constant('hear' as const), length: fc.nat(60) }),
  fc.record({ kind: fc.constant('rewind' as const), length: fc.constant(0) }),
);

test('what goes out is what was put, from the first event that was not heard, whatever happens in between', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const shelf = new Shelf(200);
      const all: number[] = [];
      const ends: number[] = [0];
      for (const { kind, length } of steps) {
        if (kind === 'put') {
          const bytes = Uint8Array.from({ length }, (_, at) => (all.length + at) % 251);
          shelf.announce(length);
          shelf.put(bytes);
          all.push(...bytes);
          ends.push(all.length);
        } else if (kind === 'take') {
          const from = shelf.sent;
          const piece = shelf.take(length);
          if (piece !== undefined) expect([...piece]).toEqual(all.slice(from, from + piece.length));
          expect(shelf.sent).toBe(from + (piece?.length ?? 0));
          expect(piece?.length ?? 0).toBeLessThanOrEqual(length);
        } else if (kind === 'hear') {
          expect(shelf.acknowledge(length)).toBe(length < ends.length);
        } else {
          shelf.rewind();
          expect(ends).toContain(shelf.sent);
        }
      }
      expect(shelf.written).toBe(all.length);
    }),
    { numRuns: 500 },
  );
});
