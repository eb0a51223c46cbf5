import { expect, test } from 'vitest';
import { framesOf } from '../../test/support/udpack-streams.ts';
import { Control, type ControlFrame } from './control.ts';
import { FRAME, FrameWriter } from './frames.ts';
import type { SentFrame } from './sent.ts';

function fill(control: Control, room = 100): { readonly frames: unknown; readonly sent: readonly SentFrame[] } {
  const bytes = new Uint8Array(room);
  const writer = new FrameWriter(bytes, 0, room);
  const sent: SentFrame[] = [];
  expectWritten(control.fill(writer, sent), writer.at > 0);
  return { frames: framesOf(bytes.subarray(0, writer.at)), sent };
}

function expectWritten(said: boolean, wrote: boolean): void {
  if (said !== wrote) throw new Error('it says otherwise than it wrote');
}

const credit = (most: number): ControlFrame => ({ write: (writer) => writer.numbers(FRAME.credit, most) });

test('frames leave in their order, as many as there is room for', () => {
  let woken = 0;
  const control = new Control(() => woken++);
  for (const most of [1, 2, 3]) control.push(credit(most));
  expect(woken).toBe(3);
  expect(fill(control, 5).frames).toEqual([
    ['onCredit', 1],
    ['onCredit', 2],
  ]);
  expect(control.empty).toBe(false);
  expect(fill(control).frames).toEqual([['onCredit', 3]]);
  expect(control.empty).toBe(true);
  expect(fill(control).frames).toEqual([]);
});

test('one that was lost leaves again, unless it is acknowledged or stale', () => {
  const control = new Control(() => {});
  let stale = false;
  const heard: number[] = [];
  control.push({ ...credit(1), stale: () => stale, onAcked: (now) => heard.push(now) });
  const [first] = fill(control).sent;
  first?.lost(0);
  const [second] = fill(control).sent;
  second?.acked(5);
  // The first one came after all.
  first?.acked(6);
  second?.lost(7);
  expect(control.empty).toBe(true);
  expect(heard).toEqual([5]);

  // What waits to be sent again need not be, once its ack comes late.
  control.push(credit(9));
  const [late] = fill(control).sent;
  late?.lost(7);
  late?.acked(8);
  expect(fill(control).frames).toEqual([]);

  control.push({ ...credit(2), stale: () => stale });
  const [third] = fill(control).sent;
  stale = true;
  third?.lost(8);
  expect(control.empty).toBe(true);
  control.push({ ...credit(3), stale: () => stale });
  control.push(credit(4));
  expect(fill(control).frames).toEqual([['onCredit', 4]]);
});

test('nothing leaves once it is cleared', () => {
  const control = new Control(() => {});
  control.push(credit(1));
  control.clear();
  expect([control.empty, fill(control).frames]).toEqual([true, []]);
});
