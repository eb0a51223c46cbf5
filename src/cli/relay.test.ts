import { afterEach, describe, expect, test } from 'vitest';
import { freshUrl } from '../../test/support/house.ts';
import { RawPeer } from '../../test/support/raw-peer.ts';
import type { HistoryOptions, Position } from '../index.ts';
import { createRelay } from './relay.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function relay(history?: HistoryOptions): Promise<{ tcp: string; ws: string }> {
  const server = createRelay({ times: { closeWait: 200 } }, history);
  open.push(server);
  const [tcp = '', ws = ''] = await server.listen(freshUrl('tcp'), freshUrl('ws'));
  return { tcp, ws };
}

/** Somebody with a plain socket, who numbers his requests. */
class Plain {
  readonly #peer: RawPeer;
  #last = 0;

  constructor(peer: RawPeer) {
    this.#peer = peer;
  }

  static async open(url: string, user: string): Promise<Plain> {
    const peer = await RawPeer.open(url, 'json');
    open.push(peer);
    await peer.enter({ user });
    return new Plain(peer);
  }

  /** Asks, and returns the answer or the code of the error, with the events that came before it. */
  async ask(event: string, data: object): Promise<{ answer: unknown; before: unknown[] }> {
    this.#last += 1;
    const id = `q${this.#last}`;
    this.#peer.say({ event, id, data });
    const before: unknown[] = [];
    for (;;) {
      const message = await this.#peer.next();
      if (message.kind === 0) throw new Error(message.message);
      if (message.id === id) return { answer: message.kind === 7 ? message.name : message.data, before };
      const { room, offset } = message.meta ?? {};
      before.push([message.name, room, offset, message.data]);
    }
  }

  leave(): void {
    this.#peer.cut();
  }
}

describe('a relay with history', () => {
  test('tells where one is, and gives who comes back what he has missed, over a plain socket', async () => {
    const { tcp, ws } = await relay({ size: 100 });
    const [ada, bob] = [await Plain.open(tcp, 'ada'), await Plain.open(ws, 'bob')];
    const first = (await ada.ask('join', { room: 'r' })).answer as { position: Position };
    expect(first).toMatchObject({ room: 'r', total: 1, position: { offset: 0 }, recovered: false, missed: 0 });
    await bob.ask('join', { room: 'r' });
    const { epoch } = first.position;
    const say = (n: number): Promise<{ answer: unknown; before: unknown[] }> =>
      bob.ask('publish', { room: 'r', event: 'say', data: n });
    expect((await say(1)).answer).toEqual({ members: 1, position: { offset: 1, epoch } });
    ada.leave();
    for (const n of [2, 3]) await say(n);
    const again = await Plain.open(ws, 'ada');
    const { answer, before } = await again.ask('join', { room: 'r', since: { offset: 1, epoch } });
    expect(answer).toMatchObject({ position: { offset: 3, epoch }, recovered: true, missed: 2 });
    expect(before).toEqual([
      ['say', 'r', 2, 2],
      ['say', 'r', 3, 3],
      ['recovered', 'r', undefined, { offset: 3, epoch, missed: 2 }],
    ]);
    const third = await Plain.open(tcp, 'eve');
    expect(await third.ask('join', { room: 'r', since: { offset: 1, epoch: 'lost' } })).toMatchObject({
      answer: { position: { offset: 3, epoch }, recovered: false, missed: 0, reason: 'epoch' },
      before: [['gap', 'r', undefined, { offset: 3, epoch, reason: 'epoch' }]],
    });
  });

  test('publishes once what is published again by an id, of each user and room by itself', async () => {
    const { tcp } = await relay({ size: 100 });
    const [ada, bob] = [await Plain.open(tcp, 'ada'), await Plain.open(tcp, 'bob')];
    for (const one of [ada, bob]) for (const room of ['a', 'b']) await one.ask('join', { room });
    const publish = async (one: Plain, room: string, id?: unknown): Promise<unknown> =>
      (await one.ask('publish', { room, event: 'say', data: 1, id })).answer;
    expect(await publish(ada, 'a', 'x')).toMatchObject({ position: { offset: 1 }, isDuplicate: false });
    expect(await publish(ada, 'a', 'x')).toMatchObject({ position: { offset: 1 }, isDuplicate: true });
    expect(await publish(ada, 'b', 'x')).toMatchObject({ position: { offset: 1 }, isDuplicate: false });
    expect(await publish(bob, 'a', 'x')).toMatchObject({ position: { offset: 2 }, isDuplicate: false });
    expect(await publish(bob, 'a', 'x'.repeat(256))).toMatchObject({ position: { offset: 3 }, isDuplicate: false });
    for (const id of ['', 'x'.repeat(257), 5]) expect(await publish(ada, 'a', id)).toBe('ERR_ARGUMENT');
  });

  test.each([5, 'x', [], { offset: -1, epoch: 'e' }, { offset: 1 }])('%o is no position', async (since) => {
    const { tcp } = await relay({ size: 100 });
    const ada = await Plain.open(tcp, 'ada');
    expect((await ada.ask('join', { room: 'r', since })).answer).toBe('ERR_ARGUMENT');
    expect((await ada.ask('join', { room: 'r', since: null })).answer).toMatchObject({ recovered: false, missed: 0 });
  });
});

describe('a relay without history', () => {
  test('answers as ever, and says so to who wants what he has missed', async () => {
    const { tcp } = await relay();
    const ada = await Plain.open(tcp, 'ada');
    const { answer, before } = await ada.ask('join', { room: 'r' });
    expect([Object.keys(answer as object), before]).toEqual([['room', 'members', 'total'], []]);
    expect((await ada.ask('publish', { room: 'r', event: 'say', data: 1 })).answer).toEqual({ members: 0 });
    expect((await ada.ask('publish', { room: 'r', event: 'say', id: 'x' })).answer).toMatchObject({
      isDuplicate: false,
    });
    expect((await ada.ask('publish', { room: 'r', event: 'say', id: 'x' })).answer).toMatchObject({
      isDuplicate: true,
    });
    expect(await ada.ask('join', { room: 's', since: { offset: 1, epoch: 'e' } })).toMatchObject({
      answer: { recovered: false, missed: 0, reason: 'no-history' },
      before: [['gap', 's', undefined, { reason: 'no-history' }]],
    });
  });
});
