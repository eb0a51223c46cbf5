import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Shelf } from './shelf.ts';

/** What may happen to a shelf. */
type Step =
  | { readonly kind: 'put'; readonly length: number; readonly cut: number }
  | { readonly kind: 'take'; readonly most: number }
  | { readonly kind: 'acknowledge'; readonly share: number }
  | { readonly kind: 'break' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('put' as const), length: fc.integer({ min: 1, max: 60 }), cut: fc.nat(60) }),
    fc.record({ kind: fc.constant('take' as const), most: fc.integer({ min: 1, max: 80 }) }),
    fc.record({ kind: fc.constant('acknowledge' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant('break' as const) }),
  ),
  { maxLength: 60 },
);

const KEPT = 100;

describe('a shelf of events', () => {
  test('hands out every byte in order, again from the first event that is not acknowledged, and no more ahead than it may', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const shelf = new Shelf(KEPT);
        const all: number[] = [];
        const ends: number[] = [];
        let acknowledged = 0;
        let at = 0;
        for (const step of list) {
          if (step.kind === 'put') {
            const event = Uint8Array.from({ length: step.length }, (_, index) => (all.length + index) & 255);
            all.push(...event);
            ends.push(all.length);
            shelf.announce(event.length);
            shelf.put(event.subarray(0, step.cut));
            shelf.put(event.subarray(step.cut));
          } else if (step.kind === 'take') {
            const bytes = shelf.take(step.most) ?? new Uint8Array(0);
            expect([...bytes]).toEqual(all.slice(at, at + bytes.length));
            expect(bytes.length).toBeLessThanOrEqual(step.most);
            at += bytes.length;
            const base = ends[acknowledged - 1] ?? 0;
            expect(at).toBeLessThanOrEqual(Math.max(base + KEPT, ends[acknowledged] ?? 0));
          } else if (step.kind === 'acknowledge') {
            const number = Math.floor(step.share * ends.length);
            expect(shelf.acknowledge(number)).toBe(true);
            acknowledged = Math.max(acknowledged, number);
            at = Math.max(at, ends[acknowledged - 1] ?? 0);
          } else {
            shelf.rewind();
            at = ends[acknowledged - 1] ?? 0;
          }
          expect([shelf.sent, shelf.written, shelf.next]).toEqual([at, all.length, ends.length + 1]);
          const end = shelf.endWithin(50);
          expect(end === undefined || (ends.includes(end) && end > at)).toBe(true);
        }
      }),
    );
  });

  test('believes no acknowledgement of what it did not hand out', () => {
    const shelf = new Shelf(KEPT);
    shelf.announce(10);
    shelf.put(new Uint8Array(4));
    for (const number of [1, 2, -1, 0.5, Number.NaN]) expect(shelf.acknowledge(number)).toBe(false);
    shelf.put(new Uint8Array(6));
    expect([shelf.acknowledge(2), shelf.acknowledge(1), shelf.acknowledge(0)]).toEqual([false, true, true]);
  });
});
