import { describe, expect, test } from 'vitest';
import { FRAME, type FrameWriter, STREAM } from '../../../src/udpack/frames.ts';
import { Forger, Scene } from './forger.ts';

type Frame = (writer: FrameWriter) => unknown;

const EMPTY_PACKETS = new Uint8Array(1000).fill(1);

const stream =
  (id: number, offset: number, data: Uint8Array): Frame =>
  (writer) => {
    writer.numbers(FRAME.stream | STREAM.length, id, offset, data.length);
    writer.raw(data);
  };

/** The forger fills a stream's window with empty packets, each a byte, from `from` on; returns how many. */
function fill(forger: Forger, from: number): number {
  let at = from;
  for (; at < 250_000; at += 1000) forger.send(stream(0, at, EMPTY_PACKETS));
  return at;
}

function packetsOf(scene: Scene, forger: Forger): number {
  return scene.of(forger.victim).filter(({ type }) => type === 'packet').length;
}

test('a window of empty packets that nobody reads, and a CLOSE: all are told, and the end behind them', () => {
  const scene = new Scene();
  const forger = new Forger(scene);
  forger.send(stream(0, 0, EMPTY_PACKETS));
  forger.victim.streams.pause(0);
  const packets = fill(forger, 1000);
  forger.send((writer) => writer.ending(FRAME.closeByApplication, 1, new Uint8Array()));
  expect(packetsOf(scene, forger)).toBe(packets);
  expect(scene.of(forger.victim).at(-1)).toMatchObject({ type: 'closed', by: 'peer', code: 1 });
  scene.proveUnharmed();
});

test.each(['a reader that goes on', 'a byte that was missing'])(
  'a window of empty packets becomes events a few at a time, by %s',
  (by) => {
    const scene = new Scene();
    const forger = new Forger(scene);
    const { streams } = forger.victim;
    const paused = by === 'a reader that goes on';
    forger.send(stream(0, 0, paused ? EMPTY_PACKETS : new Uint8Array()));
    if (paused) streams.pause(0);
    const packets = fill(forger, paused ? 1000 : 1);
    expect(packetsOf(scene, forger)).toBe(paused ? 1000 : 0);
    if (paused) streams.resume(0);
    else forger.receive(stream(0, 0, EMPTY_PACKETS.subarray(0, 1)));
    expect(streams.memory().events).toBeGreaterThan(0);
    let told = packetsOf(scene, forger);
    for (let event = forger.victim.poll(); event !== undefined; event = forger.victim.poll()) {
      if (event.type === 'packet') told++;
      expect(streams.memory().events).toBeLessThanOrEqual(2 * 4096);
    }
    expect(told).toBe(packets);
    scene.proveUnharmed();
  },
);

test('a flood of unreliable datagrams that nobody has time to hear is lost, not kept', () => {
  const scene = new Scene();
  const forger = new Forger(scene);
  const empty: Frame = (writer) => writer.counted(FRAME.datagram, new Uint8Array());
  const many = Array.from({ length: 500 }, () => empty);
  for (let at = 0; at < 100; at++) forger.receive(...many);
  expect(forger.victim.streams.memory().events).toBe(4096);
  scene.proveUnharmed();
});

describe('before its token is judged, a client may have', () => {
  /** What the server holds of the session, when all was sent. */
  const held = (...datagrams: readonly (readonly Frame[])[]) => {
    const scene = new Scene();
    const forger = new Forger(scene, { shows: false });
    for (const frames of datagrams) forger.send(...frames);
    expect(forger.ended).toBeUndefined();
    return { scene, forger, memory: forger.victim.streams.memory() };
  };

  test('64 streams of each kind, however they are opened', () => {
    const one = Uint8Array.of(1);
    const each = Array.from({ length: 100 }, (_, number) => [
      stream(4 * number, 1, one),
      stream(4 * number + 2, 1, one),
    ]);
    expect(held(...each).memory).toMatchObject({ streams: 128, waiting: 128 * 4096 });
    expect(held([(writer) => writer.numbers(FRAME.reset, 4 * 999, 0, 0)]).memory.streams).toBe(0);
    expect(held([(writer) => writer.numbers(FRAME.streamCredit, 4 * 999 + 2, 9)]).memory.streams).toBe(0);
  });

  test('256 KiB of data, and gets the rest again once it is let in', () => {
    const many = Array.from({ length: 300 }, (_, at) => [stream(2 + 4 * (at % 2), 1000 * (at >> 1), EMPTY_PACKETS)]);
    const { scene, forger, memory } = held(...many);
    expect(memory.unreleased).toBe(262_000);
    forger.showToken();
    for (const frames of many) forger.send(...frames);
    const bytes = scene
      .of(forger.victim)
      .reduce((sum, event) => sum + (event.type === 'bytes' ? event.bytes.length : 0), 0);
    expect(bytes).toBe(300_000);
    scene.proveUnharmed();
  });

  test('256 KiB of unreliable datagrams', () => {
    const long: Frame = (writer) => writer.counted(FRAME.datagram, new Uint8Array(1024));
    expect(held(...Array.from({ length: 300 }, () => [long])).memory.events).toBe(256);
  });
});
