import { describe, expect, test } from 'vitest';
import { framesOf } from '../../test/support/udpack-streams.ts';
import { Acks } from './acks.ts';
import { AckRanges, FrameWriter } from './frames.ts';

/** Datagrams with these numbers come to the id with this sequence number, and ask for acks. */
function hear(acks: Acks, sequence: number, numbers: readonly number[], now: number): void {
  const space = acks.space(sequence);
  for (const number of numbers) {
    space.note(number, now);
    acks.owe(space, number, now);
  }
}

interface Written {
  readonly sequence: unknown;
  readonly ranges: [from: number, to: number][];
  readonly delay: unknown;
}

/** The ACK that leaves now; undefined: none does. */
function write(acks: Acks, now: number, room = 1000): Written | undefined {
  const bytes = new Uint8Array(room);
  const writer = new FrameWriter(bytes, 0, room);
  if (!acks.write(writer, now)) return undefined;
  acks.done();
  return read(bytes.subarray(0, writer.at));
}

function read(bytes: Uint8Array): Written | undefined {
  const [[, sequence, ranges, delay] = []] = framesOf(bytes);
  if (!(ranges instanceof AckRanges)) return undefined;
  const list = ranges.from.slice(0, ranges.count).map((from, at): [number, number] => [from, ranges.to[at] ?? 0]);
  return { sequence, ranges: list, delay };
}

describe('acks', () => {
  test('are owed to every second datagram, or after the delay, with the time that they waited', () => {
    const acks = new Acks(20);
    expect([acks.ackAt, write(acks, 0)]).toEqual([undefined, undefined]);
    hear(acks, 0, [0], 100);
    expect(acks.ackAt).toBe(120);
    expect(write(acks, 108)).toEqual({ sequence: 0, ranges: [[0, 1]], delay: 8 });
    expect([acks.ackAt, write(acks, 108)]).toEqual([undefined, undefined]);
    hear(acks, 0, [1, 2], 200);
    expect(acks.ackAt).toBe(200);
  });

  test('of several ids leave one after the other, the one that is owed longest first', () => {
    const acks = new Acks(20);
    hear(acks, 3, [0], 100);
    hear(acks, 1, [0], 90);
    expect(acks.ackAt).toBe(110);
    expect([write(acks, 130)?.sequence, write(acks, 130)?.sequence, write(acks, 130)]).toEqual([1, 3, undefined]);
    hear(acks, 1, [1], 200);
    acks.forget(1);
    expect(acks.ackAt).toBeUndefined();
  });

  test('are owed still when there was no room for them', () => {
    const acks = new Acks(20);
    hear(acks, 0, [0, 1], 0);
    expect(write(acks, 0, 5)).toBeUndefined();
    expect(write(acks, 0)?.ranges).toEqual([[0, 2]]);
  });

  test('name as many ranges as there is room for, the highest first, and no more than 32', () => {
    const acks = new Acks(20);
    hear(
      acks,
      0,
      Array.from({ length: 60 }, (_, at) => at * 2),
      0,
    );
    expect(acks.ranges).toBe(60);
    expect(write(acks, 0)?.ranges).toHaveLength(32);
    hear(acks, 0, [120, 122], 0);
    const few = write(acks, 0, 16)?.ranges ?? [];
    expect(few.length).toBeGreaterThan(1);
    expect(few.length).toBeLessThan(8);
    expect(few[0]).toEqual([122, 123]);
  });

  test('that the peer has heard are not said again', () => {
    const acks = new Acks(20);
    hear(acks, 0, [0, 2], 0);
    write(acks, 0);
    expect([acks.sequence, acks.largest]).toEqual([0, 2]);
    acks.confirmed(acks.sequence, 0);
    hear(acks, 0, [4], 10);
    expect(write(acks, 10)?.ranges).toEqual([
      [4, 5],
      [2, 3],
    ]);
    acks.confirmed(7, 0);
  });

  test('are said once more at the end, owed or not', () => {
    const acks = new Acks(20);
    const bytes = new Uint8Array(100);
    const writer = new FrameWriter(bytes, 0, 100);
    acks.writeLast(writer, 0);
    expect(writer.at).toBe(0);
    hear(acks, 0, [0, 1], 0);
    write(acks, 0);
    acks.writeLast(writer, 4);
    expect(read(bytes.subarray(0, writer.at))).toEqual({ sequence: 0, ranges: [[0, 2]], delay: 4 });
  });
});

describe('a wish for fewer acks', () => {
  test('is granted, up to 256 datagrams and the delay that we promised', () => {
    const acks = new Acks(20);
    acks.onRate(0, 10, 5);
    hear(acks, 0, [0], 100);
    expect(acks.ackAt).toBe(105);
    hear(acks, 0, [1, 2, 3, 4, 5, 6, 7, 8], 101);
    expect(acks.ackAt).toBe(105);
    hear(acks, 0, [9], 102);
    expect(acks.ackAt).toBe(102);
    write(acks, 102);

    acks.onRate(1, 1_000_000, 1_000_000);
    hear(acks, 0, [10], 200);
    expect(acks.ackAt).toBe(220);
    for (let number = 11; number < 265; number++) hear(acks, 0, [number], 201);
    expect(acks.ackAt).toBe(220);
    hear(acks, 0, [265], 202);
    expect(acks.ackAt).toBe(202);
  });

  test('for more of them is not: never more than one for two datagrams', () => {
    const acks = new Acks(20);
    acks.onRate(0, 0, 0);
    hear(acks, 0, [0], 100);
    expect(acks.ackAt).toBe(100);
    const other = new Acks(20);
    other.onRate(0, 1, 20);
    hear(other, 0, [0], 100);
    expect(other.ackAt).toBe(120);
  });

  test('that is older than one that was heard is ignored', () => {
    const acks = new Acks(20);
    acks.onRate(5, 10, 20);
    acks.onRate(4, 2, 20);
    acks.onRate(5, 2, 20);
    hear(acks, 0, [0, 1, 2], 100);
    expect(acks.ackAt).toBe(120);
  });
});
