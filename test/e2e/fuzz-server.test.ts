import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Channel } from '../../src/channel/index.ts';
import { Outbound } from '../../src/core/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { createServer } from '../../src/server/index.ts';
import { type Link, parseEndpoint } from '../../src/transport/index.ts';
import { inprocTransport } from '../../src/transports/inproc/index.ts';
import { type ChannelCodec, hawserCodec, PROTOCOL } from '../../src/wire/index.ts';
import { type Bystanders, House } from '../support/house.ts';
import { type Dialect, RawPeer } from '../support/raw-peer.ts';

/** Two talk in the room the whole time; whatever an intruder says, they must not notice. */
let house: House;
let bystanders: Bystanders;
/** How many were let in so far. */
let entered = 0;

beforeAll(async () => {
  const times = { closeWait: 100, loginWait: 60_000, resumeWindow: 0, namespaceGrace: 0 };
  const limits = { namespaces: NAMESPACES, channels: 2, channelBytes: 100 };
  const options = { times, limits, compression: true, trustProxy: ['loopback'], insecure: true };
  house = await House.open(options, 'tcp', 'inproc', 'ws');
  bystanders = await house.bystanders();
  house.server.on('connection', (socket) => {
    entered++;
    socket.on('channel', async (channel) => {
      opened++;
      channel.handle('length', () => 1);
      if (channel.name === 'download') await writeSome(channel);
      for await (const chunk of channel.readable) channel.send('got', chunk.length);
    });
  });
});

afterAll(async () => {
  await house[Symbol.asyncDispose]();
});

/** Writes until the peer has enough, or goes. */
async function writeSome(channel: Channel): Promise<void> {
  const writer = channel.writable.getWriter();
  for (let i = 0; i < 10; i++) await writer.write(new Uint8Array(100));
}

/** How many channels were opened so far. */
let opened = 0;

/** How many namespaces patterns may make. */
const NAMESPACES = 5;

/** After a failure fast-check prints the seed and the path that lead back to the smallest input. */
const RUNS = { numRuns: 150, endOnFailure: false };
const DIALECTS: Dialect[] = ['hawser', 'json'];

/** Nobody noticed, nothing was reported, nothing is left behind. */
async function expectPeace(): Promise<void> {
  await bystanders.check();
  expect(house.reported).toEqual([]);
}

/** How many are left once all who ended have gone: the two, and none of those who were let in. */
async function left(): Promise<number> {
  for (let i = 0; i < 1000 && house.server.stats.sockets > 2; i++) await bystanders.check();
  return house.server.stats.sockets;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A conversation as a well-behaved peer has it: what is said in it, message by message. */
function conversation(dialect: Dialect): Uint8Array[] {
  if (dialect === 'json') {
    return [
      { event: 'hello', user: 'ada', query: { a: 'b' } },
      { event: 'say', data: { text: 'hi', list: [1, -2, 3.5, null, true], bytes: { $bytes: 'AAEC' } } },
      { event: 'echo', id: 1, data: 'what' },
      { event: 'nobody', id: 'x' },
      { event: 'error', code: 'ERR_X', message: 'no', id: '$1' },
    ].map((message) => utf8(JSON.stringify(message)));
  }
  return [
    hawserCodec.hello({ version: 1, namespace: '/', user: 'ada', query: { a: 'b' } }),
    hawserCodec.event(0, 'say', { text: 'hi', list: [1, -2, 3.5, null, true], bytes: new Uint8Array(3) }),
    hawserCodec.volatile(0, 'say', new Date(0)),
    hawserCodec.request(0, 1, 'echo', 2n ** 60n),
    hawserCodec.response(0, 1, 'x', 'answer'),
    hawserCodec.failure(0, 1, 'ERR_X', { message: 'no' }),
    hawserCodec.ack([[0, 0]]),
    channels.open(1, 'upload', { size: 5 }),
    channels.data(1, new Uint8Array(40)),
    hawserCodec.event(1, 'note', 'on a channel'),
    hawserCodec.request(1, 1, 'length', null),
    channels.credit(1, 500),
    channels.close(1),
    channels.open(3, 'download', null),
    channels.close(3, { code: 'ERR_X', message: 'no' }),
    hawserCodec.ping(7),
    hawserCodec.pong(7),
  ].map(({ bytes }) => bytes);
}

const channels = hawserCodec.channels as ChannelCodec;

type Mutation = (messages: Uint8Array[]) => Uint8Array[];

/** What is done to a conversation: a byte changed, cut out or put in, a message dropped, doubled, moved, cut short. */
const mutation: fc.Arbitrary<Mutation> = fc
  .record({
    kind: fc.constantFrom('flip', 'insert', 'remove', 'truncate', 'drop', 'double', 'move', 'splice'),
    message: fc.nat(1000),
    at: fc.nat(10_000),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  })
  .map(({ kind, message, at, bytes }) => (messages) => {
    const index = message % messages.length;
    const one = messages[index];
    if (one === undefined) return messages;
    const where = at % (one.length + 1);
    const [before, after] = [one.subarray(0, where), one.subarray(where)];
    const change = (...parts: Uint8Array[]): Uint8Array[] => messages.with(index, Buffer.concat(parts));
    switch (kind) {
      case 'flip':
        return change(before, Uint8Array.of((after[0] ?? 0) ^ (bytes[0] ?? 1)), after.subarray(1));
      case 'insert':
        return change(before, bytes, after);
      case 'remove':
        return change(before, after.subarray(bytes.length));
      case 'truncate':
        return change(before);
      case 'drop':
        return messages.toSpliced(index, 1);
      case 'double':
        return messages.toSpliced(index, 0, one);
      case 'move':
        return messages.toSpliced(index, 1).toSpliced(at % messages.length, 0, one);
      default:
        return change(before, (messages[at % messages.length] as Uint8Array).subarray(at % 7), after);
    }
  });

/** A conversation with up to four mutations. */
const mutated = (dialect: Dialect): fc.Arbitrary<Uint8Array[]> =>
  fc
    .array(mutation, { minLength: 1, maxLength: 4 })
    .map((mutations) =>
      mutations.reduce(
        (messages, mutate) => (messages.length > 0 ? mutate(messages) : messages),
        conversation(dialect),
      ),
    );

/** Says messages over a stream or a WebSocket, then leaves. */
async function visit(scheme: 'tcp' | 'ws', dialect: Dialect, messages: readonly Uint8Array[]): Promise<void> {
  const peer = await RawPeer.open(house.url(scheme), dialect);
  for (const message of messages)
    peer.say(scheme === 'tcp' && dialect === 'json' ? Buffer.concat([message, utf8('\n')]) : message);
  await expectPeace();
  await peer[Symbol.asyncDispose]();
}

async function dialInproc(dialect: Dialect): Promise<Link> {
  const link = await inprocTransport.dial(parseEndpoint(house.url('inproc')), {
    world: realWorld(),
    messageBytes: 1 << 20,
    backlogMark: 1 << 20,
    closeWait: 100,
    protocols: [PROTOCOL[dialect]],
    signal: new AbortController().signal,
  });
  const quiet = (): void => {};
  link.start({ onMessage: quiet, onIdle: quiet, onDrain: quiet, onPong: quiet, onClosed: quiet });
  return link;
}

/** Hands messages straight to the server, also as the wrong kind of message. */
async function visitInproc(
  dialect: Dialect,
  messages: readonly Uint8Array[],
  text = dialect === 'json',
): Promise<void> {
  const link = await dialInproc(dialect);
  for (const message of messages) link.send(new Outbound(message, text));
  await expectPeace();
  link.abort(new Error('the visit is over'));
}

test.each(DIALECTS)('random messages in process, in %s', async (dialect) => {
  const messages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(messages, fc.boolean(), fc.boolean(), async (said, hello, text) => {
      const first = hello ? conversation(dialect).slice(0, 1) : [];
      await visitInproc(dialect, [...first, ...said], hello ? dialect === 'json' : text);
    }),
    RUNS,
  );
  expect(await left()).toBe(2);
});

test.each(DIALECTS)('mutated conversations in process, in %s', async (dialect) => {
  const before = entered;
  await fc.assert(
    fc.asyncProperty(mutated(dialect), (messages) => visitInproc(dialect, messages)),
    { ...RUNS, numRuns: 300 },
  );
  expect(entered - before).toBeGreaterThan(50);
  if (dialect === 'hawser') expect(opened).toBeGreaterThan(50);
  expect(await left()).toBe(2);
});

test.each(DIALECTS)('namespaces of any name, in process, in %s', async (dialect) => {
  const patterns = ['/*', '/room/:id', '/room/:a/:b', '/:a/:b/:c/end'].map((path) => house.server.of(path as '/*'));
  let made = 0;
  for (const pattern of patterns) pattern.on('connection', (socket) => socket.join('hall')).on('open', () => made++);
  const segment = fc.oneof(
    fc.constantFrom('room', 'end', 'a', 'b', '', '.', '..', ':id', '*', '__proto__', '%2f', '\\', '\u0000', '🚀'),
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.constant('x'.repeat(2000)),
  );
  const path = fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join('/')}`);
  const deep = fc.tuple(path, fc.integer({ min: 1, max: 40 })).map(([one, times]) => one.repeat(times));
  const said = fc.array(fc.oneof(path, deep), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(said, async (namespaces) => {
      const links = await Promise.all(namespaces.map(() => dialInproc(dialect)));
      for (const [at, link] of links.entries()) {
        const hello = { version: 1, namespace: namespaces[at]?.toWellFormed() ?? '' };
        const json = utf8(JSON.stringify({ event: 'hello', ...hello }));
        link.send(dialect === 'json' ? new Outbound(json, true) : hawserCodec.hello(hello));
      }
      await expectPeace();
      expect(patterns.flatMap(({ namespaces: all }) => all).length).toBeLessThanOrEqual(NAMESPACES);
      for (const link of links) link.abort(new Error('the visit is over'));
    }),
    RUNS,
  );
  expect(made).toBeGreaterThan(15);
  expect(await left()).toBe(2);
  while (patterns.some(({ namespaces }) => namespaces.length > 0)) await bystanders.check();
});

test('random bytes over tcp, from the first one on, in chunks', async () => {
  const start = fc.constantFrom<Uint8Array>(
    new Uint8Array(),
    utf8('{'),
    utf8('{"event":"'),
    utf8('GET / HTTP/1.1\r\n'),
    utf8('PROXY TCP4 '),
    utf8('PROXY TCP4 203.0.113.1 10.0.0.1 1 2\r\n{'),
    utf8('\r\n\r\n\0\r\nQUIT\n'),
    utf8('\r\n\r\n\0\r\nQUIT\n!\u0011\0\u000c'),
  );
  await fc.assert(
    fc.asyncProperty(start, fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), async (first, chunks) => {
      const peer = await RawPeer.open(house.url('tcp'), 'json');
      for (const chunk of [first, ...chunks]) peer.raw(chunk);
      await expectPeace();
      await peer[Symbol.asyncDispose]();
    }),
    RUNS,
  );
  expect(await left()).toBe(2);
});

test('random frames over tcp, after the magic', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.boolean(),
      async (chunks, hello) => {
        const peer = await RawPeer.open(house.url('tcp'), 'hawser');
        if (hello) await peer.enter();
        for (const chunk of chunks) peer.raw(chunk);
        await expectPeace();
        await peer[Symbol.asyncDispose]();
      },
    ),
    RUNS,
  );
  expect(await left()).toBe(2);
});

test('random frames over ws that say they are compressed', async () => {
  // A frame of text or bytes with RSV1 set, masked with zeros.
  const frame = fc
    .tuple(fc.constantFrom(0xc1, 0xc2, 0x41, 0x40, 0x80), fc.uint8Array({ maxLength: 100 }))
    .map(([head, bytes]) => Uint8Array.of(head, 0x80 | bytes.length, 0, 0, 0, 0, ...bytes));
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 4 }), fc.constantFrom(...DIALECTS), async (said, dialect) => {
      const peer = await RawPeer.open(house.url('ws'), dialect, { perMessageDeflate: true });
      for (const one of said) peer.raw(one);
      await expectPeace();
      await peer[Symbol.asyncDispose]();
    }),
    RUNS,
  );
  expect(await left()).toBe(2);
});

test.each(['raw', 'line', 'pairs'])('random bytes to an endpoint that speaks %s', async (dialect) => {
  const reported: unknown[] = [];
  const pairs = {
    decode: (message: string | Uint8Array) => ({ event: 'message', data: message.length }),
    encode: () => 'x',
  };
  const server = createServer({ dialects: { pairs }, limits: { messageBytes: 100 }, onError: (e) => reported.push(e) });
  let heard = 0;
  server.on('connection', (socket) => {
    socket.join('all');
    socket.on('message', (data) => {
      heard++;
      if (typeof data === 'string') socket.to('all').send('message', data);
    });
  });
  const [url = ''] = await server.listen({ url: `tcp://127.0.0.1:0?dialect=${dialect}`, halfOpen: true });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 5 }), async (chunks) => {
      const peer = await RawPeer.open(url, 'json');
      // Something that each can read: a line of `hi`, or the frame of it.
      peer.raw(dialect === 'pairs' ? '\thi' : 'hi\n');
      for (const chunk of chunks) peer.raw(chunk);
      await bystanders.check();
      await peer[Symbol.asyncDispose]();
    }),
    RUNS,
  );
  expect(heard).toBeGreaterThan(50);
  for (let i = 0; i < 1000 && server.stats.sockets > 0; i++) await bystanders.check();
  expect([server.stats.sockets, reported]).toEqual([0, []]);
  await server.close();
});

test('random frames over ws, after the upgrade', async () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(chunks, fc.constantFrom(...DIALECTS), async (said, dialect) => {
      const peer = await RawPeer.open(house.url('ws'), dialect);
      for (const chunk of said) peer.raw(chunk);
      await expectPeace();
      await peer[Symbol.asyncDispose]();
    }),
    RUNS,
  );
  expect(await left()).toBe(2);
});

test.each(DIALECTS.flatMap((dialect) => [['tcp', dialect] as const, ['ws', dialect] as const]))(
  'mutated conversations over %s in %s',
  async (scheme, dialect) => {
    const before = entered;
    await fc.assert(
      fc.asyncProperty(mutated(dialect), (messages) => visit(scheme, dialect, messages)),
      RUNS,
    );
    expect(entered - before).toBeGreaterThan(50);
    expect(await left()).toBe(2);
  },
);

test.each(DIALECTS)('conversations whose bytes are cut anywhere mean the same over tcp, in %s', async (dialect) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(cuts, async (sizes) => {
      const peer = await RawPeer.open(house.url('tcp'), dialect);
      const whole = dialect === 'json' ? lines() : frames();
      for (let at = 0, i = 0; at < whole.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        peer.raw(whole.subarray(at, at + size));
        at += size;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await peer.expect(({ kind, id }) => kind !== 7 && id === 1)).toBeDefined();
      await expectPeace();
      await peer[Symbol.asyncDispose]();
    }),
    { ...RUNS, numRuns: 50 },
  );
  expect(await left()).toBe(2);
});

function lines(): Uint8Array {
  return Buffer.concat(
    conversation('json')
      .slice(0, 3)
      .flatMap((message) => [message, utf8('\n')]),
  );
}

/** Frames of the length framing: a varint of four times the length, here always two bytes (RFC 9000 16). */
function frames(): Uint8Array {
  const messages = conversation('hawser').slice(0, 4);
  return Buffer.concat(
    messages.flatMap((message) => [Uint8Array.of(0x40 | (message.length >> 6), (message.length * 4) & 0xff), message]),
  );
}
