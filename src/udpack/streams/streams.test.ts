import { expect, test } from 'vitest';
import { type FrameHandler, FrameReader, FrameWriter } from '../frames.ts';
import { type Parameters, UDPACK_LIMITS, type UdpackLimits } from '../options.ts';
import type { SentFrame } from '../sent.ts';
import type { StreamEvent } from './events.ts';
import { Streams } from './streams.ts';

function parametersOf(limits: UdpackLimits): Parameters {
  return {
    id: undefined,
    resetToken: undefined,
    credit: limits.sessionWindow,
    streamCredit: limits.streamWindow,
    packetStreams: limits.streams,
    byteStreams: limits.streams,
    packetBytes: limits.packetBytes,
    datagramSize: 1452,
    idle: 0,
    ackDelay: 20,
    unreliableBytes: 65_535,
    ids: 2,
  };
}

function datagramOf(from: Streams, writer: FrameWriter, sent: SentFrame[]): Uint8Array | undefined {
  return from.fill(writer, sent, 0) ? writer.bytes.slice(0, writer.at) : undefined;
}

function flow(from: Streams, to: Streams): void {
  for (;;) {
    const sent: SentFrame[] = [];
    const datagram = datagramOf(from, new FrameWriter(new Uint8Array(1200), 0, 1200), sent);
    if (datagram === undefined) return;
    const handler = new Proxy(to, {
      get:
        (target, name) =>
        (...values: never[]) =>
          (Reflect.get(target, name) as (...v: never[]) => unknown).apply(target, values),
    }) as unknown as FrameHandler;
    expect(new FrameReader().read(datagram, handler)).toBeUndefined();
    for (const frame of sent) frame.acked(0);
  }
}

function eventsOf(streams: Streams): StreamEvent[] {
  const events: StreamEvent[] = [];
  for (let event = streams.poll(); event !== undefined; event = streams.poll()) events.push(event);
  return events;
}

test('packets keep their bounds, and a stream ends when both directions have', () => {
  const limits = UDPACK_LIMITS;
  const a = new Streams({ role: 'client', limits, onWork: () => {} });
  const b = new Streams({ role: 'server', limits, onWork: () => {} });
  a.start(parametersOf(limits));
  b.start(parametersOf(limits));
  const id = a.open('packets');
  const sizes = [0, 1, 62, 63, 64, 1200, 16_000, 3];
  for (const size of sizes) a.write(id, new Uint8Array(size).fill(size), {}, 0);
  a.end(id);
  flow(a, b);
  const heard = eventsOf(b);
  expect(heard.map((event) => event.type)).toEqual(['stream', ...sizes.map(() => 'packet'), 'end']);
  expect(heard.flatMap((event) => (event.type === 'packet' ? [event.bytes.length] : []))).toEqual(sizes);
  b.end(id);
  flow(b, a);
  expect(eventsOf(b).map((event) => event.type)).toEqual(['closed']);
  expect(eventsOf(a).map((event) => event.type)).toEqual([...sizes.map(() => 'written'), 'end', 'closed']);
  expect([a.count, b.count, a.quiet, b.quiet]).toEqual([0, 0, true, true]);
});
