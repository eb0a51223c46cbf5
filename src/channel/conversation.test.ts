import { describe, expect, test } from 'vitest';
import { type AnyDirection, HawserError, type Outbound } from '../core/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { hawserCodec, Incoming, MESSAGE } from '../wire/index.ts';
import { Conversation, type Outlet, RESERVED_EVENTS } from './index.ts';

class Talk extends Conversation<AnyDirection, AnyDirection> {}

/** Names that every object inherits, or that the sockets use for their own events. */
const COLLISIONS = [
  'toString',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'valueOf',
  'close',
  'down',
  'up',
  'drain',
  'then',
];

/** A conversation with nobody behind it: what it sends is decoded and kept. */
class Stage implements Outlet {
  readonly world = virtualWorld();
  readonly codec = hawserCodec;
  readonly load = { handling: 0 };
  readonly limits = { pendingRequests: 3, nameLength: 16, backlogBytes: 1000 };
  readonly times = { requestTimeout: 1000 };
  readonly trustsInfo: boolean;
  readonly sent: Incoming[] = [];
  readonly tags: number[] = [];
  readonly movable: boolean[] = [];
  readonly reports: [unknown, string][] = [];
  readonly refusals: HawserError[] = [];
  /** What `send` answers, or throws. */
  answer: boolean | HawserError = true;
  readonly talk: Talk;

  constructor(trustsInfo = false) {
    this.trustsInfo = trustsInfo;
    this.talk = new Talk(0, this);
  }

  send(message: Outbound, tag: number): boolean {
    if (this.answer instanceof HawserError) throw this.answer;
    this.#keep(message);
    this.tags.push(tag);
    return this.answer;
  }

  reply(message: Outbound): void {
    this.send(message, 0);
  }

  sendVolatile(message: Outbound): boolean {
    this.#keep(message);
    return false;
  }

  mustWait(): boolean {
    return this.answer !== true;
  }

  report(error: unknown, during: string): void {
    this.reports.push([error, during]);
  }

  refused(error: HawserError): void {
    this.refusals.push(error);
  }

  hear(name: string, data?: unknown, meta?: Incoming['meta']): void {
    this.talk.dispatch(new Incoming(MESSAGE.event, 0, 0, name, data, meta));
  }

  ask(name: string, data?: unknown, id = 7): void {
    this.talk.dispatch(new Incoming(MESSAGE.request, 0, id, name, data));
  }

  /** Lets promises that are settled run their course. */
  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  #keep(message: Outbound): void {
    this.movable.push(message.movable === true);
    const decoded = this.codec.decode(message.bytes, message.text);
    if (decoded.kind !== 0) this.sent.push(decoded);
  }
}

describe('events', () => {
  test('are sent with or without data, and tell of a full backlog', () => {
    const stage = new Stage();
    expect(stage.talk.send('a', { b: 1 })).toBe(true);
    stage.answer = false;
    expect(stage.talk.send('c')).toBe(false);
    expect(stage.sent.map(({ kind, name, data }) => [kind, name, data])).toEqual([
      [MESSAGE.event, 'a', { b: 1 }],
      [MESSAGE.event, 'c', undefined],
    ]);
    expect(stage.tags).toEqual([0, 0]);
  });

  test('memory is given away only where the sender says so and nothing is kept', () => {
    const stage = new Stage();
    stage.talk.send('a', 1, { volatile: true });
    stage.talk.send('a', 1, { volatile: true, move: true });
    stage.talk.send('a', 1, { move: true });
    expect(stage.movable).toEqual([false, true, false]);
  });

  test('volatile ones go their own way', () => {
    const stage = new Stage();
    expect(stage.talk.send('a', 1, { volatile: true })).toBe(false);
    expect(stage.sent.map(({ kind }) => kind)).toEqual([MESSAGE.volatile]);
    expect(stage.tags).toEqual([]);
  });

  test.each([...RESERVED_EVENTS])('%s is a word of the protocol, both ways', async (name) => {
    const stage = new Stage();
    stage.talk.on(name, () => expect.fail('a peer has no business to say this'));
    stage.talk.onAny(() => expect.fail('nor here'));
    expect(() => stage.talk.send(name)).toThrow(expect.objectContaining({ code: 'ERR_EVENT_RESERVED' }));
    await expect(stage.talk.request(name)).rejects.toMatchObject({ code: 'ERR_EVENT_RESERVED' });
    expect(stage.sent).toEqual([]);
    stage.hear(name, 1);
    expect(stage.sent.map(({ kind, name: code, id }) => [kind, code, id])).toEqual([
      [MESSAGE.failure, 'ERR_EVENT_RESERVED', 0],
    ]);
  });

  test.each(['', 'x'.repeat(17), 7 as unknown as string])('%o is no name', async (name) => {
    const stage = new Stage();
    expect(() => stage.talk.send(name)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    await expect(stage.talk.request(name)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(stage.sent).toEqual([]);
  });

  test.each(COLLISIONS)('%s is a name like any other', (name) => {
    const stage = new Stage();
    stage.hear(name, 1);
    stage.ask(name);
    expect(stage.sent.map((one) => one.name)).toEqual(['ERR_NO_SUCH_REQUEST']);
    const heard: unknown[] = [];
    stage.talk.on(name, (data) => heard.push(data));
    stage.talk.handle(name, (data) => [data]);
    stage.hear(name, 2);
    stage.ask(name, 3);
    expect(heard).toEqual([2]);
    expect(stage.sent.at(-1)).toMatchObject({ kind: MESSAGE.response, data: [3] });
  });

  test('reach the listeners of the name in order, then those of any name', () => {
    const stage = new Stage();
    const heard: unknown[] = [];
    stage.talk.onAny((name, data) => heard.push(['any', name, data]));
    stage.talk.on('a', (data) => heard.push([1, data]));
    stage.talk.on('a', (data) => heard.push([2, data]));
    stage.talk.on('b', () => heard.push('never'));
    stage.hear('a', 'x');
    expect(heard).toEqual([
      [1, 'x'],
      [2, 'x'],
      ['any', 'a', 'x'],
    ]);
  });

  test('a listener that is added or removed in the call counts from the next event on', () => {
    const stage = new Stage();
    const heard: string[] = [];
    const second = (): number => heard.push('second');
    const hear = (): number => heard.push('any');
    stage.talk.on('a', () => {
      heard.push('first');
      stage.talk.off('a', second);
      stage.talk.offAny(hear);
      stage.talk.on('a', () => heard.push('late'));
    });
    stage.talk.on('a', second);
    stage.talk.onAny(hear);
    stage.hear('a');
    expect(heard).toEqual(['first', 'second']);
    heard.length = 0;
    stage.talk.off('a');
    stage.hear('a');
    expect(heard).toEqual([]);
  });

  test('once hears one, also when it sends the event to itself, and can be taken back', () => {
    const stage = new Stage();
    let heard = 0;
    stage.talk.once('a', () => {
      heard += 1;
      stage.hear('a');
    });
    const never = (): void => expect.fail('was removed');
    stage.talk.once('a', never);
    stage.talk.off('a', never);
    stage.hear('a');
    stage.hear('a');
    expect(heard).toBe(1);
  });

  test('a listener that fails is reported, now or later, and harms nobody', async () => {
    const stage = new Stage();
    const heard: unknown[] = [];
    stage.talk.on('a', () => {
      throw new Error('now');
    });
    stage.talk.on('a', async () => {
      throw new Error('later');
    });
    stage.talk.on('a', () => heard.push('on'));
    stage.talk.onAny(async () => {
      throw new Error('any later');
    });
    stage.talk.onAny(() => {
      throw new Error('any now');
    });
    stage.talk.onAny(() => heard.push('any'));
    stage.hear('a');
    await stage.settle();
    expect(heard).toEqual(['on', 'any']);
    expect(stage.reports.map(([error, during]) => [(error as Error).message, during])).toEqual([
      ['now', "event 'a'"],
      ['any now', "event 'a'"],
      ['later', "event 'a'"],
      ['any later', "event 'a'"],
    ]);
    expect(stage.sent).toEqual([]);
  });

  test('what a peer says of rooms and senders is believed only of a server', () => {
    const meta = { room: 'lobby', from: { id: '1', user: 'ada' } };
    for (const trusts of [true, false]) {
      const stage = new Stage(trusts);
      const heard: unknown[] = [];
      stage.talk.on('a', (_, info) => heard.push(info));
      stage.hear('a', 1, meta);
      expect(heard).toEqual([trusts ? meta : {}]);
    }
  });

  test('a server may say the words of the protocol', () => {
    const stage = new Stage(true);
    const heard: unknown[] = [];
    stage.talk.on('joined', (_, { member }) => heard.push(member));
    stage.hear('joined', undefined, { room: 'lobby', member: { id: '1', user: null } });
    expect(heard).toEqual([{ id: '1', user: null }]);
  });
});

describe('requests of the peer', () => {
  test.each([
    ['at once', (data: unknown) => [data]],
    ['later', async (data: unknown) => [data]],
  ])('are answered %s', async (_, handler) => {
    const stage = new Stage();
    stage.talk.handle('echo', handler);
    stage.ask('echo', 'x');
    await stage.settle();
    expect(stage.sent).toMatchObject([{ kind: MESSAGE.response, id: 7, data: ['x'] }]);
    expect(stage.talk.busy).toBe(false);
  });

  test('nobody answers: the asker is told, and long names are cut', () => {
    const stage = new Stage();
    stage.ask('x'.repeat(1000));
    expect(stage.sent).toMatchObject([{ kind: MESSAGE.failure, id: 7, name: 'ERR_NO_SUCH_REQUEST' }]);
    expect(JSON.stringify(stage.sent).length).toBeLessThan(250);
  });

  test.each([
    ['at once', false],
    ['later', true],
  ])('an error of its own reaches the asker with code and data, %s', async (_, later) => {
    const stage = new Stage();
    stage.talk.handle('fail', () => {
      const error = new HawserError('ERR_NO_SEAT', 'full', { data: { seats: 0 } });
      if (later) return Promise.reject(error);
      throw error;
    });
    stage.ask('fail');
    await stage.settle();
    expect(stage.sent).toMatchObject([
      { kind: MESSAGE.failure, id: 7, name: 'ERR_NO_SEAT', data: { message: 'full', data: { seats: 0 } } },
    ]);
    expect(stage.reports).toEqual([]);
  });

  test.each([
    ['at once', false],
    ['later', true],
  ])('of any other error the asker hears nothing but that there was one, %s', async (_, later) => {
    const stage = new Stage();
    stage.talk.handle('fail', () => {
      if (later) return Promise.reject(new Error('secret'));
      throw new Error('secret');
    });
    stage.ask('fail');
    await stage.settle();
    expect(stage.sent).toMatchObject([{ kind: MESSAGE.failure, id: 7, name: 'ERR_HANDLER_FAILED' }]);
    expect(JSON.stringify(stage.sent)).not.toContain('secret');
    expect(stage.reports).toHaveLength(1);
  });

  test.each([
    ['the answer', () => () => 0],
    [
      'the data of the error',
      () => {
        throw new HawserError('ERR_MINE', 'mine', { data: () => 0 });
      },
    ],
  ])('%s that can not be sent is a failure of the handler', async (_, handler) => {
    const stage = new Stage();
    stage.talk.handle('odd', handler);
    stage.ask('odd');
    stage.talk.handle('odd', async () => handler());
    stage.ask('odd');
    await stage.settle();
    expect(stage.sent.map(({ name, id }) => [name, id])).toEqual([
      ['ERR_HANDLER_FAILED', 7],
      ['ERR_HANDLER_FAILED', 7],
    ]);
    expect(stage.reports).toHaveLength(2);
  });

  test.each([undefined, 7, ''])('an error whose code is %o can not be told as it is', (code) => {
    const stage = new Stage();
    stage.talk.handle('odd', () => {
      throw Object.assign(new Error('x'), { name: 'HawserError', code });
    });
    stage.ask('odd');
    expect(stage.sent.map(({ name }) => name)).toEqual(['ERR_HANDLER_FAILED']);
  });

  test('more at one time than may be are refused one by one', async () => {
    const stage = new Stage();
    const release: (() => void)[] = [];
    stage.talk.handle('wait', () => new Promise<void>((resolve) => release.push(resolve)));
    for (let id = 1; id <= 5; id++) stage.ask('wait', undefined, id);
    expect(stage.talk.busy).toBe(true);
    expect(stage.sent.map(({ name, id }) => [name, id])).toEqual([
      ['ERR_TOO_MANY_REQUESTS', 4],
      ['ERR_TOO_MANY_REQUESTS', 5],
    ]);
    for (const run of release) run();
    await stage.settle();
    expect(stage.talk.busy).toBe(false);
    expect(stage.sent.slice(2).map(({ kind, id }) => [kind, id])).toEqual([
      [MESSAGE.response, 1],
      [MESSAGE.response, 2],
      [MESSAGE.response, 3],
    ]);
  });

  test('an event whose name has a handler alone is a request that wants no answer', async () => {
    const stage = new Stage();
    const heard: unknown[] = [];
    stage.talk.handle('do', (data) => {
      heard.push(data);
      if (data === 'fail') throw new HawserError('ERR_MINE', 'no');
    });
    stage.hear('do', 'it');
    stage.hear('do', 'fail');
    expect(heard).toEqual(['it', 'fail']);
    expect(stage.sent).toMatchObject([{ kind: MESSAGE.failure, id: 0, name: 'ERR_MINE' }]);
  });

  test.each(['ERR_BACKLOG_FULL', 'ERR_CLOSED'])('an answer that can not be sent (%s) harms nobody', async (code) => {
    const stage = new Stage();
    stage.talk.handle('now', () => 1);
    stage.talk.handle('later', async () => 1);
    stage.talk.handle('fail', () => {
      throw new HawserError('ERR_MINE', 'no');
    });
    stage.answer = new HawserError(code, 'cannot be sent');
    stage.ask('now');
    stage.ask('later');
    stage.ask('fail');
    stage.ask('nobody');
    stage.hear('hello');
    await stage.settle();
    expect(stage.sent).toEqual([]);
    expect(stage.talk.busy).toBe(false);
  });
});

describe('own requests', () => {
  test('resolve with the answer, whatever the order of answers', async () => {
    const stage = new Stage();
    const answers = [stage.talk.request('a', 1), stage.talk.request('b'), stage.talk.request('c')];
    expect(stage.sent.map(({ name, data, id }) => [name, data, id])).toEqual([
      ['a', 1, 1],
      ['b', undefined, 2],
      ['c', undefined, 3],
    ]);
    expect(stage.tags).toEqual([1, 2, 3]);
    for (const id of [3, 1, 2]) stage.talk.dispatch(new Incoming(MESSAGE.response, 0, id, '', id * 10));
    expect(await Promise.all(answers)).toEqual([10, 20, 30]);
  });

  test('reject with what the peer said', async () => {
    const stage = new Stage();
    const asked = stage.talk.request('a');
    const failure = { message: 'full', data: [1] };
    stage.talk.dispatch(new Incoming(MESSAGE.failure, 0, 1, 'ERR_NO_SEAT', failure));
    await expect(asked).rejects.toMatchObject({ code: 'ERR_NO_SEAT', ...failure });
    expect(stage.refusals).toEqual([]);
  });

  test('time out after the default, or after their own time', async () => {
    const stage = new Stage();
    const slow = stage.talk.request('a').catch((error: unknown) => error);
    const quick = stage.talk.request('b', undefined, { timeout: 10 }).catch((error: unknown) => error);
    const never = stage.talk.request('c', undefined, { timeout: 0 });
    stage.world.advance(10);
    expect(await quick).toMatchObject({ code: 'ERR_TIMEOUT', delivered: 'unknown' });
    stage.world.advance(990);
    expect(await slow).toMatchObject({ code: 'ERR_TIMEOUT', delivered: 'unknown' });
    stage.world.advance(1_000_000);
    stage.talk.dispatch(new Incoming(MESSAGE.response, 0, 3, '', 'at last'));
    expect(await never).toBe('at last');
    expect(stage.world.timers).toBe(0);
  });

  test('an answer that comes too late, twice or for nobody changes nothing', async () => {
    const stage = new Stage();
    const asked = stage.talk.request('a');
    for (const id of [1, 1, 2, 0, -1, 'x']) stage.talk.dispatch(new Incoming(MESSAGE.response, 0, id, '', id));
    stage.talk.dispatch(new Incoming(MESSAGE.failure, 0, 1, 'ERR_LATE', { message: '' }));
    stage.talk.dispatch(new Incoming(MESSAGE.failure, 0, 'x', 'ERR_LATE', { message: '' }));
    expect(await asked).toBe(1);
    expect(stage.refusals).toEqual([]);
  });

  test('an error about nothing in particular is told apart', () => {
    const stage = new Stage();
    stage.talk.dispatch(new Incoming(MESSAGE.failure, 0, 0, 'ERR_OF_ALL', { message: 'x' }));
    expect(stage.refusals).toMatchObject([{ code: 'ERR_OF_ALL', message: 'x' }]);
  });

  test('kinds that are not a conversation mean nothing to it', () => {
    const stage = new Stage();
    stage.talk.onAny(() => expect.fail('no event'));
    for (const kind of [MESSAGE.ack, MESSAGE.ping, MESSAGE.goaway]) {
      stage.talk.dispatch(new Incoming(kind, 0, 0, 'a', []));
    }
    expect(stage.sent).toEqual([]);
  });

  test('failPending rejects each with its own error', async () => {
    const stage = new Stage();
    const asked = ['a', 'b'].map((name) => stage.talk.request(name).catch((error: unknown) => error));
    stage.talk.failPending((name, id) => new HawserError(`ERR_${name}${id}`, 'over'));
    expect(await Promise.all(asked)).toMatchObject([{ code: 'ERR_a1' }, { code: 'ERR_b2' }]);
    stage.talk.failPending(() => expect.fail('nothing waits'));
  });
});
