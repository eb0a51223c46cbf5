import { describe, expect, test } from 'vitest';
import { type AnyDirection, type CloseReason, HawserError } from '../core/index.ts';
import { type EngineHost, MemoryEngine } from '../engine/index.ts';
import { realWorld } from '../runtime/index.ts';
import {
  Broadcast,
  type Delivery,
  everybody,
  HistoryRules,
  Logs,
  Namespace,
  type NamespaceSettings,
  type Seat,
} from './index.ts';

const OPTIONS: NamespaceSettings = {
  roomsPerSocket: 3,
  nameLength: 8,
  presence: true,
  presenceMembers: 100,
  requestAll: 4,
  requestTimeout: 1000,
};
const LOG_SETTINGS = { recovery: 10, appends: 10, appendWait: 1000 };
/** Names that every object inherits. */
const COLLISIONS = ['__proto__', 'toString', 'constructor', 'valueOf'];

interface Heard {
  readonly event: string;
  readonly data: unknown;
  readonly meta: unknown;
}

/** A namespace with the engine of one node, as a server joins them. */
class House {
  readonly engine = new MemoryEngine(realWorld());
  readonly namespace: Namespace;
  #ids = 0;

  constructor(options: Partial<NamespaceSettings> = {}) {
    const world = realWorld();
    const logs = new Logs(this.engine, world, LOG_SETTINGS, (error) => expect.fail(String(error)));
    this.namespace = new Namespace('/', this.engine, { ...OPTIONS, ...options }, logs, new HistoryRules('/'));
    const host: EngineHost = {
      entered: () => {},
      interrupted: () => {},
      answer: () => undefined,
      rival: () => {},
      deliver: () => expect.fail('one node has nobody to hear from'),
      presence: (_, room, member, change, count) => this.namespace.announce(room, member, change, count),
      report: (error) => expect.fail(String(error)),
    };
    void this.engine.start(host);
  }

  /** A new socket, in these rooms. */
  seat(user: string | null, ...rooms: string[]): Chair {
    this.#ids += 1;
    const chair = new Chair(`${this.#ids}`, user);
    this.namespace.add(chair);
    for (const room of rooms) this.namespace.join(chair, room);
    return chair;
  }

  all(): Broadcast<AnyDirection> {
    return new Broadcast(this.namespace, this.engine);
  }

  from(seat: Seat): Broadcast<AnyDirection> {
    const target = { ...everybody('/'), exceptSockets: [seat.id] };
    return new Broadcast(this.namespace, this.engine, target, { id: seat.id, user: seat.user });
  }
}

class Chair implements Seat {
  readonly id: string;
  user: string | null;
  readonly heard: Heard[] = [];
  react: (delivery: Delivery) => void = () => {};

  constructor(id: string, user: string | null) {
    this.id = id;
    this.user = user;
  }

  deliver(delivery: Delivery): void {
    const { event, data, meta } = delivery;
    this.heard.push({ event, data, meta });
    this.react(delivery);
  }

  mustWait(): boolean {
    return false;
  }

  answer: () => Promise<unknown> = async () => this.id;
  asked = 0;

  request(): Promise<unknown> {
    this.asked += 1;
    return this.answer();
  }

  closed: CloseReason | undefined;

  close(reason: CloseReason): void {
    this.closed = reason;
  }

  /** The data of what was heard under a name, which is then forgotten. */
  take(event = 'say'): unknown[] {
    const taken = this.heard.filter((one) => one.event === event).map((one) => one.data);
    this.heard.length = 0;
    return taken;
  }

  /** Who was said to have joined or left. */
  presence(): string[] {
    const told = this.heard.filter((one) => one.event !== 'say') as { event: string; meta: Told }[];
    this.heard.length = 0;
    return told.map(({ event, meta }) => `${meta.member.user ?? meta.member.id} ${event} ${meta.room}`);
  }
}

interface Told {
  readonly room: string;
  readonly member: { readonly id: string; readonly user: string | null };
}

describe('a broadcast reaches', () => {
  test('everybody, or everybody but the sender', () => {
    const house = new House();
    const [ada, bob, eve] = [house.seat('ada'), house.seat(null), house.seat('eve', 'a')];
    house.all().send('say', 1);
    house.from(bob).send('say', 2);
    expect([ada.take(), bob.take(), eve.take()]).toEqual([[1, 2], [1], [1, 2]]);
  });

  test('several rooms minus some, each socket once, with the room that reached it and the sender', () => {
    const house = new House();
    const ada = house.seat('ada', 'a', 'b');
    const bob = house.seat('bob', 'b');
    const eve = house.seat('eve', 'a', 'muted');
    const out = house.seat('out', 'other');
    house.from(out).to('a').to('b', 'nowhere').except('muted').send('say', 1);
    const from = { id: out.id, user: 'out' };
    expect(ada.heard.filter(({ event }) => event === 'say')).toEqual([
      { event: 'say', data: 1, meta: { from, room: 'a' } },
    ]);
    expect(bob.heard).toEqual([{ event: 'say', data: 1, meta: { from, room: 'b' } }]);
    expect([eve.take(), out.take()]).toEqual([[], []]);
  });

  test('all sockets of a user, and one that a room and a user name once', () => {
    const house = new House();
    const ada = [house.seat('ada', 'a'), house.seat('ada')];
    const bob = house.seat('bob', 'a');
    house.all().user('ada').send('say', 1);
    house.all().to('a').user('ada', 'ada', 'nobody').send('say', 2);
    house
      .from(ada[0] as Chair)
      .user('ada')
      .send('say', 3);
    expect(ada.map((seat) => seat.take())).toEqual([
      [1, 2],
      [1, 2, 3],
    ]);
    expect(bob.take()).toEqual([2]);
  });

  test('everybody but the members of a room', () => {
    const house = new House();
    const [ada, bob] = [house.seat('ada', 'a'), house.seat('bob')];
    house.all().except('a').send('say', 1);
    expect([ada.take(), bob.take()]).toEqual([[], [1]]);
  });

  test('nobody, where rooms or users were asked for and none was named', () => {
    const house = new House();
    const ada = house.seat('ada', 'a');
    const none: string[] = [];
    house
      .all()
      .to(...none)
      .send('say', 1);
    house
      .all()
      .user(...none)
      .except('b')
      .send('say', 2);
    house.all().to().to('a').send('say', 3);
    expect(ada.take()).toEqual([3]);
  });

  test('no room or user by a name that objects inherit', () => {
    const house = new House({ nameLength: 11 });
    const ada = house.seat('ada', 'a');
    for (const name of COLLISIONS) house.all().to(name).user(name).send('say', name);
    expect(ada.take()).toEqual([]);
    const odd = house.seat('__proto__', '__proto__');
    house.all().to('__proto__').send('say', 1);
    house.all().user('__proto__').send('say', 2);
    expect(odd.take()).toEqual([1, 2]);
  });

  test('a step makes a new one and leaves the one before as it was', () => {
    const house = new House();
    const [ada, bob] = [house.seat('ada', 'a'), house.seat('bob', 'b')];
    const a = house.all().to('a');
    a.to('b');
    a.except('a');
    a.send('say', 1);
    expect([ada.take(), bob.take()]).toEqual([[1], []]);
  });

  test('those who are there when it begins, also when members leave, come or end in the middle', () => {
    const house = new House();
    const first = house.seat('first', 'a');
    const second = house.seat('second', 'a');
    const third = house.seat('third', 'a');
    for (const seat of [first, second, third]) seat.heard.length = 0;
    first.react = ({ event }) => {
      if (event !== 'say') return;
      house.namespace.remove(first);
      house.namespace.leave(second, 'a');
    };
    house.all().to('a').send('say', 1);
    expect([first.take(), second.take(), third.take()]).toEqual([[1], [], [1]]);
    expect([...house.namespace.seats]).toEqual([second, third]);
  });

  test('and a message that a member sends in the middle of it', () => {
    const house = new House({ presence: false });
    const seats = [house.seat('a', 'a'), house.seat('b', 'a'), house.seat('c', 'a')];
    (seats[0] as Chair).react = ({ data }) => {
      if (data === 1) house.all().to('a').send('say', 2);
    };
    house.all().to('a').send('say', 1);
    expect(seats.map((seat) => seat.take().length)).toEqual([2, 2, 2]);
  });

  test.each(['hello', 'welcome', 'error', 'joined', 'left'])('nobody under the name %s', (name) => {
    const house = new House();
    const ada = house.seat('ada');
    const refused = expect.objectContaining({ code: 'ERR_EVENT_RESERVED' });
    expect(() => house.all().send(name, 1)).toThrow(refused);
    expect(() => house.from(ada).to('a').send(name, 1)).toThrow(refused);
    expect(ada.heard).toEqual([]);
  });

  test.each(['', 'x'.repeat(9)])('nobody under no name, or one too long (%o)', (name) => {
    expect(() => new House().all().send(name, 1)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('rooms', () => {
  test.each([...COLLISIONS, 'é', '🚀'])('%s is a name like any other', (room) => {
    const house = new House({ nameLength: 11 });
    const ada = house.seat('ada', room);
    expect([...house.namespace.roomsOf(ada)]).toEqual([room]);
    house.namespace.leave(ada, room);
    expect([...house.namespace.roomsOf(ada)]).toEqual([]);
  });

  test.each(['', 'x'.repeat(9), 7, undefined])('%o is no name', (room) => {
    const house = new House();
    const ada = house.seat('ada');
    expect(() => house.namespace.join(ada, room as string)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(house.namespace.roomsOf(ada).size).toBe(0);
  });

  test('no more than the limit; leaving one makes room, and joining twice takes one place', () => {
    const house = new House();
    const ada = house.seat('ada', 'a', 'b', 'b', 'c');
    const tooMany = expect.objectContaining({ code: 'ERR_TOO_MANY_ROOMS' });
    expect(() => house.namespace.join(ada, 'd')).toThrow(tooMany);
    house.namespace.join(ada, 'a');
    house.namespace.leave(ada, 'a');
    house.namespace.leave(ada, 'a');
    house.namespace.join(ada, 'd');
    expect([...house.namespace.roomsOf(ada)]).toEqual(['b', 'c', 'd']);
  });

  test('a socket that has ended can not join, and is in no room', () => {
    const house = new House();
    const ada = house.seat('ada', 'a');
    house.namespace.remove(ada);
    house.namespace.remove(ada);
    house.namespace.leave(ada, 'a');
    expect(() => house.namespace.join(ada, 'a')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect([house.namespace.roomsOf(ada).size, house.namespace.size]).toEqual([0, 0]);
  });

  test('nothing is left when all have gone', async () => {
    const house = new House();
    const seats = [house.seat('ada', 'a', 'b'), house.seat('ada', 'a'), house.seat(null)];
    for (const seat of seats) house.namespace.remove(seat);
    expect(house.namespace.size).toBe(0);
    expect([(await house.engine.rooms('/')).size, (await house.engine.users('/')).size]).toEqual([0, 0]);
  });

  test('members and counts are told of what was asked for', async () => {
    const house = new House();
    house.seat('ada', 'a');
    house.seat('bob', 'a', 'b');
    expect(await house.all().to('a').members()).toEqual([
      { id: '1', user: 'ada' },
      { id: '2', user: 'bob' },
    ]);
    expect(await house.all().to('a').members(1)).toHaveLength(1);
    expect(await house.all().to('a', 'b').user('ada').count()).toBe(4);
    expect(await house.all().to('nowhere').members()).toEqual([]);
  });
});

describe('presence', () => {
  test('members are told who joins and leaves, but not of themselves', () => {
    const house = new House();
    const ada = house.seat('ada', 'a');
    const bob = house.seat('bob', 'a');
    house.seat('eve', 'b');
    house.namespace.leave(bob, 'a');
    expect(ada.presence()).toEqual(['bob joined a', 'bob left a']);
    expect(bob.presence()).toEqual([]);
  });

  test('a socket that ends leaves all its rooms', () => {
    const house = new House();
    const ada = house.seat('ada', 'a', 'b');
    const bob = house.seat('bob', 'a', 'b');
    house.namespace.remove(bob);
    expect(ada.presence()).toEqual(['bob joined a', 'bob joined b', 'bob left a', 'bob left b']);
  });

  test('one that names itself anew leaves under the old name and joins under the new one', async () => {
    const house = new House();
    const ada = house.seat('ada', 'a');
    const bob = house.seat(null, 'a');
    ada.heard.length = 0;
    bob.user = 'bob';
    house.namespace.identify(bob);
    house.namespace.identify(bob);
    expect(ada.presence()).toEqual(['2 left a', 'bob joined a']);
    expect(bob.presence()).toEqual([]);
    house.all().user('bob').send('say', 1);
    bob.user = 'rob';
    house.namespace.identify(bob);
    house.all().user('bob').send('say', 2);
    house.all().user('rob').send('say', 3);
    expect(bob.take()).toEqual([1, 3]);
    expect([...(await house.engine.users('/')).keys()]).toEqual(['ada', 'rob']);
    house.namespace.remove(bob);
    house.namespace.identify(bob);
    expect([...(await house.engine.users('/')).keys()]).toEqual(['ada']);
  });

  test('is told in rooms of so many members and no more, and what was not told of joining is not told of leaving', () => {
    const house = new House({ presenceMembers: 2 });
    const ada = house.seat('ada', 'a');
    const bob = house.seat('bob', 'a');
    const eve = house.seat('eve', 'a');
    house.namespace.leave(eve, 'a');
    house.namespace.leave(bob, 'a');
    expect(ada.presence()).toEqual(['bob joined a', 'bob left a']);
    expect(bob.presence()).toEqual([]);
  });

  test('is off unless asked for', () => {
    const house = new House({ presence: false });
    const ada = house.seat('ada', 'a');
    house.namespace.remove(house.seat('bob', 'a'));
    expect(ada.heard).toEqual([]);
  });
});

describe('on behalf of others', () => {
  test('who is named joins and leaves rooms, or is ended', () => {
    const house = new House({ roomsPerSocket: 4 });
    const [ada, bob, eve] = [house.seat('ada', 'a'), house.seat('bob', 'a', 'x'), house.seat('eve')];
    void house.all().to('a').join('b', 'c');
    void house.all().user('eve').join('b');
    void house.all().to('b').except('x').leave('b', 'a');
    const rooms = [ada, bob, eve].map((seat) => [...house.namespace.roomsOf(seat)]);
    expect(rooms).toEqual([['c'], ['a', 'x', 'b', 'c'], []]);
    void house.from(bob).to('a', 'c').disconnect(4600, 'over');
    expect([ada, bob, eve].map((seat) => seat.closed)).toEqual([{ code: 4600, reason: 'over' }, undefined, undefined]);
    void house.all().to().disconnect();
    expect(bob.closed).toBeUndefined();
    void house.all().disconnect();
    expect(bob.closed).toMatchObject({ code: 4507 });
  });

  test('all join who can, and what was in the way of the first who could not is thrown', () => {
    const house = new House();
    const full = house.seat('full', '1', '2', '3');
    const bob = house.seat('bob');
    const join = (...rooms: string[]) => house.all().join.bind(house.all(), ...rooms);
    expect(join('a')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_ROOMS' }));
    expect(join('')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect([full, bob].map((seat) => house.namespace.roomsOf(seat).has('a'))).toEqual([false, true]);
  });
});

describe('a request to many', () => {
  const never = (code: string, delivered?: 'unknown') => async (): Promise<never> => {
    throw new HawserError(code, code, delivered && { delivered });
  };

  test('tells who answered, who could not and who was silent, each once and in order', async () => {
    const house = new House();
    const [ada, bob] = [house.seat('ada', 'a', 'b'), house.seat('bob', 'a')];
    const [eve, ned] = [house.seat('eve', 'b'), house.seat(null, 'b')];
    house.seat('out', 'a', 'muted');
    bob.answer = never('ERR_TIMEOUT', 'unknown');
    eve.answer = never('ERR_TIMEOUT');
    ned.answer = never('ERR_CLOSED', 'unknown');
    const all = await house.all().to('a', 'b').except('muted').requestAll('vote', 1);
    expect(all.answers).toEqual([{ socket: ada.id, user: 'ada', data: ada.id }]);
    expect(all.errors).toMatchObject([{ socket: eve.id, user: 'eve', error: { code: 'ERR_TIMEOUT' } }]);
    expect(all.silent).toEqual([
      { socket: bob.id, user: 'bob' },
      { socket: ned.id, user: null },
    ]);
    expect([ada, bob, eve, ned].map(({ asked }) => asked)).toEqual([1, 1, 1, 1]);
  });

  test('of nobody is answered at once', async () => {
    const house = new House();
    house.seat('ada');
    const none = { answers: [], errors: [], silent: [], silentNodes: [], failedNodes: [] };
    expect(await house.all().to('nowhere').requestAll('vote')).toEqual(none);
    expect(await house.all().to().requestAll('vote')).toEqual(none);
  });

  test('asks as many as the limit says, and of more nobody', async () => {
    const house = new House();
    const seats = [1, 2, 3, 4].map((n) => house.seat(`${n}`));
    expect((await house.all().requestAll('vote')).answers).toHaveLength(4);
    house.seat('5');
    await expect(house.all().requestAll('vote')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
    expect(seats.map(({ asked }) => asked)).toEqual([1, 1, 1, 1]);
  });

  test('that nobody can be asked is a mistake of the caller', async () => {
    const house = new House();
    house.seat('ada').answer = never('ERR_UNENCODABLE');
    await expect(house.all().requestAll('vote')).rejects.toMatchObject({ code: 'ERR_UNENCODABLE' });
    await expect(house.all().requestAll('')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(house.all().requestAll('hello')).rejects.toMatchObject({ code: 'ERR_EVENT_RESERVED' });
    const signal = AbortSignal.abort();
    await expect(house.all().requestAll('vote', 1, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
