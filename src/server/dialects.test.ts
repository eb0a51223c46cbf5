import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Authority } from '../../test/support/certificates.ts';
import { freshUrl, House } from '../../test/support/house.ts';
import { connect } from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { duplexOf } from '../streams/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import type { Dialect } from '../wire/index.ts';
import { createServer, type Server, type ServerOptions, type ServerSocket } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function house(options: ServerOptions = {}): Promise<House> {
  const made = await House.open(options, 'ws', 'tcp');
  open.push(made);
  return made;
}

/** A WebSocket with nothing but a path, and what it hears. */
class Plain {
  readonly socket: WebSocket;
  readonly heard: (string | Buffer)[] = [];
  readonly opened: Promise<unknown>;

  constructor(url: string, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols);
    this.opened = once(this.socket, 'open');
    this.opened.catch(() => {});
    this.socket.on('message', (data: Buffer, binary) => this.heard.push(binary ? data : data.toString()));
  }

  async hears(count: number): Promise<(string | Buffer)[]> {
    while (this.heard.length < count) await once(this.socket, 'message');
    return this.heard.splice(0);
  }

  async end(): Promise<number> {
    const [code] = (await once(this.socket, 'close')) as [number];
    return code;
  }
}

async function plain(made: House, path: string, protocols?: string[]): Promise<Plain> {
  const peer = new Plain(`${made.url('ws')}${path}`, protocols);
  open.push({ [Symbol.asyncDispose]: async () => peer.socket.terminate() });
  await peer.opened;
  return peer;
}

function arrival(server: Server, path: string, dialect: string): Promise<ServerSocket> {
  return new Promise((resolve) => server.of(path, { dialect }).on('connection', resolve));
}

describe('raw on WebSocket', () => {
  test('text and bytes arrive as they are, and go out as they are, with no hello', async () => {
    const made = await house();
    made.server.of('/echo', { dialect: 'raw' }).on('connection', (socket) => {
      socket.send('message', 'welcome');
      socket.on('message', (data) => socket.send('message', data));
    });
    const peer = await plain(made, '/echo');
    peer.socket.send('{"event":"no json here"');
    peer.socket.send(Buffer.from([0, 255, 10]));
    peer.socket.send('');
    expect(await peer.hears(4)).toEqual(['welcome', '{"event":"no json here"', Buffer.from([0, 255, 10]), '']);
  });

  test('bytes that were heard are the listener’s to keep', async () => {
    const made = await house();
    const kept: unknown[] = [];
    made.server.of('/keep', { dialect: 'raw' }).on('connection', (socket) => {
      socket.on('message', (data) => {
        kept.push(data);
        if (kept.length === 50) socket.send('message', 'all');
      });
    });
    const peer = await plain(made, '/keep');
    for (let i = 0; i < 50; i++) peer.socket.send(Buffer.alloc(100, i));
    await peer.hears(1);
    expect(kept.map((data) => Buffer.from(data as Uint8Array))).toEqual(
      Array.from({ length: 50 }, (_, i) => Buffer.alloc(100, i)),
    );
  });

  test('meets other dialects in a room; only what it can say reaches it', async () => {
    const made = await house();
    const room = made.server.of('/room', { dialect: 'raw' });
    room.on('connection', (socket) => {
      socket.join('all');
      socket.on('message', (data) => socket.to('all').send('message', data));
    });
    const peer = await plain(made, '/room');
    const client = await connect(`${made.url('tcp')}/room`);
    open.push(client);
    const heard = new Promise((resolve) => client.on('message', resolve));
    peer.socket.send('from raw');
    expect(await heard).toBe('from raw');
    room.to('all').send('other', { not: 'for raw' });
    room.to('all').send('message', { not: 'for raw either' });
    client.send('message', 'from hawser');
    expect(await peer.hears(1)).toEqual(['from hawser']);
  });

  test('what it has no word for is refused at once', async () => {
    const made = await house();
    const arrived = arrival(made.server, '/raw', 'raw');
    await plain(made, '/raw');
    const socket = await arrived;
    const unsupported = expect.objectContaining({ code: 'ERR_UNSUPPORTED' });
    expect(() => socket.send('other', 'x')).toThrow(unsupported);
    expect(() => socket.send('message', { a: 1 })).toThrow(unsupported);
    expect(() => socket.send('message')).toThrow(unsupported);
    expect(() => socket.openChannel('x')).toThrow(unsupported);
    expect(() => socket.end()).toThrow(unsupported);
    await expect(socket.request('ask')).rejects.toEqual(unsupported);
  });

  test('is authenticated by what its link shows, and refused without a word more', async () => {
    const made = await house({
      authenticate: ({ query }) => {
        if (query['token'] !== 'good') throw new HawserError('ERR_AUTH_FAILED', 'no');
        return { user: 'ada' };
      },
    });
    const arrived = arrival(made.server, '/raw', 'raw');
    const bad = await plain(made, '/raw?token=bad');
    expect(await bad.end()).toBe(4501);
    expect(bad.heard).toEqual([]);
    const good = await plain(made, '/raw?token=good');
    expect((await arrived).user).toBe('ada');
    good.socket.send('x');
  });

  test('a peer that asks for a dialect of Hawser’s gets it; one that asks for any other name gets that', async () => {
    const made = await house();
    made.server.of('/raw', { dialect: 'raw' }).on('connection', (socket) => {
      socket.on('message', (data) => socket.send('message', `got ${String(data)}`));
    });
    const json = await plain(made, '/raw', ['hawser.v1.json']);
    json.socket.send('{"event":"message","data":"x"}');
    expect(JSON.parse((await json.hears(1))[0] as string)).toEqual({ event: 'message', data: 'got x' });
    const other = await plain(made, '/raw', ['chat', 'superchat']);
    expect(other.socket.protocol).toBe('chat');
    other.socket.send('x');
    expect(await other.hears(1)).toEqual(['got x']);
  });

  test('message by message it keeps to the limits', async () => {
    const made = await house({ limits: { messageBytes: 1000 } });
    arrival(made.server, '/raw', 'raw').catch(() => {});
    const peer = await plain(made, '/raw');
    peer.socket.send('x'.repeat(1001));
    expect(await peer.end()).toBe(1009);
  });

  test('stops reading when told to, and goes on', async () => {
    const made = await house();
    const arrived = arrival(made.server, '/raw', 'raw');
    const peer = await plain(made, '/raw');
    const socket = await arrived;
    const heard: unknown[] = [];
    socket.on('message', (data) => heard.push(data));
    socket.pause();
    peer.socket.send('waits');
    const other = await made.client('tcp');
    await other.request('echo', 1);
    await other.request('echo', 2);
    expect(heard).toEqual([]);
    const got = new Promise((resolve) => socket.on('message', resolve));
    socket.resume();
    expect(await got).toBe('waits');
  });
});

describe('line on WebSocket', () => {
  test('takes text alone', async () => {
    const made = await house();
    made.server.of('/line', { dialect: 'line' }).on('connection', (socket) => {
      socket.on('message', (data) => socket.send('message', `got ${String(data)}`));
    });
    const peer = await plain(made, '/line');
    peer.socket.send(Buffer.from('bytes'));
    peer.socket.send('text');
    expect(await peer.hears(1)).toEqual(['got text']);
  });
});

describe('a dialect of the application', () => {
  const shout = {
    decode: (message: string | Uint8Array) => {
      if (typeof message !== 'string') return undefined;
      if (message === 'BOOM') throw new Error('a bug in decode');
      const [event = '', data = ''] = message.toLowerCase().split(' ');
      return { event, data };
    },
    encode: (event: string, data: unknown) => {
      if (event === 'boom') throw new Error('a bug in encode');
      return event === 'secret' ? undefined : `${event} ${String(data)}`.toUpperCase();
    },
  };

  test.each([
    ['named by its namespace', '/shout', []],
    ['asked for by its name', '/', ['shout']],
  ])('%s', async (_, path, protocols) => {
    const made = await house({ dialects: { shout } });
    made.server.of('/shout', { dialect: 'shout' });
    for (const name of ['/', '/shout'])
      made.server.of(name).on('connection', (socket) => {
        socket.on('hi', (data) => {
          if (data === 'boom') socket.send('message', 'before');
          socket.send('ho', data);
        });
      });
    const peer = await plain(made, path, protocols);
    peer.socket.send('HI ADA');
    expect(await peer.hears(1)).toEqual(['HO ADA']);
    peer.socket.send('BOOM');
    peer.socket.send(Buffer.from('not text'));
    peer.socket.send('HI BEN');
    expect(await peer.hears(1)).toEqual(['HO BEN']);
    expect(made.reported).toEqual([expect.objectContaining({ message: 'a bug in decode' })]);
    const [socket] = made.server.of(path).sockets;
    expect(() => socket?.send('boom')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    made.server.of(path).send('boom', 1);
    made.server.of(path).send('ho', 'all');
    expect(await peer.hears(1)).toEqual(['HO ALL']);
  });

  test.each(['hawser', 'raw', 'line', 'hawser.v1', 'hawser.v1.json', 'two words', ''])(
    'can not be called %o',
    (name) => {
      expect(() => createServer({ dialects: { [name]: shout } })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION' }),
      );
    },
  );

  test('that nobody knows is refused where it is named', async () => {
    const made = await house();
    const refused = expect.objectContaining({ code: 'ERR_OPTION' });
    expect(() => made.server.of('/x', { dialect: 'klingon' })).toThrow(refused);
    await expect(made.server.listen('ws://127.0.0.1:0?dialect=klingon')).rejects.toEqual(refused);
  });
});

test('an endpoint’s dialect is for all its namespaces that name none', async () => {
  const server = createServer();
  open.push(server);
  server.on('connection', (socket) => socket.on('message', (data) => socket.send('message', data)));
  server.of('/json', { dialect: 'hawser' }).on('connection', (socket) => socket.send('hi'));
  const [url = ''] = await server.listen('ws://127.0.0.1:0?dialect=raw');
  const raw = new Plain(url);
  await raw.opened;
  raw.socket.send('as it is');
  expect(await raw.hears(1)).toEqual(['as it is']);
  raw.socket.terminate();
  const json = new Plain(`${url}/json`);
  expect(await json.hears(1)).toEqual(['{"event":"hi"}']);
  json.socket.terminate();
});

describe.each(['tcp', 'ipc', 'ws'] as const)('a client of a plain dialect over %s', (scheme) => {
  const bare = (): string => freshUrl(scheme);

  async function start(dialect: string, options: ServerOptions = {}, target = {}): Promise<[Server, string]> {
    const server = createServer({ onError: () => {}, times: { closeWait: 200 }, ...options });
    open.push(server);
    const [url = ''] = await server.listen({ url: `${bare()}?dialect=${dialect}`, ...target });
    return [server, `${url}?dialect=${dialect}`];
  }

  test('raw: every byte arrives, and comes back', async () => {
    const [server, url] = await start('raw');
    server.on('connection', (socket) => socket.on('message', (data) => socket.send('message', data)));
    const client = await connect(url);
    open.push(client);
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 13) % 256);
    const got: Uint8Array[] = [];
    const all = new Promise<void>((resolve) => {
      client.on('message', (data) => {
        got.push(data as Uint8Array);
        if (got.reduce((sum, { length }) => sum + length, 0) === bytes.length) resolve();
      });
    });
    for (let at = 0; at < bytes.length; at += 30_000) client.send('message', bytes.subarray(at, at + 30_000));
    await all;
    expect(Buffer.compare(Buffer.concat(got), bytes)).toBe(0);
    expect([client.id, client.user, client.state]).toEqual(['', null, 'up']);
    expect(() => client.send('other')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    await expect(client.request('x')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    const closed = new Promise<{ code: number }>((resolve) => client.on('close', resolve));
    for (const socket of server.of('/').sockets) socket.close();
    expect([1005, 1006, 4507]).toContain((await closed).code);
  });

  test('line: one line, one message', async () => {
    const [server, url] = await start('line');
    server.on('connection', (socket) => socket.on('message', (data) => socket.send('message', `<${String(data)}>`)));
    const client = await connect(url);
    open.push(client);
    const got: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      client.on('message', (data) => {
        got.push(data);
        if (got.length === 3) resolve();
      });
    });
    for (const line of ['one', 'zwei ü', '{"three":3}']) client.send('message', line);
    await all;
    expect(got).toEqual(['<one>', '<zwei ü>', '<{"three":3}>']);
    expect(() => client.send('message', 'two\nlines')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  test('of the application, with length prefixes on byte streams', async () => {
    const dialects: Record<string, Dialect> = {
      pairs: {
        decode: (message) => ({ event: 'pair', data: [...(message as Uint8Array)] }),
        encode: (_, data) => Uint8Array.from(data as number[]),
      },
    };
    const [server, url] = await start('pairs', { dialects });
    server.on('connection', (socket) => socket.on('pair', (data) => socket.send('pair', data)));
    const client = await connect(url, { dialects });
    open.push(client);
    const got = new Promise((resolve) => client.on('pair', resolve));
    client.send('pair', [1, 0, 255]);
    expect(await got).toEqual([1, 0, 255]);
    await expect(connect(url)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });
});

test.each(['tls', 'wss'])('raw over %s', async (scheme) => {
  using authority = new Authority();
  const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
  const server = createServer({ times: { closeWait: 200 } });
  open.push(server);
  server.on('connection', (socket) => socket.on('message', (data) => socket.send('message', data)));
  const [url = ''] = await server.listen({ url: `${scheme}://127.0.0.1:0?dialect=raw`, tls: { cert, key } });
  const client = await connect({ url: `${url}?dialect=raw`, tls: { ca: authority.ca } });
  open.push(client);
  const got = new Promise((resolve) => client.on('message', resolve));
  client.send('message', Uint8Array.of(1, 2, 3));
  expect(Buffer.from((await got) as Uint8Array)).toEqual(Buffer.of(1, 2, 3));
});

describe.each(['tcp', 'ipc'] as const)('on a byte stream over %s', (scheme) => {
  async function served(dialect: string, options: ServerOptions = {}, target = {}): Promise<[Server, Socket]> {
    const server = createServer({ times: { closeWait: 200 }, onError: () => {}, ...options });
    open.push(server);
    const [url = ''] = await server.listen({ url: `${freshUrl(scheme)}?dialect=${dialect}`, ...target });
    const { path, port = 0 } = parseEndpoint(url);
    const socket = scheme === 'ipc' ? dial({ path, allowHalfOpen: true }) : dial({ port, allowHalfOpen: true });
    open.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
    return [server, socket];
  }

  const text = async (socket: Socket): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };

  test('a half-open peer is answered after its end', async () => {
    const [server, peer] = await served('raw', {}, { halfOpen: true });
    server.on('connection', (socket) => {
      let got = '';
      socket.on('message', (data) => {
        got += Buffer.from(data as Uint8Array).toString();
      });
      socket.on('end', () => {
        socket.send('message', `you said ${got}`);
        socket.end();
      });
    });
    peer.write('all ');
    peer.end('there is');
    expect(await text(peer)).toBe('you said all there is');
  });

  test('without a listener for it a peer’s end is the end', async () => {
    const [server, peer] = await served('raw', {}, { halfOpen: true });
    const closed = new Promise((resolve) => {
      server.on('connection', (socket) => {
        socket.send('message', 'bye');
        socket.on('close', resolve);
      });
    });
    peer.end();
    expect(await text(peer)).toBe('bye');
    await closed;
  });

  test('a line that is too long, or is no UTF-8, costs its sender the connection or the line', async () => {
    const [server, peer] = await served('line', { limits: { messageBytes: 100 } });
    const heard: unknown[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        heard.push(data);
        socket.send('message', 'ok');
      });
    });
    peer.write(Buffer.from([0xff, 0xfe, 10]));
    peer.write('fine\r\n\n');
    await once(peer, 'data');
    expect(heard).toEqual(['fine']);
    peer.write('x'.repeat(200));
    await text(peer).catch(() => {});
    expect(peer.readableEnded || peer.destroyed).toBe(true);
    expect(heard).toEqual(['fine']);
  });

  test('who is refused is told nothing in a language it does not know', async () => {
    const [, peer] = await served('raw', {
      authenticate: () => {
        throw new HawserError('ERR_AUTH_FAILED', 'no');
      },
    });
    expect(await text(peer)).toBe('');
  });

  test('is a Duplex for Node, with back-pressure', async () => {
    const [server, peer] = await served('raw', {}, { halfOpen: true });
    server.on('connection', (socket) => {
      const duplex = duplexOf(socket);
      pipeline(duplex, new PassThrough(), duplex).catch(() => {});
    });
    const bytes = Buffer.alloc(3_000_000, 'abcdefg');
    peer.end(bytes);
    expect(Buffer.compare(Buffer.from(await text(peer), 'latin1'), bytes)).toBe(0);
  });
});
