import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import type { RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../client/index.ts';
import { type CloseReason, HawserError } from '../core/index.ts';
import { seededRandom } from '../testing/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import { type Arrival, createServer, type SecondLogin, type ServerOptions, type ServerSocket } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(options: ServerOptions, ...schemes: Scheme[]): Promise<House> {
  const house = await House.open({ nameOneself: true, ...options }, ...schemes);
  open.push(house);
  return house;
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

function ended(socket: ClientSocket | ServerSocket): Promise<CloseReason> {
  return new Promise((resolve) => (socket as ServerSocket).on('close', resolve));
}

const users = (house: House): (string | null)[] => house.server.of('/').sockets.map(({ user }) => user);

/** A client of the house whose link can be cut. */
async function behindProxy(house: House, options: ConnectOptions): Promise<[ClientSocket, CuttingProxy]> {
  const { port = 0 } = parseEndpoint(house.url('tcp'));
  const proxy = house.keep(await CuttingProxy.open({ target: { port } }));
  const reconnect = { first: 1, most: 20 };
  return [house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect, ...options })), proxy];
}

/** The server's socket of a user has lost its link. */
function down(house: House, user: string): Promise<void> {
  const [socket] = house.server.of('/').socketsOf(user);
  return new Promise((resolve) => socket?.on('down', () => resolve()));
}

describe("secondLogin: 'allow'", () => {
  test('is what there is by default: a user is in as often as it likes', async () => {
    const house = await serve({}, 'tcp');
    const both = [await house.client('tcp', { user: 'ada' }), await house.client('tcp', { user: 'ada' })];
    expect(await Promise.all(both.map((one) => one.request('echo', 1)))).toEqual([1, 1]);
    expect((await house.server.users()).get('ada')).toBe(2);
  });
});

describe("secondLogin: 'reject'", () => {
  const reject: ServerOptions = { secondLogin: 'reject' };

  test.each<Scheme>(['tcp', 'ws'])(
    'refuses the second over %s, in both dialects, and the first notices nothing',
    async (scheme) => {
      const house = await serve(reject, scheme);
      const first = await house.client(scheme, { user: 'ada' });
      expect(await errorOf(house.client(scheme, { user: 'ada', persistent: true }))).toMatchObject({
        code: 'ERR_ALREADY_LOGGED_IN',
      });
      for (const dialect of ['hawser', 'json'] as const) {
        const peer = await house.peer(scheme, dialect);
        const hello = { version: 1, user: 'ada' };
        peer.say(dialect === 'json' ? { event: 'hello', user: 'ada' } : peer.codec.hello(hello).bytes);
        expect(await peer.error()).toBe('ERR_ALREADY_LOGGED_IN');
        const { code } = await peer.end();
        if (scheme === 'ws' || dialect === 'hawser') expect(code).toBe(4510);
      }
      expect(await first.request('echo', 1)).toBe(1);
      expect(users(house)).toEqual(['ada']);
    },
  );

  test('knows each namespace and each user apart, and nobody as no user', async () => {
    const house = await serve(reject, 'tcp');
    house.server.of('/room/:id');
    const url = house.url('tcp');
    const dial = async (namespace: string, user?: string): Promise<ClientSocket> =>
      house.keep(await connect(`${url}?namespace=${namespace}`, user === undefined ? {} : { user }));
    await dial('/', 'ada');
    await dial('/', 'bob');
    await dial('/room/7', 'ada');
    await dial('/room/8', 'ada');
    await dial('/');
    await dial('/');
    expect(await errorOf(dial('/room/7', 'ada'))).toMatchObject({ code: 'ERR_ALREADY_LOGGED_IN' });
    expect(users(house)).toEqual(['ada', 'bob', null, null]);
  });

  test('lets the user in who has gone', async () => {
    const house = await serve(reject, 'tcp');
    const first = await house.client('tcp', { user: 'ada' });
    const gone = ended(house.server.of('/').sockets[0] as ServerSocket);
    await first.close();
    await gone;
    expect((await house.client('tcp', { user: 'ada' })).user).toBe('ada');
  });

  test('does not count a socket without a link: it gives way, and its client is told when it comes back', async () => {
    const house = await serve(reject, 'tcp');
    const [old, proxy] = await behindProxy(house, { user: 'ada' });
    const lost = down(house, 'ada');
    const over = ended(old);
    proxy.hold();
    proxy.cut();
    await lost;
    const fresh = await house.client('tcp', { user: 'ada' });
    proxy.release();
    await over;
    expect(await fresh.request('echo', 1)).toBe(1);
    expect(users(house)).toEqual(['ada']);
  });

  test('a client that shows the ticket of the socket in the way takes its place, though it can not go on with it', async () => {
    const house = await serve(reject, 'tcp');
    const [first, second] = [await house.peer('tcp', 'hawser'), await house.peer('tcp', 'hawser')];
    const { data } = await first.enter({ user: 'ada' });
    const { ticket } = data as { ticket: Uint8Array };
    second.say(second.codec.hello({ version: 1, user: 'ada', resume: { ticket, counts: [[0, 99]] } }).bytes);
    expect(await second.expect(({ kind }) => kind === 2)).toMatchObject({ data: { recovered: false } });
    expect((await first.end()).code).toBe(4511);
    expect(users(house)).toEqual(['ada']);
  });

  test('of two who come at once lets in one', async () => {
    const waiting: (() => void)[] = [];
    const authenticate: ServerOptions['authenticate'] = ({ user }) =>
      new Promise((resolve) => waiting.push(() => resolve({ user: user ?? null })));
    const house = await serve({ ...reject, authenticate }, 'tcp');
    const both = [1, 2].map(() => house.client('tcp', { user: 'ada' }).catch((error: HawserError) => error.code));
    while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
    for (const go of waiting) go();
    const results = await Promise.all(both);
    expect(results.filter((result) => result === 'ERR_ALREADY_LOGGED_IN')).toHaveLength(1);
    expect(users(house)).toEqual(['ada']);
  });

  test('holds for who names itself anew, too', async () => {
    const house = await serve(reject, 'tcp');
    const first = await house.client('tcp', { user: 'ada' });
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ user: 'bob' });
    await peer.enter({ user: 'bob' });
    peer.say({ event: 'hello', user: 'ada' });
    expect(await peer.error()).toBe('ERR_ALREADY_LOGGED_IN');
    expect(await first.request('echo', 1)).toBe(1);
  });
});

describe("secondLogin: 'replace'", () => {
  const replace: ServerOptions = { secondLogin: 'replace' };

  test.each<Scheme>(['tcp', 'ws'])('ends the first over %s, whose client stays away', async (scheme) => {
    const house = await serve(replace, scheme);
    const first = await house.client(scheme, { user: 'ada', reconnect: { first: 1, most: 1 } });
    const over = ended(first);
    const tries: unknown[] = [];
    first.on('reconnecting', (attempt) => tries.push(attempt));
    const second = await house.client(scheme, { user: 'ada' });
    expect(await over).toMatchObject({ code: 4511 });
    expect(await second.request('echo', 1)).toBe(1);
    expect([tries, first.state, users(house)]).toEqual([[], 'ended', ['ada']]);
  });

  test('tells a peer of the JSON dialect, before the end', async () => {
    const house = await serve(replace, 'tcp');
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ user: 'ada' });
    await house.client('tcp', { user: 'ada' });
    expect(await peer.error()).toBe('ERR_LOGGED_IN_ELSEWHERE');
    await peer.end();
  });

  test('rooms see the old one leave before the new one joins', async () => {
    const house = await serve({ ...replace, presence: true }, 'tcp');
    const watcher = await house.client('tcp', { user: 'eve' });
    await watcher.request('echo', 1);
    const told: string[] = [];
    const done = new Promise<void>((resolve) => {
      for (const change of ['joined', 'left'] as const) {
        (watcher as unknown as RawPresence).on(change, () => {
          if (told.push(change) === 3) resolve();
        });
      }
    });
    await house.client('tcp', { user: 'ada' });
    await house.client('tcp', { user: 'ada' });
    await done;
    expect(told).toEqual(['joined', 'left', 'joined']);
  });

  test('an old client whose link was broken meanwhile does not win its place back', async () => {
    const house = await serve(replace, 'tcp');
    const [old, proxy] = await behindProxy(house, { user: 'ada' });
    const lost = down(house, 'ada');
    const over = new Promise<HawserError | undefined>((resolve) => old.on('close', (_, error) => resolve(error)));
    proxy.hold();
    proxy.cut();
    await lost;
    const fresh = await house.client('tcp', { user: 'ada' });
    proxy.release();
    expect(await over).toMatchObject({ code: 'ERR_LOGGED_IN_ELSEWHERE' });
    expect(await fresh.request('echo', 1)).toBe(1);
    expect(users(house)).toEqual(['ada']);
  });

  test('who resumes before the second login comes is the one that is ended', async () => {
    const house = await serve(replace, 'tcp');
    const [old, proxy] = await behindProxy(house, { user: 'ada' });
    const back = new Promise((resolve) => old.on('up', resolve));
    proxy.cut();
    expect(await back).toMatchObject({ recovered: true });
    const over = ended(old);
    const fresh = await house.client('tcp', { user: 'ada' });
    expect(await over).toMatchObject({ code: 4511 });
    expect(await fresh.request('echo', 1)).toBe(1);
  });

  test('a resume and a second login that are authenticated at once leave one socket, whichever was first', async () => {
    for (const resumeFirst of [true, false]) {
      const waiting: (() => void)[] = [];
      let slow = false;
      const authenticate: ServerOptions['authenticate'] = ({ user }) =>
        slow ? new Promise((resolve) => waiting.push(() => resolve({ user: user ?? null }))) : { user: user ?? null };
      const house = await serve({ ...replace, authenticate }, 'tcp');
      const [old, proxy] = await behindProxy(house, { user: 'ada' });
      const over = ended(old);
      slow = true;
      proxy.cut();
      while (waiting.length < 1) await new Promise((resolve) => setImmediate(resolve));
      const second = house.client('tcp', { user: 'ada' });
      while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
      for (const go of resumeFirst ? waiting : waiting.toReversed()) go();
      expect(await (await second).request('echo', 1)).toBe(1);
      await over;
      expect(users(house)).toEqual(['ada']);
    }
  });

  const resume = (peer: RawPeer, ticket: Uint8Array, counts: number, attempt: number): void =>
    peer.say(peer.codec.hello({ version: 1, user: 'ada', resume: { ticket, counts: [[0, counts]], attempt } }).bytes);
  const ticketOf = ({ data }: { data: unknown }): Uint8Array => (data as { ticket: Uint8Array }).ticket;

  test('a late HELLO of a link that its client has given up does not take the place of the one in use', async () => {
    const house = await serve(replace, 'tcp');
    const [first, second, late] = await Promise.all([1, 2, 3].map(() => house.peer('tcp', 'hawser')));
    const ticket = ticketOf(await (first as RawPeer).enter({ user: 'ada' }));
    resume(second as RawPeer, ticket, 0, 2);
    expect(await second?.expect(({ kind }) => kind === 2)).toMatchObject({ data: { recovered: true } });
    resume(late as RawPeer, ticket, 0, 1);
    expect(await late?.error()).toBe('ERR_REPLACED');
    second?.say(second.codec.request(0, 1, 'echo', 'alive').bytes);
    expect(await second?.expect(({ id }) => id === 1)).toMatchObject({ data: 'alive' });
  });

  test('a client whose session is lost is not shut out by its own ticket, which it may have to show twice', async () => {
    const house = await serve(replace, 'tcp');
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => house.peer('tcp', 'hawser')));
    const ticket = ticketOf(await (first as RawPeer).enter({ user: 'ada' }));
    for (const peer of [second, third]) {
      resume(peer as RawPeer, ticket, 99, peer === second ? 2 : 3);
      expect(await peer?.expect(({ kind }) => kind === 2)).toMatchObject({ data: { recovered: false } });
    }
    expect(users(house)).toEqual(['ada']);
  });

  test('of three who come at once one stays', async () => {
    const house = await serve(replace, 'tcp');
    const all = await Promise.all([1, 2, 3].map(() => house.client('tcp', { user: 'ada' })));
    expect(users(house)).toEqual(['ada']);
    const alive = await Promise.all(all.map((one) => one.request('echo', 1).catch(() => 0)));
    expect(alive.filter((answer) => answer === 1)).toHaveLength(1);
  });

  test('holds for who names itself anew, too', async () => {
    const house = await serve(replace, 'tcp');
    const over = ended(await house.client('tcp', { user: 'ada' }));
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ user: 'bob' });
    await peer.enter({ user: 'ada' });
    expect(await over).toMatchObject({ code: 4511 });
    expect(users(house)).toEqual(['ada']);
  });

  test('a namespace may have its own way', async () => {
    const house = await serve({}, 'tcp');
    house.server.of('/one', { secondLogin: 'replace' });
    const url = `${house.url('tcp')}?namespace=/one`;
    const over = ended(house.keep(await connect(url, { user: 'ada' })));
    house.keep(await connect(url, { user: 'ada' }));
    expect(await over).toMatchObject({ code: 4511 });
  });

  test('no more tickets are remembered than there may be sockets', async () => {
    const house = await serve({ ...replace, limits: { sockets: 3 } }, 'tcp');
    const peers: RawPeer[] = [];
    const tickets: Uint8Array[] = [];
    for (let n = 0; n < 6; n++) {
      const peer = await house.peer('tcp', 'hawser');
      const { data } = await peer.enter({ user: 'ada' });
      tickets.push((data as { ticket: Uint8Array }).ticket);
      await peers.at(-1)?.end();
      peers.push(peer);
    }
    const answers: unknown[] = [];
    for (const ticket of tickets.slice(0, 5).toReversed()) {
      const peer = await house.peer('tcp', 'hawser');
      peer.say(peer.codec.hello({ version: 1, user: 'ada', resume: { ticket, counts: [[0, 0]] } }).bytes);
      answers.push(await peer.expect(({ kind }) => kind === 2 || kind === 7).then(({ kind, name }) => name || kind));
      peer.cut();
      await peer.end();
      if (answers.at(-1) === 2) break;
    }
    expect(answers).toEqual([...new Array<string>(3).fill('ERR_LOGGED_IN_ELSEWHERE'), 2]);
  });
});

describe('three clients of one user, whose links break at any time', () => {
  const policies = ['reject', 'replace'] as const;
  const cases = policies.flatMap((secondLogin) => [1, 2, 3, 4, 5, 6].map((seed) => [secondLogin, seed] as const));

  test.each(cases)(
    'with %s (seed %i) leave one that is in, and do not drive each other out in turns',
    async (secondLogin, seed) => {
      const chance = seededRandom(seed);
      const pick = (below: number): number => Math.floor(chance.unit() * below);
      const house = await serve({ secondLogin }, 'tcp');
      let logins = 0;
      house.server.on('connection', () => logins++);
      const { port = 0 } = parseEndpoint(house.url('tcp'));
      const clients: Promise<ClientSocket | undefined>[] = [];
      const proxies: CuttingProxy[] = [];
      for (let step = 0; step < 60; step++) {
        if (step % 20 === 0) {
          const proxy = house.keep(await CuttingProxy.open({ target: { port } }));
          proxies.push(proxy);
          const options = { user: 'ada', persistent: true, reconnect: { first: 1, most: 8 } };
          const dialled = connect(`tcp://127.0.0.1:${proxy.port}`, options).then((client) => house.keep(client));
          clients.push(dialled.catch(() => undefined));
        }
        if (pick(3) === 0) proxies[pick(proxies.length)]?.cut();
        for (let turns = pick(40); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      }
      const all = await Promise.all(clients);
      const over = all.map((client) => (client === undefined ? Promise.resolve() : client.closed));
      await Promise.any(over.map((_, at) => Promise.all(over.filter((__, other) => other !== at))));
      const alive = all.filter((client) => client !== undefined && client.state !== 'ended');
      expect(alive).toHaveLength(1);
      expect(await alive[0]?.request('echo', 'in')).toBe('in');
      expect(users(house)).toEqual(['ada']);
      // Each client logs in once, and once more for each welcome that a broken link lost; nobody comes back who was driven out.
      expect(logins).toBeLessThan(20);
    },
  );
});

test.each(['once', '', null])('secondLogin %o is no option', (policy) => {
  const secondLogin = policy as SecondLogin;
  const refused = expect.objectContaining({ code: 'ERR_OPTION' });
  expect(() => createServer({ secondLogin })).toThrow(refused);
  expect(() => createServer().of('/a', { secondLogin })).toThrow(refused);
  expect(() => createServer().of('/:a', { secondLogin })).toThrow(refused);
});

describe('middleware of connections', () => {
  test.each<Scheme>(['tcp', 'ws'])(
    'runs in order after authentication over %s, and fills socket.data',
    async (scheme) => {
      const house = await serve({ authenticate: () => ({ user: 'ada', claims: { role: 'boss' } }) }, scheme);
      const seen: unknown[] = [];
      house.server
        .use(({ user, claims, namespace, credentials, data }) => {
          seen.push([user, claims, namespace, credentials.token]);
          data['steps'] = ['first'];
        })
        .use(async ({ data }) => {
          await Promise.resolve();
          (data['steps'] as string[]).push('second');
        })
        .use(({ data }) => (data['steps'] as string[]).push('third'));
      house.server.on('connection', (socket) => socket.handle('steps', () => socket.data['steps']));
      const client = await house.client(scheme, { token: 'secret' });
      expect(await client.request('steps')).toEqual(['first', 'second', 'third']);
      expect(seen).toEqual([['ada', { role: 'boss' }, '/', 'secret']]);
    },
  );

  test('refuses with the code that it throws, and with a word of its own for all else', async () => {
    const house = await serve({}, 'tcp');
    house.server.use(({ user }) => {
      if (user === 'own') throw new HawserError('ERR_NO_SEAT', 'no seat is left');
      if (user === 'plain') throw new Error('secret');
    });
    house.server.use(async ({ user }) => {
      if (user === 'later') throw new HawserError('ERR_NOT_ALLOWED', 'go away');
      if (user === 'broken') await Promise.reject(new Error('secret'));
    });
    const refused = async (user: string): Promise<unknown> => {
      const { code, message } = await errorOf(house.client('tcp', { user }));
      return [code, message];
    };
    expect(await refused('own')).toEqual(['ERR_NO_SEAT', 'no seat is left']);
    expect(await refused('later')).toEqual(['ERR_NOT_ALLOWED', 'go away']);
    expect(await refused('plain')).toEqual(['ERR_NOT_ALLOWED', 'you may not connect']);
    expect(await refused('broken')).toEqual(['ERR_NOT_ALLOWED', 'you may not connect']);
    expect(house.reported.map(String)).toEqual(['Error: secret', 'Error: secret']);
    expect((await house.client('tcp', { user: 'ada' })).user).toBe('ada');
    expect(users(house)).toEqual(['ada']);
  });

  test('of a pattern knows what stands for its names, before the namespace is made', async () => {
    const house = await serve({}, 'tcp');
    const seen: Arrival[] = [];
    const named: unknown[] = [];
    const pattern = house.server.of('/room/:id').use((arrival) => {
      seen.push(arrival);
      named.push(pattern.namespaces.length);
      if (arrival.params['id'] === '0') throw new HawserError('ERR_NOT_ALLOWED', 'no such room');
    });
    const url = house.url('tcp');
    expect(await errorOf(connect(`${url}?namespace=/room/0`))).toMatchObject({ code: 'ERR_NOT_ALLOWED' });
    house.keep(await connect(`${url}?namespace=/room/7`));
    expect(
      seen.map(({ namespace, params, credentials }) => [namespace, params['id'], credentials.params['id']]),
    ).toEqual([
      ['/room/0', '0', '0'],
      ['/room/7', '7', '7'],
    ]);
    expect(named).toEqual([0, 0]);
  });

  test('is asked again at a resume, and may refuse it', async () => {
    const house = await serve({}, 'tcp');
    let banned = false;
    house.server.use(() => {
      if (banned) throw new HawserError('ERR_NOT_ALLOWED', 'banned');
    });
    const [client, proxy] = await behindProxy(house, { user: 'ada' });
    const over = new Promise<HawserError | undefined>((resolve) => client.on('close', (_, error) => resolve(error)));
    banned = true;
    proxy.cut();
    expect(await over).toMatchObject({ code: 'ERR_NOT_ALLOWED' });
  });

  test('that never ends costs the peer its time to log in, and nobody else anything', async () => {
    const house = await serve({ times: { loginWait: 300, closeWait: 200 } }, 'tcp');
    const bystanders = await house.bystanders();
    house.server.use(() => new Promise(() => {}));
    const peer = await house.peer('tcp', 'hawser');
    peer.say(peer.codec.hello({ version: 1 }).bytes);
    expect(await peer.error()).toBe('ERR_LOGIN_TIMEOUT');
    await bystanders.check();
    expect(house.server.stats.sockets).toBe(2);
  });

  test('holds what a peer sends meanwhile, in order', async () => {
    const house = await serve({}, 'tcp');
    let go = (): void => {};
    const asked = new Promise<void>((resolve) => {
      house.server.use(
        () =>
          new Promise<void>((pass) => {
            go = pass;
            resolve();
          }),
      );
    });
    const heard: unknown[] = [];
    house.server.on('connection', (socket) => socket.on('word', (data) => heard.push(data)));
    const peer = await house.peer('tcp', 'json');
    peer.say({ event: 'hello' });
    for (let n = 0; n < 5; n++) peer.say({ event: 'word', data: n });
    peer.say({ event: 'echo', id: 1, data: 'last' });
    await asked;
    go();
    await peer.expect(({ id }) => id === 1);
    expect(heard).toEqual([0, 1, 2, 3, 4]);
  });
});

interface RawPresence {
  on(event: 'joined' | 'left', listener: () => void): void;
}

test('a user with half a surrogate pair is refused, and leaves nothing behind', async () => {
  const house = await serve({ authenticate: ({ token }) => ({ user: JSON.parse(token ?? '') as string }) }, 'tcp');
  const named = (user: string): Promise<ClientSocket> => house.client('tcp', { token: `"${user}"` });
  expect(await errorOf(named('half\\ud83d'))).toMatchObject({ code: 'ERR_AUTH_FAILED' });
  expect((await named('whole\\ud83d\\ude00')).user).toBe('whole😀');
  expect(users(house)).toEqual(['whole😀']);
  expect(house.server.stats.sockets).toBe(1);
});
