import { describe, expect, test } from 'vitest';
import { type AnyDirection, HawserError, type Outbound } from '../core/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { hawserCodec, Incoming, MESSAGE } from '../wire/index.ts';
import { Conversation, type Outlet } from './index.ts';

class Talk extends Conversation<AnyDirection, AnyDirection, { drain: () => unknown }> {}

/** A conversation over a line that takes as much as it is told to. */
class Stage implements Outlet {
  readonly world = virtualWorld();
  readonly codec = hawserCodec;
  readonly limits = { pendingRequests: 3, nameLength: 16 };
  readonly times = { requestTimeout: 1000 };
  readonly trustsInfo = true;
  readonly sent: unknown[] = [];
  /** Messages until `send` says that it is enough. */
  room = Infinity;
  readonly talk: Talk = new Talk(0, this, new Set(['drain']));

  send(message: Outbound): boolean {
    const decoded = this.codec.decode(message.bytes, message.text);
    if (decoded.kind !== 0) this.sent.push(decoded.data);
    this.room -= 1;
    return this.room > 0;
  }

  reply(): void {}

  sendVolatile(message: Outbound): boolean {
    return this.room > 0 && this.send(message);
  }

  mustWait(): boolean {
    return this.room <= 0;
  }

  report(): void {}

  refused(): void {}

  hear(...items: unknown[]): void {
    for (const item of items) this.talk.dispatch(new Incoming(MESSAGE.event, 0, 0, 'say', item));
  }
}

describe('events for await', () => {
  test('hears what the peer sends from the call on, together with listeners, until it ends', async () => {
    const stage = new Stage();
    const heard: unknown[] = [];
    stage.talk.on('say', (data) => heard.push(data));
    stage.hear(0);
    const stream = stage.talk.events('say');
    stage.hear(1, 2);
    stage.talk.finish(undefined);
    const taken: unknown[] = [];
    for await (const item of stream) taken.push(item);
    expect(taken).toEqual([1, 2]);
    expect(heard).toEqual([0, 1, 2]);
  });

  test('after the end it is over at once, and says why', async () => {
    const stage = new Stage();
    stage.talk.finish(new HawserError('ERR_KICKED', 'out'));
    await expect(stage.talk.events('say').next()).rejects.toMatchObject({ code: 'ERR_KICKED' });
  });

  test('leaves no listener behind: without it the event is nobody’s', async () => {
    const stage = new Stage();
    const handled: unknown[] = [];
    stage.talk.handle('say', (data) => handled.push(data));
    const stream = stage.talk.events('say');
    stage.hear(1);
    await stream.return();
    stage.hear(2);
    expect(handled).toEqual([2]);
  });

  test('data that waits stays what it was when the bytes it came in are used anew', async () => {
    const stage = new Stage();
    const stream = stage.talk.events('say');
    const { bytes } = hawserCodec.event(0, 'say', { blob: new Uint8Array([1, 2, 3]), text: 'words', at: new Date(5) });
    const incoming = hawserCodec.decode(bytes, false);
    if (incoming.kind !== 0) stage.talk.dispatch(incoming);
    bytes.fill(0xff);
    expect((await stream.next()).value).toEqual({ blob: new Uint8Array([1, 2, 3]), text: 'words', at: new Date(5) });
  });
});

describe('drained', () => {
  test('resolves at once while there is room', async () => {
    expect(await new Stage().talk.drained()).toBe(undefined);
  });

  test('resolves when there is room again, for all who wait', async () => {
    const stage = new Stage();
    stage.room = 0;
    expect(stage.talk.send('say', 1)).toBe(false);
    let done = 0;
    const waits = [stage.talk.drained().then(() => done++), stage.talk.drained().then(() => done++)];
    await Promise.resolve();
    expect(done).toBe(0);
    stage.room = 1;
    stage.talk.onDrain();
    await Promise.all(waits);
    expect(done).toBe(2);
  });

  test('gives up by time and by signal, and when the conversation ends', async () => {
    const stage = new Stage();
    stage.room = 0;
    const stop = new AbortController();
    const waits = [
      stage.talk.drained({ timeout: 100 }),
      stage.talk.drained({ signal: stop.signal }),
      stage.talk.drained(),
    ].map(async (wait) => await wait.catch((error: HawserError) => error.code));
    await stage.world.advanceAsync(100);
    stop.abort();
    stage.talk.finish(undefined);
    expect(await Promise.all(waits)).toEqual(['ERR_TIMEOUT', 'ERR_ABORTED', 'ERR_CLOSED']);
    expect(stage.world.timers).toBe(0);
    await expect(stage.talk.drained()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});
