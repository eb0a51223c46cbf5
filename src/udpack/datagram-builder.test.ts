import { describe, expect, test } from 'vitest';
import { addressOf, type Stranger, Strangers } from '../../test/support/udpack-strangers.ts';
import { FRAME, type FrameWriter } from './frames.ts';
import type { Session } from './session.ts';

const HOME = addressOf(1);
const AWAY = addressOf(2);
const ping = (writer: FrameWriter): unknown => writer.numbers(FRAME.ping);

/** A client that says what it likes to an open session of a server, and reads what comes back. */
function entered(): { readonly scene: Strangers; readonly stranger: Stranger; readonly session: Session } {
  const scene = new Strangers();
  const stranger = scene.enter(HOME);
  stranger?.showToken();
  const [session] = scene.server.sessions();
  if (stranger === undefined || session === undefined) throw new Error('no session');
  return { scene, stranger, session };
}

const namesOf = (stranger: Stranger, datagram: Uint8Array): string[] => stranger.read(datagram).map(([name]) => name);

const numberOf = (datagram: Uint8Array): number => new DataView(datagram.buffer).getUint32(9);

/** An ACK of all numbers from `from` to `to`. */
const ackOf =
  (from: number, to: number) =>
  (writer: FrameWriter): unknown =>
    writer.numbers(FRAME.ack, 0, to, 0, 0, to - from);

describe('a datagram', () => {
  test('that asks for an ack is longer than a RESET; an ack alone is as short as can be', () => {
    const { scene, stranger, session } = entered();
    scene.wait(2000);
    session.ping(scene.now);
    // A PING alone wakes nobody who looks; the next datagram brings it out.
    const [asking] = stranger.send(ping);
    expect(asking?.length).toBeGreaterThanOrEqual(41);
    expect(asking && namesOf(stranger, asking)).toContain('onPing');
    const [first] = stranger.send(ping, ping);
    const [alone] = first === undefined ? scene.wait(30) : [first];
    expect(alone && namesOf(stranger, alone)).toEqual(['onAck']);
    expect(alone?.length).toBeLessThan(41);
  });

  test('with a CHALLENGE is as long as all paths carry, or as what came from there', () => {
    const { stranger } = entered();
    stranger.from = AWAY;
    const [short] = stranger.send(ping, (writer) => writer.raw(new Uint8Array(200)));
    expect(short?.length).toBeLessThanOrEqual(260);
    expect(short?.length).toBeGreaterThan(200);
    expect(short && namesOf(stranger, short)).toContain('onChallenge');

    const other = entered();
    other.stranger.from = AWAY;
    const [long] = other.stranger.send(ping, (writer) => writer.raw(new Uint8Array(1300)));
    expect(long?.length).toBe(1200);
  });

  test('of acks alone asks for an ack at times, where there are many holes to tell of', () => {
    const { scene, stranger } = entered();
    const names: string[][] = [];
    const hear = (datagrams: readonly Uint8Array[]): void => {
      for (const datagram of datagrams) names.push(namesOf(stranger, datagram));
    };
    for (let count = 0; count < 40; count++) {
      stranger.skip();
      hear(stranger.send(ping));
      hear(scene.wait(1));
    }
    const asked = names.filter((frames) => frames.includes('onPing'));
    expect(names.length).toBeGreaterThanOrEqual(40);
    expect(asked.length).toBeGreaterThanOrEqual(1);
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  test('that closes says what has arrived, too', () => {
    const { scene, stranger, session } = entered();
    stranger.send(ping);
    session.close(5, 'enough', scene.now);
    const [last] = stranger.send(ping);
    expect(last && namesOf(stranger, last)).toEqual(['onAck', 'onClose']);
  });
});

describe('a server with much to send', () => {
  /** It sends for a while, and all of it is acknowledged; what came, in its order. */
  function transfer(bytes: number): { stranger: Stranger; came: Uint8Array[] } {
    const { scene, stranger, session } = entered();
    session.streams.write(session.streams.open('bytes'), new Uint8Array(bytes), {}, scene.now);
    const came: Uint8Array[] = [];
    for (let turn = 0; turn < 300 && !session.streams.quiet; turn++) {
      came.push(...scene.wait(5));
      const numbers = new Set(came.map(numberOf));
      // The highest numbers without a hole: those below it were acknowledged before.
      const to = Math.max(...numbers);
      let from = to;
      while (numbers.has(from - 1)) from--;
      came.push(...stranger.send(ackOf(from, to)));
    }
    return { stranger, came };
  }

  test('leaves a number out now and then, the first of them between the 64th and the 128th', () => {
    const { came } = transfer(250_000);
    const numbers = new Set(came.map(numberOf));
    // The very first answered the token.
    const all = Array.from({ length: Math.max(...numbers) }, (_, at) => at).slice(Math.min(...numbers));
    const missing = all.filter((at) => !numbers.has(at));
    expect(missing[0]).toBeGreaterThanOrEqual(63);
    expect(missing[0]).toBeLessThan(129);
    expect(missing.length).toBeLessThan(5);
  });

  test('asks for fewer acks as its window grows', () => {
    const { stranger, came } = transfer(250_000);
    const wishes = came.flatMap((datagram) => stranger.read(datagram)).filter(([name]) => name === 'onAckRate');
    expect(wishes.length).toBeGreaterThan(0);
    expect(wishes.length).toBeLessThan(10);
    const sequences = wishes.map(([, sequence]) => Number(sequence));
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    for (const [, , every] of wishes) {
      expect(every).toBeGreaterThanOrEqual(2);
      expect(every).toBeLessThanOrEqual(64);
    }
  });
});
