import { describe, expect, test } from 'vitest';
import { KEY, Pair, SERVER, TOKEN } from '../../test/support/udpack-pair.ts';
import { addressOf, Strangers } from '../../test/support/udpack-strangers.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Endpoint } from './endpoint.ts';
import { FRAME } from './frames.ts';
import { KIND } from './handshake/index.ts';

const HOME = addressOf(1);
const AWAY = addressOf(2);

describe('INIT that comes again', () => {
  test('while its session is half open has the same answer, and opens no other', () => {
    const scene = new Strangers();
    const { initial } = scene.dial();
    const [first] = scene.send(initial, HOME);
    for (let copy = 0; copy < 50; copy++) expect(scene.send(initial, HOME)).toEqual([first]);
    expect(scene.server.stats).toMatchObject({ sessions: 1, halfOpen: 1, handshakes: 1 });
  });

  test('from another address opens another session, to which the first client has no key', () => {
    const scene = new Strangers();
    const handshake = scene.dial();
    const [toHome] = scene.send(handshake.initial, HOME);
    const [toAway] = scene.send(handshake.initial, AWAY);
    expect(toAway).not.toEqual(toHome);
    // Whoever copied the INIT can't read the answer; its client can read both, and takes one.
    expect(handshake.receive(toAway ?? new Uint8Array())).toBeDefined();
    expect(scene.server.stats).toMatchObject({ sessions: 2, halfOpen: 2 });
    scene.wait(10_000);
    expect(scene.server.stats).toMatchObject({ sessions: 0, halfOpen: 0 });
  });

  test('behind an open session opens one that dies soon, and does the open one no harm', () => {
    const pair = new Pair();
    let initial: Uint8Array = new Uint8Array();
    pair.onSent = (toServer, bytes) => {
      if (toServer && bytes[0] === KIND.init) initial = bytes;
    };
    pair.run(() => pair.session.state === 'open');
    for (let copy = 0; copy < 20; copy++) pair.server.receive(initial, pair.clientAddress, pair.now);
    expect(pair.server.stats).toMatchObject({ sessions: 2, halfOpen: 1 });
    pair.run(() => pair.now > 12_000);
    expect(pair.server.stats).toMatchObject({ sessions: 1, halfOpen: 0 });
    expect([pair.session.state, pair.accepted?.state]).toEqual(['open', 'open']);
  });
});

describe('half-open handshakes', () => {
  test('in their thousands take bounded memory: from `halfOpenFree` on a cookie is asked for', () => {
    const scene = new Strangers({ halfOpenFree: 30 });
    for (let at = 0; at < 2000; at++) {
      const [answer] = scene.send(scene.dial().initial, addressOf(at));
      expect(answer?.[0]).toBe(at < 30 ? KIND.response : KIND.retry);
    }
    expect(scene.server.stats).toMatchObject({ sessions: 30, halfOpen: 30, handshakes: 30, retries: 1970 });
    // Who lives where he says gets in all the same.
    const stranger = scene.enter(addressOf(5000));
    stranger?.showToken();
    expect([...scene.server.sessions()].filter(({ state }) => state === 'open')).toHaveLength(1);
    scene.wait(10_000);
    expect(scene.server.stats).toMatchObject({ sessions: 1, halfOpen: 0 });
  });

  test('answers to them that nobody takes are no more than 256', () => {
    const server = new Endpoint({ crypto: nodeCrypto, key: KEY, limits: { halfOpenFree: 0 } }, 0);
    const { initial } = new Strangers().dial();
    for (let at = 0; at < 1000; at++) server.receive(initial, addressOf(at), 0);
    const out = new Uint8Array(2000);
    let answers = 0;
    while (server.transmit(out, 0) > 0) answers++;
    expect(answers).toBe(256);
  });

  test('of a few addresses that never end theirs lock nobody out', () => {
    const scene = new Strangers({ halfOpen: 40, halfOpenFree: 10, handshakeBurst: 1000 });
    const flood = (): void => {
      for (let at = 0; at < 60; at++) scene.knock(addressOf(at % 2, 2000 + at));
    };
    flood();
    expect(scene.server.stats).toMatchObject({ halfOpen: 40, sessions: 40 });
    // Those that came last have a second to go on.
    expect(scene.enter(HOME)).toBeUndefined();
    scene.wait(1000);
    const stranger = scene.enter(HOME);
    expect(scene.server.stats.halfOpen).toBe(40);
    stranger?.showToken();
    expect(scene.server.stats).toMatchObject({ halfOpen: 39, sessions: 40 });
    flood();
    expect([...scene.server.sessions()].filter(({ state }) => state === 'open')).toHaveLength(1);
    expect(scene.server.stats.sessions).toBe(41);
  });
});

describe('the rate of handshakes', () => {
  test('is that of an address: a burst, then so many a second, of the rest those with a cookie', () => {
    const scene = new Strangers({ handshakeBurst: 5, handshakeRate: 10 });
    let port = 1;
    const kinds = (count: number): (number | undefined)[] =>
      Array.from({ length: count }, () => scene.send(scene.dial().initial, addressOf(1, port++))[0]?.[0]);
    expect(kinds(7)).toEqual([...Array.from({ length: 5 }, () => KIND.response), KIND.retry, KIND.retry]);
    scene.wait(200);
    expect(kinds(3)).toEqual([KIND.response, KIND.response, KIND.retry]);
    // Another address has its own.
    expect(scene.send(scene.dial().initial, AWAY)[0]?.[0]).toBe(KIND.response);
    // With a cookie there are five more, and then none.
    const entered = Array.from({ length: 8 }, () => scene.knock(addressOf(1, port++))?.[0]);
    expect(entered).toEqual([
      ...Array.from({ length: 5 }, () => KIND.response),
      ...Array.from({ length: 3 }, () => undefined),
    ]);
    expect(scene.server.stats.refused).toBe(3);
  });

  test('is that of a /64 of IPv6', () => {
    const scene = new Strangers({ handshakeBurst: 2, handshakeRate: 1 });
    const from = (address: string): number | undefined =>
      scene.send(scene.dial().initial, { address, port: 1 })[0]?.[0];
    expect([from('2001:db8:1:2::1'), from('2001:db8:1:2:ffff::9'), from('2001:db8:1:2::3')]).toEqual([
      KIND.response,
      KIND.response,
      KIND.retry,
    ]);
    expect(from('2001:db8:1:3::1')).toBe(KIND.response);
  });
});

describe('amplification', () => {
  test('is less than one to an address that is not proved, whatever comes from there', () => {
    const scene = new Strangers({ halfOpenFree: 3, handshakeBurst: 4 });
    const future = new Uint8Array(1200);
    for (let round = 0; round < 12; round++) {
      const from = addressOf(round % 3);
      const { initial } = scene.dial();
      for (let copy = 0; copy < 3; copy++) scene.send(initial, from);
      future.set(initial.subarray(0, 13));
      future[4] = 0x99;
      scene.send(future, from);
      for (const length of [9, 25, 40, 41, 42, 60, 1200]) {
        const sealed = nodeCrypto.random(length);
        sealed[0] = round % 2 === 0 ? 0x40 : 0x60;
        scene.send(sealed, from);
      }
      scene.wait(500);
    }
    scene.wait(60_000);
    expect(scene.earned.size).toBe(3);
    for (const [address, earned] of scene.earned) {
      expect(earned).toBeGreaterThan(0);
      expect(earned).toBeLessThan(scene.brought.get(address) ?? 0);
    }
  });

  test('is less than one at each answer', () => {
    const scene = new Strangers({ halfOpenFree: 1 });
    const first = scene.dial();
    for (const datagram of [first.initial, scene.dial().initial, first.initial]) {
      for (const answer of scene.send(datagram, HOME)) expect(answer.length).toBeLessThan(datagram.length);
    }
  });

  test('is none to an address that a client moves to and does not answer at', () => {
    const scene = new Strangers();
    const stranger = scene.enter(HOME);
    stranger?.showToken();
    const [session] = scene.server.sessions();
    if (stranger === undefined || session === undefined) throw new Error('no session');
    // The server has plenty to send.
    const stream = session.streams.open('bytes');
    session.streams.write(stream, new Uint8Array(1_000_000), {}, scene.now);
    stranger.from = AWAY;
    const name = `${AWAY.address} ${AWAY.port}`;
    for (let count = 0; count < 30; count++) {
      stranger.send((writer) => writer.numbers(FRAME.ping));
      scene.wait(100);
      expect(scene.earned.get(name) ?? 0).toBeLessThanOrEqual(scene.brought.get(name) ?? 0);
    }
    expect(scene.earned.get(name)).toBeGreaterThan(0);
    scene.wait(60_000);
    expect(scene.earned.get(name) ?? 0).toBeLessThanOrEqual(scene.brought.get(name) ?? 0);
  });

  test('nothing is sent to a half-open session but the answers to its INITs', () => {
    const scene = new Strangers();
    expect(scene.send(scene.dial().initial, HOME)).toHaveLength(1);
    expect(scene.wait(60_000)).toEqual([]);
    expect(scene.server.stats).toMatchObject({ sessions: 0, halfOpen: 0 });
  });
});

describe('RESET', () => {
  /** What looks sealed and belongs to nobody. */
  function stray(length: number): Uint8Array {
    const bytes = nodeCrypto.random(length);
    bytes[0] = 0x60;
    return bytes;
  }

  test('answers what belongs to nobody, shorter than it and no shorter than 40 bytes', () => {
    for (const length of [41, 42, 43, 100, 1452]) {
      const [answer] = new Strangers().send(stray(length), HOME);
      expect(answer?.length).toBeLessThan(length);
      expect(answer?.length).toBeGreaterThanOrEqual(40);
      expect(answer?.[0]).toBe(0x40);
    }
    for (const length of [1, 9, 24, 25, 40]) expect(new Strangers().send(stray(length), HOME)).toEqual([]);
  });

  test('leaves twenty times at once to one address, then ten times a second', () => {
    const scene = new Strangers();
    const answers = (count: number): number => {
      let sum = 0;
      for (let at = 0; at < count; at++) sum += scene.send(stray(60), HOME).length;
      return sum;
    };
    expect(answers(100)).toBe(20);
    scene.wait(500);
    expect(answers(100)).toBe(5);
    expect(scene.send(stray(60), AWAY)).toHaveLength(1);
    expect(scene.server.stats.resetsSent).toBe(26);
  });

  test('is not answered for ever between two servers', () => {
    const servers = [new Strangers(), new Strangers()] as const;
    let bytes: Uint8Array | undefined = stray(1452);
    let answers = 0;
    for (let turn = 0; bytes !== undefined; turn++) {
      if (answers++ > 20) throw new Error('they never end');
      [bytes] = servers[turn % 2 === 0 ? 0 : 1].send(bytes, HOME);
    }
    expect(answers).toBeLessThan(6);
  });

  test('is never sent by who has no key', () => {
    const client = new Endpoint({ crypto: nodeCrypto }, 0);
    client.receive(stray(100), HOME, 0);
    expect(client.transmit(new Uint8Array(2000), 0)).toBe(0);
    expect(client.stats).toMatchObject({ stray: 1, resetsSent: 0 });
  });

  test('of a server that was restarted ends the session; one with any other token does not', () => {
    const resetSecret = new Uint8Array(32).fill(3);
    const pair = new Pair({ resetSecret });
    pair.run(() => pair.session.state === 'open');
    const restarted = new Endpoint({ crypto: nodeCrypto, key: KEY, resetSecret }, 0);
    const stranger = new Endpoint({ crypto: nodeCrypto, key: KEY }, 0);
    const out = new Uint8Array(2000);
    pair.session.ping(pair.now);
    const sealed = out.slice(0, pair.client.transmit(out, pair.now));
    const answerOf = (server: Endpoint): Uint8Array => {
      server.receive(sealed, pair.clientAddress, 0);
      return out.slice(0, server.transmit(out, 0));
    };
    const [right, wrong] = [answerOf(restarted), answerOf(stranger)];
    pair.client.receive(wrong, SERVER, pair.now);
    expect(pair.session.state).toBe('open');
    for (let bit = 0; bit < 128; bit++) {
      const near = Uint8Array.from(right);
      const at = near.length - 1 - (bit >> 3);
      near[at] = (near[at] ?? 0) ^ (1 << (bit & 7));
      pair.client.receive(near, SERVER, pair.now);
    }
    expect(pair.session.state).toBe('open');
    pair.client.receive(right, SERVER, pair.now);
    pair.run(() => pair.events('closed', true).length === 1);
    expect(pair.events('closed', true)).toMatchObject([{ by: 'peer', fault: 'stateless-reset' }]);
    expect(pair.client.stats.sessions).toBe(0);
  });
});

describe('what is nobody’s', () => {
  test('is dropped in silence: other first bytes, nothing at all, datagrams of handshakes that nobody has begun', () => {
    const scene = new Strangers();
    for (let first = 0; first < 256; first++) {
      if (first === 0x40 || first === 0x60) continue;
      for (const length of [1, 12, 13, 29, 69, 1200]) {
        const bytes = nodeCrypto.random(length);
        bytes[0] = first;
        expect(scene.send(bytes, HOME)).toEqual([]);
      }
    }
    expect(scene.send(new Uint8Array(), HOME)).toEqual([]);
    expect(scene.server.stats).toMatchObject({ sessions: 0, stray: 254 * 6 + 1 });
  });

  test('does a dialling session no harm, nor what comes from elsewhere', () => {
    const client = new Endpoint({ crypto: nodeCrypto }, 0);
    const server = new Strangers();
    const session = client.dial(SERVER, KEY.publicKey, TOKEN, 0);
    const out = new Uint8Array(2000);
    const initial = out.slice(0, client.transmit(out, 0));
    const [response = new Uint8Array()] = server.send(initial, HOME);
    client.receive(response, AWAY, 1);
    expect(session.state).toBe('handshaking');
    client.receive(response, SERVER, 1);
    expect(session.state).toBe('authenticating');
    const { handshakeHash } = session;
    // Another RESPONSE, to the same INIT, is late.
    client.receive(server.send(initial, AWAY)[0] ?? new Uint8Array(), SERVER, 2);
    client.receive(response, SERVER, 2);
    expect([session.state, session.handshakeHash]).toEqual(['authenticating', handshakeHash]);
  });

  test('a closed endpoint lets nobody in, and goes on with who is', () => {
    const scene = new Strangers();
    const stranger = scene.enter(HOME);
    scene.server.closed = true;
    expect(scene.enter(AWAY)).toBeUndefined();
    expect(stranger?.showToken().length).toBeGreaterThan(0);
    expect(scene.server.stats).toMatchObject({ sessions: 1, stray: 1 });
  });
});
