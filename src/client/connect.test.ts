import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { freshUrl, House, type Scheme } from '../../test/support/house.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { createServer } from '../server/index.ts';
import { type ClientSocket, type ConnectOptions, connect } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(one: T): T {
  open.push(one);
  return one;
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

/** A listener that says nothing at all, and how many came to it. */
async function silence(): Promise<{ url: string; visits: () => number }> {
  let visits = 0;
  const server: NetServer = createNetServer((socket) => {
    visits += 1;
    socket.on('error', () => undefined);
    open.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) });
  return { url: `tcp://127.0.0.1:${(server.address() as { port: number }).port}`, visits: () => visits };
}

describe('several URLs', () => {
  test.each<[string, Scheme[]]>([
    ['all good', ['tcp', 'ws', 'ipc', 'inproc']],
    ['in another order', ['ws', 'inproc', 'tcp', 'ipc']],
  ])('make exactly one connection, %s', async (_, schemes) => {
    const house = keep(await House.open({}, ...schemes));
    let connections = 0;
    house.server.on('connection', () => connections++);
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => connect(schemes.map((scheme) => house.url(scheme)))),
    );
    for (const client of clients) await keep(client).request('echo', 1);
    expect([connections, house.server.stats.sockets]).toEqual([5, 5]);
    expect(clients.map(({ transport }) => transport)).toEqual(clients.map(() => schemes[0]));
  });

  test('one that is dead and one that is silent are passed over', async () => {
    const house = keep(await House.open({}, 'ws'));
    const silent = await silence();
    const client = keep(await connect(['tcp://127.0.0.1:1', silent.url, house.url('ws')]));
    expect(client.transport).toBe('ws');
    expect(house.server.stats.sockets).toBe(1);
  });

  test('of which none answers: the error of one that may yet come up', async () => {
    const house = keep(await House.open({}, 'ws'));
    const urls = ['tcp://127.0.0.1:1', `${house.url('ws')}/nowhere`];
    expect(await errorOf(connect(urls))).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(await errorOf(connect(urls.toReversed()))).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(await errorOf(connect(urls.slice(1)))).toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
      data: { status: 404 },
    });
  });

  test.each(['', 'nonsense', 'ftp://host', 'tcp://user:secret@host:1', 'tcp://127.0.0.1', 'ipc:'])(
    '%o is none',
    async (url) => {
      const error = await errorOf(connect(url));
      expect(error).toMatchObject({ code: 'ERR_URL' });
      expect(error.message).not.toContain('secret');
    },
  );

  test.each<[string, object]>([
    ['a limit that is the server’s', { limits: { sockets: 5 } }],
    ['a time that is the server’s', { times: { rateWait: 5 } }],
    ['a wait below 0', { reconnect: { first: -1 } }],
    ['a wait that is no number', { reconnect: { most: '5' } }],
    ['attempts that are NaN', { reconnect: { attempts: Number.NaN } }],
    ['something about coming back that nobody knows', { reconnect: { max: 5 } }],
    ['a timeout below 0', { timeout: -1 }],
    ['a timeout that is NaN', { timeout: Number.NaN }],
  ])('%s is no option', async (_, options) => {
    expect((await errorOf(connect('tcp://127.0.0.1:1', options))).code).toBe('ERR_OPTION');
  });

  test('no URL at all is none', async () => {
    expect(await errorOf(connect([]))).toMatchObject({ code: 'ERR_URL' });
  });
});

describe('giving up', () => {
  test('a signal that fired, fires while dialling, or while the welcome is awaited', async () => {
    let authenticating = (): void => {};
    const asked = new Promise<void>((resolve) => {
      authenticating = resolve;
    });
    const authenticate = (): Promise<never> => {
      authenticating();
      return new Promise(() => {});
    };
    const house = keep(await House.open({ authenticate }, 'tcp'));
    const silent = await silence();
    expect(await errorOf(connect(house.url('tcp'), { signal: AbortSignal.abort('why') }))).toMatchObject({
      code: 'ERR_ABORTED',
      cause: 'why',
    });
    for (const [url, when] of [
      [silent.url, Promise.resolve()],
      [house.url('tcp'), asked],
    ] as const) {
      const controller = new AbortController();
      const error = errorOf(connect(url, { signal: controller.signal }));
      await when;
      controller.abort('why');
      expect(await error).toMatchObject({ code: 'ERR_ABORTED', cause: 'why' });
    }
  });

  test('a signal that fires later ends the socket, and its requests', async () => {
    const house = keep(await House.open({}, 'tcp'));
    house.server.on('connection', (socket) => socket.handle('never', () => new Promise(() => {})));
    const controller = new AbortController();
    const client = keep(await connect(house.url('tcp'), { signal: controller.signal }));
    const gone = new Promise((resolve) => house.server.of('/').sockets[0]?.on('close', resolve));
    const asked = errorOf(client.request('never'));
    controller.abort();
    expect(await asked).toMatchObject({ code: 'ERR_CLOSED', delivered: 'unknown' });
    expect(client.state).toBe('ended');
    await client.closed;
    expect(await gone).toMatchObject({ code: 1000 });
    expect(() => client.send('say', 1)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(await errorOf(client.request('echo'))).toMatchObject({ code: 'ERR_CLOSED', delivered: 'no' });
    await client.close();
  });

  test('the time for connecting runs out', async () => {
    const silent = await silence();
    for (const persistent of [false, true]) {
      expect(await errorOf(connect(silent.url, { timeout: 30, persistent }))).toMatchObject({ code: 'ERR_TIMEOUT' });
    }
  });

  test('a server that shows its magic and never welcomes', async () => {
    const house = keep(await House.open({ authenticate: () => new Promise(() => {}) }, 'tcp'));
    const error = await errorOf(connect(house.url('tcp'), { times: { loginWait: 500 } }));
    expect(error).toMatchObject({ code: 'ERR_LOGIN_TIMEOUT' });
  });
});

describe('coming back', () => {
  test('a wrong token is tried once, persistent or not', async () => {
    let asked = 0;
    const authenticate = (): never => {
      asked += 1;
      throw new Error('no');
    };
    const house = keep(await House.open({ authenticate }, 'tcp'));
    for (const persistent of [false, true]) {
      const options: ConnectOptions = { token: 'wrong', persistent, reconnect: { first: 1 } };
      expect(await errorOf(connect(house.url('tcp'), options))).toMatchObject({ code: 'ERR_AUTH_FAILED' });
    }
    expect(asked).toBe(2);
  });

  test('a token that is refused when the link comes back ends the socket', async () => {
    let good = true;
    const house = keep(
      await House.open({ authenticate: ({ token }) => (good ? { user: token ?? null } : refuse()) }, 'tcp'),
    );
    let tokens = 0;
    const token = async (): Promise<string> => `token ${++tokens}`;
    const client = keep(await connect(house.url('tcp'), { token, reconnect: { first: 1 } }));
    expect(client.user).toBe('token 1');
    good = false;
    const closed = ended(client);
    for (const socket of house.server.of('/').sockets) socket.close(4006, 'come again');
    const [, error] = await closed;
    expect(error).toMatchObject({ code: 'ERR_AUTH_FAILED' });
    expect(tokens).toBe(2);
  });

  test('the first attempt that fails is the last, unless it is to be persistent', async () => {
    const url = freshUrl('ipc');
    expect(await errorOf(connect(url))).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    let attempts = 0;
    let enough = (): void => {};
    const thrice = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const waiting = connect(url, {
      persistent: true,
      reconnect: { first: 1, most: 2 },
      prepare: (socket) =>
        (socket as unknown as ClientSocket).on('reconnecting', ({ attempt, delay, error }) => {
          expect([delay <= 2, error?.code]).toEqual([true, 'ERR_CONNECT_FAILED']);
          attempts = attempt;
          if (attempts === 4) enough();
        }),
    });
    await thrice;
    const server = keep(createServer());
    await server.listen(url);
    expect(keep(await waiting).state).toBe('up');
  });

  test('no more attempts than may be, and none at all', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const url = house.url('tcp');
    const never = keep(await connect(url, { reconnect: false }));
    const thrice = keep(await connect(url, { reconnect: { first: 1, most: 1, attempts: 3 } }));
    let attempts = 0;
    thrice.on('reconnecting', () => attempts++);
    const ends = [ended(never), ended(thrice)];
    await house.server.close({ drain: 0 });
    expect((await Promise.all(ends)).map(([, error]) => error?.code)).toEqual([
      'ERR_DISCONNECTED',
      'ERR_CONNECT_FAILED',
    ]);
    expect(attempts).toBe(3);
  });

  test.each([
    [4507, 'ended'],
    [1000, 'ended'],
    [4001, 'back'],
    [1012, 'back'],
    [3999, 'back'],
    [4999, 'ended'],
  ])('a close with %i: %s', async (code, what) => {
    const house = keep(await House.open({}, 'tcp'));
    const client = keep(await connect(house.url('tcp'), { reconnect: { first: 1 } }));
    const outcome = new Promise((resolve) => {
      client.on('close', () => resolve('ended'));
      client.on('up', () => resolve('back'));
    });
    for (const socket of house.server.of('/').sockets) socket.close(code, 'because');
    expect(await outcome).toBe(what);
  });

  test('the bound on waits doubles up to its most, and chance spreads them', async () => {
    const delays: number[] = [];
    const failing = connect(freshUrl('ipc'), {
      persistent: true,
      reconnect: { first: 1, most: 8, attempts: 12 },
      prepare: (socket) => (socket as unknown as ClientSocket).on('reconnecting', ({ delay }) => delays.push(delay)),
    });
    await errorOf(failing);
    expect(delays).toHaveLength(11);
    for (const [i, delay] of delays.entries()) expect(delay).toBeLessThanOrEqual(Math.min(8, 2 ** (i + 1)));
    expect(new Set(delays).size).toBe(delays.length);
  });
});

function refuse(): never {
  throw new Error('no');
}

function ended(client: ClientSocket): Promise<[CloseReason, HawserError | undefined]> {
  return new Promise((resolve) => client.on('close', (...args) => resolve(args)));
}
