import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REPLAY_WINDOW, ReceivedSpace } from './received.ts';

/** A space that these numbers came to. */
function heard(...numbers: readonly number[]): ReceivedSpace {
  const space = new ReceivedSpace(0);
  for (const number of numbers) space.note(number, 0);
  return space;
}

const rangesOf = ({ ranges }: ReceivedSpace): [number, number][] =>
  Array.from({ length: ranges.count }, (_, at) => [ranges.fromAt(at), ranges.toAt(at)]);

describe('a number', () => {
  test('counts once, at the edges of the window too', () => {
    const space = heard(0);
    expect([space.repeated(0), space.repeated(1)]).toEqual([true, false]);
    space.note(REPLAY_WINDOW - 1, 0);
    // The whole window can be told apart; one below it can't.
    expect([space.repeated(0), space.repeated(1), space.repeated(REPLAY_WINDOW - 2)]).toEqual([true, false, false]);
    space.note(REPLAY_WINDOW, 0);
    expect([space.repeated(0), space.repeated(1)]).toEqual([true, false]);
    space.note(REPLAY_WINDOW + 1, 0);
    expect([space.repeated(1), space.repeated(2), space.repeated(REPLAY_WINDOW)]).toEqual([true, false, true]);
  });

  test('of a jump far ahead leaves nothing of before', () => {
    const space = heard(0, 1, 2, 3, 10_000_000);
    expect(space.repeated(10_000_000 - REPLAY_WINDOW)).toBe(true);
    expect(space.repeated(10_000_000 - REPLAY_WINDOW + 1)).toBe(false);
    expect(space.repeated(10_000_000 - 1)).toBe(false);
    expect(space.repeated(3)).toBe(true);
  });

  test('beyond 32 bits is told apart all the same', () => {
    const space = heard(2 ** 32 - 1, 2 ** 32 + 1);
    expect([2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32 + 2].map((number) => space.repeated(number))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test('is taken in just once, whatever comes in whatever order', () => {
    const jump = fc.oneof(fc.integer({ min: -9000, max: 100 }), fc.integer({ min: -50, max: 50 }), fc.nat(20_000));
    const property = fc.property(fc.array(jump, { maxLength: 300 }), (jumps) => {
      const space = new ReceivedSpace(0);
      const taken = new Set<number>();
      for (const by of jumps) {
        const number = Math.max(0, space.largest + by);
        const old = number <= space.largest - REPLAY_WINDOW;
        expect(space.repeated(number)).toBe(old || taken.has(number));
        if (space.repeated(number)) continue;
        space.note(number, 0);
        taken.add(number);
      }
    });
    fc.assert(property);
  });
});

describe('an ack', () => {
  const owed = (numbers: readonly number[], every = 2, delay = 20): number | undefined => {
    const space = new ReceivedSpace(0);
    for (const number of numbers) {
      space.note(number, 100);
      space.owe(number, 100, every, delay);
    }
    return space.ackAt;
  };

  test('waits for a second datagram, or for its time', () => {
    expect(owed([0])).toBe(120);
    expect(owed([0, 1])).toBe(100);
    expect(owed([0, 1, 2, 3], 10)).toBe(120);
  });

  test('leaves at once behind a gap, and when the gap is filled (RFC 9000 13.2.1)', () => {
    expect(owed([0, 2], 10)).toBe(100);
    expect(owed([1, 0], 10)).toBe(100);
    const space = heard(0, 1, 3);
    space.note(2, 100);
    space.owe(2, 100, 10, 20);
    expect(space.ackAt).toBe(100);
    // What comes in order behind a gap that was told waits.
    const behind = heard(0, 5);
    behind.note(6, 100);
    behind.owe(6, 100, 10, 20);
    expect(behind.ackAt).toBe(120);
  });

  test('does not take the first datagram for one behind a gap', () => {
    expect(owed([7], 10)).toBe(120);
  });

  test('that has left is owed no longer', () => {
    const space = heard(0, 1);
    space.owe(1, 0, 2, 20);
    space.acked();
    expect(space.ackAt).toBeUndefined();
    space.note(2, 50);
    space.owe(2, 50, 2, 20);
    expect(space.ackAt).toBe(70);
  });

  test('names all that came, and what the peer knows of no longer', () => {
    const space = heard(0, 1, 2, 5, 6, 9);
    expect(rangesOf(space)).toEqual([
      [0, 3],
      [5, 7],
      [9, 10],
    ]);
    space.confirmed(5);
    expect(rangesOf(space)).toEqual([
      [6, 7],
      [9, 10],
    ]);
    // Of the highest range something stays, so that there is an ack to send.
    space.confirmed(9);
    expect(rangesOf(space)).toEqual([[9, 10]]);
    expect(space.repeated(5)).toBe(true);
  });

  test('leaves out a datagram that was not taken in after all', () => {
    const space = heard(0, 1, 2);
    space.disown(2);
    expect(rangesOf(space)).toEqual([[0, 2]]);
    expect(space.repeated(2)).toBe(true);
  });

  test('has 64 ranges at most: the lowest go', () => {
    const space = heard(...Array.from({ length: 100 }, (_, at) => at * 2));
    expect(space.ranges.count).toBe(64);
    expect(space.ranges.first).toBe(72);
    // A hole that is filled too late for acks is still told apart from a repeat.
    expect(space.repeated(3)).toBe(false);
    space.note(3, 0);
    expect([space.repeated(3), space.ranges.count]).toEqual([true, 64]);
  });
});
