import { describe, expect, test } from 'vitest';
import { Impostor } from '../../test/support/udpack-impostor.ts';
import { KEY, Pair, SERVER, TOKEN } from '../../test/support/udpack-pair.ts';
import { addressOf, type Stranger, Strangers } from '../../test/support/udpack-strangers.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Endpoint } from './endpoint.ts';
import { FRAME, type FrameWriter } from './frames.ts';
import { encodeBound, macKey, prologue } from './handshake/datagrams.ts';
import { KIND } from './handshake/index.ts';
import { INITIAL_RTT } from './recovery/rtt.ts';
import type { Session } from './session.ts';
import type { SessionEvent } from './session-types.ts';

type Frame = (writer: FrameWriter) => unknown;

const HOME = addressOf(1);
const AWAY = addressOf(2);

const numbers =
  (type: number, ...values: readonly number[]): Frame =>
  (writer) =>
    writer.numbers(type, ...values);

const newId =
  (sequence: number, retirePrior: number): Frame =>
  (writer) => {
    const bytes = (length: number): Uint8Array =>
      Uint8Array.from({ length }, (_, at) => (at < 4 ? sequence >>> (at * 8) : length));
    return writer.newId(sequence, retirePrior, bytes(8), bytes(16));
  };

/** A client with good keys and bad intentions in an open session. */
function entered(scene: Strangers): { readonly stranger: Stranger; readonly session: Session } {
  const stranger = scene.enter(HOME);
  stranger?.showToken();
  const [session] = scene.server.sessions();
  if (stranger === undefined || session === undefined) throw new Error('no session');
  return { stranger, session };
}

/** The number that a sealed datagram bears. */
const numberOf = (datagram: Uint8Array): number => new DataView(datagram.buffer).getUint32(9);

describe('who acknowledges', () => {
  /** The server has much to send; `ack` says what of it the client says to have. How the session ends. */
  function acknowledge(ack: (seen: ReadonlySet<number>) => [from: number, to: number]): string | undefined {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    session.streams.write(session.streams.open('bytes'), new Uint8Array(250_000), {}, scene.now);
    const seen = new Set<number>();
    for (let turn = 0; turn < 400 && scene.faults.length === 0; turn++) {
      for (const datagram of scene.wait(10)) seen.add(numberOf(datagram));
      if (seen.size === 0) continue;
      const [from, to] = ack(seen);
      for (const datagram of stranger.send(numbers(FRAME.ack, 0, to, 0, 0, to - from))) seen.add(numberOf(datagram));
    }
    // One of 64 to 128 is left out.
    expect(seen.size).toBeGreaterThan(50);
    return scene.faults[0];
  }

  test('what was left out has not read what it says: it is a fault', () => {
    expect(acknowledge((seen) => [0, Math.max(...seen)])).toBe('ack-of-unsent');
  });

  test('what came is believed, in pieces too', () => {
    const latest = (seen: ReadonlySet<number>): [number, number] => {
      const to = Math.max(...seen);
      let from = to;
      while (seen.has(from - 1)) from--;
      return [from, to];
    };
    expect(acknowledge(latest)).toBeUndefined();
  });

  test('numbers of an id that is left, behind its last one, lies', () => {
    for (const lies of [false, true]) {
      const scene = new Strangers();
      const { stranger, session } = entered(scene);
      const before = [...stranger.send(numbers(FRAME.ping)), ...scene.wait(30)].map(numberOf);
      const end = Math.max(0, ...before) + 1;
      stranger.send(newId(1, 1));
      for (let count = 0; count < 5; count++) {
        session.ping(scene.now);
        stranger.send(numbers(FRAME.ping));
      }
      stranger.send(numbers(FRAME.ack, 0, lies ? end : end - 1, 0, 0, 0));
      expect(scene.faults).toEqual(lies ? ['ack-of-unsent'] : []);
    }
  });

  test('and says that he held it back for long is believed as far as he promised', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    let largest = -1;
    /** A PING of the server's is acknowledged after so many ms. */
    const answer = (after: number, delay: number): void => {
      session.ping(scene.now);
      for (const datagram of [...stranger.send(numbers(FRAME.ping)), ...scene.wait(after)]) {
        largest = Math.max(largest, numberOf(datagram));
      }
      stranger.send(numbers(FRAME.ack, 0, largest, delay * 125, 0, largest));
    };
    answer(10, 0);
    expect(session.stats.rtt).toBeCloseTo(10, 0);
    // 40 ms, of which not 30, but 20 may have been the client's.
    answer(40, 30);
    expect(session.stats.rtt).toBeCloseTo(0.875 * 10 + 0.125 * 20, 1);
  });

  test('numbers of an id that is not in use says nothing', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    stranger.send(numbers(FRAME.ack, 77, 1000, 0, 0, 0));
    expect(scene.faults).toEqual([]);
    stranger.send(numbers(FRAME.ack, 0, 1000, 0, 0, 0));
    expect(scene.faults).toEqual(['ack-of-unsent']);
  });
});

describe('a client', () => {
  test('that says what only servers say is closed', () => {
    const scene = new Strangers();
    entered(scene).stranger.send(numbers(FRAME.accept));
    expect(scene.faults).toEqual(['frame-unexpected']);
  });

  test('is judged once, however many tokens it shows', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    for (let count = 0; count < 3; count++) stranger.showToken();
    expect([scene.tokens, scene.faults]).toEqual([1, []]);
  });

  test('that went where nobody may be sent more has no probe time-outs there', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    session.streams.write(session.streams.open('bytes'), new Uint8Array(100_000), {}, scene.now);
    scene.wait(1);
    stranger.send(newId(1, 0));
    stranger.from = AWAY;
    // A CHALLENGE may leave, and not a second one.
    const [challenge] = stranger.send(numbers(FRAME.ping), (writer) => writer.raw(new Uint8Array(60)));
    expect(challenge?.length).toBe(90);
    scene.wait(2500);
    expect(session.stats).toMatchObject({ address: AWAY, probeTimeouts: 0 });
  });
});

describe('ids', () => {
  test('that are given back before they were told are a fault', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    stranger.send(...Array.from({ length: 100 }, (_, at) => numbers(FRAME.retireId, at + 1)));
    expect(scene.faults).toEqual(['id-limit']);
  });

  test('that are taken back by who never acknowledges are a fault, before they fill memory', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    for (let at = 1; at < 2000 && scene.faults.length === 0; at += 40) {
      stranger.send(...Array.from({ length: 40 }, (_, next) => newId(at + next, at + next)));
    }
    expect(scene.faults).toEqual(['id-limit']);
    expect(stranger.sent).toBeLessThan(6);
  });

  test('that are used give their session no second place: the one that is used can not be given back', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    stranger.send(numbers(FRAME.retireId, 0));
    expect(scene.faults).toEqual(['id-limit']);
  });
});

describe('forged datagrams', () => {
  function flip(datagram: Uint8Array, at: number): Uint8Array {
    const changed = Uint8Array.from(datagram);
    changed[at] = (changed[at] ?? 0) ^ 1;
    return changed;
  }

  test('have no answer, move nothing, and are counted', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    const { datagramsReceived } = session.stats;
    const right = stranger.seal(numbers(FRAME.ping));
    for (let at = 9; at < right.length; at++) expect(scene.send(flip(right, at), AWAY)).toEqual([]);
    expect(session.stats).toMatchObject({
      datagramsReceived,
      // One of them says that it is the datagram before.
      datagramsForged: right.length - 10,
      datagramsRepeated: 1,
      address: HOME,
      migrations: 0,
    });
    scene.send(right, HOME);
    expect(session.stats.datagramsReceived).toBe(datagramsReceived + 1);
  });

  test('are too many at last: the session is given up (RFC 9001 6.6)', () => {
    const scene = new Strangers({}, { keyLimits: { forgeries: 20 } });
    const { stranger, session } = entered(scene);
    const right = stranger.seal(numbers(FRAME.ping));
    for (let count = 0; count < 19; count++) scene.send(flip(right, 20), AWAY);
    expect(session.state).toBe('open');
    scene.send(flip(right, 20), AWAY);
    expect(scene.faults).toEqual(['forgery-limit']);
  });

  test('that repeat right ones are dropped, from wherever they come', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    const right = stranger.seal(numbers(FRAME.ping));
    scene.send(right, HOME);
    const { datagramsReceived } = session.stats;
    for (const from of [HOME, AWAY, HOME]) expect(scene.send(right, from)).toEqual([]);
    expect(session.stats).toMatchObject({ datagramsReceived, datagramsRepeated: 3, address: HOME });
  });

  test('to an id that differs in its last bits are nobody’s', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    const right = stranger.seal(numbers(FRAME.ping), (writer) => writer.raw(new Uint8Array(50)));
    const { stray } = scene.server.stats;
    const [answer] = scene.send(flip(right, 8), HOME);
    expect(answer).toHaveLength(42);
    expect(scene.server.stats).toMatchObject({ stray: stray + 1, resetsSent: 1 });
    expect(session.stats.datagramsForged).toBe(0);
  });

  test('that are shorter than can be are dropped', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    const right = stranger.seal(numbers(FRAME.ping));
    for (let length = 1; length < right.length; length++) {
      // Shorter than a header and a tag, it has no number either.
      expect(scene.send(right.subarray(0, length), HOME)).toEqual([]);
    }
    expect(session.state).toBe('open');
  });
});

describe('keys', () => {
  test('change by amount in the middle of a transfer, on both sides, and nothing is lost', () => {
    const pair = new Pair({ keyLimits: { bytes: 100_000 } });
    pair.drop = (_, count) => count % 20 === 19;
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => at * 5);
    pair.session.streams.write(pair.session.streams.open('packets'), bytes, {}, 0);
    pair.run(() => pair.events('packet').length === 1);
    const [event] = pair.events('packet');
    expect(event?.type === 'packet' && Buffer.compare(event.bytes, bytes)).toBe(0);
    expect(pair.session.stats.keyUpdates).toBeGreaterThan(4);
    expect(Math.abs(pair.session.stats.keyUpdates - (pair.accepted?.stats.keyUpdates ?? 0))).toBeLessThanOrEqual(1);
    expect(pair.session.stats.datagramsForged + (pair.accepted?.stats.datagramsForged ?? 1)).toBe(0);
  });

  test('of before open what comes late, for three probe time-outs', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    const [late, tooLate] = [stranger.seal(numbers(FRAME.ping)), stranger.seal(numbers(FRAME.ping))];
    stranger.updateKey();
    stranger.send(numbers(FRAME.ping));
    const { datagramsReceived } = session.stats;
    scene.wait(100);
    scene.send(late, HOME);
    expect(session.stats).toMatchObject({ datagramsReceived: datagramsReceived + 1, datagramsForged: 0 });
    scene.wait(5000);
    scene.send(tooLate, HOME);
    expect(session.stats).toMatchObject({ datagramsReceived: datagramsReceived + 1, datagramsForged: 1 });
  });

  test('change when the application asks, also on both sides at once', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    for (let change = 1; change < 5; change++) {
      pair.session.updateKey();
      pair.accepted?.updateKey();
      pair.session.ping(pair.now);
      pair.accepted?.streams.write(pair.accepted.streams.open('packets'), new Uint8Array(5), {}, pair.now);
      pair.run(() => pair.events('pong', true).length === change && pair.events('packet', true).length === change);
      expect([pair.session.stats.keyUpdates, pair.accepted?.stats.keyUpdates]).toEqual([change, change]);
    }
  });
});

describe('the end', () => {
  test('is told to who goes on talking, as often as he closes or four times', () => {
    const scene = new Strangers();
    const { stranger, session } = entered(scene);
    session.close(1, 'enough', scene.now);
    let answers = 0;
    for (let count = 0; count < 50; count++) answers += stranger.send(numbers(FRAME.ping)).length;
    expect(answers).toBeLessThanOrEqual(4);
    expect(answers).toBeGreaterThan(0);
    scene.wait(60_000);
    expect(scene.server.stats.sessions).toBe(0);
    // Now it is nobody's, and RESET is all that comes.
    expect(stranger.send(...Array.from({ length: 50 }, () => numbers(FRAME.ping)))[0]?.length).toBe(42);
  });

  test('is answered once to each CLOSE, and forgotten after three probe time-outs', () => {
    const scene = new Strangers();
    const { stranger } = entered(scene);
    const close: Frame = (writer) => writer.ending(FRAME.close, 0, new Uint8Array());
    for (let count = 0; count < 5; count++) expect(stranger.send(close)).toHaveLength(1);
    expect(stranger.send(numbers(FRAME.ping))).toEqual([]);
    expect(scene.server.stats.sessions).toBe(1);
    // Nothing was measured: three times 333 ms and more.
    scene.wait(3 * 1100);
    expect(scene.server.stats.sessions).toBe(0);
  });

  test('is not told to an address that was never proved', () => {
    const scene = new Strangers();
    scene.send(scene.dial().initial, HOME);
    const [session] = scene.server.sessions();
    session?.close(0, '', scene.now);
    expect(scene.wait(60_000)).toEqual([]);
    expect(scene.server.stats.sessions).toBe(0);
  });

  test('stops all that would happen later', () => {
    const pair = new Pair({ times: { keepalive: 100 } });
    pair.run(() => pair.session.state === 'open');
    pair.session.streams.write(pair.session.streams.open('packets'), new Uint8Array(10), { maxAge: 500 }, pair.now);
    pair.session.close(0, '', pair.now);
    pair.run(() => pair.client.stats.sessions + pair.server.stats.sessions === 0);
    expect([pair.client.deadline, pair.server.deadline]).toEqual([undefined, undefined]);
    const told = pair.clientEvents.length;
    pair.session.ping(pair.now);
    pair.session.close(1, '', pair.now);
    pair.session.finish(1, '', pair.now);
    expect(pair.session.poll()).toBeUndefined();
    expect(pair.clientEvents).toHaveLength(told);
  });
});

describe('a server that lies', () => {
  test.each<[string, string, Frame]>([
    ['shows a token', 'frame-unexpected', (writer) => writer.counted(FRAME.auth, TOKEN)],
    ['acknowledges the future', 'ack-of-unsent', numbers(FRAME.ack, 0, 500, 0, 0, 0)],
    ['gives back ids that it was not told', 'id-limit', numbers(FRAME.retireId, 8)],
    ['says nothing', 'frame-malformed', () => {}],
    ['writes to a stream that nobody opened', 'stream-state', numbers(FRAME.stream, 4, 0)],
  ])('and %s is closed', (_, fault, frame) => {
    const impostor = new Impostor();
    expect(impostor.session.state).toBe('authenticating');
    expect(impostor.say(frame).length).toBeGreaterThan(0);
    expect(impostor.events.at(-1)).toMatchObject({ type: 'closed', by: 'self', fault });
  });

  test('and knows the session no longer is believed, at an id of ours too', () => {
    const impostor = new Impostor();
    const datagram = nodeCrypto.random(42);
    datagram[0] = 0x40;
    datagram.set(impostor.id, 1);
    impostor.client.receive(datagram, SERVER, 0);
    expect(impostor.session.state).toBe('authenticating');
    datagram.set(impostor.resetToken, 26);
    impostor.client.receive(datagram, SERVER, 0);
    expect(impostor.events.at(-1)).toMatchObject({ type: 'closed', by: 'peer', fault: 'stateless-reset' });
    expect(impostor.sent()).toEqual([]);
  });

  test('from another address is not heard', () => {
    const impostor = new Impostor();
    impostor.say(numbers(FRAME.accept), AWAY);
    expect(impostor.session.state).toBe('authenticating');
    impostor.say(numbers(FRAME.accept));
    expect(impostor.session.state).toBe('open');
    // Twice is a repeat.
    impostor.say(numbers(FRAME.accept));
    expect(impostor.events.filter(({ type }) => type === 'open')).toHaveLength(1);
  });

  test('and refuses the token is believed', () => {
    const impostor = new Impostor();
    impostor.say((writer) => writer.ending(FRAME.close, 13, new Uint8Array(0)));
    expect(impostor.events.at(-1)).toMatchObject({ type: 'closed', by: 'peer', fault: 'token-refused' });
  });

  test('and sends the longest packets of PINGs is asked for nothing, and heard once', () => {
    const impostor = new Impostor();
    impostor.say(numbers(FRAME.accept));
    const before = impostor.events.length;
    const answers = impostor.say((writer) => {
      while (writer.room > 0) writer.numbers(FRAME.ping);
    });
    expect(answers.length).toBeLessThanOrEqual(1);
    expect(before).toBeGreaterThan(0);
    expect(impostor.events.filter(({ type }) => type === 'ping')).toHaveLength(1);
  });
});

describe('dialling', () => {
  /** When INIT leaves while nobody answers. */
  function inits(session: Session, until: number): number[] {
    const out = new Uint8Array(2000);
    const times: number[] = [];
    for (let now = 0; now <= until && !session.ended; ) {
      session.tick(now);
      while (session.transmit(out, now) > 0) times.push(now);
      now = session.deadline ?? Number.POSITIVE_INFINITY;
    }
    return times;
  }

  test('repeats INIT, each time after twice as long, up to four seconds', () => {
    const client = new Endpoint({ crypto: nodeCrypto, times: { handshakeWait: 20_000 } }, 0);
    const session = client.dial(SERVER, KEY.publicKey, TOKEN, 0);
    expect(inits(session, 60_000)).toEqual([0, 250, 750, 1750, 3750, 7750, 11_750, 15_750, 19_750]);
    expect(session.ended).toBe(true);
  });

  test.each([
    [1, 300],
    [2, INITIAL_RTT],
  ])(
    '%i times, and then an answer, measures a round trip of %i ms: which INIT was answered is known of one alone',
    (sent, rtt) => {
      const client = new Endpoint({ crypto: nodeCrypto }, 0);
      const session = client.dial(SERVER, KEY.publicKey, TOKEN, 0);
      const out = new Uint8Array(2000);
      const initial = out.slice(0, client.transmit(out, 0));
      if (sent === 2) {
        client.tick(250);
        expect(client.transmit(out, 250)).toBe(1200);
      }
      const [response = new Uint8Array()] = new Strangers().send(initial, HOME);
      client.receive(response, SERVER, 300);
      expect(session.stats.rtt).toBe(rtt);
    },
  );

  test('to a key that keeps nothing secret sends nothing, and ends in time', () => {
    const client = new Endpoint({ crypto: nodeCrypto }, 0);
    const session = client.dial(SERVER, new Uint8Array(32), TOKEN, 0);
    expect(inits(session, 60_000)).toEqual([]);
    expect(session.ended).toBe(true);
    const events: SessionEvent[] = [];
    for (let event = session.poll(); event !== undefined; event = session.poll()) events.push(event);
    expect(events).toMatchObject([{ type: 'closed', fault: 'handshake-timeout' }]);
  });

  test('ends when the server speaks other versions alone', () => {
    const client = new Endpoint({ crypto: nodeCrypto }, 0);
    const session = client.dial(SERVER, KEY.publicKey, TOKEN, 0);
    const out = new Uint8Array(2000);
    const initial = out.slice(0, client.transmit(out, 0));
    const key = macKey(nodeCrypto, KEY.publicKey);
    const start = prologue(KIND.version, 0, initial.subarray(5, 13));
    const answer = encodeBound(nodeCrypto, key, start, Uint8Array.of(0x55, 0x44, 0x50, 0x39), initial.subarray(-16));
    client.receive(answer, AWAY, 5);
    expect(session.ended).toBe(false);
    client.receive(answer, SERVER, 5);
    expect(session.ended).toBe(true);
    expect(session.poll()).toMatchObject({ type: 'closed', by: 'self', fault: 'version' });
    expect(client.transmit(out, 5)).toBe(0);
    expect(client.stats.sessions).toBe(0);
  });

  test('goes on when somebody on the way answers nonsense', () => {
    const pair = new Pair();
    const { server } = pair;
    const receive = server.receive.bind(server);
    let forged = 0;
    server.receive = (bytes, from, now) => {
      if (bytes[0] === KIND.init && forged++ < 5) {
        // Somebody on the way answers first, as well as he can without the key.
        for (const kind of [KIND.response, KIND.retry, KIND.version]) {
          const answer = nodeCrypto.random(kind === KIND.retry ? 69 : 200);
          answer.set(bytes.subarray(0, 13));
          answer[0] = kind;
          if (kind === KIND.version) answer.fill(0, 1, 5);
          pair.client.receive(answer, SERVER, now);
        }
      }
      return receive(bytes, from, now);
    };
    pair.run(() => pair.session.state === 'open');
    expect(forged).toBe(1);
    expect(pair.now).toBe(40);
  });
});
