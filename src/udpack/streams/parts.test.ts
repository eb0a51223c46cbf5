import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue } from './events.ts';
import { Expiries } from './expiries.ts';
import { kindOf, numberOf, openerOf, streamId } from './ids.ts';
import { PacketReader } from './packet-reader.ts';
import { Reorder } from './reorder.ts';
import { Fifo } from './writes.ts';

test('ids say number, kind and opener', () => {
  expect(streamId(0, 'packets', 'client')).toBe(0);
  expect(streamId(3, 'bytes', 'server')).toBe(15);
  const ids = fc.record({
    n: fc.nat(2 ** 40),
    kind: fc.constantFrom('packets' as const, 'bytes' as const),
    opener: fc.constantFrom('client' as const, 'server' as const),
  });
  fc.assert(
    fc.property(ids, ({ n, kind, opener }) => {
      const id = streamId(n, kind, opener);
      expect([numberOf(id), kindOf(id), openerOf(id)]).toEqual([n, kind, opener]);
    }),
  );
});

test('what expires does so in the order of its time, unless it is over', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ expires: fc.nat(1000), over: fc.boolean() }), { maxLength: 300 }), (plan) => {
      const expiries = new Expiries();
      const expired: number[] = [];
      const items = plan.map(({ expires }) => {
        const item = { expires, over: false, expire: () => expired.push(expires) };
        expiries.add(item);
        return item;
      });
      for (const [at, item] of items.entries()) item.over = plan[at]?.over ?? false;
      const due = plan.flatMap(({ expires, over }) => (over ? [] : [expires])).toSorted((a, b) => a - b);
      expect(expiries.next).toBe(due[0]);
      expiries.run(500);
      expect(expired).toEqual(due.filter((expires) => expires <= 500));
      expect(expiries.next).toBe(due.find((expires) => expires > 500));
    }),
  );
});

test('what is over is not kept for long', () => {
  const expiries = new Expiries();
  for (let n = 0; n < 10_000; n++) {
    const item = { expires: 1e9 - n, over: false, expire: () => {} };
    expiries.add(item);
    item.over = true;
  }
  expect(expiries.size).toBeLessThan(100);
});

test('a queue gives out what was put in, in order, and can be looked at', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(), { nil: undefined, freq: 3 }), { maxLength: 400 }), (steps) => {
      const queue = new Fifo<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === undefined) expect(queue.shift()).toBe(model.shift());
        else {
          queue.push(step);
          model.push(step);
        }
        expect([queue.length, queue.at(0), queue.at(model.length - 1)]).toEqual([model.length, model[0], model.at(-1)]);
      }
    }),
  );
});

test('events that were put back come before the others', () => {
  const events = new EventQueue();
  for (const stream of [1, 2, 3]) events.push({ type: 'opened', stream });
  const [one, two] = [events.shift(), events.shift()];
  if (one === undefined || two === undefined) throw new Error('there were three');
  events.unshift([one, two]);
  expect([events.shift(), events.shift(), events.shift(), events.shift()]).toEqual([
    one,
    two,
    { type: 'opened', stream: 3 },
    undefined,
  ]);
});

test('what came early is given back as it came, page by page, and pages go', () => {
  const pieces = fc.array(fc.record({ from: fc.nat(30_000), length: fc.integer({ min: 1, max: 9000 }) }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(pieces, (cuts) => {
      const reorder = new Reorder();
      const byte = (at: number): number => (at * 13 + (at >> 8)) & 255;
      for (const { from, length } of cuts) {
        reorder.insert(
          from,
          Uint8Array.from({ length }, (_, at) => byte(from + at)),
        );
      }
      for (let range = 0; range < reorder.held.count; range++) {
        const [from, to] = [reorder.held.fromAt(range), reorder.held.toAt(range)];
        const copy = reorder.copy(from, to);
        expect(copy.every((value, at) => value === byte(from + at))).toBe(true);
        expect(copy.length).toBe(to - from);
      }
      const { end } = reorder.held;
      reorder.drop(0, end);
      expect([reorder.held.empty, reorder.bytes]).toEqual([true, 0]);
    }),
    { numRuns: 50 },
  );
});

test('a packet in pieces takes memory for what has come of it, and gives it back', () => {
  let reserved = 0;
  let credit = 0;
  const packets: number[] = [];
  const reader = new PacketReader(
    {
      packet: (bytes, owed) => {
        packets.push(bytes.length);
        credit += owed;
      },
      gravestone: () => {},
      consumed: (units) => (credit += units),
      reserve: (bytes) => (reserved += bytes),
    },
    1_000_000,
  );
  // A packet of 900,000 bytes: its length alone takes nothing.
  reader.read(Uint8Array.of(0x80, 0x0d, 0xbb, 0xa1));
  expect([reserved, reader.between, reader.end]).toEqual([0, false, 900_004]);
  for (let come = 0; come < 900_000; come += 1000) {
    reader.read(new Uint8Array(1000));
    expect(reserved).toBeLessThanOrEqual(Math.max(4096, 2 * (come + 1000)));
  }
  expect([reserved, packets, credit, reader.between, reader.start]).toEqual([0, [900_000], 900_004, true, 900_004]);
  reader.read(new Uint8Array(100).fill(0x3f));
  expect(reserved).toBeGreaterThan(0);
  reader.abandon(900_200);
  expect(reserved).toBe(0);
});
