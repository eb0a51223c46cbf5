import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chance, handlerOf, machine, nextDatagram } from '../../../test/support/udpack-streams.ts';
import { FrameReader } from '../frames.ts';
import { UDPACK_LIMITS, type UdpackLimits } from '../options.ts';
import { GAPS_MOST } from './receive-stream.ts';
import type { Streams } from './streams.ts';

const LIMITS: UdpackLimits = {
  ...UDPACK_LIMITS,
  packetBytes: 20_000,
  streams: 5,
  streamWindow: 5000,
  streamWindowMost: 20_000,
  sessionWindow: 40_000,
  sessionWindowMost: 60_000,
  assemblyBytes: 15_000,
};

/** What is over its bound; no peer can bring anything there. */
function overBounds(streams: Streams): string[] {
  const memory = streams.memory();
  const count = LIMITS.streams * 2 + 2;
  const windows = count * LIMITS.streamWindow + LIMITS.sessionWindowMost;
  const most: { readonly [name: string]: number } = {
    streams: count,
    unreleased: LIMITS.sessionWindowMost,
    waiting: LIMITS.sessionWindowMost + count * 2 * 4096,
    assembly: LIMITS.assemblyBytes + 2 * windows + 2 * LIMITS.packetBytes + count * 4096,
    gaps: GAPS_MOST + 1,
  };
  return Object.entries(memory).flatMap(([name, value]) =>
    value > (most[name] ?? value) ? [`${name}: ${value}`] : [],
  );
}

/** Numbers near what matters: small ones, the edges of credit, and those beyond all. */
function number(random: () => number): number {
  const dice = random();
  if (dice < 0.5) return Math.floor(random() * 50);
  if (dice < 0.9) return Math.floor(random() * 9000);
  return dice < 0.95 ? 2 ** 53 - 1 - Math.floor(random() * 10) : Math.floor(random() * 2 ** 40);
}

/** What an honest peer would send on a stream: packets of `size` bytes. */
function honest(size: number): Uint8Array {
  const bytes: number[] = [];
  while (bytes.length < 40_000) bytes.push(0x40 | ((size + 1) >> 8), (size + 1) & 255, ...new Uint8Array(size).fill(7));
  return Uint8Array.from(bytes);
}

const SIZES = [0, 5, 300, 3000];
const STREAMS: readonly Uint8Array[] = SIZES.map(honest);

/** A frame as it might come, from the client; one in `lies` is nonsense. */
function anything(streams: Streams, random: () => number, lies: number): unknown {
  if (random() < 1 / lies) return nonsense(streams, random);
  const kind = Math.floor(random() * 4);
  const bytes = STREAMS[kind] ?? new Uint8Array();
  const stream = kind * 4 + (random() < 0.2 ? 2 : 0);
  const unit = (SIZES[kind] ?? 0) + 2;
  const at = Math.floor((random() * 3000) / unit) * unit;
  const dice = random();
  if (dice < 0.4)
    return streams.onStream(stream, 0, at + Math.floor(unit / 2), bytes.slice(at + Math.floor(unit / 2), at + 900));
  if (dice < 0.7)
    return streams.onStream(stream, stream % 4 === 0 ? 4 : 0, at, bytes.slice(at, at + Math.floor(random() * 1400)));
  if (dice < 0.85) return streams.onStream(stream, 0, 0, bytes.slice(0, Math.floor(random() * 1400)));
  if (dice < 0.9 && stream % 4 === 0) return streams.onSkip(stream, at, at + unit);
  if (dice < 0.92) return streams.onStop(stream, number(random));
  if (dice < 0.95) return streams.onStreamCredit(stream, number(random));
  if (dice < 0.96) return streams.onStreamsCredit(Math.floor(random() * 2), Math.floor(random() * 9));
  return dice < 0.98 ? streams.onCredit(number(random)) : streams.onDatagram(bytes.slice(0, 900));
}

function nonsense(streams: Streams, random: () => number): unknown {
  const stream = Math.floor(random() * 14);
  const offset = number(random);
  const bytes = Uint8Array.from({ length: Math.floor(random() * 1400) }, () => Math.floor(random() * 256));
  const dice = random();
  if (dice < 0.5) return streams.onStream(stream, Math.floor(random() * 8), offset, bytes);
  if (dice < 0.7) return streams.onSkip(stream, offset, offset + Math.floor(random() * 500));
  if (dice < 0.9) return streams.onReset(stream, number(random), number(random));
  return streams.onStreamsCredit(Math.floor(random() * 3), number(random));
}

/** What an application and a session do in between. */
function meanwhile(streams: Streams, random: () => number, now: number): void {
  const stream = Math.floor(random() * 14);
  const dice = random();
  if (dice < 0.3) while (streams.poll() !== undefined);
  else if (dice < 0.4) streams.pause(stream);
  else if (dice < 0.5) streams.resume(stream);
  else if (dice < 0.55) streams.stop(stream, 1);
  else if (dice < 0.6) streams.reset(stream, 1);
  else if (dice < 0.65) streams.end(stream);
  else if (dice < 0.75) streams.write(stream, new Uint8Array(3000), { maxAge: 10, ordered: random() < 0.5 }, now);
  else {
    const sent = nextDatagram(streams, now);
    for (const frame of sent?.frames ?? []) frame[random() < 0.5 ? 'acked' : 'lost'](now);
  }
}

test('no frames make it throw, or take more memory than its limits allow', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = chance(seed);
      for (const lies of [3, 30, 1000, 1000, 1000]) {
        const streams = machine('server', LIMITS);
        streams.open('packets');
        streams.open('bytes');
        for (let now = 0; now < 400; now++) {
          if (anything(streams, random, lies) !== undefined) break;
          if (random() < 0.5) meanwhile(streams, random, now);
          if (now % 20 === 0) expect(overBounds(streams)).toEqual([]);
        }
        expect(overBounds(streams)).toEqual([]);
      }
    }),
    { numRuns: 30 },
  );
});

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 20 }),
      fc.boolean(),
      (datagrams, aim) => {
        const streams = machine('server', LIMITS);
        const reader = new FrameReader();
        for (const bytes of datagrams) {
          // Half of the time the first byte is one of a stream's frame.
          if (aim) bytes[0] = 0x0c + ((bytes[0] ?? 0) % 0x24);
          if (reader.read(bytes, handlerOf(streams)) !== undefined) break;
          nextDatagram(streams);
        }
        expect(overBounds(streams)).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});
