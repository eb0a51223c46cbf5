import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Impostor } from '../../test/support/udpack-impostor.ts';
import { SERVER } from '../../test/support/udpack-pair.ts';
import { addressOf, Strangers, seeded } from '../../test/support/udpack-strangers.ts';
import { FRAME, type FrameWriter, STREAM } from './frames.ts';
import type { Session } from './session.ts';

/** What a peer knows that means well. */
interface Known {
  /** The largest number that came to its first id. */
  largest: number;
  /** Ids told so far, the first one among them. */
  ids: number;
}
type Frame = (writer: FrameWriter, known: Known) => unknown;

const HOME = addressOf(1);

/** Numbers near those that matter, and a few from far away. */
const number = fc.oneof(
  { weight: 6, arbitrary: fc.nat(12) },
  { weight: 3, arbitrary: fc.nat(3000) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48, 2 ** 53 - 200) },
);
const bytes = fc.uint8Array({ maxLength: 100 });
const fixed = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const anyId = fc.tuple(fixed(8), fixed(16));

const numbers = (type: number, ...values: readonly fc.Arbitrary<number>[]): fc.Arbitrary<Frame> =>
  fc.tuple(...values).map((some) => (writer) => writer.numbers(type, ...some));

/** Frames of the client (0) or of the server (1). */
function framesOf(opener: 0 | 1): fc.Arbitrary<Frame> {
  /** One of its own streams of bytes, or of packets. */
  const ours = fc.nat(19).map((at) => at * 4 + 2 + opener);
  const stream = fc.oneof(
    { weight: 5, arbitrary: ours },
    { weight: 1, arbitrary: fc.nat(19).map((at) => at * 4 + opener) },
  );

  /** What it may say at most times. */
  const honest: fc.Arbitrary<Frame> = fc.oneof(
    numbers(FRAME.ping),
    fc.nat(20).map(
      (down): Frame =>
        (writer, { largest }) => {
          if (largest >= 0) writer.numbers(FRAME.ack, 0, largest, 0, 0, Math.min(down, largest));
        },
    ),
    bytes.map(
      (token): Frame =>
        (writer) =>
          writer.counted(FRAME.auth, token),
    ),
    fc.tuple(anyId, fc.boolean()).map(
      ([[id, token], retires]): Frame =>
        (writer, known) => {
          if (writer.newId(known.ids, retires ? known.ids : 0, id, token)) known.ids++;
        },
    ),
    fixed(8).map(
      (data): Frame =>
        (writer) =>
          writer.fixed(FRAME.challenge, data),
    ),
    fixed(8).map(
      (data): Frame =>
        (writer) =>
          writer.fixed(FRAME.answer, data),
    ),
    numbers(FRAME.credit, number),
    numbers(FRAME.streamsCredit, fc.nat(1), number),
    numbers(FRAME.ackRate, number, number, number),
    numbers(FRAME.stop, ours, number),
    bytes.map(
      (data): Frame =>
        (writer) =>
          writer.counted(FRAME.datagram, data),
    ),
    fc.tuple(fc.boolean(), ours, fc.nat(3000), bytes).map(
      ([fin, id, offset, data]): Frame =>
        (writer) => {
          writer.numbers(
            FRAME.stream | STREAM.length | (fin && offset > 2500 ? STREAM.fin : 0),
            id,
            offset,
            data.length,
          );
          writer.raw(data);
        },
    ),
    fc.tuple(fc.nat(19), fc.nat(20)).map(
      ([at, packets]): Frame =>
        (writer) => {
          // So many empty packets.
          writer.numbers(FRAME.stream | STREAM.length, at * 4 + opener, 0, packets);
          writer.raw(new Uint8Array(packets).fill(1));
        },
    ),
    fc.tuple(number, bytes).map(
      ([code, reason]): Frame =>
        (writer) =>
          writer.ending(FRAME.goaway, code, reason),
    ),
  );

  /** What it may not. */
  const lie: fc.Arbitrary<Frame> = fc.oneof(
    bytes.map(
      (data): Frame =>
        (writer) =>
          writer.raw(data),
    ),
    fc.tuple(number, bytes).map(
      ([code, reason]): Frame =>
        (writer) =>
          writer.ending(FRAME.close, code + 100, reason),
    ),
    numbers(FRAME.ack, number, number, number, fc.constant(1), number, number, number),
    fc.tuple(number, number, anyId).map(
      ([sequence, prior, [id, token]]): Frame =>
        (writer) =>
          writer.newId(sequence, prior, id, token),
    ),
    numbers(FRAME.retireId, number),
    numbers(FRAME.streamCredit, number, number),
    numbers(FRAME.streamsCredit, number, number),
    numbers(FRAME.reset, stream, number, number),
    numbers(FRAME.stop, number, number),
    numbers(FRAME.skip, stream, number, number),
    fc.tuple(fc.nat(15), number, number, bytes).map(
      ([flags, id, offset, data]): Frame =>
        (writer) => {
          writer.numbers(FRAME.stream | STREAM.length | flags, id, offset, data.length);
          writer.raw(data);
        },
    ),
  );
  return fc.oneof({ weight: 80, arbitrary: honest }, { weight: 1, arbitrary: lie });
}

const stepOf = (opener: 0 | 1) =>
  fc.record({
    frames: fc.array(framesOf(opener), { minLength: 1, maxLength: 5 }),
    from: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
    skipped: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(100) }),
    wait: fc.oneof({ weight: 5, arbitrary: fc.nat(30) }, { weight: 1, arbitrary: fc.nat(3000) }),
    act: fc.constantFrom('', '', '', 'write', 'ping', 'key', 'rebind', 'goaway', 'datagram'),
  });

/** What an application may do meanwhile. */
function act(session: Session, what: string, now: number): void {
  if (session.state === 'open' && what === 'write') {
    session.streams.write(session.streams.open('packets'), new Uint8Array(3000), {}, now);
  }
  if (what === 'datagram') session.streams.sendDatagram(new Uint8Array(50), {}, now);
  if (what === 'ping') session.ping(now);
  if (what === 'key') session.updateKey();
  if (what === 'rebind') session.rebind(now);
  if (what === 'goaway') session.goaway(1, 'soon');
}

/** Notes the numbers of datagrams that came to the first id: acks of others are never said. */
function hear(known: Known, datagrams: readonly Uint8Array[]): void {
  for (const datagram of datagrams) {
    if (known.ids === 1) known.largest = Math.max(known.largest, new DataView(datagram.buffer).getUint32(9));
  }
}

test('whatever a client says in whatever order, nothing throws, and in the end nothing is left', () => {
  const faults = new Set<string>();
  const property = fc.property(fc.nat(), fc.array(stepOf(0), { maxLength: 60 }), (seed, steps) => {
    const scene = new Strangers({ streams: 20 }, { crypto: seeded(seed) });
    const stranger = scene.enter(HOME);
    stranger?.showToken();
    const [session] = scene.server.sessions();
    if (stranger === undefined || session === undefined) throw new Error('no session');
    const known: Known = { largest: -1, ids: 1 };
    for (const { frames, from, skipped, wait, act: what } of steps) {
      for (let count = 0; count < skipped; count++) stranger.skip();
      stranger.from = from === 0 ? HOME : addressOf(from);
      hear(known, stranger.send(...frames.map((write) => (writer: FrameWriter) => write(writer, known))));
      act(session, what, scene.now);
      hear(known, scene.wait(wait));
      for (const [address, earned] of scene.earned) {
        if (address === `${HOME.address} ${HOME.port}`) continue;
        // Nobody there has proved anything: an ANSWER would have to be guessed.
        expect(earned).toBeLessThanOrEqual(scene.brought.get(address) ?? 0);
      }
    }
    scene.wait(120_000);
    for (const fault of scene.faults) faults.add(fault);
    expect(scene.faults).not.toContain('internal');
    expect(scene.faults.length).toBeLessThanOrEqual(1);
    expect(session.ended).toBe(true);
    expect(scene.server.stats).toMatchObject({ sessions: 0, halfOpen: 0 });
    expect(scene.server.deadline).toBeUndefined();
  });
  fc.assert(property, { numRuns: 100 });
  expect([...faults]).toContain('idle');
  expect(faults.size).toBeGreaterThan(3);
});

test('whatever a server says in whatever order, its client throws nothing, and in the end nothing is left', () => {
  const faults = new Set<string | undefined>();
  const property = fc.property(fc.nat(), fc.array(stepOf(1), { maxLength: 60 }), (seed, steps) => {
    const impostor = new Impostor(seeded(seed));
    const { session } = impostor;
    const known: Known = { largest: -1, ids: 1 };
    impostor.say((writer) => writer.numbers(FRAME.accept));
    const ends: (string | undefined)[] = [];
    const listen = (): void => {
      for (const event of impostor.events) if (event.type === 'closed' && 'fault' in event) ends.push(event.fault);
    };
    for (const { frames, from, skipped, wait, act: what } of steps) {
      for (let count = 0; count < skipped; count++) impostor.skip();
      const say = (writer: FrameWriter): void => {
        for (const write of frames) write(writer, known);
      };
      hear(known, impostor.say(say, from === 0 ? SERVER : addressOf(from)));
      act(session, what, impostor.now);
      hear(known, impostor.wait(wait));
      listen();
    }
    impostor.wait(120_000);
    listen();
    expect(ends).toHaveLength(1);
    expect(ends).not.toContain('internal');
    expect([session.ended, impostor.client.stats.sessions, impostor.client.deadline]).toEqual([true, 0, undefined]);
    faults.add(ends[0]);
  });
  fc.assert(property, { numRuns: 100 });
  expect([...faults]).toContain('idle');
  expect(faults.size).toBeGreaterThan(3);
});
