import { expect, test } from 'vitest';
import { BROKEN, event, hear, TestPort, up } from '../../test/support/session-recorder.ts';
import { CLOSE, type Outbound } from '../core/index.ts';
import { type ChannelCodec, type ChannelCount, hawserCodec, jsonCodec, MESSAGE } from '../wire/index.ts';

const channels = hawserCodec.channels as ChannelCodec;

function opened(channel: number): Outbound {
  return channels.open(channel, 'talk', undefined);
}

test('what is sent goes out at once, and is kept until it is acknowledged', () => {
  const { session, port } = up();
  expect(session.send(event('a'))).toBe(true);
  expect(session.send(hawserCodec.request(0, 7, 'b', 1), 7)).toBe(true);
  expect(port.kinds()).toEqual([MESSAGE.event, MESSAGE.request]);
  expect(session.leftovers().unacknowledged.map(({ tag }) => tag)).toEqual([0, 7]);
  hear(session, port, hawserCodec.ack([[0, 1]]), 1);
  expect(session.leftovers().unacknowledged.map(({ tag }) => tag)).toEqual([7]);
  hear(session, port, hawserCodec.ack([[0, 2]]), 1);
  expect(session.leftovers()).toEqual({ unsent: [], unacknowledged: [] });
});

test('events, requests, responses and failures count; volatile events do not', () => {
  const { session, port, told } = up();
  hear(session, port, event('a'), 1);
  hear(session, port, hawserCodec.volatile(0, 'v', null), 1);
  hear(session, port, hawserCodec.request(0, 1, 'r', null), 1);
  hear(session, port, hawserCodec.response(0, 1, 'r', null), 1);
  hear(session, port, hawserCodec.failure(0, 1, 'ERR_X', { message: '' }), 1);
  hear(session, port, opened(1), 1);
  hear(session, port, channels.credit(1, 9), 1);
  hear(session, port, event('c', null, 1), 1);
  expect(told.messages).toHaveLength(8);
  expect(session.counts()).toEqual([
    [0, 4],
    [1, 2],
  ]);
});

test('64 messages or 64 KiB are acknowledged when the chunk is used up, less after 500 ms', () => {
  const { session, port, told } = up();
  for (let i = 0; i < 63; i++) hear(session, port, event('a'), 10);
  session.idle();
  expect(port.kinds()).toEqual([]);
  expect(told.wakes.at(-1)).toBe(510);
  hear(session, port, event('a'), 20);
  expect(port.kinds()).toEqual([]);
  session.idle();
  expect(port.look().map(({ data }) => data)).toEqual([[[0, 64]]]);

  hear(session, port, event('big', new Uint8Array(64 * 1024)), 30);
  session.idle();
  expect(port.look().map(({ data }) => data)).toEqual([[[0, 65]]]);

  hear(session, port, opened(1), 40);
  session.idle();
  session.tick(539);
  expect(port.kinds()).toEqual([]);
  session.tick(540);
  expect(port.look().map(({ data }) => data)).toEqual([[[1, 1]]]);
});

test('a message in the hands of its handler has been counted, and is acknowledged after it', () => {
  const { session, port, told } = up();
  told.during = () => {
    expect(session.counts()).toEqual([[0, 1]]);
    expect(port.kinds()).toEqual([]);
    throw new Error('a handler that breaks its promise');
  };
  expect(() => hear(session, port, event('a'), 1)).toThrow('breaks its promise');
  told.during = undefined;
  hear(session, port, event('b'), 1);
  expect(session.counts()).toEqual([[0, 2]]);
});

test.each<[string, readonly ChannelCount[]]>([
  ['of what was not sent', [[0, 3]]],
  ['of a channel that sent nothing', [[1, 1]]],
  [
    'that goes backwards',
    [
      [0, 2],
      [0, 1],
    ],
  ],
])('an acknowledgement %s ends the session as a breach of protocol', (_what, counts) => {
  const { session, port, told } = up();
  session.send(event('a'));
  session.send(event('b'));
  hear(session, port, hawserCodec.ack(counts), 1);
  expect(told.told).toEqual([`end ${CLOSE.protocol}`]);
  expect(port.closed?.code).toBe(CLOSE.protocol);
});

test('a resume sends again what the peer has not counted, before anything new', () => {
  const { session, port, told } = up();
  for (const name of ['a', 'b', 'c']) session.send(event(name));
  session.send(event('x', null, 1), 0, 1);
  session.detach(port, BROKEN, 10);
  session.send(event('d'));
  const next = new TestPort();
  expect(session.attach(next, hawserCodec, 30, [[0, 2]])).toBe(true);
  session.send(event('e'));
  expect(next.look().map(({ name }) => name)).toEqual(['c', 'd', 'x', 'e']);
  expect(told.told).toEqual(['down 1006', 'up']);
});

test.each<[string, readonly ChannelCount[]]>([
  ['more than was sent', [[0, 3]]],
  ['less than it acknowledged before', [[0, 0]]],
  ['nothing of a channel that it acknowledged', []],
  [
    'a channel that sent nothing',
    [
      [0, 1],
      [2, 1],
    ],
  ],
  [
    'a channel twice',
    [
      [0, 2],
      [0, 1],
    ],
  ],
])('a peer whose count says %s is refused, and nothing changes', (_what, counts) => {
  const { session, port, told } = up();
  session.send(event('a'));
  session.send(event('b'));
  hear(session, port, hawserCodec.ack([[0, 1]]), 1);
  session.detach(port, BROKEN, 10);
  const before = told.seen();
  expect(session.canResume(counts)).toBe(false);
  expect(session.attach(new TestPort(), hawserCodec, 20, counts)).toBe(false);
  expect(told.seen()).toEqual(before);
});

test('a link after the first needs counts, and the same dialect', () => {
  const { session, port, told } = up();
  session.send(event('a'));
  const before = told.seen();
  expect(session.attach(new TestPort(), hawserCodec, 5)).toBe(false);
  expect(session.attach(new TestPort(), jsonCodec, 5, [[0, 0]])).toBe(false);
  expect(told.seen()).toEqual(before);
  session.detach(port, BROKEN, 6);
  expect(session.attach(new TestPort(), hawserCodec, 7)).toBe(false);
  expect(session.state).toBe('down');
});

test('a resume takes over from a link that is still up; what that one still says is not heard', () => {
  const { session, port, told } = up();
  const next = new TestPort();
  expect(session.attach(next, hawserCodec, 5, [])).toBe(true);
  expect(port.closed?.code).toBe(CLOSE.replaced);
  hear(session, port, event('late'), 6);
  session.drained(port);
  session.detach(port, { code: CLOSE.replaced, reason: '' }, 7);
  expect(told.told).toEqual(['up']);
  expect(told.messages).toEqual([]);
  expect(session.state).toBe('up');
});

test('the first word over a resumed link confirms it, once; a first link needs no confirming', () => {
  const { session, port, told } = up();
  hear(session, port, event('a'), 1);
  expect(told.told).toEqual([]);
  session.detach(port, BROKEN, 2);
  const next = new TestPort();
  session.attach(next, hawserCodec, 3, []);
  hear(session, next, hawserCodec.ping(1), 4);
  hear(session, next, hawserCodec.ping(2), 4);
  expect(told.told).toEqual(['down 1006', 'up', 'confirmed']);
});

test('a client that resumes speaks at once, so that the server knows that its welcome arrived', () => {
  const { session, port } = up({ role: 'client' });
  session.detach(port, BROKEN, 2);
  const next = new TestPort();
  session.attach(next, hawserCodec, 3, []);
  expect(next.kinds()).toEqual([MESSAGE.ping]);
});

test('over the mark send returns false; drain follows the acknowledgement or the link, whichever was short', () => {
  const { session, port, told } = up();
  expect(session.send(event('big', new Uint8Array(1000)))).toBe(false);
  hear(session, port, hawserCodec.ack([[0, 1]]), 1);
  expect(told.told).toEqual(['drain']);

  port.full = true;
  expect(session.send(event('a'))).toBe(false);
  hear(session, port, hawserCodec.ack([[0, 2]]), 3);
  expect(told.told).toEqual(['drain']);
  port.full = false;
  session.drained(port);
  session.drained(port);
  expect(told.told).toEqual(['drain', 'drain']);
});

test('a server ends a session that is owed too much, a client throws', () => {
  const server = up();
  const client = up({ role: 'client' });
  const big = event('big', new Uint8Array(700));
  for (let i = 0; i < 3; i++) {
    server.session.send(big);
    client.session.send(big);
  }
  expect(server.session.send(big)).toBe(false);
  expect(server.told.told).toEqual([`end ${CLOSE.backlogFull}`]);
  expect(server.port.closed?.code).toBe(CLOSE.backlogFull);
  const before = client.told.seen();
  expect(() => client.session.send(big)).toThrow(expect.objectContaining({ code: 'ERR_BACKLOG_FULL' }));
  expect(client.told.seen()).toEqual(before);
});

test('what waits in the link counts too, but not what a resume has just sent again', () => {
  const { session, port, told } = up();
  session.send(event('big', new Uint8Array(900)));
  session.detach(port, BROKEN, 1);
  const next = new TestPort();
  next.full = true;
  session.attach(next, hawserCodec, 2, []);
  next.queued = 1100;
  expect(session.send(event('a'))).toBe(false);
  expect(session.state).toBe('up');
  session.drained(next);
  session.send(event('b'));
  expect(told.told.at(-1)).toBe(`end ${CLOSE.backlogFull}`);
});

test('while it is down a server keeps up to resumeBytes, then the session ends; a client refuses', () => {
  for (const role of ['server', 'client'] as const) {
    const { session, port, told } = up({ role });
    session.detach(port, BROKEN, 1);
    expect(session.send(event('a', new Uint8Array(400)))).toBe(true);
    expect(session.send(event('b', new Uint8Array(700)))).toBe(false);
    if (role === 'client') {
      expect(() => session.send(event('c'))).toThrow(expect.objectContaining({ code: 'ERR_BACKLOG_FULL' }));
      expect(session.state).toBe('down');
    } else {
      expect(session.send(event('c'))).toBe(false);
      expect(told.told.at(-1)).toBe(`end ${CLOSE.backlogFull}`);
    }
    expect(session.leftovers().unsent).toHaveLength(2);
  }
});

test('a full link that breaks is full no more; more than resumeBytes at that moment is the end on a server', () => {
  const small = up();
  small.port.full = true;
  small.session.send(event('a'));
  small.session.detach(small.port, BROKEN, 1);
  expect(small.session.send(event('b'))).toBe(true);

  const large = up();
  for (let i = 0; i < 2; i++) large.session.send(event('a', new Uint8Array(600)));
  large.session.detach(large.port, BROKEN, 1);
  expect(large.told.told).toEqual(['down 1006', `end ${CLOSE.backlogFull}`]);
});

test('volatile events go out now or never', () => {
  const { session, port } = up();
  const message = hawserCodec.volatile(0, 'v', null);
  expect(session.sendVolatile(message)).toBe(true);
  port.full = true;
  session.send(event('a'));
  expect(session.sendVolatile(message)).toBe(false);
  session.detach(port, BROKEN, 1);
  expect(session.sendVolatile(message)).toBe(false);
  expect(port.kinds()).toEqual([MESSAGE.volatile, MESSAGE.event]);
  expect(session.leftovers().unacknowledged).toHaveLength(1);
});
