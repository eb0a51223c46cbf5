import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { connect } from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import type { EventMessage, ServerOptions } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A house that remembers what its handlers of `word` heard, in order. */
async function serve(options: ServerOptions, ...schemes: Scheme[]): Promise<{ house: House; heard: unknown[] }> {
  const house = await House.open({ nameOneself: true, ...options }, ...schemes);
  open.push(house);
  const heard: unknown[] = [];
  house.server.on('connection', (socket) => {
    socket.on('word', (data) => heard.push(data));
    socket.handle('double', (data) => {
      heard.push(data);
      return (data as number) * 2;
    });
  });
  return { house, heard };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

/** A middleware that waits at one message until it is told to go on. */
function stopAt(data: unknown): {
  middleware: (message: EventMessage) => unknown;
  reached: Promise<void>;
  go: () => void;
} {
  let [go, reach] = [(): void => {}, (): void => {}];
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const middleware = (message: EventMessage): unknown => {
    if (message.data !== data) return undefined;
    reach();
    return gone;
  };
  return { middleware, reached, go: () => go() };
}

describe('middleware of events and requests', () => {
  test.each<Scheme>(['tcp', 'ws', 'inproc'])(
    'sees each over %s, the namespace first, and may change the data',
    async (scheme) => {
      const { house, heard } = await serve({}, scheme);
      const seen: unknown[] = [];
      house.server.useEvent(({ kind, name, data }, socket) => {
        seen.push([kind, name, data, socket.user]);
      });
      house.server.on('connection', (socket) => {
        socket.use((message) => {
          if (typeof message.data === 'number') message.data = message.data + 1;
        });
        socket.use(async (message) => {
          await turn();
          if (message.name === 'word') message.data = `(${String(message.data)})`;
        });
      });
      const client = await house.client(scheme, { user: 'ada' });
      client.send('word', 1);
      client.send('word', 2, { volatile: true });
      expect(await client.request('double', 20)).toBe(42);
      expect(heard).toEqual(['(2)', '(3)', 21]);
      expect(seen).toEqual([
        ['event', 'word', 1, 'ada'],
        ['event', 'word', 2, 'ada'],
        ['request', 'double', 20, 'ada'],
      ]);
    },
  );

  test.each(['hawser', 'json'] as const)(
    'refuses in %s: a request is answered, an event is told of and dropped',
    async (dialect) => {
      const { house, heard } = await serve({}, 'tcp');
      house.server.useEvent(({ data }) => {
        if (data === 'own') throw new HawserError('ERR_NOT_ALLOWED', 'not you', { data: 7 });
        if (data === 'plain') throw new Error('secret');
      });
      house.server.useEvent(async ({ data }) => {
        await turn();
        if (data === 'later') throw new HawserError('ERR_OWN', 'not now');
        if (data === 'odd') throw new HawserError('ERR_OWN', 'odd', { data: () => 0 });
      });
      const peer = await house.peer('tcp', dialect);
      await peer.enter();
      const say = (name: string, data: unknown, id?: number): void => {
        const { codec } = peer;
        const bytes = id === undefined ? codec.event(0, name, data) : codec.request(0, id, name, data);
        peer.say(dialect === 'json' ? { event: name, data, ...(id === undefined ? {} : { id }) } : bytes.bytes);
      };
      const refused = async (): Promise<unknown> => {
        const { name, id, data } = await peer.expect(({ kind }) => kind === 7);
        return [name, id, (data as { message: string }).message];
      };
      say('word', 'own');
      expect(await refused()).toEqual(['ERR_NOT_ALLOWED', 0, 'not you']);
      say('double', 'own', 1);
      expect(await refused()).toEqual(['ERR_NOT_ALLOWED', 1, 'not you']);
      say('word', 'later');
      expect(await refused()).toEqual(['ERR_OWN', 0, 'not now']);
      for (const data of ['plain', 'odd']) {
        say('word', data);
        expect(await refused()).toEqual(['ERR_HANDLER_FAILED', 0, "'word' failed"]);
        say('double', data, 2);
        expect(await refused()).toEqual(['ERR_HANDLER_FAILED', 2, "'double' failed"]);
      }
      say('word', 'fine');
      say('double', 4, 3);
      expect(await peer.expect(({ id }) => id === 3)).toMatchObject({ data: 8 });
      expect(heard).toEqual(['fine', 4]);
      expect(house.reported).toHaveLength(4);
    },
  );

  test('keeps the order, whether it waits or not', async () => {
    const { house, heard } = await serve({}, 'tcp');
    house.server.useEvent(({ data }) => ((data as number) % 3 === 0 ? turn() : undefined));
    house.server.useEvent(({ data }) => ((data as number) % 5 === 0 ? Promise.resolve() : undefined));
    const client = await house.client('tcp');
    for (let n = 0; n < 500; n++) client.send('word', n);
    expect(await client.request('double', 500)).toBe(1000);
    expect(heard).toEqual(Array.from({ length: 501 }, (_, n) => n));
  });

  test('of one socket holds up nobody else', async () => {
    const { house, heard } = await serve({}, 'tcp');
    const bystanders = await house.bystanders();
    const { middleware, reached, go } = stopAt('stop');
    house.server.useEvent(middleware);
    const client = await house.client('tcp');
    client.send('word', 'stop');
    client.send('word', 'after');
    await reached;
    await bystanders.check();
    expect(heard).toEqual([]);
    go();
    await client.request('double', 1);
    expect(heard).toEqual(['stop', 'after', 1]);
  });

  test('may ask the peer, whose answer does not wait behind it', async () => {
    const { house, heard } = await serve({}, 'tcp');
    house.server.useEvent(async (message, socket) => {
      if (message.name === 'word') message.data = await socket.request('who');
    });
    const client = await house.client('tcp');
    client.handle('who', () => 'ada');
    client.send('word', 1);
    client.send('word', 2);
    await client.request('double', 0);
    expect(heard).toEqual(['ada', 'ada', 0]);
  });

  test('that is added to a namespace counts for the sockets that are in it', async () => {
    const { house, heard } = await serve({}, 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.on('word', (data) => heard.push(data)));
    const client = house.keep(await connect(`${house.url('tcp')}?namespace=/room/7`));
    const [socket] = house.server.of('/room/7').sockets;
    const first = new Promise((resolve) => socket?.on('word', resolve));
    client.send('word', 1);
    await first;
    house.server.of('/room/:id').useEvent((message) => {
      message.data = 'changed';
    });
    const second = new Promise((resolve) => socket?.on('word', resolve));
    client.send('word', 2);
    expect([await second, heard]).toEqual(['changed', [1, 'changed']]);
  });
});

describe('what waits behind a middleware', () => {
  test('is bounded: reading stops, the sender feels it, and nothing is lost', async () => {
    const { house, heard } = await serve({}, 'tcp');
    const bystanders = await house.bystanders();
    const { middleware, reached, go } = stopAt('stop');
    house.server.useEvent(middleware);
    const client = await house.client('tcp');
    client.send('word', 'stop');
    await reached;
    const bytes = new Uint8Array(32_768);
    let sent = 0;
    const flood = async (): Promise<void> => {
      for (;;) {
        client.send('word', bytes);
        sent += 1;
        if (sent % 8 === 0) await turn();
        if (sent > 4000) expect.fail('the server read it all');
      }
    };
    expect(await errorOf(flood())).toMatchObject({ code: 'ERR_BACKLOG_FULL' });
    await bystanders.check();
    expect(heard).toEqual([]);
    const drained = new Promise<void>((resolve) => client.on('drain', () => resolve()));
    go();
    await drained;
    expect(await client.request('double', 1)).toBe(2);
    expect(heard).toHaveLength(sent + 2);
  });

  test('goes on over another link when the one it came by has broken', async () => {
    const { house, heard } = await serve({}, 'tcp');
    const { port = 0 } = parseEndpoint(house.url('tcp'));
    const proxy = house.keep(await CuttingProxy.open({ target: { port } }));
    const { middleware, reached, go } = stopAt('stop');
    house.server.useEvent(middleware);
    const reconnect = { first: 1, most: 5 };
    const client = house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect }));
    const words = Array.from({ length: 200 }, (_, n) => n);
    client.send('word', 'stop');
    await reached;
    for (const n of words.slice(0, 100)) client.send('word', n);
    await client.request('echo', 1, { timeout: 50 }).catch(() => undefined);
    const up = new Promise((resolve) => client.on('up', resolve));
    proxy.cut();
    expect(await up).toMatchObject({ recovered: true });
    for (const n of words.slice(100)) client.send('word', n);
    go();
    await client.request('double', 1);
    expect(heard).toEqual(['stop', ...words, 1]);
  });

  test('is handed on when the peer says goodbye, and dropped when the server ends the socket', async () => {
    for (const polite of [true, false]) {
      const { house, heard } = await serve({}, 'tcp');
      const { middleware, reached, go } = stopAt('stop');
      house.server.useEvent(middleware);
      const last = new Promise<void>((resolve) => {
        house.server.on('connection', (socket) => socket.on('word', (data) => data === 'last' && resolve()));
      });
      const client = await house.client('tcp');
      const [socket] = house.server.of('/').sockets;
      const gone = new Promise((resolve) => socket?.on('close', resolve));
      client.send('word', 'stop');
      client.send('word', 'last');
      await reached;
      if (polite) await client.close();
      else socket?.close();
      await gone;
      go();
      if (polite) await last;
      else for (let n = 0; n < 5; n++) await turn();
      expect(heard).toEqual(polite ? ['stop', 'last'] : ['stop']);
    }
  });

  test('a hello keeps its place: what came before it is of the old name, what comes after it of the new one', async () => {
    const heard: unknown[] = [];
    const authenticate: ServerOptions['authenticate'] = async ({ user }) => {
      await turn();
      return { user: user ?? null };
    };
    const { house } = await serve({ authenticate }, 'tcp');
    const { middleware, reached, go } = stopAt('stop');
    house.server.useEvent(middleware);
    house.server.on('connection', (socket) => socket.on('word', (data) => heard.push([socket.user, data])));
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ user: 'ada' });
    peer.say({ event: 'word', data: 'stop' });
    await reached;
    peer.say({ event: 'word', data: 1 });
    peer.say({ event: 'hello', user: 'bob' });
    peer.say({ event: 'word', data: 2 });
    peer.say({ event: 'hello', user: 'eve' });
    peer.say({ event: 'word', data: 3 });
    for (let n = 0; n < 5; n++) await turn();
    go();
    peer.say({ event: 'double', id: 1, data: 1 });
    await peer.expect(({ id }) => id === 1);
    expect(heard).toEqual([
      ['ada', 'stop'],
      ['ada', 1],
      ['bob', 2],
      ['eve', 3],
    ]);
  });
});
