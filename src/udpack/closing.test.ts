import { describe, expect, test } from 'vitest';
import { framesOf } from '../../test/support/udpack-streams.ts';
import { Closing, type Ending } from './closing.ts';
import { reasonOf } from './endings.ts';
import { FrameWriter } from './frames.ts';

const ENDING: Ending = { application: true, code: 7, reason: reasonOf('enough') };
const TIMEOUT = 100;

/** When CLOSE leaves, until the session may be forgotten at the time that is last. */
function play(closing: Closing, from = 0, hear: (now: number) => void = () => {}): number[] {
  const times: number[] = [];
  let now = from;
  for (let rounds = 0; !closing.ended(now); rounds++) {
    if (rounds > 50) throw new Error('it never ends');
    closing.tick(now);
    if (closing.due) {
      closing.write(new FrameWriter(new Uint8Array(400), 0, 400), now);
      times.push(now);
    } else now = closing.deadline ?? now;
    hear(now);
  }
  return [...times, now];
}

describe('who closes', () => {
  test('says so four times, each after twice as long, and then lingers', () => {
    expect(play(new Closing(ENDING, false, false, TIMEOUT, 0))).toEqual([0, 100, 300, 700, 1500]);
  });

  test('does not linger for more than half a minute, however long round trips seem to be', () => {
    expect(play(new Closing(ENDING, false, false, 10_000, 0))).toEqual([0, 2000, 6000, 14_000, 30_000]);
    expect(play(new Closing(ENDING, true, false, 10_000, 0))).toEqual([0, 6000]);
  });

  test('is done once it was answered', () => {
    const closing = new Closing(ENDING, false, false, TIMEOUT, 0);
    closing.write(new FrameWriter(new Uint8Array(400), 0, 400), 0);
    expect(closing.ended(10)).toBe(false);
    closing.onDatagram(true);
    expect([closing.due, closing.ended(10)]).toEqual([false, true]);
  });

  test('answers what is still under way, yet no more than four times', () => {
    const closing = new Closing(ENDING, false, false, TIMEOUT, 0);
    let sent = 0;
    for (let datagram = 0; datagram < 100; datagram++) {
      closing.onDatagram(false);
      if (closing.due) {
        closing.write(new FrameWriter(new Uint8Array(400), 0, 400), 1);
        sent++;
      }
    }
    expect(sent).toBe(4);
    expect([closing.ended(1499), closing.ended(1500)]).toEqual([false, true]);
  });

  test('has not said what did not fit, and forgets the session in time all the same', () => {
    const closing = new Closing(ENDING, false, false, TIMEOUT, 0);
    const small = new FrameWriter(new Uint8Array(5), 0, 5);
    for (let datagram = 0; datagram < 20; datagram++) {
      closing.onDatagram(false);
      expect(closing.due).toBe(true);
      closing.write(small, 1);
    }
    expect([closing.due, closing.ended(1499), closing.ended(1500)]).toEqual([false, false, true]);
    expect(small.at).toBe(0);
    closing.onDatagram(false);
    const writer = new FrameWriter(new Uint8Array(400), 0, 400);
    closing.write(writer, 2);
    expect(writer.at).toBeGreaterThan(0);
  });

  test('says what it said before', () => {
    const bytes = new Uint8Array(400);
    const writer = new FrameWriter(bytes, 0, 400);
    new Closing(ENDING, false, false, TIMEOUT, 0).write(writer, 0);
    expect(framesOf(bytes.subarray(0, writer.at))).toEqual([['onClose', true, 7, 6]]);
  });
});

describe('who was closed', () => {
  test('answers once, and lingers for three probe time-outs', () => {
    expect(play(new Closing(ENDING, true, false, TIMEOUT, 50), 50)).toEqual([50, 350]);
  });

  test('answers each CLOSE that comes again', () => {
    const closing = new Closing(ENDING, true, false, TIMEOUT, 0);
    for (let close = 0; close < 10; close++) {
      expect(closing.due).toBe(true);
      closing.write(new FrameWriter(new Uint8Array(400), 0, 400), close);
      expect(closing.due).toBe(false);
      // Anything else has no answer.
      closing.onDatagram(false);
      expect(closing.due).toBe(false);
      closing.onDatagram(true);
    }
  });
});

test('who ends in silence says nothing, and is done at once', () => {
  const closing = new Closing(ENDING, false, true, TIMEOUT, 5);
  expect([closing.due, closing.deadline, closing.ended(5)]).toEqual([false, undefined, true]);
  closing.onDatagram(true);
  expect(closing.due).toBe(false);
});

test('a reason is cut at 256 bytes, between two characters', () => {
  expect(reasonOf('a'.repeat(256))).toHaveLength(256);
  expect(reasonOf('a'.repeat(300))).toHaveLength(256);
  const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  expect(decode(reasonOf(`a${'é'.repeat(200)}`))).toBe(`a${'é'.repeat(127)}`);
  expect(decode(reasonOf('🙂'.repeat(100)))).toBe('🙂'.repeat(64));
  expect(decode(reasonOf(`ab${'🙂'.repeat(100)}`))).toBe(`ab${'🙂'.repeat(63)}`);
});
