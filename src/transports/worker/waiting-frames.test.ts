import { describe, expect, test } from 'vitest';
import { WaitingFrames } from './waiting-frames.ts';

const LARGE = 20_000;
const LESS = 16_000;

function take(frames: readonly Uint8Array[], movable: boolean, room = 1 << 20): ReturnType<WaitingFrames['take']> {
  const waiting = new WaitingFrames();
  for (const frame of frames) waiting.push(frame, movable);
  return waiting.take(room);
}

describe('waiting frames', () => {
  test('leave together, in memory of their own', () => {
    const frames = [Uint8Array.of(1, 2), new Uint8Array(LESS).fill(3), Uint8Array.of(4)];
    const { chunks, moved, bytes } = take(frames, false);
    expect(chunks.map((chunk) => chunk.length)).toEqual([LESS + 3]);
    expect([chunks[0]?.[0], chunks[0]?.at(-1), bytes]).toEqual([1, 4, LESS + 3]);
    expect(moved[0]?.byteLength).toBe(LESS + 3);
    expect(frames.map((frame) => frame.length)).toEqual([2, LESS, 1]);
  });

  test('each large one has a chunk to itself, so that its receiver can keep the memory, or give it away', () => {
    const [small, large] = [new Uint8Array(10), new Uint8Array(LARGE)];
    const lengths = (frames: Uint8Array[]): number[] => take(frames, false).chunks.map((chunk) => chunk.length);
    expect(lengths([large, large])).toEqual([LARGE, LARGE]);
    expect(lengths([small, large, small, small, large, small])).toEqual([10, LARGE, 20, LARGE, 10]);
    expect(lengths([small, small, small])).toEqual([30]);
  });

  test('those that begin within the room leave, one at the least; the others stay', () => {
    const waiting = new WaitingFrames();
    for (let i = 0; i < 5; i++) waiting.push(new Uint8Array(100).fill(i), false);
    expect([waiting.take(150).bytes, waiting.bytes]).toEqual([200, 300]);
    expect([waiting.take(0).bytes, waiting.bytes]).toEqual([100, 200]);
    expect(waiting.take(1 << 20).chunks[0]?.[0]).toBe(3);
    expect(waiting.take(10)).toEqual({ chunks: [], moved: [], bytes: 0 });
  });

  test('a large frame that may be moved is not copied, and keeps its place', () => {
    const waiting = new WaitingFrames();
    const large = new Uint8Array(LARGE);
    waiting.push(Uint8Array.of(1), true);
    waiting.push(large, true);
    waiting.push(Uint8Array.of(2), true);
    const { chunks, moved } = waiting.take(1 << 20);
    expect(chunks.map((chunk) => chunk.length)).toEqual([1, LARGE, 1]);
    expect(moved[1]).toBe(large.buffer);
  });

  test.each<[string, Uint8Array]>([
    ['a small one', new Uint8Array(100)],
    ["a view of Node's pool", Buffer.from('x'.repeat(100))],
    ['a view into the middle of more', new Uint8Array(new ArrayBuffer(3 * LARGE), LARGE, LARGE)],
    ['a view of the beginning of more', new Uint8Array(new ArrayBuffer(3 * LARGE), 0, LARGE)],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(LARGE))],
  ])('%s is copied, whatever its sender says', (_, frame) => {
    const { moved } = take([frame], true);
    expect(moved[0]).not.toBe(frame.buffer);
    expect(moved[0]?.byteLength).toBe(frame.length);
  });
});
