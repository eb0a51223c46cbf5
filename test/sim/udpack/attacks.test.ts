import { describe, expect, test } from 'vitest';
import { FRAME, type FrameWriter, STREAM } from '../../../src/udpack/frames.ts';
import { Chance } from './chance.ts';
import { Forger, Scene, SERVER } from './forger.ts';

type Frame = (writer: FrameWriter) => unknown;

const numbers =
  (type: number, ...values: readonly number[]): Frame =>
  (writer) =>
    writer.numbers(type, ...values);

const raw =
  (...bytes: readonly number[]): Frame =>
  (writer) =>
    writer.raw(Uint8Array.from(bytes));

/** A STREAM frame with a length. */
const stream =
  (id: number, offset: number, data: Uint8Array, flags = 0): Frame =>
  (writer) => {
    writer.numbers(FRAME.stream | STREAM.length | flags, id, offset, data.length);
    writer.raw(data);
  };

const ZEROS = new Uint8Array(1000);
const idOf = (number: number): Uint8Array => new Uint8Array(8).fill(number + 1);

describe('a peer with good keys that lies', () => {
  test.each<[string, string, readonly Frame[]]>([
    ['acknowledges the future', 'ack-of-unsent', [numbers(FRAME.ack, 0, 100_000, 0, 0, 0)]],
    ['acknowledges numbers below nought', 'frame-malformed', [numbers(FRAME.ack, 0, 5, 0, 0, 9)]],
    ['says that it is the server', 'frame-unexpected', [numbers(FRAME.accept)]],
    ['sends a frame of a kind that there is not', 'frame-unknown', [raw(0x1f)]],
    ['sends a frame that ends too late', 'frame-malformed', [raw(FRAME.reset, 0)]],
    ['sends nothing', 'frame-malformed', []],
    ['opens more streams than it may', 'streams-exceeded', [stream(4 * 1_000_000, 0, ZEROS)]],
    ['writes where its credit ends', 'credit-exceeded', [stream(2, 300 * 1024, ZEROS)]],
    ['writes to a stream that nobody opened', 'stream-state', [stream(1, 0, ZEROS)]],
    [
      'moves the end of a stream',
      'final-size',
      [stream(2, 0, ZEROS, STREAM.fin), stream(2, 1000, ZEROS.subarray(0, 10))],
    ],
    ['moves the end by a reset', 'final-size', [stream(2, 0, ZEROS, STREAM.fin), numbers(FRAME.reset, 2, 0, 400)]],
    ['ends a stream before what it wrote', 'final-size', [stream(2, 500, ZEROS), numbers(FRAME.reset, 2, 0, 10)]],
    ['announces a packet longer than any', 'packet-too-long', [stream(0, 0, Uint8Array.of(0xbf, 0xff, 0xff, 0xff, 1))]],
    ['skips what can not be skipped', 'frame-malformed', [stream(0, 0, ZEROS), numbers(FRAME.skip, 0, 9, 3)]],
    ['skips in a stream of bytes', 'stream-state', [stream(2, 0, ZEROS), numbers(FRAME.skip, 2, 0, 3)]],
    ['gives back an id that it never had', 'id-limit', [numbers(FRAME.retireId, 1000)]],
    ['gives credit for streams of no kind', 'frame-malformed', [numbers(FRAME.streamsCredit, 7, 10)]],
    [
      'offers ids without an end',
      'id-limit',
      Array.from(
        { length: 30 },
        (_, at): Frame =>
          (writer) =>
            writer.newId(at + 1, 0, idOf(at), new Uint8Array(16).fill(at)),
      ),
    ],
    [
      'offers an id whose number the nonce has no room for',
      'id-limit',
      [(writer) => writer.newId(2 ** 32, 0, idOf(1), new Uint8Array(16))],
    ],
    [
      'gives an id a second meaning',
      'id-limit',
      [
        (writer) => writer.newId(1, 0, idOf(1), new Uint8Array(16)),
        (writer) => writer.newId(1, 0, idOf(2), new Uint8Array(16)),
      ],
    ],
    [
      'gives a reason that is too long',
      'frame-malformed',
      [(writer) => writer.ending(FRAME.goaway, 0, new Uint8Array(400))],
    ],
  ])('%s', (_, fault, frames) => {
    const scene = new Scene();
    const forger = new Forger(scene);
    expect(forger.victim.state).toBe('open');
    forger.send(...frames);
    expect(forger.ended).toBe(fault);
    // It was told so, and soon nothing is left of it.
    expect(forger.sealedReplies).toBeGreaterThan(0);
    scene.run(40_000);
    expect(forger.victim.ended).toBe(true);
    scene.proveUnharmed();
    expect(scene.server.stats.sessions).toBe(1);
  });

  test('shows a token that is too long', () => {
    const scene = new Scene({ tokenBytes: 4 });
    const forger = new Forger(scene);
    expect(forger.ended).toBeUndefined();
    const other = new Forger(new Scene({ tokenBytes: 0 }));
    expect(other.ended).toBe('token-refused');
  });

  test('says much before it shows a token', () => {
    const scene = new Scene();
    const forger = new Forger(scene, { shows: false });
    const { streams } = forger.victim;
    const packets = new Uint8Array(1000).fill(1);
    const sent: Frame[] = [];
    for (let at = 0; at < 200; at++) {
      sent.push(stream(0, at * 1000, packets));
      forger.send(stream(0, at * 1000, packets));
      forger.send(
        ...Array.from({ length: 400 }, (): Frame => (writer) => writer.counted(FRAME.datagram, ZEROS.subarray(0, 1))),
      );
      forger.send(
        ...Array.from({ length: 100 }, (_, one) => numbers(FRAME.skip, 4, at * 100 + one, at * 100 + one + 1)),
      );
      expect(streams.memory().events).toBeLessThan(3000);
    }
    // Once it is let in, what was left out may come again: it was not acknowledged.
    forger.showToken();
    expect(forger.victim.state).toBe('open');
    expect(streams.memory().events).toBe(0);
    for (const frame of sent) forger.send(frame);
    const packet = scene.of(forger.victim).filter((event) => event.type === 'packet' && event.stream === 0);
    expect(packet).toHaveLength(200_000);
    expect(forger.ended).toBeUndefined();
    scene.proveUnharmed();
  });

  test('sends an unreliable datagram to who takes none', () => {
    const forger = new Forger(new Scene({ datagramBytes: 0 }));
    forger.send((writer) => writer.counted(FRAME.datagram, Uint8Array.of(1)));
    expect(forger.ended).toBe('frame-malformed');
  });

  test('more than a session may hold, on many streams', () => {
    const scene = new Scene();
    const forger = new Forger(scene);
    // Nothing in order, so that nothing is handed on and no credit comes back.
    for (let at = 0; at < 2000 && forger.ended === undefined; at++) {
      forger.send(stream(4 * (at % 5) + 2, 100 + 1000 * Math.floor(at / 5), ZEROS));
      expect(forger.victim.streams.memory().waiting).toBeLessThan(4 * 1024 * 1024);
    }
    expect(forger.ended).toBe('credit-exceeded');
    scene.proveUnharmed();
  });

  test('holes without an end take bounded memory', () => {
    const scene = new Scene();
    const forger = new Forger(scene);
    const one = ZEROS.subarray(0, 1);
    for (let at = 0; at < 800 && forger.ended === undefined; at++) {
      forger.send(
        ...Array.from({ length: 100 }, (_, hole) =>
          stream(2 + 4 * (at % 8), 2 * (100 * Math.floor(at / 8) + hole) + 1, one),
        ),
      );
      expect(forger.victim.streams.memory().gaps).toBeLessThan(40_000);
      expect(forger.victim.streams.memory().waiting).toBeLessThan(8 * 1024 * 1024);
    }
    scene.run(10_000);
    scene.proveUnharmed();
  });

  test('floods of PING, CHALLENGE and credit are answered by no more than they are', () => {
    const scene = new Scene();
    const forger = new Forger(scene);
    const before = forger.sealedReplies;
    const challenge: Frame = (writer) => writer.fixed(FRAME.challenge, new Uint8Array(8));
    const credit: Frame = (writer) => writer.numbers(FRAME.credit, 2 ** 40);
    for (let at = 0; at < 500; at++)
      forger.send(numbers(FRAME.ping), ...Array.from({ length: 50 }, () => challenge), credit);
    expect(forger.sealedReplies - before).toBeLessThanOrEqual(600);
    expect(forger.ended).toBeUndefined();
    scene.proveUnharmed();
  });
});

describe('an attacker beside the path', () => {
  const STRANGER = { address: '203.0.113.7', port: 9 };

  test('random datagrams have no answer', () => {
    const scene = new Scene();
    const chance = new Chance(1);
    for (let at = 0; at < 2000; at++) {
      // RESETs go to what looks sealed and belongs to nobody; they are shorter, and few.
      const bytes = chance.bytes(1 + chance.below(1500));
      scene.server.receive(bytes, STRANGER, scene.now);
    }
    scene.run(100);
    const sent = [...scene.out.values()].flat();
    expect(sent.length).toBeLessThanOrEqual(20);
    expect(scene.server.stats.sessions).toBe(1);
    scene.proveUnharmed();
  });

  test('a first flight that is sent again and again opens few sessions and earns no more bytes than it brought', () => {
    const scene = new Scene({ halfOpen: 20, halfOpenFree: 10 });
    const out = new Uint8Array(2000);
    let brought = 0;
    for (let at = 0; at < 300; at++) {
      const session = scene.client.dial(SERVER, scene.key.publicKey, Uint8Array.of(1), scene.now);
      const length = session.transmit(out, scene.now);
      const from = { address: `198.51.100.${at % 256}`, port: 1 + at };
      for (let copy = 0; copy < 3; copy++) scene.server.receive(out.slice(0, length), from, scene.now);
      brought += 3 * length;
      session.close(0, '', scene.now);
      expect(scene.server.stats.halfOpen).toBeLessThanOrEqual(20);
    }
    scene.run(100);
    const earned = [...scene.out.values()].flat().reduce((sum, { length }) => sum + length, 0);
    expect(earned).toBeLessThan(brought / 5);
    expect(scene.server.stats.retries).toBeGreaterThan(100);
    scene.proveUnharmed();
    scene.run(30_000);
    expect(scene.server.stats).toMatchObject({ sessions: 1, halfOpen: 0 });
  });

  test('forged and repeated datagrams of a session do it no harm, wherever they come from', () => {
    const scene = new Scene();
    const forger = new Forger(scene);
    const chance = new Chance(2);
    const kept: Uint8Array[] = [];
    const receive = scene.server.receive.bind(scene.server);
    scene.server.receive = (bytes, from, now) => {
      kept.push(bytes.slice());
      return receive(bytes, from, now);
    };
    scene.proveUnharmed();
    scene.server.receive = receive;
    expect(kept.length).toBeGreaterThan(0);
    for (let at = 0; at < 1000; at++) {
      const bytes = chance.pick(kept).slice();
      if (chance.often(0.7)) {
        const place = 9 + chance.below(bytes.length - 9);
        bytes[place] = (bytes[place] ?? 0) ^ (1 + chance.below(255));
      }
      scene.server.receive(bytes, chance.pick([STRANGER, scene.clientAddress, forger.address]), scene.now);
    }
    scene.run(100);
    scene.proveUnharmed();
    expect(scene.out.get('203.0.113.7 9')).toBeUndefined();
  });

  test('a RESET whose token is a guess ends nothing', () => {
    const scene = new Scene();
    const chance = new Chance(3);
    for (let at = 0; at < 500; at++) {
      const bytes = chance.bytes(45);
      bytes[0] = 0x40;
      scene.client.receive(bytes, SERVER, scene.now);
    }
    scene.run(100);
    scene.proveUnharmed();
    expect(scene.honest.state).toBe('open');
  });

  test("two endpoints that know nothing of each other don't answer for ever", () => {
    const scene = new Scene();
    const other = new Scene();
    const chance = new Chance(5);
    const start = chance.bytes(1200);
    start[0] = 0x40;
    let rounds = 0;
    const out = new Uint8Array(65_535);
    let bytes: Uint8Array | undefined = start;
    for (let at = scene; bytes !== undefined && rounds < 100; rounds++, at = at === scene ? other : scene) {
      at.server.receive(bytes, STRANGER, at.now);
      const length = at.server.transmit(out, at.now);
      bytes = length === 0 ? undefined : out.slice(0, length);
    }
    expect(rounds).toBeLessThan(10);
  });
});
