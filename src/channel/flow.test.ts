import { describe, expect, test } from 'vitest';
import { type AnyDirection, HawserError, type Outbound, type Overflow } from '../core/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { hawserCodec, Incoming, MESSAGE } from '../wire/index.ts';
import { Conversation, type Outlet } from './index.ts';

class Talk extends Conversation<AnyDirection, AnyDirection, { drain: () => unknown }> {}

/** A conversation over a line that takes as much as it is told to. */
class Stage implements Outlet {
  readonly world = virtualWorld();
  readonly codec = hawserCodec;
  readonly load = { handling: 0 };
  readonly limits = { pendingRequests: 3, nameLength: 16, backlogBytes: 1000 };
  readonly times = { requestTimeout: 1000 };
  readonly trustsInfo = true;
  readonly sent: unknown[] = [];
  /** Messages until `send` says that it is enough. */
  room = Infinity;
  isDown = false;
  readonly policies: unknown[] = [];
  readonly talk: Talk = new Talk(0, this, new Set(['drain']));

  send(message: Outbound, _tag = 0, overflow?: Overflow): boolean {
    this.policies.push(overflow);
    const decoded = this.codec.decode(message.bytes, message.text);
    if (decoded.kind !== 0) this.sent.push(decoded.data);
    this.room -= 1;
    return this.room > 0;
  }

  reply(): void {}

  sendVolatile(message: Outbound): boolean {
    return this.room > 0 && this.send(message);
  }

  mustWait(orDown: boolean): boolean {
    return this.room <= 0 || (orDown && this.isDown);
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

describe('a peer that is slower than its sender', () => {
  const full = (): Stage => Object.assign(new Stage(), { room: 0 });
  const refill = (stage: Stage, room = Infinity): void => {
    stage.room = room;
    stage.talk.onDrain();
  };

  test('block and disconnect are handed down, as is nothing', () => {
    const stage = new Stage();
    stage.talk.send('say', 1, { overflow: 'block' });
    stage.talk.send('say', 2, { overflow: 'disconnect' });
    stage.talk.send('say', 3);
    stage.talk.overflow = 'block';
    stage.talk.send('say', 4);
    stage.talk.send('say', 5, { overflow: 'disconnect' });
    expect(stage.sent).toEqual([1, 2, 3, 4, 5]);
    expect(stage.policies).toEqual(['block', 'disconnect', undefined, 'block', 'disconnect']);
  });

  test('drop leaves out what comes while there is no room, and counts it', () => {
    const stage = new Stage();
    stage.room = 2;
    const sent = [1, 2, 3, 4].map((n) => stage.talk.send('say', n, { overflow: 'drop' }));
    expect(sent).toEqual([true, false, false, false]);
    refill(stage);
    expect(stage.talk.send('say', 5, { overflow: 'drop' })).toBe(true);
    expect(stage.sent).toEqual([1, 2, 5]);
    expect(stage.talk.dropped).toBe(2);
  });

  test('volatile counts what it leaves out', () => {
    const stage = full();
    expect(stage.talk.send('say', 1, { volatile: true, overflow: 'latest' })).toBe(false);
    refill(stage);
    expect(stage.talk.send('say', 2, { volatile: true })).toBe(true);
    expect(stage.sent).toEqual([2]);
    expect(stage.talk.dropped).toBe(1);
  });

  test('latest keeps the newest by event and key, and sends them in the order in which they began to wait', () => {
    const stage = full();
    stage.talk.overflow = 'latest';
    for (const n of [1, 2, 3]) {
      expect(stage.talk.send('a', `a${n}`)).toBe(false);
      stage.talk.send('b', `b${n}`);
      stage.talk.send('b', `bk${n}`, { key: 'k' });
    }
    expect(stage.sent).toEqual([]);
    refill(stage);
    expect(stage.sent).toEqual(['a3', 'b3', 'bk3']);
    expect(stage.talk.dropped).toBe(6);
    expect(stage.talk.send('a', 'a4')).toBe(true);
    expect(stage.sent.at(-1)).toBe('a4');
  });

  test('latest waits for a link too; drop does not', () => {
    const stage = Object.assign(new Stage(), { isDown: true });
    stage.talk.send('a', 1, { overflow: 'latest' });
    stage.talk.send('a', 2, { overflow: 'latest' });
    stage.talk.send('b', 3, { overflow: 'drop' });
    expect(stage.sent).toEqual([3]);
    stage.isDown = false;
    refill(stage);
    expect(stage.sent).toEqual([3, 2]);
  });

  test('when room comes a little at a time, so do those that wait, and drain is told after the last', async () => {
    const stage = full();
    let drains = 0;
    stage.talk.on('drain', () => drains++);
    const drained = stage.talk.drained().then(() => drains);
    for (const name of ['a', 'b', 'c']) stage.talk.send(name, name, { overflow: 'latest' });
    refill(stage, 2);
    expect([stage.sent, drains]).toEqual([['a', 'b'], 0]);
    stage.talk.send('c', 'newer', { overflow: 'latest' });
    refill(stage, 5);
    expect([stage.sent, drains]).toEqual([['a', 'b', 'newer'], 1]);
    expect(await drained).toBe(1);
  });

  test('while another waits, a newer message never goes first', () => {
    const stage = full();
    stage.talk.send('a', 1, { overflow: 'latest' });
    stage.room = 5;
    stage.talk.send('a', 2, { overflow: 'latest' });
    expect(stage.sent).toEqual([]);
    refill(stage);
    expect(stage.sent).toEqual([2]);
  });

  test('what waits is bounded by backlogBytes: what does not fit is sent as ever, and stays in order', () => {
    const stage = full();
    const long = (n: number): string => `${n}`.padEnd(600, '.');
    stage.talk.send('a', long(1), { overflow: 'latest' });
    stage.talk.send('b', long(2), { overflow: 'latest' });
    expect(stage.sent).toEqual([long(2)]);
    stage.talk.send('a', long(3), { overflow: 'latest' });
    stage.talk.send('a', long(4).repeat(2), { overflow: 'latest' });
    expect(stage.sent).toEqual([long(2), long(4).repeat(2)]);
    refill(stage);
    expect(stage.sent).toHaveLength(2);
    expect(stage.talk.dropped).toBe(2);
  });

  test('after the end nothing that waited is sent', () => {
    const stage = full();
    stage.talk.send('a', 1, { overflow: 'latest' });
    stage.talk.finish(undefined);
    refill(stage);
    expect(stage.sent).toEqual([]);
  });
});
