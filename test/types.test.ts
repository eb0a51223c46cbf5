import { expect, expectTypeOf, test } from 'vitest';
import type { ClientSocket } from '../src/client/index.ts';
import type { MessageInfo, Server, ServerSocket } from '../src/index.ts';

/** What the compiler must take and refuse: `npm run typecheck` reads this file, and a wrong line stops it. */
interface Api {
  readonly toServer: {
    readonly events: { readonly say: { readonly room: string; readonly text: string }; readonly ping: undefined };
    readonly requests: {
      readonly sum: (numbers: number[]) => number;
      readonly later: (name: string) => Promise<{ readonly id: number }>;
      readonly reset: () => void;
      readonly note: (text: string) => void;
    };
  };
  readonly toClient: {
    readonly events: { readonly heard: string };
    readonly requests: { readonly name: () => string };
  };
}

/** Never called: only its types are looked at. */
async function clientSide(socket: ClientSocket<Api>): Promise<void> {
  expectTypeOf(socket.send('say', { room: 'a', text: 'b' })).toEqualTypeOf<boolean>();
  socket.send('ping');
  socket.send('say', { room: 'a', text: 'b' }, { volatile: true });
  expectTypeOf(await socket.request('sum', [1, 2])).toEqualTypeOf<number>();
  expectTypeOf(await socket.request('later', 'x', { timeout: 1 })).toEqualTypeOf<{ readonly id: number }>();
  expectTypeOf(socket.request('reset')).toEqualTypeOf<Promise<void>>();
  expectTypeOf(socket.request('note', 'x')).toEqualTypeOf<Promise<void>>();
  socket.on('heard', (data, info) => {
    expectTypeOf(data).toEqualTypeOf<string>();
    expectTypeOf(info).toEqualTypeOf<MessageInfo>();
  });
  socket.on('joined', (_none, { member }) => expectTypeOf(member?.id).toEqualTypeOf<string | undefined>());
  socket.on('up', ({ recovered }) => expectTypeOf(recovered).toEqualTypeOf<boolean | undefined>());
  socket.handle('name', () => 'ada');

  // @ts-expect-error no such event
  socket.send('shout', 'x');
  // @ts-expect-error the data lacks a field
  socket.send('say', { room: 'a' });
  // @ts-expect-error the data is missing
  socket.send('say');
  // @ts-expect-error an event of the other direction
  socket.send('heard', 'x');
  // @ts-expect-error an event is no request
  await socket.request('say', { room: 'a', text: 'b' });
  // @ts-expect-error numbers, not text
  await socket.request('sum', ['1']);
  // @ts-expect-error a request of the other direction
  socket.handle('sum', () => 1);
  // @ts-expect-error the answer is a text
  socket.handle('name', () => 7);
}

function serverSide(server: Server<Api>, socket: ServerSocket<Api>): void {
  server.on('connection', (one) => expectTypeOf(one).toEqualTypeOf<ServerSocket<Api>>());
  server.to('lobby').except('muted').send('heard', 'x');
  server.user('ada').send('heard', 'x', { volatile: true });
  socket.handle('sum', (numbers) => numbers.reduce((a, b) => a + b, 0));
  socket.handle('later', async () => ({ id: 1 }));
  socket.handle('reset', () => {});
  socket.on('say', ({ room, text }) => socket.to(room).send('heard', text));
  socket.on('close', ({ code }) => expectTypeOf(code).toEqualTypeOf<number>());
  expectTypeOf(socket.request('name')).toEqualTypeOf<Promise<string>>();

  // @ts-expect-error an event of the other direction
  server.to('lobby').send('say', { room: 'a', text: 'b' });
  // @ts-expect-error the answer is a number
  socket.handle('sum', () => 'six');
  // @ts-expect-error no such request
  socket.handle('product', () => 1);
}

/** Without an Api any name goes, with data that must be looked at. */
function untyped(socket: ClientSocket): void {
  socket.send('anything', { at: 'all' });
  socket.on('anything', (data) => expectTypeOf(data).toEqualTypeOf<unknown>());
  expectTypeOf(socket.request('anything')).toEqualTypeOf<Promise<unknown>>();
}

test('the compiler has looked at both sides', () => {
  expect([clientSide, serverSide, untyped].map((side) => typeof side)).toEqual(['function', 'function', 'function']);
});
