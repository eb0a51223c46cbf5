import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import type { ClientSocket } from '../client/index.ts';
import { type CloseReason, HawserError } from '../core/index.ts';
import { type Answers, createServer, type ServerOptions } from '../index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(options: ServerOptions, ...schemes: Scheme[]): Promise<House> {
  const house = await House.open({ nameOneself: true, ...options }, ...schemes);
  open.push(house);
  return house;
}

/** A client of the house that has been let in, in the server's eyes too. */
async function enter(
  house: House,
  user: string,
  answer?: () => unknown,
  scheme: Scheme = 'tcp',
): Promise<ClientSocket> {
  const client = await house.client(scheme, { user });
  if (answer !== undefined) client.handle('vote', answer);
  await client.request('echo', 1);
  return client;
}

describe('a request to many', () => {
  test.each<Scheme>(['tcp', 'ws'])(
    'is answered over %s by peers of both dialects, each in its own way',
    async (scheme) => {
      const house = await serve({}, scheme);
      const ada = await enter(house, 'ada', () => 'yes', scheme);
      const bob = await enter(
        house,
        'bob',
        () => {
          throw new HawserError('ERR_ABSTAIN', 'no opinion');
        },
        scheme,
      );
      const eve = await enter(house, 'eve', () => new Promise(() => {}), scheme);
      const json = await house.peer(scheme, 'json');
      const welcome = await json.enter({ user: 'json' });
      const asking = house.server.to('hall').requestAll('vote', { on: 'lunch' }, { timeout: 1000 });
      const { id, data } = await json.expect(({ name }) => name === 'vote');
      json.say({ event: 'vote', id: `$${id}`, data: 'no' });
      const { answers, errors, silent } = await asking;
      expect(data).toEqual({ on: 'lunch' });
      expect(answers).toEqual([
        { socket: ada.id, user: 'ada', data: 'yes' },
        { socket: (welcome.data as { id: string }).id, user: 'json', data: 'no' },
      ]);
      expect(errors).toMatchObject([{ socket: bob.id, user: 'bob', error: { code: 'ERR_ABSTAIN' } }]);
      expect(silent).toEqual([{ socket: eve.id, user: 'eve' }]);
    },
  );

  test('goes on without those who leave, and is over when its signal fires', async () => {
    const house = await serve({}, 'tcp');
    await enter(house, 'ada', () => 'yes');
    const idle = await Promise.all(
      Array.from({ length: 12 }, (_, n) => enter(house, `idle${n}`, () => new Promise(() => {}))),
    );
    const first = house.server.requestAll('vote', undefined, { timeout: 0 });
    await Promise.all(idle.slice(1).map((client) => client.close()));
    await idle[0]?.close();
    expect((await first).silent).toHaveLength(12);
    const stop = new AbortController();
    await Promise.all(Array.from({ length: 12 }, (_, n) => enter(house, `more${n}`, () => new Promise(() => {}))));
    const second = house.server.requestAll('vote', undefined, { timeout: 0, signal: stop.signal });
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    stop.abort();
    await expect(second).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  });

  test('asks no more than limits.requestAll', async () => {
    const house = await serve({ limits: { requestAll: 1 } }, 'tcp');
    await enter(house, 'ada', () => 'yes');
    expect((await house.server.requestAll('vote')).answers).toHaveLength(1);
    await enter(house, 'bob', () => 'yes');
    await expect(house.server.requestAll('vote')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
    expect((await house.server.user('bob').requestAll('vote')).answers).toMatchObject([{ user: 'bob' }]);
  });

  test('of data that is none asks nobody', async () => {
    const house = await serve({}, 'tcp');
    await enter(house, 'ada', () => expect.fail('asked'));
    await expect(house.server.requestAll('vote', () => 0)).rejects.toMatchObject({ code: 'ERR_UNENCODABLE' });
  });

  test('has the types of the Api', () => {
    interface Api {
      toServer: object;
      toClient: { requests: { vote: (on: string) => boolean; name: () => string } };
    }
    const server = createServer<Api>();
    expectTypeOf(server.requestAll('vote', 'lunch')).toEqualTypeOf<Promise<Answers<boolean>>>();
    expectTypeOf(server.to('a').requestAll('name')).toEqualTypeOf<Promise<Answers<string>>>();
  });
});

describe('the sockets of a namespace', () => {
  test('are found by room, by user and by id', async () => {
    const house = await serve({}, 'tcp');
    const [ada, again, bob] = [await enter(house, 'ada'), await enter(house, 'ada'), await enter(house, 'bob')];
    const all = house.server.of('/');
    void all.socket(bob.id ?? '')?.join('desk');
    expect(all.size).toBe(3);
    expect(all.socketsOf('ada').map(({ id }) => id)).toEqual([ada.id, again.id]);
    expect(all.socketsIn('desk').map(({ id }) => id)).toEqual([bob.id]);
    expect([all.socket('nobody'), all.socketsIn('nowhere'), all.socketsOf('nobody')]).toEqual([undefined, [], []]);
  });

  test('join and leave for a reason of the server, or are ended, and the others notice nothing', async () => {
    const house = await serve({}, 'tcp');
    const [ada, bob, eve] = [await enter(house, 'ada'), await enter(house, 'bob'), await enter(house, 'eve')];
    void house.server.user('ada', 'bob').join('desk');
    void house.server.user('bob').leave('desk', 'hall');
    expect(
      house.server
        .of('/')
        .socketsIn('desk')
        .map(({ user }) => user),
    ).toEqual(['ada']);
    const over = [ada, bob].map((client) => new Promise<CloseReason>((resolve) => client.on('close', resolve)));
    void house.server.to('desk').disconnect();
    void house.server.user('bob').disconnect(4777, 'enough');
    expect(await Promise.all(over)).toMatchObject([{ code: 4507 }, { code: 4777, reason: 'enough' }]);
    expect(await eve.request('echo', 1)).toBe(1);
    const last = new Promise<CloseReason>((resolve) => eve.on('close', resolve));
    void house.server.all().disconnect();
    expect(await last).toMatchObject({ code: 4507 });
  });
});

describe('presence', () => {
  test('has one entry for each device, lists with an honest total, and counts', async () => {
    const house = await serve({}, 'tcp');
    const devices = [await enter(house, 'ada'), await enter(house, 'ada'), await enter(house, 'bob')];
    const [first, second, third] = devices.map(({ id, user }) => ({ id, user }));
    expect(await house.server.members('hall')).toEqual({ members: [first, second, third], total: 3 });
    expect(await house.server.members('hall', { most: 2 })).toEqual({ members: [first, second], total: 3 });
    expect(await house.server.members('nowhere')).toEqual({ members: [], total: 0 });
    const all = house.server.of('/');
    expect([await all.count('hall'), await all.countUsers(), await all.countUser('ada')]).toEqual([3, 2, 2]);
    const { server } = house;
    expect([await server.countUsers(), await server.countUser('ada')]).toEqual([2, 2]);
    expect([(await server.users({ most: 1 })).size, (await server.rooms({ most: 0 })).size]).toEqual([1, 0]);
  });

  test('tells of members in rooms of limits.presenceMembers, and of larger ones nothing', async () => {
    const house = await serve({ presence: true, limits: { presenceMembers: 2 } }, 'tcp');
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ user: 'ada' });
    const bob = await enter(house, 'bob');
    const eve = await enter(house, 'eve');
    await eve.close();
    await bob.close();
    const told = async (): Promise<string> => {
      const { name, meta } = await peer.expect((message) => message.name === 'joined' || message.name === 'left');
      return `${meta?.member?.user} ${name}`;
    };
    expect([await told(), await told()]).toEqual(['bob joined', 'bob left']);
    expect((await house.server.members('hall')).total).toBe(1);
  });
});
