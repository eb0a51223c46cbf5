import { expect, test } from 'vitest';
import { BROKEN, event, hear, TestPort, Told, up } from '../../test/support/session-recorder.ts';
import { CLOSE } from '../core/index.ts';
import { hawserCodec, jsonCodec, MESSAGE } from '../wire/index.ts';
import { SESSION_TRANSITIONS } from './index.ts';

test('silence gets a ping after heartbeat and ends the link after readWait; the session can resume', () => {
  const { session, port, told } = up();
  expect(session.deadline).toBe(20_000);
  session.tick(19_999);
  expect(port.kinds()).toEqual([]);
  session.tick(20_000);
  expect(port.kinds()).toEqual([MESSAGE.ping]);
  session.tick(40_000);
  expect(port.kinds()).toEqual([MESSAGE.ping]);
  expect(session.deadline).toBe(45_000);
  session.tick(45_000);
  expect(port.closed?.code).toBe(CLOSE.peerSilent);
  expect(told.told).toEqual([`down ${CLOSE.peerSilent}`]);
  expect(session.attach(new TestPort(), hawserCodec, 50_000, [])).toBe(true);
});

test('who reads nothing judges nobody, however late it looks, but goes on pinging', () => {
  const { session, port } = up();
  for (const now of [20_000, 64_999, 110_000, 1_000_000]) {
    session.tick(now, true);
    expect([session.state, port.kinds()]).toEqual(['up', [MESSAGE.ping]]);
  }
  session.probe(1_000_001);
  session.tick(1_005_001, true);
  expect(session.state).toBe('up');
  session.tick(1_050_001);
  expect(port.closed?.code).toBe(CLOSE.peerSilent);
});

test('anything heard puts the ping off', () => {
  const { session, port } = up();
  hear(session, port, event('a'), 15_000);
  session.tick(20_000);
  expect(port.kinds()).toEqual([MESSAGE.ack]);
  expect(session.deadline).toBe(35_000);
});

test('two sessions that say nothing keep each other alive', () => {
  const a = up();
  const b = up();
  for (let now = 0; now < 600_000; now += 1000) {
    a.session.tick(now);
    b.session.tick(now);
    for (const message of a.port.sent.splice(0)) hear(b.session, b.port, message, now);
    for (const message of b.port.sent.splice(0)) hear(a.session, a.port, message, now);
  }
  expect([a.session.state, b.session.state]).toEqual(['up', 'up']);
});

test('a ping measures the round trip; a pong nobody asked for does not', () => {
  const { session, port } = up();
  session.ping(1000.25);
  const [ping] = port.look();
  hear(session, port, hawserCodec.pong(12), 1010);
  expect(session.rtt).toBeUndefined();
  hear(session, port, hawserCodec.pong(ping?.data as number), 1042.25);
  expect(session.rtt).toBe(42);
  hear(session, port, hawserCodec.pong(ping?.data as number), 1100);
  expect(session.rtt).toBe(42);
});

test('a ping is answered with its stamp, but not without bound', () => {
  const { session, port } = up();
  hear(session, port, hawserCodec.ping(99), 1);
  expect(port.look()).toEqual([expect.objectContaining({ kind: MESSAGE.pong, data: 99 })]);
  port.full = true;
  for (let i = 0; i < 100; i++) hear(session, port, hawserCodec.ping(i), 1);
  expect(port.sent).toHaveLength(1);
});

test('a fractional clock never leaves a tick at its deadline with nothing to do', () => {
  for (let i = 0; i < 2000; i++) {
    const told = new Told({ heartbeat: 1963.1, readWait: 4426.7 });
    const start = i * 0.137;
    told.session.attach(new TestPort(), hawserCodec, start);
    for (let turn = 0; told.session.state === 'up'; turn++) {
      expect(turn).toBeLessThan(4);
      const at = told.session.deadline ?? 0;
      told.session.tick(at);
      expect(told.session.deadline).not.toBe(at);
    }
  }
});

test('a session that is down ends when the window has passed, with the reason of the loss', () => {
  const { session, port, told } = up();
  session.send(event('a'));
  session.detach(port, BROKEN, 1000);
  session.send(event('b'));
  expect(session.deadline).toBe(121_000);
  session.tick(120_999);
  expect(session.state).toBe('down');
  session.tick(121_000);
  expect(told.told).toEqual(['down 1006', 'end 1006']);
  expect(session.leftovers().unacknowledged).toHaveLength(1);
  expect(session.leftovers().unsent).toHaveLength(1);
});

test('a window without end has no deadline', () => {
  const { session, port } = up({ role: 'client', resumeWindow: Number.POSITIVE_INFINITY });
  session.detach(port, BROKEN, 1000);
  expect(session.deadline).toBeUndefined();
});

test.each([
  ['a goodbye', {}, CLOSE.normal],
  ['a code that says stay away', {}, CLOSE.kicked],
  ['a page that is left, for the server', {}, CLOSE.goingAway],
  ['any loss without a window', { resumeWindow: 0 }, CLOSE.abnormal],
])('%s is the end', (_what, settings, code) => {
  const { session, port, told } = up(settings);
  session.detach(port, { code, reason: '' }, 1);
  expect(told.told).toEqual([`end ${code}`]);
});

test('a server that goes away is no end for its client', () => {
  const { session, port } = up({ role: 'client' });
  session.detach(port, { code: CLOSE.goingAway, reason: '' }, 1);
  expect(session.state).toBe('down');
});

test('malformed bytes, handshakes out of place and channels beyond the bound end a Hawser session', () => {
  const welcome = {
    version: 1,
    id: 'x',
    user: null,
    server: '',
    heartbeat: 1,
    readWait: 1,
    resumeWindow: 1,
    messageBytes: 1,
  };
  const cases: [Uint8Array, number][] = [
    [Uint8Array.of(MESSAGE.event, 0, 0x92, 0xa1), CLOSE.messageMalformed],
    [Uint8Array.of(255, 1, 2), CLOSE.protocol],
    [hawserCodec.hello({ version: 1, namespace: '/' }).bytes, CLOSE.protocol],
    [hawserCodec.welcome(welcome).bytes, CLOSE.protocol],
    [event('a', null, 3).bytes, CLOSE.protocol],
  ];
  for (const [bytes, code] of cases) {
    const { session, port, told } = up();
    session.receive(port, bytes, false, 1);
    expect(told.told).toEqual([`end ${code}`]);
    expect(port.closed?.code).toBe(code);
    expect(told.messages).toEqual([]);
  }
});

test('a goaway is told, and sent', () => {
  const { session, port, told } = up();
  hear(session, port, hawserCodec.goaway({ code: CLOSE.restart, reason: '' }), 1);
  expect(told.told).toEqual([`goaway ${CLOSE.restart}`]);
  session.goaway({ code: CLOSE.serverClosing, reason: 'bye' });
  expect(port.kinds()).toEqual([MESSAGE.goaway]);
});

test('JSON: text that is no message is answered and the link lives, within bounds', () => {
  const { session, port } = up({}, jsonCodec);
  session.receive(port, new TextEncoder().encode('hello?'), true, 1);
  expect(port.kinds(jsonCodec)).toEqual([MESSAGE.failure]);
  port.full = true;
  for (let i = 0; i < 100; i++) session.receive(port, new TextEncoder().encode('hello?'), true, 1);
  expect(port.sent).toHaveLength(1);
  expect(session.state).toBe('up');
});

test('JSON: nothing is counted or kept, and a lost link is the end', () => {
  const { session, port, told } = up({}, jsonCodec);
  session.send(jsonCodec.event(0, 'a', 1));
  hear(session, port, jsonCodec.event(0, 'b', 1), 1);
  session.tick(10_000);
  expect(port.kinds(jsonCodec)).toEqual([MESSAGE.event]);
  expect(session.leftovers()).toEqual({ unsent: [], unacknowledged: [] });
  expect(session.canResume([])).toBe(false);
  session.detach(port, BROKEN, 2);
  expect(told.told).toEqual(['end 1006']);
});

test('JSON: a hello that comes late is handed on', () => {
  const { session, port, told } = up({}, jsonCodec);
  session.receive(port, new TextEncoder().encode('{"event":"hello","user":"ada"}'), true, 1);
  expect(told.messages.map(({ kind }) => kind)).toEqual([MESSAGE.hello]);
});

test('JSON: where the transport can ping, silence is death and a pong measures; on plain lines it means nothing', () => {
  const port = new TestPort(true);
  const { session } = up({}, jsonCodec, port);
  session.tick(20_000);
  expect(port.pings).toBe(1);
  session.heard(20_030);
  expect(session.rtt).toBe(30);
  session.tick(65_030);
  expect(port.closed?.code).toBe(CLOSE.peerSilent);

  const lines = up({}, jsonCodec);
  expect(lines.session.deadline).toBeUndefined();
  lines.session.tick(1_000_000);
  expect(lines.session.state).toBe('up');
});

test('nothing changes a session after its end, and nothing is told', () => {
  const { session, port, told } = up();
  session.send(event('a'));
  session.end({ code: CLOSE.kicked, reason: '' });
  expect(port.closed?.code).toBe(CLOSE.kicked);
  const before = told.seen();
  port.sent.length = 0;
  session.end({ code: CLOSE.normal, reason: '' });
  expect(session.send(event('b'))).toBe(false);
  expect(session.sendVolatile(hawserCodec.volatile(0, 'v', null))).toBe(false);
  hear(session, port, event('c'), 1);
  session.detach(port, BROKEN, 1);
  session.drained(port);
  session.idle();
  session.heard(2);
  session.ping(2);
  session.tick(1_000_000);
  session.goaway({ code: CLOSE.restart, reason: '' });
  expect(session.attach(new TestPort(), hawserCodec, 3, [[0, 1]])).toBe(false);
  expect(told.seen()).toEqual(before);
  expect(port.sent).toEqual([]);
});

test('calls that belong to a link change nothing before the first one', () => {
  const told = new Told();
  const before = told.seen();
  const stranger = new TestPort();
  hear(told.session, stranger, event('a'), 1);
  told.session.detach(stranger, BROKEN, 1);
  told.session.drained(stranger);
  told.session.idle();
  told.session.heard(1);
  told.session.ping(1);
  told.session.tick(1_000_000);
  told.session.goaway({ code: CLOSE.restart, reason: '' });
  expect(told.seen()).toEqual(before);
  expect(stranger.sent).toEqual([]);
});

test('what is sent before the first link goes out with it', () => {
  const told = new Told({ role: 'client' });
  told.session.send(event('early'));
  expect(told.session.leftovers().unsent).toHaveLength(1);
  const port = new TestPort();
  told.session.attach(port, hawserCodec, 1);
  expect(port.look().map(({ name }) => name)).toEqual(['early']);
  expect(told.told).toEqual([]);
});

test('the transition table has the states and no more', () => {
  expect(Object.keys(SESSION_TRANSITIONS)).toEqual(['down', 'up', 'ended']);
  expect(SESSION_TRANSITIONS.ended).toEqual([]);
});

test('a tick that comes late asks before it judges: heard in time, the link stays', () => {
  const { session, port } = up();
  session.tick(3_600_000);
  expect(port.kinds()).toEqual([MESSAGE.ping]);
  expect(session.deadline).toBe(3_605_000);
  hear(session, port, hawserCodec.pong(0), 3_604_999);
  session.tick(3_605_000);
  expect(session.deadline).toBe(3_624_999);
  session.tick(7_200_000);
  expect(port.kinds()).toContain(MESSAGE.ping);
  expect(session.state).toBe('up');
});

test.each([5000, 60_000])('a tick that comes late asks once: %d ms later without a word the link is dead', (later) => {
  const { session, port } = up();
  session.tick(46_001);
  session.tick(51_000);
  expect(session.state).toBe('up');
  session.tick(46_001 + later);
  expect(port.closed?.code).toBe(CLOSE.peerSilent);
});

test('a probe is answered by any word; meanwhile it is not asked again, and waits no longer than readWait', () => {
  const { session, port } = up({ readWait: 3000, heartbeat: 1000 });
  session.probe(100);
  session.probe(200);
  expect(port.kinds()).toEqual([MESSAGE.ping]);
  expect(session.deadline).toBe(1100);
  session.tick(1100);
  session.tick(3099);
  expect(session.state).toBe('up');
  hear(session, port, event('a'), 3099);
  session.tick(3100);
  session.probe(3500);
  session.probe(3600);
  session.tick(6499);
  expect(session.state).toBe('up');
  session.tick(6500);
  expect(session.state).toBe('down');
});

test('something heard in the same moment answers a probe: clocks may be coarse', () => {
  const { session, port } = up();
  session.probe(100);
  hear(session, port, event('a'), 100);
  expect(session.deadline).toBeLessThanOrEqual(20_100);
  session.tick(5100);
  session.tick(5200);
  expect(session.state).toBe('up');
});
