import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BytesRead } from '../../engine/index.ts';
import { type Kept, MARKS_MOST, type RoomSource, readRoom } from './history-proof.ts';
import { Watch } from './watch.ts';

const EPOCH = 'e';
const NOTHING = new Uint8Array(0);

/** A room's part of a stream, and all that was ever in it. */
class RoomStream implements RoomSource {
  readonly #kept: number;
  /** Called before each answer: what may happen in between. */
  readonly #between: (stream: RoomStream) => void;
  readonly messages: number[] = [];
  readonly wrongAfter = new Set<number>();
  doubtsMarks = false;
  entries: Kept[] = [];
  #last = 0;

  constructor(kept: number, between: (stream: RoomStream) => void = () => {}) {
    this.#kept = kept;
    this.#between = between;
  }

  /** Entries of other rooms. */
  elsewhere(count: number): void {
    this.#last += count;
  }

  add(last?: number, after = this.entries.at(-1)?.offset ?? 0): number {
    const offset = ++this.#last;
    const mark = last === undefined ? undefined : { last: last === 0 ? offset : last, after: last === 0 ? 0 : after };
    if (mark === undefined) this.messages.push(offset);
    this.entries.push({ offset, bytes: NOTHING, mark });
    this.entries = this.entries.slice(-this.#kept);
    this.#trim();
    return offset;
  }

  /** A mark for which a server of a cluster has not seen the message before it. */
  addWrongMark(): void {
    const newest = this.entries.at(-1);
    if (newest === undefined || this.entries.filter(({ mark }) => mark !== undefined).length >= MARKS_MOST) return;
    const last = this.wrongAfter.has(newest.offset - 1) ? newest.offset - 1 : (newest.mark?.last ?? newest.offset);
    this.wrongAfter.add(this.add());
    this.add(last, newest.offset);
    this.#trim();
  }

  /** As a node does that knows the newest entry. */
  addMark(): void {
    const newest = this.entries.at(-1);
    if (newest !== undefined && this.entries.filter(({ mark }) => mark !== undefined).length < MARKS_MOST) {
      // As who has looked whether it is a wrong one.
      this.add(this.wrongAfter.has(newest.offset - 1) ? newest.offset - 1 : (newest.mark?.last ?? newest.offset));
    }
  }

  expire(count: number): void {
    this.entries = this.entries.slice(count);
    this.#trim();
  }

  /** A wrong mark goes with the message before it. */
  #trim(): void {
    const [first] = this.entries;
    if (first?.mark !== undefined && this.wrongAfter.has(first.offset - 1)) this.entries.shift();
  }

  async newest(): Promise<Kept | undefined> {
    this.#between(this);
    return this.entries.at(-1);
  }

  async next(from: number): Promise<Kept | undefined> {
    this.#between(this);
    return this.entries.find(({ offset }) => offset >= from);
  }

  async begin(): Promise<Kept> {
    if (this.entries.length === 0) this.add(0);
    return this.entries.at(-1) as Kept;
  }

  read(since: number | undefined, size: number, most = 1000, epoch = EPOCH): Promise<BytesRead> {
    const place = since === undefined ? undefined : { offset: since, epoch };
    return readRoom(this, EPOCH, { since: place, most, size, kept: this.#kept, doubtsMarks: this.doubtsMarks });
  }
}

const offsetsOf = (read: BytesRead): unknown => (read.isWhole ? read.entries.map(({ offset }) => offset) : read.reason);

describe('the reading of a room', () => {
  test('begins a log of which nothing is kept, and stands there', async () => {
    const stream = new RoomStream(9);
    const read = await stream.read(undefined, 5);
    expect(read).toEqual({ isWhole: true, entries: [], position: { offset: 1, epoch: EPOCH } });
    stream.elsewhere(3);
    stream.add();
    expect(await stream.read(1, 5)).toMatchObject({
      isWhole: true,
      entries: [{ offset: 5, previous: 1 }],
      position: { offset: 5 },
    });
  });

  test('names the message before each, across marks', async () => {
    const stream = new RoomStream(20);
    stream.add(0);
    const [first, second] = [stream.add(), stream.add()];
    stream.addMark();
    stream.addMark();
    const third = stream.add();
    const read = await stream.read(1, 10);
    expect(read.isWhole && read.entries.map(({ offset, previous }) => [offset, previous])).toEqual([
      [first, 1],
      [second, first],
      [third, second],
    ]);
    // The place itself is gone; the mark after it says that nothing was in between.
    stream.expire(3);
    expect(offsetsOf(await stream.read(second, 10))).toEqual([third]);
    expect(offsetsOf(await stream.read(first, 10))).toBe('expired');
  });

  test('stands at the last message when only marks came', async () => {
    const stream = new RoomStream(9);
    const message = stream.add();
    stream.addMark();
    stream.expire(1);
    expect(await stream.read(message, 5)).toEqual({
      isWhole: true,
      entries: [],
      position: { offset: message, epoch: EPOCH },
    });
  });

  test('refuses with the reason', async () => {
    const stream = new RoomStream(5 + MARKS_MOST);
    const offsets = Array.from({ length: 7 }, () => stream.add());
    expect(
      await Promise.all([stream.read(1, 5), stream.read(2, 5), stream.read(2, 5, 4)]).then((all) => all.map(offsetsOf)),
    ).toEqual(['expired', offsets.slice(2), 'too-many']);
    expect([await stream.read(99, 5), await stream.read(2, 5, 9, 'other')].map(offsetsOf)).toEqual([
      'unknown',
      'epoch',
    ]);
  });

  test('has all of many, in order, and not all of too many', async () => {
    const stream = new RoomStream(1000);
    const since = stream.add();
    const offsets: number[] = [];
    for (let i = 0; i < 300; i++) {
      stream.elsewhere(i % 7);
      offsets.push(stream.add());
      if (i % 100 === 0) stream.addMark();
    }
    expect(offsetsOf(await stream.read(since, 500))).toEqual(offsets);
    for (const most of [1, 16, 17, 40, 299]) expect(offsetsOf(await stream.read(since, 500, most))).toBe('too-many');
    expect(offsetsOf(await stream.read(since, 500, 300))).toEqual(offsets);
    expect(offsetsOf(await stream.read(since, 299))).toBe('expired');
  });

  test('is whole or refused, and never anything else, whatever is removed and added meanwhile', async () => {
    const step = fc.constantFrom(
      'message',
      'message',
      'message',
      'mark',
      'wrong mark',
      'elsewhere',
      'expire',
      'nothing',
    );
    const isHonest = fc.asyncProperty(
      fc.array(step, { maxLength: 80, size: 'max' }),
      fc.array(step, { maxLength: 40 }),
      fc.nat(80),
      fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 15, max: 50 })),
      fc.boolean(),
      async (before, during, at, size, doubtsMarks) => {
        const act = (stream: RoomStream, what: string | undefined): void => {
          if (what === 'message') stream.add();
          if (what === 'mark' || (what === 'wrong mark' && !doubtsMarks)) stream.addMark();
          if (what === 'wrong mark' && doubtsMarks) stream.addWrongMark();
          if (what === 'elsewhere') stream.elsewhere(1);
          if (what === 'expire') stream.expire(1);
        };
        const left = [...during];
        let isReading = false;
        const stream = new RoomStream(size + MARKS_MOST, (one) => isReading && act(one, left.shift()));
        stream.doubtsMarks = doubtsMarks;
        for (const what of before) act(stream, what);
        const since = stream.messages[at % Math.max(1, stream.messages.length)];
        if (since === undefined) return true;
        const standing = stream.messages.at(-1) ?? 0;
        const isKept = stream.entries.some(({ offset }) => offset === since);
        const missed = stream.messages.filter((offset) => offset > since);
        isReading = true;
        const read = await stream.read(since, size);
        if (!read.isWhole) return during.length > 0 || !isKept || missed.length > size || read.reason !== 'expired';
        const said = read.entries.map(({ offset }) => offset);
        const truth = stream.messages.filter((offset) => offset > since && offset <= read.position.offset);
        const isChained = read.entries.every(({ previous }, i) => previous === (said[i - 1] ?? since));
        return isChained && read.position.offset >= standing && said.join() === truth.join();
      },
    );
    await expect(fc.assert(isHonest, { numRuns: 2000 })).resolves.toBeUndefined();
  });
});

describe('what was heard of a log', () => {
  test('the message before is named across marks, and a mark shows what was not heard', () => {
    const watch = new Watch('/', 'r');
    expect(watch.hearMark('e', 5, 0, { last: 5, after: 0 })).toBe(true);
    expect(watch.hearMessage('e', 7, 5)).toBe(5);
    expect(watch.hearMark('e', 9, 7, { last: 7, after: 7 })).toBe(true);
    expect(watch.hearMessage('e', 11, 9)).toBe(7);
    expect([watch.newest, watch.last]).toEqual([11, 11]);
    expect(watch.hearMark('e', 15, 13, { last: 13, after: 13 })).toBe(false);
    expect(watch.last).toBe(11);
    // It is read, and known from then on.
    expect(watch.hearMessage('e', 13, 11)).toBe(11);
    expect(watch.hearMark('e', 17, 15, { last: 13, after: 15 })).toBe(true);
    expect(watch.hearMessage('e', 19, 17)).toBe(13);
  });

  test('a mark that was added after a message that its maker had not seen misleads nobody', () => {
    const [heard, missed] = [new Watch('/', 'r'), new Watch('/', 'r')];
    for (const watch of [heard, missed]) watch.hearMessage('e', 7, 0);
    heard.hearMessage('e', 8, 7);
    expect(heard.hearMark('e', 9, 8, { last: 7, after: 7 })).toBe(true);
    expect(heard.hearMessage('e', 10, 9)).toBe(8);
    expect(missed.hearMark('e', 9, 8, { last: 7, after: 7 })).toBe(false);
    // A mark that was missed hides nothing.
    const other = new Watch('/', 'r');
    other.hearMessage('e', 7, 0);
    expect(other.hearMark('e', 12, 9, { last: 7, after: 9 })).toBe(true);
  });

  test('what is heard twice or late changes nothing', () => {
    const watch = new Watch('/', 'r');
    watch.hearMessage('e', 7, 0);
    watch.hearMark('e', 9, 7, { last: 7, after: 7 });
    expect(watch.hearMessage('e', 7, 0)).toBe(0);
    expect(watch.hearMark('e', 8, 3, { last: 3, after: 3 })).toBe(true);
    expect([watch.newest, watch.last]).toEqual([9, 7]);
  });

  test('who has looked knows where it stands, and a log that began anew is another one', () => {
    const watch = new Watch('/', 'r');
    watch.learn('e', 9, 7);
    expect(watch.hearMessage('e', 12, 9)).toBe(7);
    watch.learn('e', 10, 10);
    expect([watch.newest, watch.last]).toEqual([12, 12]);
    expect(watch.hearMark('f', 2, 0, { last: 2, after: 0 })).toBe(false);
    expect([watch.epoch, watch.last]).toEqual(['f', 0]);
  });
});
