import { describe, expect, expectTypeOf, test } from 'vitest';
import type { HawserError } from '../core/index.ts';
import type { NodeInfo } from '../engine/index.ts';
import type { Answers, Found, Joined, Published, Reached } from '../room/index.ts';
import type { Pushed, Server, ServerSocket } from '../server/index.ts';
import type { Member } from '../wire/index.ts';
import {
  type ClientSocket,
  type CloseReason,
  connect,
  type EventStream,
  type RoomGap,
  type RoomPosition,
} from './index.ts';

interface Api {
  toServer: {
    events: { say: { room: string; text: string }; leave: undefined; maybe: number | undefined };
    requests: {
      sum: (numbers: number[]) => number;
      now: () => Date;
      log: (line: string) => void;
      find: (name?: string) => Promise<Member | undefined>;
    };
  };
  toClient: { events: { said: { text: string } }; requests: { name: () => string } };
}

/** An application that only ever sends to its server. */
interface OneWay {
  toServer: { events: { say: string } };
}

/** Never called: the types are what is tested, by the compiler. What is marked as an error must be one. */
function client(socket: ClientSocket<Api>): void {
  expectTypeOf(socket.send('say', { room: 'a', text: 'b' })).toEqualTypeOf<boolean>();
  socket.send('leave');
  socket.send('leave', undefined, { volatile: true });
  socket.send('leave', undefined, { overflow: 'latest', key: 'a' });
  // @ts-expect-error no such policy
  socket.send('leave', undefined, { overflow: 'error' });
  socket.send('maybe', 1);
  socket.send('maybe');
  // @ts-expect-error data is missing
  socket.send('say');
  // @ts-expect-error data of the wrong shape
  socket.send('say', { room: 'a' });
  // @ts-expect-error too much data
  socket.send('leave', 7);
  // @ts-expect-error an event of the other direction
  socket.send('said', { text: 'a' });
  // @ts-expect-error no such event
  socket.send('toString');

  expectTypeOf(socket.events('said', { limit: 10, overflow: 'latest' }).next()).toEqualTypeOf<
    Promise<IteratorResult<{ text: string }, undefined>>
  >();
  expectTypeOf(socket.events('down')).toEqualTypeOf<EventStream<CloseReason>>();
  expectTypeOf(socket.events('drain')).toEqualTypeOf<EventStream<undefined>>();
  // @ts-expect-error an event of the other direction
  socket.events('say');
  // @ts-expect-error no such policy
  socket.events('said', { overflow: 'block' });
  expectTypeOf(socket.drained({ timeout: 1 })).toEqualTypeOf<Promise<void>>();

  expectTypeOf(socket.request('sum', [1], { timeout: 1 })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(socket.request('now')).toEqualTypeOf<Promise<Date>>();
  expectTypeOf(socket.request('now', undefined, { timeout: 1 })).toEqualTypeOf<Promise<Date>>();
  expectTypeOf(socket.request('log', 'line')).toEqualTypeOf<Promise<void>>();
  expectTypeOf(socket.request('find')).toEqualTypeOf<Promise<Member | undefined>>();
  expectTypeOf(socket.request('find', 'ada')).toEqualTypeOf<Promise<Member | undefined>>();
  // @ts-expect-error data is missing
  void socket.request('sum');
  // @ts-expect-error data of the wrong type
  void socket.request('sum', 'three');
  // @ts-expect-error this one takes none
  void socket.request('now', 7);
  // @ts-expect-error an event is no request
  void socket.request('say', { room: 'a', text: 'b' });
  // @ts-expect-error the client answers this one
  void socket.request('name');

  socket.on('said', (data, info) => {
    expectTypeOf(data).toEqualTypeOf<{ text: string }>();
    expectTypeOf(info.room).toEqualTypeOf<string | undefined>();
    expectTypeOf(info.from?.user).toEqualTypeOf<string | null | undefined>();
  });
  socket.on('up', ({ recovered }) => expectTypeOf(recovered).toEqualTypeOf<boolean | undefined>());
  socket.once('close', (reason, error) => {
    expectTypeOf(reason.code).toEqualTypeOf<number>();
    expectTypeOf(error).toEqualTypeOf<HawserError | undefined>();
  });
  socket.on('joined', (_, { member }) => expectTypeOf(member).toEqualTypeOf<Member | undefined>());
  socket.on('recovered', ({ missed, offset, epoch }, { room }) => {
    expectTypeOf({ missed, offset, epoch }).toEqualTypeOf<{ missed: number; offset: number; epoch: string }>();
    expectTypeOf(room).toEqualTypeOf<string | undefined>();
  });
  socket.on('gap', (gap) => expectTypeOf(gap).toEqualTypeOf<RoomGap>());
  socket.on('said', (_, { offset }) => expectTypeOf(offset).toEqualTypeOf<number | undefined>());
  expectTypeOf(socket.position('a')).toEqualTypeOf<RoomPosition | undefined>();
  // @ts-expect-error no such event comes
  socket.on('say', () => {});
  socket.handle('name', () => 'ada');
  socket.handle('name', async () => 'ada');
  // @ts-expect-error the wrong answer
  socket.handle('name', () => 7);
  // @ts-expect-error no such request comes
  socket.handle('sum', () => 7);
}

function server(of: Server<Api>, socket: ServerSocket<Api>): void {
  of.history('a-*', { size: 10 }).history('*', { age: 1000 });
  expectTypeOf(socket.join('a', { since: { offset: 1, epoch: 'e' } })).toEqualTypeOf<Promise<Joined>>();
  expectTypeOf(of.to('a').publish('said', { text: 'b' }, { id: 'c' })).toEqualTypeOf<Promise<Published>>();
  // @ts-expect-error the wrong data
  void of.to('a').publish('said', { text: 5 });
  // @ts-expect-error nobody can say that it may be lost
  void of.to('a').publish('said', { text: 'b' }, { volatile: true });
  expectTypeOf(of.to('a').requestAll('name', undefined, { timeout: 1 })).toEqualTypeOf<Promise<Answers<string>>>();
  // @ts-expect-error the server answers this one
  void of.to('a').requestAll('sum', [1]);
  expectTypeOf(of.user('ada').join('a', 'b', { timeout: 1 })).toEqualTypeOf<Promise<Reached>>();
  // @ts-expect-error how long to wait comes last
  void of.user('ada').join({ timeout: 1 }, 'a');
  expectTypeOf(of.all().disconnect(4507, 'over', { timeout: 1 })).toEqualTypeOf<Promise<Reached>>();
  expectTypeOf(
    of
      .of('/x')
      .all()
      .find({ most: 1, sockets: ['id'] }),
  ).toEqualTypeOf<Promise<Found>>();
  expectTypeOf(of.nodes()).toEqualTypeOf<Promise<readonly NodeInfo[]>>();
  expectTypeOf(of.push({ anything: 1 }, { id: 'a' })).toEqualTypeOf<Promise<readonly Pushed[]>>();
  expectTypeOf(of.close({ drain: 1, delay: 1, redirect: ['wss://b.example'], retryAfter: 1 })).toEqualTypeOf<
    Promise<void>
  >();
  socket.handle('sum', (numbers) => {
    expectTypeOf(numbers).toEqualTypeOf<number[]>();
    return 7;
  });
  socket.handle('now', async () => new Date());
  socket.handle('log', (line) => {
    expectTypeOf(line).toEqualTypeOf<string>();
  });
  socket.handle('find', (name) => {
    expectTypeOf(name).toEqualTypeOf<string | undefined>();
    return undefined;
  });
  // @ts-expect-error the wrong answer
  socket.handle('now', () => 7);
  // @ts-expect-error no such request comes
  socket.handle('name', () => 'ada');
  socket.on('say', ({ room, text }) => expectTypeOf([room, text]).toEqualTypeOf<string[]>());
  socket.on('leave', (data) => expectTypeOf(data).toEqualTypeOf<undefined>());
  socket.on('down', ({ code }) => expectTypeOf(code).toEqualTypeOf<number>());
  // @ts-expect-error the client hears this one
  socket.on('said', () => {});

  expectTypeOf(socket.request('name')).toEqualTypeOf<Promise<string>>();
  socket.send('said', { text: 'a' });
  socket.to('hall').send('said', { text: 'a' });
  socket.toUser('ada').except('muted').send('said', { text: 'a' });
  of.to('hall').user('ada').send('said', { text: 'a' }, { volatile: true });
  of.send('said', { text: 'a' });
  of.of('/x').to('hall').send('said', { text: 'a' });
  of.on('connection', (one) => expectTypeOf(one).toEqualTypeOf<ServerSocket<Api>>());
  // @ts-expect-error an event of the other direction
  of.to('hall').send('say', { room: 'a', text: 'b' });
  // @ts-expect-error data is missing
  of.to('hall').send('said');
  // @ts-expect-error no such event
  of.send('constructor');
}

function oneWay(socket: ClientSocket<OneWay>, other: ServerSocket<OneWay>): void {
  socket.send('say', 'a');
  // @ts-expect-error nothing comes back
  socket.on('say', () => {});
  // @ts-expect-error no requests were declared
  void socket.request('say', 'a');
  other.on('say', (text) => expectTypeOf(text).toEqualTypeOf<string>());
  // @ts-expect-error nothing goes back
  other.send('say', 'a');
}

function anything(socket: ClientSocket, other: ServerSocket): void {
  socket.send('whatever');
  socket.send('whatever', { a: [1] });
  expectTypeOf(socket.request('whatever', 1)).toEqualTypeOf<Promise<unknown>>();
  socket.on('whatever', (data) => expectTypeOf(data).toEqualTypeOf<unknown>());
  other.handle('whatever', (data) => expectTypeOf(data).toEqualTypeOf<unknown>());
}

describe('the types of an application', () => {
  test('are checked by the compiler alone: nothing of them is there at run time', () => {
    expectTypeOf(connect<Api>).returns.toEqualTypeOf<Promise<ClientSocket<Api>>>();
    expect([client, server, oneWay, anything].map((check) => check.length)).toEqual([1, 2, 2, 2]);
  });
});
