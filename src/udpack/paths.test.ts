import { describe, expect, test } from 'vitest';
import { framesOf } from '../../test/support/udpack-streams.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import type { Address } from './address.ts';
import { createController } from './congestion/index.ts';
import { Control } from './control.ts';
import { FrameWriter } from './frames.ts';
import type { RemoteId } from './ids.ts';
import { Path } from './path.ts';
import { Paths } from './paths.ts';
import { SentDatagram } from './recovery/sent-datagram.ts';
import type { SentFrame } from './sent.ts';

const HOME: Address = { address: '10.0.0.1', port: 1 };
const AWAY: Address = { address: '10.0.0.2', port: 2 };
const ELSEWHERE: Address = { address: '10.0.0.3', port: 3 };

const remote = (sequence: number): RemoteId => {
  const bytes = (length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, at) => (at < 4 ? sequence >>> (at * 8) : length));
  return { sequence, id: bytes(8), resetToken: bytes(16) };
};

/** The ways of a server's session, whose control frames are looked at instead of sealed. */
class Bench {
  readonly control = new Control(() => {});
  readonly dropped: Uint8Array[] = [];
  readonly watched = new Set<number>();
  readonly paths: Paths;
  #ids = 0;

  constructor(proved = true) {
    this.paths = new Paths({
      crypto: nodeCrypto,
      control: this.control,
      first: this.#path(HOME, remote(0), proved),
      newId: () => new Uint8Array(8).fill(++this.#ids),
      dropId: (id) => this.dropped.push(id),
      resetToken: (id) => Uint8Array.from([...id, ...id]),
      makePath: (to, id) => this.#path(to, id, false),
      using: ({ sequence }) => this.watched.add(sequence),
      left: ({ sequence }) => this.watched.delete(sequence),
    });
    this.paths.own.add(new Uint8Array(8).fill(255));
  }

  #path(address: Address, id: RemoteId, proved: boolean): Path {
    const controller = createController('newreno', { datagramSize: 1200, random: () => 0 });
    return new Path({ address, remote: id, controller, datagramSize: 1452, ackDelay: 20, proved });
  }

  /** Control frames that would leave now, with what is to be told of each. */
  frames(): { readonly frames: ReturnType<typeof framesOf>; readonly sent: SentFrame[] } {
    const bytes = new Uint8Array(60_000);
    const writer = new FrameWriter(bytes, 0, bytes.length);
    const sent: SentFrame[] = [];
    this.control.fill(writer, sent);
    return { frames: framesOf(bytes.subarray(0, writer.at)), sent };
  }

  /** What proves addresses. */
  proofs(now: number): ReturnType<typeof framesOf> {
    const bytes = new Uint8Array(100);
    const writer = new FrameWriter(bytes, 0, bytes.length);
    this.paths.fill(writer, now);
    return framesOf(bytes.subarray(0, writer.at));
  }

  tellIds(from: number, count: number): void {
    for (let at = 0; at < count; at++) {
      const fault = this.paths.onNewId(remote(from + at), 0);
      if (fault !== undefined) throw new Error(fault);
    }
  }

  /** A datagram from `from`, newer than all before. */
  hear(from: Address, now: number, moved = true): boolean {
    return this.paths.onDatagram(from, 1200, 0, this.#number++, moved, now);
  }
  #number = 0;

  send(now: number): SentDatagram {
    const { recovery } = this.paths.current;
    const datagram = new SentDatagram(recovery.next, now, 1200, true, 0, false, []);
    this.paths.current.onSent(datagram);
    return datagram;
  }
}

describe('ids of ours', () => {
  test('are told until the peer has as many as it keeps, at most five', () => {
    const bench = new Bench();
    bench.paths.supply(2);
    expect(bench.frames().frames).toMatchObject([['onNewId', 1, 0, 8, 16]]);
    bench.paths.supply(8);
    expect(bench.frames().frames).toHaveLength(3);
    expect(bench.paths.own.count).toBe(5);
  });

  test('given back are replaced', () => {
    const bench = new Bench();
    bench.paths.supply(8);
    bench.frames();
    expect(bench.paths.onRetireId(2, 0, 8)).toBeUndefined();
    expect(bench.dropped).toHaveLength(1);
    expect(bench.frames().frames).toMatchObject([['onNewId', 5, 0, 8, 16]]);
    // A second time is a repeat.
    expect(bench.paths.onRetireId(2, 0, 8)).toBeUndefined();
    expect(bench.frames().frames).toEqual([]);
  });

  test('can be given back neither on themselves, nor before they were told', () => {
    const bench = new Bench();
    expect(bench.paths.onRetireId(0, 0, 8)).toBe('id-limit');
    expect(bench.paths.onRetireId(1, 0, 8)).toBe('id-limit');
    bench.paths.supply(8);
    // They exist, but no datagram with them has left.
    expect(bench.paths.onRetireId(1, 0, 8)).toBe('id-limit');
    bench.frames();
    expect(bench.paths.onRetireId(4, 0, 8)).toBeUndefined();
    expect(bench.paths.onRetireId(5, 0, 8)).toBe('id-limit');
  });

  test('that a peer gives back without end wait in no queue', () => {
    const bench = new Bench();
    bench.paths.supply(8);
    bench.frames();
    let fault: string | undefined;
    let sequence = 0;
    while (fault === undefined) fault = bench.paths.onRetireId(++sequence, 0, 8);
    expect([fault, sequence]).toEqual(['id-limit', 5]);
    expect(bench.frames().frames).toHaveLength(4);
  });

  test('given back while NEW_ID was lost are not told again', () => {
    const bench = new Bench();
    bench.paths.supply(2);
    const { sent } = bench.frames();
    bench.paths.onRetireId(1, 0, 2);
    bench.frames();
    for (const frame of sent) frame.lost(0);
    expect(bench.frames().frames).toEqual([]);
  });
});

describe("ids of the peer's", () => {
  test('that are to be given back are, the one in use too, and those that come late', () => {
    const bench = new Bench();
    bench.tellIds(1, 2);
    expect(bench.paths.onNewId(remote(4), 3)).toBeUndefined();
    expect(bench.paths.current.space.remote.sequence).toBe(4);
    expect(bench.frames().frames).toEqual([
      ['onRetireId', 0],
      ['onRetireId', 1],
      ['onRetireId', 2],
    ]);
    expect([...bench.watched]).toEqual([4]);
    bench.tellIds(5, 1);
    expect(bench.paths.onNewId(remote(3), 3)).toBeUndefined();
    expect(bench.paths.onNewId(remote(9), 9)).toBeUndefined();
    bench.frames();
    // Told before, or on its way when it was taken back: it is given back all the same.
    expect(bench.paths.onNewId(remote(7), 0)).toBeUndefined();
    expect(bench.frames().frames).toEqual([['onRetireId', 7]]);
    expect(bench.paths.onNewId(remote(7), 0)).toBeUndefined();
    expect(bench.frames().frames).toEqual([]);
  });

  test('acks of a number space that was left are heard', () => {
    const bench = new Bench();
    bench.send(0);
    bench.send(0);
    expect(bench.paths.onNewId(remote(1), 1)).toBeUndefined();
    bench.send(0);
    const before = bench.paths.spaceOf(0);
    const after = bench.paths.spaceOf(1);
    expect(before).toMatchObject({ base: 0, end: 2 });
    expect(after).toMatchObject({ base: 2, end: 1 });
    expect(after?.path).toBe(before?.path);
    expect(bench.paths.spaceOf(2)).toBeUndefined();
  });

  test('that are taken back without end are the fault of who does it', () => {
    const bench = new Bench();
    let fault: string | undefined;
    let told = 0;
    while (fault === undefined) fault = bench.paths.onNewId(remote(++told), told);
    expect([fault, told]).toEqual(['id-limit', 65]);
    // Who acknowledges what is given back may go on for ever.
    const patient = new Bench();
    for (let at = 1; at < 500; at++) {
      expect(patient.paths.onNewId(remote(at), at)).toBeUndefined();
      for (const frame of patient.frames().sent) frame.acked(0);
    }
  });

  test('the way back has another id, too, or is no way back any more', () => {
    const bench = new Bench();
    bench.tellIds(1, 1);
    bench.hear(AWAY, 0);
    expect(bench.paths.current.space.remote.sequence).toBe(1);
    expect(bench.paths.onNewId(remote(2), 1)).toBeUndefined();
    // Home has the number 2 now.
    bench.hear(HOME, 10);
    expect(bench.paths.current).toMatchObject({ address: HOME, space: { remote: { sequence: 2 } } });

    const other = new Bench();
    other.tellIds(1, 1);
    other.hear(AWAY, 0);
    expect(other.paths.onNewId(remote(2), 2)).toBeUndefined();
    expect(other.paths.current).toMatchObject({ address: AWAY, space: { remote: { sequence: 2 } } });
    other.hear(HOME, 10);
    // There is no id to spare: the one way that is left moves.
    expect(other.paths.current).toMatchObject({ address: HOME, proved: false, space: { remote: { sequence: 2 } } });
  });
});

describe('another address', () => {
  test('is asked, and stands once it has answered', () => {
    const bench = new Bench();
    bench.tellIds(1, 2);
    expect(bench.hear(AWAY, 0)).toBe(true);
    const { current } = bench.paths;
    expect(current).toMatchObject({ address: AWAY, proved: false, allowance: 1200 });
    expect(bench.proofs(0)).toEqual([['onChallenge', 8]]);
    expect(bench.proofs(1)).toEqual([]);
    bench.paths.onAnswer(new Uint8Array(8));
    expect(current.proved).toBe(false);
    bench.paths.onAnswer(current.challenge ?? new Uint8Array());
    expect(current.proved).toBe(true);
    expect(bench.frames().frames).toEqual([['onRetireId', 0]]);
    expect(bench.paths.deadline(20)).toBeUndefined();
    expect(bench.paths.migrations).toBe(1);
  });

  test('that never answers is left for the one before, whose search for longer datagrams goes on', () => {
    const bench = new Bench();
    bench.tellIds(1, 1);
    const home = bench.paths.current;
    home.mtu.onProbeSent();
    bench.hear(AWAY, 0);
    let now = 0;
    for (let rounds = 0; bench.paths.current !== home; rounds++) {
      if (rounds > 50) throw new Error('it stays for ever');
      bench.proofs(now);
      now = bench.paths.deadline(20) ?? now;
      bench.paths.tick(now, 20);
    }
    expect(now).toBeGreaterThanOrEqual(3000);
    expect(home.proved).toBe(true);
    expect(home.mtu.probe(now, true)).toBe(1452);
    expect(bench.frames().frames).toEqual([['onRetireId', 1]]);
  });

  test('is not followed for an old datagram, nor for one that only probes', () => {
    const bench = new Bench();
    bench.tellIds(1, 1);
    bench.paths.onDatagram(HOME, 100, 0, 10, true, 0);
    expect(bench.paths.onDatagram(AWAY, 100, 0, 9, true, 0)).toBe(false);
    expect(bench.paths.onDatagram(AWAY, 100, 0, 11, false, 0)).toBe(false);
    expect(bench.paths.current.address).toEqual(HOME);
    // The next id begins with number 0: its sequence number makes it newer.
    expect(bench.paths.onDatagram(AWAY, 100, 1, 0, true, 0)).toBe(true);
  });

  test('a CHALLENGE from elsewhere has no answer, and the last one counts', () => {
    const bench = new Bench();
    bench.paths.onChallenge(new Uint8Array(8).fill(1), AWAY);
    expect(bench.paths.pending).toBe(false);
    bench.paths.onChallenge(new Uint8Array(8).fill(2), HOME);
    bench.paths.onChallenge(new Uint8Array(8).fill(3), HOME);
    expect(bench.proofs(0)).toEqual([['onAnswer', 8]]);
    expect(bench.proofs(0)).toEqual([]);
  });

  test('without an id to spare the way moves, and bytes are counted anew', () => {
    const bench = new Bench();
    const { current } = bench.paths;
    expect(bench.hear(AWAY, 0)).toBe(true);
    expect(bench.paths.current).toBe(current);
    expect(current).toMatchObject({ address: AWAY, proved: false, allowance: 1200 });
    bench.send(0);
    expect(current.allowance).toBe(0);
  });

  test('nothing that was learnt holds at another address, and all of it behind another port (RFC 9000 9.4)', () => {
    for (const [to, kept] of [
      [{ address: HOME.address, port: HOME.port + 1 }, true],
      [AWAY, false],
    ] as const) {
      const bench = new Bench();
      const { current } = bench.paths;
      current.proved = true;
      current.controller.onMtu(1452);
      current.mtu.onProbeAcked(1452);
      current.recovery.trips.sample(40, 0);
      const before = current.controller.window;
      bench.send(10);
      bench.hear(to, 20);
      expect(bench.paths.current).toBe(current);
      const { measured, smoothed } = current.recovery.trips;
      expect([measured, smoothed]).toEqual([kept, 40]);
      expect([current.mtu.size, current.recovery.flying]).toEqual(kept ? [1452, 1] : [1200, 0]);
      expect([before, current.controller.window]).toEqual([14_520, kept ? 14_520 : 12_000]);
    }
  });

  test('the same with an id to spare: behind another port the way is another, and what was learnt goes along', () => {
    for (const [to, kept] of [
      [{ address: HOME.address, port: HOME.port + 1 }, true],
      [AWAY, false],
    ] as const) {
      const bench = new Bench();
      bench.tellIds(1, 1);
      const home = bench.paths.current;
      home.controller.onMtu(1452);
      home.mtu.onProbeAcked(1452);
      bench.hear(to, 20);
      const { current } = bench.paths;
      expect(current).not.toBe(home);
      expect([current.proved, current.allowance]).toEqual([false, 1200]);
      expect(current.controller === home.controller).toBe(kept);
      expect([current.mtu.size, current.controller.window]).toEqual(kept ? [1452, 14_520] : [1200, 12_000]);
      // Six in a row that are lost are a black hole there, too, whatever numbers came through before.
      home.mtu.onAcked(1452, 1000);
      if (kept) current.learnFrom(home);
      const fell = [0, 1, 2, 3, 4, 5].map((order) => current.mtu.onLost(1452, order, 30));
      expect(fell.at(-1)).toBe(kept);
    }
  });

  test('a peer that jumps about leaves bounded traces', () => {
    const bench = new Bench();
    let told = 1;
    for (let jump = 0; jump < 300; jump++) {
      bench.tellIds(told++, 1);
      bench.hear([AWAY, ELSEWHERE, HOME][jump % 3] ?? HOME, jump);
      const { challenge } = bench.paths.current;
      if (challenge !== undefined) bench.paths.onAnswer(challenge);
      bench.send(jump);
      for (const frame of bench.frames().sent) frame.acked(jump);
    }
    let known = 0;
    for (let sequence = 0; sequence < told; sequence++) if (bench.paths.spaceOf(sequence) !== undefined) known++;
    expect(known).toBeLessThanOrEqual(20);
    expect(bench.watched.size).toBeLessThanOrEqual(3);
  });

  test('who jumps about and never acknowledges is at fault', () => {
    const bench = new Bench();
    let fault: string | undefined;
    let jumps = 0;
    for (; fault === undefined && jumps < 1000; jumps++) {
      fault = bench.paths.onNewId(remote(jumps + 1), 0);
      bench.hear({ address: '10.1.1.1', port: jumps }, jumps);
    }
    expect(fault).toBe('id-limit');
    expect(jumps).toBeLessThan(80);
  });
});

test('what changes its own address takes an id that nobody has seen, if there is one', () => {
  const bench = new Bench();
  expect(bench.paths.rebind(0)).toBe(false);
  bench.tellIds(1, 1);
  expect(bench.paths.rebind(0)).toBe(true);
  expect(bench.paths.current).toMatchObject({ address: HOME, proved: true, space: { remote: { sequence: 1 } } });
  expect(bench.frames().frames).toEqual([['onRetireId', 0]]);
});

test('who changes his own address takes no other one for proved', () => {
  const bench = new Bench();
  bench.tellIds(1, 2);
  bench.hear(AWAY, 0);
  expect(bench.paths.rebind(0)).toBe(false);
  expect(bench.paths.current).toMatchObject({ address: AWAY, proved: false, allowance: 1200 });
});

test('at the end all ids go back', () => {
  const bench = new Bench();
  bench.paths.supply(8);
  bench.tellIds(1, 1);
  bench.hear(AWAY, 0);
  bench.paths.close();
  expect(bench.dropped).toHaveLength(5);
  expect(bench.watched.size).toBe(0);
});
