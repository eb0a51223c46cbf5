import { connect as dialNet, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Bystanders, House, type Scheme } from '../../test/support/house.ts';
import type { Dialect, RawPeer, Said } from '../../test/support/raw-peer.ts';
import { masked } from '../../test/support/websocket-frames.ts';
import { MAGIC, parseEndpoint } from '../transport/index.ts';
import { hawserCodec } from '../wire/index.ts';

const STREAMS: Scheme[] = ['tcp', 'ipc', 'ws'];
const DIALECTS: Dialect[] = ['hawser', 'json'];
const EVERY: [Scheme, Dialect][] = STREAMS.flatMap((scheme) =>
  DIALECTS.map((dialect): [Scheme, Dialect] => [scheme, dialect]),
);

let house: House;
let bystanders: Bystanders;

/** Each case has two who talk in the room meanwhile, and must not notice. */
async function besiege(...schemes: Scheme[]): Promise<void> {
  house = await House.open({ times: { closeWait: 200, loginWait: 2000 } }, ...schemes);
  bystanders = await house.bystanders();
}

afterEach(async () => {
  await bystanders.check();
  const { reported } = house;
  if (reported.length > 0) throw new AggregateError(reported, 'something was reported');
  await house[Symbol.asyncDispose]();
});

async function intruder(scheme: Scheme, dialect: Dialect): Promise<RawPeer> {
  await besiege(scheme);
  const peer = await house.peer(scheme, dialect);
  await peer.enter();
  return peer;
}

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** `count` bytes after a head, and what must follow. */
function many(head: string, byte: number, count: number, tail = ''): Uint8Array {
  return Buffer.concat([hex(head), Buffer.alloc(count, byte), hex(tail)]);
}

/** An event `a` in the Hawser dialect with this data. */
const EVENT = '03 00 92 a1 61';

/** What is sent, and the close code that answers it. */
const HAWSER: readonly [what: string, bytes: Uint8Array, code: number][] = [
  ['an empty message', hex(''), 4504],
  ['type 0', hex('00'), 4506],
  ['an unknown type', hex('7f 00'), 4506],
  ['an event of a channel that is not open', hex('03 01 91 a1 61'), 4506],
  ['bytes of a channel that is not open', hex('09 01 61'), 4506],
  ['the end of a channel that is not open', hex('0b 01'), 4506],
  ['a channel with a number of the server', hex('08 02 91 a1 61'), 4506],
  ['the opening of the socket itself', hex('08 00 91 a1 61'), 4504],
  ['a channel without a name', hex('08 01 91 a0'), 4504],
  ['a type alone', hex('03'), 4504],
  ['an event cut short', hex('03 00 92 a1'), 4504],
  ['an event without a name', hex('03 00 91 a0'), 4504],
  ['an event whose name is a number', hex('03 00 91 07'), 4504],
  ['bytes after the message', hex('03 00 91 a1 61 00'), 4504],
  ['an announcement of 4 GiB', hex(`${EVENT} db ff ff ff ff`), 4504],
  ['an array of 4 billion', hex(`${EVENT} dd ff ff ff ff`), 4504],
  ['a map of 4 billion', hex(`${EVENT} df ff ff ff ff`), 4504],
  ['text that is not UTF-8', hex(`${EVENT} a2 c3 28`), 4504],
  ['a name that is not UTF-8', hex('03 00 91 a2 c3 28'), 4504],
  ['half a surrogate pair', hex(`${EVENT} a3 ed a0 80`), 4504],
  ['a key twice', hex(`${EVENT} 82 a1 78 01 a1 78 02`), 4504],
  ['a key that is a number', hex(`${EVENT} 81 01 01`), 4504],
  ['__proto__ as a key', hex(`${EVENT} 81 a9 5f5f70726f746f5f5f 80`), 4504],
  ['65 levels', many(EVENT, 0x91, 65, '01'), 4504],
  ['a million levels', many(EVENT, 0x91, 1_000_000), 4504],
  ['a million levels of maps', Buffer.concat([hex(EVENT), Buffer.from('81a161'.repeat(300_000), 'hex')]), 4504],
  ['an extension nobody knows', hex(`${EVENT} d4 05 00`), 4504],
  ['a request numbered 0', hex('05 00 00 91 a1 61'), 4504],
  ['an event on a channel that is not open', hex('03 05 91 a1 61'), 4506],
  ['an acknowledgement of what was never sent', hex('0c 00 3f'), 4506],
  ['half a pair of counts', hex('0c 00'), 4504],
  ['a second hello', hawserCodec.hello({ version: 1 }).bytes, 4506],
  ['a welcome', hex('02 01 80'), 4504],
  ['a goaway, which only a server says', hawserCodec.goaway({ code: 4006, reason: 'x' }).bytes, 4506],
];

describe.each(STREAMS)('over %s, in the Hawser dialect', (scheme) => {
  test.each(HAWSER)('%s ends its sender, by the right code', async (_, bytes, code) => {
    const peer = await intruder(scheme, 'hawser');
    peer.say(bytes);
    expect((await peer.end()).code).toBe(code);
  });

  test.each<[string, Uint8Array, string, number]>([
    ['another version', hex('01 02 80'), 'ERR_VERSION', 4505],
    ['an event', hex('03 00 91 a1 61'), 'ERR_PROTOCOL', 4506],
    ['no message', hex('ff'), 'ERR_PROTOCOL', 4506],
    ['a hello cut short', hex('01 01'), 'ERR_MESSAGE_MALFORMED', 4504],
    ['a hello that is no map', hex('01 01 90'), 'ERR_MESSAGE_MALFORMED', 4504],
    [
      'a ticket of 15 bytes',
      hawserCodec.hello({ version: 1, resume: { ticket: new Uint8Array(15), counts: [] } }).bytes,
      'ERR_MESSAGE_MALFORMED',
      4504,
    ],
    [
      'a namespace that is not there',
      hawserCodec.hello({ version: 1, namespace: '/__proto__' }).bytes,
      'ERR_NO_SUCH_NAMESPACE',
      4508,
    ],
  ])('%s instead of a hello is refused, by the right code', async (_, bytes, error, code) => {
    await besiege(scheme);
    const peer = await house.peer(scheme, 'hawser');
    peer.say(bytes);
    expect(await peer.error()).toBe(error);
    expect((await peer.end()).code).toBe(code);
    expect(house.server.stats.sockets).toBe(2);
  });
});

/** What is sent, and the error that answers it; the connection lives. */
const JSON_TEXTS: readonly [what: string, said: Said, error: string][] = [
  ['no JSON', '{]', 'ERR_MESSAGE_MALFORMED'],
  ['a number', '7', 'ERR_MESSAGE_MALFORMED'],
  ['an array', '[]', 'ERR_MESSAGE_MALFORMED'],
  ['null', 'null', 'ERR_MESSAGE_MALFORMED'],
  ['no event', '{}', 'ERR_MESSAGE_MALFORMED'],
  ['an event that is a number', '{"event":7}', 'ERR_MESSAGE_MALFORMED'],
  ['an event without a name', '{"event":""}', 'ERR_MESSAGE_MALFORMED'],
  ['an id that is a list', '{"event":"echo","id":[]}', 'ERR_MESSAGE_MALFORMED'],
  ['a key twice', '{"event":"a","data":{"x":1,"x":2}}', 'ERR_MESSAGE_MALFORMED'],
  ['a key twice, the second in disguise', '{"event":"a","data":{"x":1,"\\u0078":2}}', 'ERR_MESSAGE_MALFORMED'],
  ['an event twice', '{"event":"a","event":"say"}', 'ERR_MESSAGE_MALFORMED'],
  ['__proto__ as a key', '{"event":"say","data":{"__proto__":{"x":1}}}', 'ERR_MESSAGE_MALFORMED'],
  ['__proto__ as a key of the message', '{"event":"say","__proto__":{"x":1}}', 'ERR_MESSAGE_MALFORMED'],
  ['67 levels', `{"event":"a","data":${'['.repeat(67)}${']'.repeat(67)}}`, 'ERR_MESSAGE_MALFORMED'],
  ['a million levels', `{"event":"a","data":${'['.repeat(1_000_000)}`, 'ERR_MESSAGE_MALFORMED'],
  ['a million levels of objects', `{"event":"a","data":${'{"a":'.repeat(200_000)}`, 'ERR_MESSAGE_MALFORMED'],
  ['half a surrogate pair', '{"event":"a","data":"\\ud800"}', 'ERR_MESSAGE_MALFORMED'],
  ['bytes that are none', '{"event":"a","data":{"$bytes":7}}', 'ERR_MESSAGE_MALFORMED'],
  ['a number beyond numbers', '{"event":"a","data":1e999}', 'ERR_MESSAGE_MALFORMED'],
  ['a text without an end', '{"event":"a', 'ERR_MESSAGE_MALFORMED'],
  ['a word of the protocol', '{"event":"joined","room":"hall"}', 'ERR_EVENT_RESERVED'],
  ['a welcome', '{"event":"welcome","data":{"id":"1","user":null,"server":"x"}}', 'ERR_MESSAGE_MALFORMED'],
  ['an unknown request', '{"event":"toString","id":1}', 'ERR_NO_SUCH_REQUEST'],
];

describe.each(STREAMS)('over %s, in JSON', (scheme) => {
  test.each(JSON_TEXTS)('%s is answered by an error, and its sender lives', async (what, said, error) => {
    const peer = await intruder(scheme, 'json');
    peer.say(said);
    if (what === 'a welcome') {
      expect(['ended', 'ERR_PROTOCOL']).toContain(await Promise.race([peer.error(), peer.end().then(() => 'ended')]));
      return;
    }
    expect(await peer.error()).toBe(error);
    peer.say({ event: 'echo', id: 2, data: 'still here' });
    expect(await peer.expect(({ id }) => id === 2)).toMatchObject({ data: 'still here' });
  });

  test('what it says of rooms, senders and members is believed by nobody', async () => {
    const peer = await intruder(scheme, 'json');
    const heard = new Promise((resolve) => bystanders.listener.once('say', (data, info) => resolve([data, info])));
    peer.say({
      event: 'say',
      data: 1,
      room: 'other',
      from: { id: 'x', user: 'root' },
      member: { id: 'x', user: 'root' },
    });
    const welcome = peer.heard.find(({ kind }) => kind === 2) as { data: { id: string } };
    expect(await heard).toEqual([1, { room: 'hall', from: { id: welcome.data.id, user: null } }]);
  });

  test('it stays in its namespace', async () => {
    const peer = await intruder(scheme, 'json');
    house.server.of('/other');
    peer.say({ event: 'hello', namespace: '/other' });
    expect(await peer.error()).toBe('ERR_PROTOCOL');
    await peer.end();
  });
});

/** The names of methods, fields and own events of sockets, and of what objects inherit. */
const NAMES = [
  'close',
  'error',
  'up',
  'down',
  'drain',
  'connection',
  'toString',
  'constructor',
  'hasOwnProperty',
  'send',
  'then',
  '__proto__',
];

test.each(EVERY)('over %s in %s, names that collide with internals set nothing off', async (scheme, dialect) => {
  await besiege(scheme);
  let own = 0;
  const heard: string[] = [];
  house.server.on('connection', (socket) => {
    for (const name of ['close', 'up', 'down', 'drain', 'error'] as const) socket.on(name, () => own++);
    socket.onAny((name) => heard.push(name));
  });
  const peer = await house.peer(scheme, dialect);
  await peer.enter();
  for (const name of NAMES) {
    const event = dialect === 'json' ? { event: name, code: 'ERR_X' } : hawserCodec.event(0, name, 1).bytes;
    if (!(dialect === 'json' && name === 'error')) peer.say(event);
    peer.say(dialect === 'json' ? { event: name, id: 7, code: 'ERR_X' } : hawserCodec.request(0, 7, name, 1).bytes);
  }
  peer.say(dialect === 'json' ? { event: 'echo', id: 8 } : hawserCodec.request(0, 8, 'echo', 1).bytes);
  await peer.expect(({ id, kind }) => id === 8 && kind !== 7);
  expect(own).toBe(0);
  expect(heard).toEqual(NAMES.filter((name) => name !== 'error'));
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test.each(EVERY)('over %s in %s, a flood of tiny messages slows nobody to death', async (scheme, dialect) => {
  const peer = await intruder(scheme, dialect);
  const tiny = dialect === 'json' ? '{"event":"x"}' : hex('03 00 91 a1 78');
  const before = house.server.stats.received;
  for (let i = 0; i < 20_000; i++) {
    peer.say(tiny);
    if (i % 5000 === 0) await bystanders.check();
  }
  peer.say(dialect === 'json' ? { event: 'echo', id: 8 } : hawserCodec.request(0, 8, 'echo', 1).bytes);
  await peer.expect(({ id }) => id === 8);
  expect(house.server.stats.received - before).toBeGreaterThanOrEqual(20_001);
});

describe.each(['tcp', 'ipc'] as const)('a stranger on %s', (scheme) => {
  test.each<[string, Uint8Array | string]>([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a TLS hello', hex('16 03 01 02 00 01 00 01 fc 03 03')],
    ['zeros', Buffer.alloc(4096)],
    ['a wrong magic', hex('89 48 57 53 32 0d 0a 1a')],
    ['a line that is no object', '[1]\n'],
  ])('says %s: one line why, and the end', async (_, bytes) => {
    await besiege(scheme);
    const socket = dial(scheme);
    socket.write(bytes);
    expect(JSON.parse(await all(socket))).toMatchObject({ event: 'error', code: 'ERR_PROTOCOL' });
  });

  test('a frame longer than may be announced is refused before a byte of it has come', async () => {
    await besiege(scheme);
    const peer = await house.peer(scheme, 'hawser');
    peer.raw(hex('ff ff ff ff ff ff ff ff'));
    expect((await peer.end()).code).toBeGreaterThanOrEqual(4503);
  });

  test('a line without an end is cut at the limit', async () => {
    const peer = await intruder(scheme, 'json');
    const piece = `{"event":"${'x'.repeat(65_525)}`;
    for (let i = 0; i < 20; i++) peer.raw(piece);
    expect(await peer.error()).toBe('ERR_MESSAGE_TOO_LARGE');
    await peer.end();
  });

  test('text that is not UTF-8, in a line, is told', async () => {
    const peer = await intruder(scheme, 'json');
    peer.raw(Buffer.concat([Buffer.from('{"event":"'), hex('c3 28 ff'), Buffer.from('"}\n')]));
    expect(await peer.error()).toBe('ERR_MESSAGE_MALFORMED');
  });
});

describe('a stranger on ws', () => {
  const upgrade = (headers: Record<string, string>, path = '/'): string => {
    const { host, port } = parseEndpoint(house.url('ws'));
    const fields = {
      Host: `${host}:${port}`,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  };

  test.each<[string, Record<string, string>, number]>([
    ['no subprotocol', {}, 101],
    ['one that is known among others', { 'Sec-WebSocket-Protocol': 'mqtt, hawser.v1.json' }, 101],
    ['none that is known', { 'Sec-WebSocket-Protocol': 'mqtt, soap' }, 400],
    ['another version of WebSocket', { 'Sec-WebSocket-Version': '8' }, 426],
    ['no key', { 'Sec-WebSocket-Key': '' }, 400],
    ['the origin of the host', { Origin: 'http://HOST' }, 101],
    ['another origin', { Origin: 'https://evil.example' }, 403],
    ['the null origin', { Origin: 'null' }, 403],
    ['the same host, another port', { Origin: 'http://127.0.0.1:1' }, 403],
    ['a host name that was bound to loopback', { Host: 'evil.example', Origin: 'http://evil.example' }, 403],
    ['such a host without an origin', { Host: 'evil.example' }, 403],
    ['localhost by name', { Host: 'localhost' }, 101],
  ])('%s: %o', async (_, headers, status) => {
    await besiege('ws');
    const { host, port } = parseEndpoint(house.url('ws'));
    const socket = dial('ws');
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('HOST', `${host}:${port}`)]),
    );
    socket.write(upgrade(filled));
    const head = await new Promise<string>((resolve) =>
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    expect(head.split(' ')[1]).toBe(`${status}`);
    socket.destroy();
  });

  test.each(['/nowhere', '/__proto__', '/%2e%2e', '/toString'])(
    'the path %s is none of the namespaces',
    async (path) => {
      await besiege('ws');
      const socket = dial('ws');
      socket.end(upgrade({}, path));
      expect((await all(socket)).split(' ')[1]).toBe('404');
    },
  );

  test.each<[string, Uint8Array, number]>([
    ['a frame that is not masked', hex('81 02 7b 7d'), 1002],
    ['a reserved bit', hex('c1 80 00 00 00 00'), 1002],
    ['an unknown opcode', hex('83 80 00 00 00 00'), 1002],
    ['a continuation of nothing', hex('80 80 00 00 00 00'), 1002],
    ['a ping of 126 bytes', masked(9, new Uint8Array(126)), 1002],
    ['text that is not UTF-8', masked(1, hex('c3 28')), 1007],
    ['an announcement of 2^63 bytes', hex('82 ff 80 00 00 00 00 00 00 00 00 00 00 00'), 1002],
    ['an announcement of 2^40 bytes', hex('82 ff 00 00 01 00 00 00 00 00 00 00 00 00'), 1009],
    ['a close code that is none', masked(8, hex('03 e7')), 1002],
  ])('%s', async (_, bytes, code) => {
    const peer = await intruder('ws', 'json');
    peer.raw(bytes);
    expect((await peer.end()).code).toBe(code);
  });

  test('a binary frame in JSON is told, and the peer lives', async () => {
    const peer = await intruder('ws', 'json');
    peer.raw(masked(2, 'x'));
    expect(await peer.error()).toBe('ERR_BINARY_IN_JSON');
    peer.say({ event: 'echo', id: 1 });
    await peer.expect(({ id }) => id === 1);
  });

  test('text in the Hawser dialect ends the peer', async () => {
    const peer = await intruder('ws', 'hawser');
    peer.raw(masked(1, '{"event":"say"}'));
    expect((await peer.end()).code).toBe(4506);
  });

  test.each([
    ['as many fragments as are allowed is one message', 16_384],
    ['one fragment more ends the peer', 16_385],
  ])('%s', async (_, fragments) => {
    const peer = await intruder('ws', 'json');
    const middle = Array<Uint8Array>(fragments - 2).fill(masked(0, 'x', false));
    peer.raw(Buffer.concat([masked(1, '{"event":"echo","id":1,"data":"', false), ...middle, masked(0, '"}')]));
    if (fragments > 16_384) expect((await peer.end()).code).toBe(1008);
    else expect((await peer.expect(({ id }) => id === 1)).data).toBe('x'.repeat(fragments - 2));
  });
});

test.each<[Scheme, Uint8Array | string]>([
  ['tcp', ''],
  ['tcp', MAGIC.subarray(0, 4)],
  ['tcp', MAGIC],
  ['tcp', '{"event":'],
  ['ipc', MAGIC],
  ['ws', 'GET / HTTP/1.1\r\nHost: x\r\nX'],
])('a thousand on %s that begin with %o and stop are let go in time', async (scheme, bytes) => {
  await besiege(scheme);
  const ended: Promise<string>[] = [];
  for (let i = 0; i < 1000; i += 100) {
    const batch = Array.from({ length: 100 }, () => dial(scheme));
    for (const socket of batch) socket.write(bytes);
    // A Unix socket whose queue is full refuses at once.
    ended.push(...batch.map((socket) => all(socket)));
    await bystanders.check();
  }
  await Promise.all(ended);
  expect(house.server.stats.sockets).toBe(2);
});

function dial(scheme: Scheme): Socket {
  const { path, host, port = 0 } = parseEndpoint(house.url(scheme));
  const socket = scheme === 'ipc' ? dialNet(path) : dialNet(port, host);
  return socket.on('error', () => undefined);
}

/** All that a server says until the end. */
async function all(socket: Socket): Promise<string> {
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
}
