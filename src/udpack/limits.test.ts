import { describe, expect, test } from 'vitest';
import { CLIENT, Pair } from '../../test/support/udpack-pair.ts';
import { addressOf, Strangers } from '../../test/support/udpack-strangers.ts';
import type { FrameWriter } from './frames.ts';
import { FRAME, STREAM } from './frames.ts';
import { KIND } from './handshake/index.ts';
import { UDPACK_LIMITS, UDPACK_TIMES, type UdpackLimits, type UdpackTimes } from './options.ts';

type Frame = (writer: FrameWriter) => unknown;

/** A STREAM frame with a length. */
const stream =
  (id: number, offset: number, data: Uint8Array): Frame =>
  (writer) => {
    writer.numbers(FRAME.stream | STREAM.length, id, offset, data.length);
    writer.raw(data);
  };

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

/** A client that is let in, to a server with these limits; how its session ends on these frames, one after the other. */
function faultOf(limits: Partial<UdpackLimits>, ...frames: readonly Frame[]): string | undefined {
  const scene = new Strangers(limits);
  const stranger = scene.enter(CLIENT);
  stranger?.showToken();
  for (const frame of frames) stranger?.send(frame);
  return scene.faults[0];
}

/** An open pair whose server has these limits. */
function open(limits: Partial<UdpackLimits>, times: Partial<UdpackTimes> = {}): Pair {
  const pair = new Pair({ times }, { limits, times });
  pair.run(() => pair.session.state === 'open');
  return pair;
}

/** The client writes much. Whether the server held as much of it as it may, but for credit that it had no cause to announce. */
function holds(most: number, limits: Partial<UdpackLimits>, streams: number): boolean {
  const pair = open({ ...limits, packetBytes: 1e9 });
  const written = Array.from({ length: streams }, () => pair.session.streams.open('bytes'));
  for (const one of written) pair.session.streams.write(one, bytes(200_000), {}, pair.now);
  // First it is read, so that windows grow, then no longer.
  pair.run(() => pair.session.streams.quiet);
  for (const one of written) pair.accepted?.streams.pause(one);
  for (const one of written) pair.session.streams.write(one, bytes(200_000), {}, pair.now);
  const end = pair.now + 3000;
  pair.run(() => pair.now >= end);
  const held = pair.accepted?.streams.memory().unreleased ?? 0;
  return held > most * 0.7 && held <= most;
}

/** What crosses each limit: what came of it, and what was to. A limit that has none doesn't compile. */
const CROSSED: { readonly [Limit in keyof UdpackLimits]: () => readonly [came: unknown, meant: unknown] } = {
  packetBytes: () => {
    // The length, plus one, in two bytes.
    const announced = (length: number): Frame => stream(0, 0, Uint8Array.of(0x40 | ((length + 1) >> 8), length + 1));
    const limits = { packetBytes: 1000 };
    return [
      [faultOf(limits, announced(1000)), faultOf(limits, announced(1001))],
      [undefined, 'packet-too-long'],
    ];
  },
  streams: () => [
    [
      faultOf({ streams: 3 }, stream(4 * 2, 0, bytes(1)), stream(4 * 2 + 2, 0, bytes(1))),
      faultOf({ streams: 3 }, stream(4 * 3, 0, bytes(1))),
      faultOf({ streams: 3 }, stream(4 * 3 + 2, 0, bytes(1))),
    ],
    [undefined, 'streams-exceeded', 'streams-exceeded'],
  ],
  streamWindow: () => [
    [
      faultOf({ streamWindow: 1000 }, stream(2, 900, bytes(100))),
      faultOf({ streamWindow: 1000 }, stream(2, 900, bytes(101))),
    ],
    [undefined, 'credit-exceeded'],
  ],
  streamWindowMost: () => [holds(9000, { streamWindow: 2000, streamWindowMost: 9000 }, 1), true],
  sessionWindow: () => {
    const limits = { sessionWindow: 1000, streamWindow: 600 };
    return [
      [
        faultOf(limits, stream(2, 100, bytes(500)), stream(6, 100, bytes(300))),
        faultOf(limits, stream(2, 100, bytes(500)), stream(6, 100, bytes(301))),
      ],
      [undefined, 'credit-exceeded'],
    ];
  },
  sessionWindowMost: () => [
    holds(20_000, { streamWindow: 4000, streamWindowMost: 9000, sessionWindow: 6000, sessionWindowMost: 20_000 }, 8),
    true,
  ],
  assemblyBytes: () => {
    const pair = open({
      assemblyBytes: 20_000,
      packetBytes: 50_000,
      streams: 10,
      streamWindow: 4000,
      streamWindowMost: 4000,
      sessionWindow: 10_000,
      sessionWindowMost: 10_000,
    });
    const { streams } = pair.session;
    for (let at = 0; at < 10; at++) streams.write(streams.open('packets'), bytes(50_000), {}, pair.now);
    let most = 0;
    pair.run(() => {
      most = Math.max(most, pair.accepted?.streams.memory().assembly ?? 0);
      return pair.events('packet').length === 10;
    });
    // Half a million bytes were written at once: docs/UDPACK.md has what may be here of them.
    return [
      [most > 20_000, most < 20_000 + 2 * (50_000 + 10 * 4000 + 10_000)],
      [true, true],
    ];
  },
  backlogBytes: () => {
    const pair = new Pair({ limits: { backlogBytes: 3000 } });
    pair.run(() => pair.session.state === 'open');
    const { streams } = pair.session;
    const one = streams.open('bytes');
    const full: boolean[] = [];
    for (let at = 0; at < 3; at++) {
      streams.write(one, bytes(1000), {}, pair.now);
      full.push(streams.full);
    }
    pair.run(() => pair.events('drain', true).length === 1);
    return [
      [...full, streams.full],
      [false, false, true, false],
    ];
  },
  datagramBytes: () => {
    const pair = new Pair({ limits: { datagramBytes: 3 * 1003 } });
    pair.run(() => pair.session.state === 'open');
    for (let at = 0; at < 10; at++) pair.session.streams.sendDatagram(bytes(1000), {}, pair.now);
    pair.run(() => pair.events('datagram').length === 3);
    return [pair.events('datagram-dropped', true), [{ type: 'datagram-dropped', count: 7 }]];
  },
  sessions: () => {
    const scene = new Strangers({ sessions: 2 });
    const entered = [1, 2, 3].map((at) => scene.enter(addressOf(at)) !== undefined);
    return [
      [entered, scene.server.stats.refused, scene.server.stats.sessions],
      [[true, true, false], 1, 2],
    ];
  },
  halfOpen: () => {
    const scene = new Strangers({ halfOpen: 5, halfOpenFree: 0 });
    const kinds = Array.from({ length: 7 }, (_, at) => scene.knock(addressOf(at))?.[0]);
    const { response } = KIND;
    return [
      [kinds, scene.server.stats.halfOpen],
      [[response, response, response, response, response, undefined, undefined], 5],
    ];
  },
  halfOpenFree: () => {
    const scene = new Strangers({ halfOpenFree: 2 });
    const kinds = [1, 2, 3].map((at) => scene.send(scene.dial().initial, addressOf(at))[0]?.[0]);
    return [kinds, [KIND.response, KIND.response, KIND.retry]];
  },
  handshakeRate: () => {
    const scene = new Strangers({ handshakeRate: 10, handshakeBurst: 1 });
    const kinds = [0, 50, 50, 100].map((ms) => {
      scene.wait(ms);
      return scene.send(scene.dial().initial, CLIENT)[0]?.[0];
    });
    return [kinds, [KIND.response, KIND.retry, KIND.response, KIND.response]];
  },
  handshakeBurst: () => {
    const scene = new Strangers({ handshakeRate: 1, handshakeBurst: 3 });
    const kinds = [1, 2, 3, 4].map(() => scene.send(scene.dial().initial, CLIENT)[0]?.[0]);
    return [kinds, [KIND.response, KIND.response, KIND.response, KIND.retry]];
  },
  tokenBytes: () => {
    const ends = [3, 2].map((tokenBytes) => {
      const pair = new Pair({}, { limits: { tokenBytes } });
      pair.run(() => pair.session.state === 'open' || pair.session.ended);
      return pair.events('closed', true).map((event) => event.type === 'closed' && 'fault' in event && event.fault);
    });
    return [ends, [[], ['token-refused']]];
  },
};

describe('each limit holds', () => {
  test.each(Object.keys(UDPACK_LIMITS) as (keyof UdpackLimits)[])('%s', (name) => {
    const [came, meant] = CROSSED[name]();
    expect(came).toEqual(meant);
  });
});

/** The same of times: when it happens, in ms. */
const RUN_OUT: { readonly [Time in keyof UdpackTimes]: () => readonly [came: unknown, meant: unknown] } = {
  handshakeWait: () => {
    const alone = new Pair({ times: { handshakeWait: 3000 } });
    alone.drop = () => true;
    alone.run(() => alone.session.ended);
    const unjudged = new Pair({}, { times: { handshakeWait: 4000 } });
    unjudged.prompt = false;
    unjudged.run(() => unjudged.accepted?.ended === true);
    return [
      [alone.now, alone.events('closed', true), unjudged.now, unjudged.events('closed')],
      [
        3000,
        [expect.objectContaining({ fault: 'handshake-timeout' })],
        4010,
        [expect.objectContaining({ fault: 'handshake-timeout' })],
      ],
    ];
  },
  idle: () => {
    const pair = open({}, { idle: 2000, keepalive: 0 });
    pair.run(() => pair.session.streams.quiet && pair.now > 1000);
    pair.drop = () => true;
    const before = pair.now;
    pair.run(() => pair.session.ended);
    return [
      [pair.events('closed', true), pair.now - before <= 2000],
      [[expect.objectContaining({ fault: 'idle' })], true],
    ];
  },
  keepalive: () => {
    const pair = open({}, { keepalive: 700 });
    pair.run(() => pair.now > 3000);
    const before = pair.session.stats.datagramsReceived;
    pair.run(() => pair.now > 10_000);
    // Both sides do it, and an ack of the one is life to the other.
    const heard = pair.session.stats.datagramsReceived - before;
    return [heard >= 8 && heard <= 22, true];
  },
  ackDelay: () => {
    const waits = [5, 100].map((ackDelay) => {
      const pair = open({}, { ackDelay });
      pair.run(() => pair.session.stats.inFlight + (pair.accepted?.stats.inFlight ?? 1) === 0);
      const before = pair.now;
      pair.session.streams.write(pair.session.streams.open('packets'), bytes(10), {}, pair.now);
      pair.run(() => pair.events('written', true).length === 1);
      return pair.now - before;
    });
    return [waits, [20 + 5, 20 + 100]];
  },
  closeWait: () => {
    const pair = open({}, { closeWait: 1500 });
    pair.drop = () => true;
    pair.session.streams.write(pair.session.streams.open('packets'), bytes(10), {}, pair.now);
    const before = pair.now;
    pair.session.finish(4, '', pair.now);
    pair.run(() => pair.events('closed', true).length === 1);
    return [pair.now - before, 1500];
  },
  keyUpdate: () => {
    const pair = open({}, { keyUpdate: 5000, keepalive: 400 });
    pair.run(() => pair.now > 4900);
    const before = pair.session.stats.keyUpdates;
    pair.run(() => pair.now > 6000);
    return [
      [before, pair.session.stats.keyUpdates, pair.accepted?.stats.keyUpdates],
      [0, 1, 1],
    ];
  },
};

describe('each time runs out', () => {
  test.each(Object.keys(UDPACK_TIMES) as (keyof UdpackTimes)[])('%s', (name) => {
    const [came, meant] = RUN_OUT[name]();
    expect(came).toEqual(meant);
  });
});
