import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { connect } from '../client/index.ts';
import { CLOSE, HawserError } from '../core/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import { createServer, type Server, type ServerOptions, type ServerSocket } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  vi.restoreAllMocks();
});

const next = (server: Server): Promise<ServerSocket> => new Promise((resolve) => server.on('connection', resolve));

/** A server of raw bytes, and a plain peer whose end is no goodbye. */
async function halfOpen(options: ServerOptions): Promise<[Server, Socket]> {
  const server = createServer({ times: { closeWait: 200 }, ...options });
  open.push(server);
  const [url = ''] = await server.listen({ url: 'tcp://127.0.0.1:0?dialect=raw', halfOpen: true });
  const peer = dial({ port: parseEndpoint(url).port ?? 0, allowHalfOpen: true });
  open.push({ [Symbol.asyncDispose]: async () => void peer.destroy() });
  return [server, peer];
}

const FAILING: [string, () => unknown][] = [
  ['throws', () => fail()],
  ['rejects', async () => fail()],
];

function fail(): never {
  throw new Error('a mistake');
}

describe('an application that pauses a socket', () => {
  test.each(['tcp', 'ws'] as Scheme[])(
    '%s: hears nothing over the next link either, until it goes on',
    async (scheme) => {
      const house = await House.open({}, scheme);
      open.push(house);
      const proxy = house.keep(
        await CuttingProxy.open({ target: { port: parseEndpoint(house.url(scheme)).port ?? 0 } }),
      );
      const arrived = next(house.server);
      const options = { reconnect: { first: 1, most: 5 } };
      const client = house.keep(await connect(`${scheme}://127.0.0.1:${proxy.port}`, options));
      const socket = await arrived;
      let paused = true;
      const heard = new Promise<boolean>((resolve) => socket.on('n', () => resolve(paused)));
      socket.pause();
      const up = new Promise<void>((resolve) => socket.once('up', () => resolve()));
      proxy.cut();
      await up;
      client.send('n');
      // What it says now is read by then, if it is read at all.
      const other = house.keep(await connect(house.url(scheme)));
      for (let i = 0; i < 20; i++) await other.request('echo', i);
      paused = false;
      socket.resume();
      expect(await heard).toBe(false);
      expect(await client.request('echo', 'all is well')).toBe('all is well');
    },
  );
});

describe('a mistake of the application', () => {
  test.each(FAILING)('in a listener of `end` that %s is told, and is no end of the process', async (_, end) => {
    const told: unknown[] = [];
    const [server, peer] = await halfOpen({
      onError: (error, during) => told.push([(error as Error).message, during]),
    });
    server.on('connection', (socket) => {
      socket.on('end', () => {
        setImmediate(() => socket.close());
        return end();
      });
    });
    peer.end();
    peer.resume();
    await once(peer, 'close');
    expect(told).toEqual([['a mistake', "event 'end'"]]);
  });

  test.each(FAILING)('in an `onError` that %s costs nobody his link', async (_, onError) => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const house = await House.open({ onError }, 'tcp');
    open.push(house);
    house.server.on('connection', (socket) => {
      socket.on('bad', fail);
      socket.on('later', async () => fail());
      socket.handle('ask', async () => fail());
    });
    const client = await house.client('tcp');
    client.send('bad');
    client.send('later');
    await expect(client.request('ask')).rejects.toMatchObject({ code: 'ERR_HANDLER_FAILED' });
    expect(await client.request('echo', 1)).toBe(1);
    expect(logged.mock.calls.map(([what]) => what)).toContain('hawser: onError failed:');
  });

  test('in the code of a reset is told, and the channel ends for both', async () => {
    const house = await House.open({}, 'tcp');
    open.push(house);
    house.server.on('connection', (socket) => {
      socket.on('channel', async () => {
        throw new HawserError('ERR_\ud800', 'no code');
      });
    });
    const client = await house.client('tcp');
    expect(await client.openChannel('any').closed).toMatchObject({ code: 'ERR_INTERNAL' });
    expect(house.reported).toMatchObject([{ code: 'ERR_UNENCODABLE' }]);
    expect(await client.request('echo', 1)).toBe(1);
  });

  test('in the name of a room is refused at once: who goes could not be told to others, and would stay', async () => {
    const house = await House.open({ presence: true }, 'tcp');
    open.push(house);
    house.server.on('connection', (socket) => socket.handle('enter', () => socket.join('half \ud800')));
    for (const client of [await house.client('tcp'), await house.client('tcp')]) {
      await expect(client.request('enter')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
      const socket = house.server.of('/').socket(client.id);
      const gone = new Promise((resolve) => socket?.on('close', resolve));
      await client.close();
      await gone;
    }
    expect([house.server.stats.sockets, house.reported]).toEqual([0, []]);
  });

  test.each(['constructor', '__proto__'])('in the code of a refusal, %s, is no close code', async (code) => {
    const authenticate = (): never => {
      throw new HawserError(code, 'no');
    };
    const house = await House.open({ authenticate }, 'ws');
    open.push(house);
    const peer = await house.peer('ws', 'hawser');
    void peer.enter().catch(() => undefined);
    expect((await peer.end()).code).toBe(CLOSE.authFailed);
  });
});
