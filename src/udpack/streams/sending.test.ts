import { expect, test } from 'vitest';
import {
  CLEAN,
  datagramsOf,
  deliver,
  eventsOf,
  framesOf,
  framesSent,
  machine,
  nextDatagram,
  parametersOf,
  StreamsPair,
} from '../../../test/support/udpack-streams.ts';
import { FrameWriter, STREAM } from '../frames.ts';
import { UDPACK_LIMITS, type UdpackLimits } from '../options.ts';
import type { SentFrame } from '../sent.ts';
import { Streams } from './streams.ts';

function client(limits: Partial<UdpackLimits> = {}): Streams {
  return machine('client', limits);
}

/** The streams of STREAM frames, in their order. */
function order(frames: ReturnType<typeof framesOf>): unknown[] {
  return frames.flatMap(([name, stream]) => (name === 'onStream' ? [stream] : []));
}

test('nothing is sent before the peer has said what it takes', () => {
  const streams = new Streams({ role: 'client', limits: UDPACK_LIMITS, onWork: () => {} });
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(10), {}, 0);
  const long = streams.write(id, new Uint8Array(100), {}, 0);
  expect([streams.waits(id), streams.sendDatagram(new Uint8Array(1), {}, 0), nextDatagram(streams)]).toEqual([
    true,
    false,
    undefined,
  ]);
  streams.start({ ...parametersOf(UDPACK_LIMITS), packetBytes: 50 });
  // What is too long, as is known now, is dropped.
  expect(eventsOf(streams)).toEqual([
    { type: 'opened', stream: id },
    { type: 'dropped', stream: id, write: long },
  ]);
  expect(framesSent(streams)).toEqual([['onStream', id, STREAM.length, 0, 12]]);
});

test('the session is told when there is something to send', () => {
  let calls = 0;
  const streams = new Streams({ role: 'client', limits: UDPACK_LIMITS, onWork: () => calls++ });
  streams.start(parametersOf(UDPACK_LIMITS));
  const told = (run: () => unknown): boolean => {
    const before = calls;
    run();
    return calls > before && streams.pending;
  };
  const id = streams.open('packets');
  expect(told(() => streams.write(id, new Uint8Array(10), {}, 0))).toBe(true);
  const sent = nextDatagram(streams);
  expect(told(() => sent?.frames[0]?.lost(0))).toBe(true);
  nextDatagram(streams);
  expect(told(() => streams.end(id))).toBe(true);
  expect(told(() => streams.sendDatagram(new Uint8Array(1), {}, 0))).toBe(true);
  expect(told(() => streams.stop(id, 1))).toBe(true);
  expect(told(() => streams.reset(id, 1))).toBe(true);
  framesSent(streams);
  expect(streams.pending).toBe(false);
});

test('the session is told when a datagram that was too old is given up as another is made', () => {
  let calls = 0;
  const streams = new Streams({ role: 'client', limits: UDPACK_LIMITS, onWork: () => calls++ });
  streams.start(parametersOf(UDPACK_LIMITS));
  streams.sendDatagram(new Uint8Array(1), { maxAge: 5 }, 0);
  calls = 0;
  expect(framesSent(streams, 5)).toEqual([]);
  expect(calls).toBe(1);
  expect(eventsOf(streams)).toEqual([{ type: 'datagram-dropped', count: 1 }]);
});

test('what is refused: unknown streams, ended ones, packets longer than the peer takes', () => {
  const streams = client({ packetBytes: 100 });
  const id = streams.open('packets');
  expect(streams.write(7, new Uint8Array(1), {}, 0)).toBe('unknown');
  expect(streams.write(id, new Uint8Array(101), {}, 0)).toBe('too-long');
  expect(streams.write(id, new Uint8Array(100), {}, 0)).toBe(1);
  streams.end(id);
  expect(streams.write(id, new Uint8Array(1), {}, 0)).toBe('ended');
  const bytes = streams.open('bytes');
  expect(streams.write(bytes, new Uint8Array(101), {}, 0)).toBe(2);
  expect(streams.write(bytes, new Uint8Array(0), {}, 0)).toBe(3);
  expect(eventsOf(streams)).toEqual([{ type: 'written', stream: bytes, write: 3 }]);
});

test('many small packets share a frame, and the end comes with the last', () => {
  const streams = client();
  const id = streams.open('packets');
  for (let n = 0; n < 10; n++) streams.write(id, new Uint8Array(20), {}, 0);
  streams.end(id);
  expect(framesSent(streams)).toEqual([['onStream', id, STREAM.length | STREAM.fin, 0, 210]]);
});

test('a frame that fills its datagram has no length', () => {
  const streams = client();
  const id = streams.open('bytes');
  streams.write(id, new Uint8Array(5000), {}, 0);
  const frames = framesSent(streams);
  expect(frames.slice(0, 2)).toEqual([
    ['onStream', id, 0, 0, 1197],
    ['onStream', id, 0, 1197, 1196],
  ]);
});

test('a datagram may end anywhere, in the length of a packet too', () => {
  for (let size = 60; size < 140; size++) {
    const [streams, server] = [client(), machine('server')];
    const id = streams.open('packets');
    for (let n = 0; n < 5; n++) streams.write(id, new Uint8Array(70 + n), {}, 0);
    expect(deliver(datagramsOf(streams, 0, size), server)).toBeUndefined();
    const heard = eventsOf(server).flatMap((event) => (event.type === 'packet' ? [event.bytes.length] : []));
    expect(heard).toEqual([70, 71, 72, 73, 74]);
  }
});

test('a lower number goes first; equals have their turns, a datagram each', () => {
  const streams = client();
  const [a, b, c] = [streams.open('bytes'), streams.open('bytes'), streams.open('bytes', { priority: 1 })];
  for (const id of [a, b, c]) streams.write(id, new Uint8Array(3600), {}, 0);
  const turns = order(framesSent(streams)).filter((stream, at, all) => stream !== all[at - 1]);
  expect(turns).toEqual([c, a, b, a, b, a, b, a, b].slice(0, turns.length));
  expect(turns.length).toBeGreaterThan(6);
  streams.write(a, new Uint8Array(10), {}, 0);
  streams.write(b, new Uint8Array(10), {}, 0);
  streams.prioritize(b, 0);
  expect(order(framesSent(streams))).toEqual([b, a]);
});

test('what is lost is sent again, before anything new of the stream, unless it is acknowledged meanwhile', () => {
  const streams = client();
  const id = streams.open('bytes');
  streams.write(id, new Uint8Array(3000), {}, 0);
  const [first, second] = [nextDatagram(streams), nextDatagram(streams)];
  first?.frames[0]?.lost(0);
  second?.frames[0]?.lost(0);
  second?.frames[0]?.acked(0);
  const frames = framesSent(streams);
  expect(frames[0]?.slice(3)).toEqual([0, 1197]);
  expect(frames[1]?.slice(3)).toEqual([2393, 607]);
});

test('writes are told when all of them is acknowledged, in whatever order', () => {
  const streams = client();
  const id = streams.open('packets');
  const [one, two, three] = [700, 700, 700].map((size) => streams.write(id, new Uint8Array(size), {}, 0));
  const [first, second] = datagramsOf(streams);
  second?.frames[0]?.acked(0);
  expect(eventsOf(streams)).toEqual([{ type: 'written', stream: id, write: three }]);
  expect(streams.buffered(id)).toBe(1404);
  first?.frames[0]?.acked(0);
  expect(eventsOf(streams).map((event) => event.type === 'written' && event.write)).toEqual([one, two]);
  expect([streams.buffered(), streams.quiet]).toEqual([0, true]);
});

test('a packet that grows old before it is sent leaves a gravestone, afterwards a SKIP; both sides tell', () => {
  const pair = new StreamsPair(3, CLEAN);
  const { streams } = pair.client;
  const id = streams.open('packets');
  const sent = streams.write(id, new Uint8Array(100), { maxAge: 5 }, 0);
  pair.channel = { ...CLEAN, loss: 1 };
  pair.run(1);
  const waits = [streams.write(id, new Uint8Array(9), { maxAge: 3 }, 1)];
  expect(streams.deadline).toBe(4);
  streams.tick(4);
  pair.channel = CLEAN;
  const kept = streams.write(id, new Uint8Array(7), {}, 1);
  pair.run();
  expect(eventsOf(streams).map((event) => ('write' in event ? [event.type, event.write] : event.type))).toEqual([
    ['dropped', ...waits],
    ['dropped', sent],
    ['written', kept],
  ]);
  const heard = eventsOf(pair.server.streams);
  expect(heard.flatMap((event) => (event.type === 'packet' ? [event.bytes.length] : []))).toEqual([7]);
  expect(heard.reduce((sum, event) => sum + (event.type === 'skipped' ? event.count : 0), 0)).toBe(2);
  expect([streams.quiet, streams.memory().written]).toEqual([true, 0]);
});

test('gravestones in their thousands take little', () => {
  const streams = client({ streamWindow: 10, streamWindowMost: 10 });
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(50), {}, 0);
  for (let n = 0; n < 5000; n++) {
    streams.write(id, new Uint8Array(50), { maxAge: 1 }, n);
    streams.tick(n + 1);
  }
  expect(streams.buffered()).toBe(51);
  streams.onStreamCredit(id, 100_000);
  const frames = framesSent(streams, 6000, true);
  expect(frames.length).toBeLessThan(8);
  expect(frames.reduce((sum, frame) => sum + Number(frame[4] ?? 0), 0)).toBe(51 + 5000);
});

test('a packet that was sent in part is cut off only once there is credit for its end', () => {
  const limits = { streamWindow: 1000, streamWindowMost: 1000 };
  const [streams, server] = [client(limits), machine('server', limits)];
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(3000), { maxAge: 5 }, 0);
  const [first] = datagramsOf(streams);
  streams.tick(5);
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['dropped']);
  expect(framesSent(streams, 5)).toEqual([]);
  // Lost, it must be sent again all the same: else the peer could not go on to give credit.
  first?.frames[0]?.lost(6);
  expect(deliver(datagramsOf(streams, 6), server)).toBeUndefined();
  expect(deliver(datagramsOf(server, 7), streams)).toBeUndefined();
  streams.write(id, new Uint8Array(2), {}, 8);
  expect(deliver(datagramsOf(streams, 8), server)).toBeUndefined();
  expect(deliver(datagramsOf(streams, 8), server)).toBeUndefined();
  expect(eventsOf(server).map((event) => event.type)).toEqual(['stream', 'skipped', 'packet']);
});

test('loose packets begin frames of their own, and ordered ones never follow them there', () => {
  const streams = client();
  const id = streams.open('packets');
  for (const ordered of [true, false, false, true]) streams.write(id, new Uint8Array(9), { ordered }, 0);
  expect(framesSent(streams)).toEqual([
    ['onStream', id, STREAM.length, 0, 10],
    ['onStream', id, STREAM.length | STREAM.loose, 10, 20],
    ['onStream', id, STREAM.length, 30, 10],
  ]);
});

test('a reset drops what is not acknowledged, and is sent until it is acknowledged', () => {
  const streams = client();
  const id = streams.open('packets');
  const write = streams.write(id, new Uint8Array(5000), {}, 0);
  const [first] = datagramsOf(streams);
  streams.reset(id, 12);
  expect(eventsOf(streams)).toEqual([{ type: 'dropped', stream: id, write }]);
  first?.frames[0]?.lost(0);
  const reset = nextDatagram(streams);
  expect(framesOf(reset?.bytes ?? new Uint8Array())).toEqual([['onReset', id, 12, 5002]]);
  expect([streams.quiet, streams.buffered()]).toEqual([false, 0]);
  reset?.frames[0]?.lost(0);
  expect(framesSent(streams, 0, true)).toEqual([['onReset', id, 12, 5002]]);
  expect(streams.quiet).toBe(true);
});

test('STOP is answered by RESET with its code', () => {
  const [streams, server] = [client(), machine('server')];
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(10), {}, 0);
  deliver(datagramsOf(streams), server);
  server.stop(id, 5);
  const stop = nextDatagram(server);
  stop?.frames[0]?.lost(0);
  expect(deliver(datagramsOf(server), streams)).toBeUndefined();
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['dropped', 'stopped']);
  expect(framesSent(streams)).toEqual([['onReset', id, 5, 11]]);
});

test('streams beyond what the peer allows wait, with what was written, ended and reset', () => {
  const limits = { streams: 1 };
  const [streams, server] = [client(limits), machine('server', limits)];
  const [one, two, three] = [streams.open('packets'), streams.open('packets'), streams.open('packets')];
  streams.write(two, new Uint8Array(3), {}, 0);
  streams.end(two);
  streams.reset(three, 4);
  expect([one, two, three].map((id) => streams.waits(id))).toEqual([false, true, true]);
  expect(framesSent(streams)).toEqual([]);
  for (const id of [one, two]) {
    streams.end(id);
    const sent = datagramsOf(streams);
    expect(deliver(sent, server)).toBeUndefined();
    for (const frame of sent.flatMap(({ frames }) => frames)) frame.acked(0);
    server.end(id);
    eventsOf(server);
    const back = datagramsOf(server);
    for (const frame of back.flatMap(({ frames }) => frames)) frame.acked(0);
    eventsOf(server);
    expect(deliver(back, streams)).toBeUndefined();
    expect(deliver(datagramsOf(server), streams)).toBeUndefined();
  }
  const opened = eventsOf(streams).flatMap((event) => (event.type === 'opened' ? [event.stream] : []));
  expect(opened).toEqual([two, three]);
  expect(framesSent(streams)).toEqual([['onReset', three, 4, 0]]);
});

test('over the backlog, a writer is told when to go on', () => {
  const streams = client({ backlogBytes: 2000 });
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(999), {}, 0);
  expect(streams.full).toBe(false);
  streams.write(id, new Uint8Array(999), {}, 0);
  expect(streams.full).toBe(true);
  framesSent(streams, 0, true);
  expect(eventsOf(streams).map((event) => event.type)).toEqual(['written', 'drain', 'written']);
  expect(streams.full).toBe(false);
});

test('unreliable datagrams go before streams, and the oldest give way', () => {
  const streams = client({ datagramBytes: 300 });
  const id = streams.open('bytes', { priority: 0 });
  streams.write(id, new Uint8Array(10), {}, 0);
  for (let n = 0; n < 5; n++) expect(streams.sendDatagram(new Uint8Array(90 + n), {}, 0)).toBe(true);
  expect(eventsOf(streams)).toEqual([{ type: 'datagram-dropped', count: 2 }]);
  expect(framesSent(streams)).toEqual([
    ['onDatagram', 92],
    ['onDatagram', 93],
    ['onDatagram', 94],
    ['onStream', id, STREAM.length, 0, 10],
  ]);
});

test('unreliable datagrams are dropped when they are too old, or too long for the path', () => {
  const streams = client();
  expect(streams.sendDatagram(new Uint8Array(1161), {}, 0)).toBe(false);
  expect(streams.sendDatagram(new Uint8Array(1160), {}, 0)).toBe(true);
  streams.sendDatagram(new Uint8Array(5), { maxAge: 10 }, 0);
  expect(streams.deadline).toBe(10);
  streams.room = 1000;
  expect(framesSent(streams, 10)).toEqual([]);
  expect(eventsOf(streams)).toEqual([{ type: 'datagram-dropped', count: 2 }]);
  expect([streams.quiet, streams.deadline]).toEqual([true, undefined]);
  const none = new Streams({ role: 'client', limits: UDPACK_LIMITS, onWork: () => {} });
  none.start(parametersOf(UDPACK_LIMITS, 0));
  expect(none.sendDatagram(new Uint8Array(0), {}, 0)).toBe(false);
  expect(none.onDatagram(new Uint8Array(65_536))).toBe('frame-malformed');
});

test("the session's credit holds back what is new, not what was lost", () => {
  const limits = { sessionWindow: 1500, sessionWindowMost: 1500 };
  const [streams, server] = [client(limits), machine('server', limits)];
  const [a, b] = [streams.open('bytes'), streams.open('bytes')];
  streams.write(a, new Uint8Array(2000), {}, 0);
  streams.write(b, new Uint8Array(2000), {}, 0);
  const sent = datagramsOf(streams);
  expect(sent.flatMap(({ bytes }) => framesOf(bytes)).reduce((sum, frame) => sum + Number(frame[4]), 0)).toBe(1500);
  sent[0]?.frames[0]?.lost(0);
  const again = datagramsOf(streams);
  expect(again.length).toBe(1);
  deliver([...sent, ...again], server);
  eventsOf(server);
  expect(deliver(datagramsOf(server), streams)).toBeUndefined();
  expect(order(framesSent(streams)).length).toBeGreaterThan(0);
});

test('credit that was lost is sent again, with what holds then', () => {
  const limits = { streamWindow: 2000, streamWindowMost: 2000 };
  const server = machine('server', limits);
  server.onStream(2, 0, 0, new Uint8Array(1000));
  eventsOf(server);
  const first = nextDatagram(server);
  expect(framesOf(first?.bytes ?? new Uint8Array())).toEqual([['onStreamCredit', 2, 3000]]);
  server.onStream(2, 0, 1000, new Uint8Array(1000));
  eventsOf(server);
  const second = nextDatagram(server);
  expect(framesOf(second?.bytes ?? new Uint8Array())).toEqual([['onStreamCredit', 2, 4000]]);
  first?.frames[0]?.lost(0);
  expect(framesSent(server)).toEqual([]);
  second?.frames[0]?.lost(0);
  expect(framesSent(server)).toEqual([['onStreamCredit', 2, 4000]]);
});

/** What a datagram at `now` repeats, of `room` bytes. */
function repeatsAt(streams: Streams, now: number, room = 1200): ReturnType<typeof framesOf> {
  const writer = new FrameWriter(new Uint8Array(room), 0, room);
  streams.fill(writer, [], now);
  const from = writer.at;
  streams.fillAgain(writer, []);
  return framesOf(writer.bytes.slice(from, writer.at));
}

test('frames of a thin session are repeated once, a little later, unless they are acknowledged or lost', () => {
  const streams = client();
  const id = streams.open('packets');
  const send = (now: number): ReturnType<typeof nextDatagram> => {
    streams.write(id, new Uint8Array(20), {}, now);
    return nextDatagram(streams, now);
  };
  send(1);
  expect(repeatsAt(streams, 1)).toEqual([]);
  expect(repeatsAt(streams, 2)).toEqual([['onStream', id, STREAM.length, 0, 21]]);
  const second = send(3);
  const third = send(3);
  second?.frames[0]?.acked(3);
  third?.frames[0]?.lost(4);
  // The one that was lost is on its way again.
  expect(repeatsAt(streams, 4)).toEqual([]);
  expect(repeatsAt(streams, 5)).toEqual([['onStream', id, STREAM.length, 42, 21]]);
  expect(repeatsAt(streams, 6)).toEqual([]);
});

test('repeats that have no room ask for a further datagram', () => {
  const streams = client();
  const id = streams.open('packets');
  for (const now of [1, 2]) {
    streams.write(id, new Uint8Array(20), {}, now);
    nextDatagram(streams, now);
  }
  expect(repeatsAt(streams, 3, 40)).toEqual([['onStream', id, STREAM.length, 0, 21]]);
  expect([streams.lacking, streams.pending]).toEqual([true, true]);
  expect(repeatsAt(streams, 3, 40)).toEqual([['onStream', id, STREAM.length, 21, 21]]);
  expect([streams.lacking, streams.pending]).toEqual([false, false]);
});

test('a session with more than 16 KiB on its way repeats nothing', () => {
  const streams = client();
  const id = streams.open('packets');
  streams.write(id, new Uint8Array(17_000), {}, 1);
  datagramsOf(streams);
  expect(repeatsAt(streams, 2)).toEqual([]);
});

test('a repeat that arrives stands for the first, and one that is lost changes nothing', () => {
  const streams = client();
  const id = streams.open('packets');
  const write = streams.write(id, new Uint8Array(20), {}, 1);
  const first = nextDatagram(streams, 1);
  const sent: SentFrame[] = [];
  const writer = new FrameWriter(new Uint8Array(1200), 0, 1200);
  streams.fill(writer, [], 2);
  streams.fillAgain(writer, sent);
  expect(sent).toHaveLength(1);
  sent[0]?.lost(2);
  expect(framesSent(streams)).toEqual([]);
  sent[0]?.acked(3);
  expect(eventsOf(streams)).toEqual([{ type: 'written', stream: id, write }]);
  first?.frames[0]?.lost(4);
  expect(framesSent(streams)).toEqual([]);
});

test('what nobody wants to know of is not told', () => {
  const streams = client();
  const id = streams.open('packets');
  for (const length of [3, 0]) streams.write(id, new Uint8Array(length), { untold: true }, 0);
  const known = streams.write(id, new Uint8Array(3), {}, 0);
  for (const frame of nextDatagram(streams)?.frames ?? []) frame.acked(1);
  expect(eventsOf(streams)).toEqual([{ type: 'written', stream: id, write: known }]);
  streams.write(id, new Uint8Array(3), { untold: true, maxAge: 5 }, 1);
  streams.tick(10);
  expect([eventsOf(streams), streams.buffered()]).toEqual([[], 0]);
});
