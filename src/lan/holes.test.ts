import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Holes } from './holes.ts';

const step = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    a: fc.integer({ min: 0, max: 5 }),
    b: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ kind: fc.constant('fill' as const), a: fc.nat(100), b: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('lose' as const), a: fc.nat(100), b: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('open' as const), a: fc.nat(4), b: fc.integer({ min: 1, max: 8 }) }),
);

test('holes are what a list of single numbers says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const holes = new Holes();
      /** By number: whether it was asked for, and lost. */
      const model = new Map<number, { asked: boolean; lost: boolean }>();
      let known = 0;
      for (const { kind, a, b } of steps) {
        if (kind === 'append') {
          holes.append(known + a, known + a + b, 0);
          for (let n = known + a; n < known + a + b; n++) model.set(n, { asked: false, lost: false });
          known += a + b;
        } else if (kind === 'fill') {
          const asked: number[] = [];
          const there = [...model.keys()].filter((n) => n >= a && n < a + b);
          const filled = holes.fill(a, a + b, 0, (from, to) => {
            for (let n = from; n < to; n++) asked.push(n);
          });
          expect(filled).toBe(there.length);
          expect(asked).toEqual(there.filter((n) => model.get(n)?.asked).toSorted((x, y) => x - y));
          for (const n of there) model.delete(n);
        } else if (kind === 'lose') {
          holes.lose(a, a + b, 'expired');
          for (const [n, state] of model) if (n >= a && n < a + b) state.lost = true;
        } else {
          const open = holes.open(a, b);
          expect(open.length).toBeLessThanOrEqual(a);
          for (const hole of open) {
            expect(hole.to - hole.from).toBeLessThanOrEqual(b);
            hole.asks++;
            for (let n = hole.from; n < hole.to; n++) {
              const state = model.get(n);
              expect(state?.lost).toBe(false);
              if (state !== undefined) state.asked = true;
            }
          }
        }
        expect(holes.missing).toBe([...model.values()].filter(({ lost }) => !lost).length);
        expect(holes.first?.from).toBe(model.size === 0 ? undefined : Math.min(...model.keys()));
      }
    }),
  );
});
