import assert from 'node:assert/strict';
import type { Entry, Position } from '../../../src/engine/index.ts';
import type { Delivery, Joined, Namespace, Seat } from '../../../src/room/index.ts';
import type { TrueLog } from './stage.ts';

export const ROOM = 'room';

/** Somebody with a client that remembers where he is: he comes, goes and comes back, on any node, each time as another socket. */
export class Visitor implements Seat {
  id = '';
  readonly user = null;
  occupant = undefined;
  /** What his client shows: what he was told last. */
  cursor: Position | undefined;
  namespace: Namespace | undefined;
  isSlow = false;
  readonly counts = { delivered: 0, recoveries: 0, missed: 0, gaps: 0, waits: 0 };
  readonly #log: TrueLog;
  readonly #random: () => number;
  /** Messages since he joined, or was told something else than a message. */
  #got = 0;
  /** He was told where he is since he joined. */
  #isIn = false;
  #owesDrain = false;

  constructor(log: TrueLog, random: () => number) {
    this.#log = log;
    this.#random = random;
  }

  enter(namespace: Namespace, id: string, isNew: boolean): void {
    this.id = id;
    this.namespace = namespace;
    this.#got = 0;
    this.#isIn = false;
    namespace.add(this);
    const since = isNew ? undefined : this.cursor;
    if (since === undefined) this.cursor = undefined;
    void namespace.join(this, ROOM, { since: since ?? null }).then((joined) => this.#onJoined(joined, id, since));
  }

  leave(): void {
    const { namespace } = this;
    this.namespace = undefined;
    namespace?.remove(this);
  }

  mustWait(): boolean {
    if (!this.isSlow || this.#random() < 0.5) return false;
    this.counts.waits += 1;
    this.#owesDrain = true;
    return true;
  }

  drain(): void {
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.namespace?.drained(this);
  }

  deliver({ event, data, meta }: Delivery): void {
    assert(this.namespace !== undefined, 'nobody is there');
    assert.equal(meta?.room, ROOM);
    if (event === 'say') this.#onMessage(data, meta?.offset);
    else this.#onTold(event, data as Position & { missed?: number; reason?: string });
  }

  request(): Promise<unknown> {
    throw new Error('nobody asks');
  }

  close(): void {
    throw new Error('nobody ends this');
  }

  /** The next that he is to get, of the log that he follows. */
  next(): Entry | undefined {
    const { cursor } = this;
    const entries = this.#log.all.get(cursor?.epoch ?? '') ?? [];
    return entries.find(({ offset, message }) => offset > (cursor?.offset ?? 0) && !this.#isLeftOut(message.target));
  }

  #onMessage(data: unknown, offset: number | undefined): void {
    const expected = this.next();
    assert.equal(offset, expected?.offset, `${this.id} got ${offset} after ${this.cursor?.offset}`);
    assert.deepEqual(data, expected?.message.data);
    assert(this.cursor !== undefined);
    this.cursor = { offset: offset ?? 0, epoch: this.cursor.epoch };
    this.#got += 1;
    this.counts.delivered += 1;
  }

  #onTold(event: string, { offset, epoch, missed, reason }: Position & { missed?: number; reason?: string }): void {
    const { cursor } = this;
    if (event === 'positioned') {
      assert(!this.#isIn && cursor === undefined);
    } else if (event === 'recovered') {
      assert.equal(epoch, cursor?.epoch);
      assert(offset >= (cursor?.offset ?? 0));
      assert((this.next()?.offset ?? Infinity) > offset, `${this.id} did not recover all up to ${offset}`);
      assert.equal(missed, this.#got);
      this.counts.recoveries += 1;
      this.counts.missed += missed ?? 0;
    } else {
      assert.equal(event, 'gap');
      this.#judgeGap(cursor as Position, { offset, epoch }, reason);
    }
    this.#isIn = true;
    this.#got = 0;
    this.cursor = { offset, epoch };
  }

  /** A gap is told where there is a reason, and not otherwise. */
  #judgeGap(before: Position, after: Position, reason: string | undefined): void {
    this.counts.gaps += 1;
    if (reason === 'epoch') {
      assert.notEqual(after.epoch, before.epoch);
      return;
    }
    assert.equal(after.epoch, before.epoch);
    assert(after.offset >= before.offset);
    const missed = this.#log.all.get(before.epoch)?.filter(({ offset }) => offset > before.offset).length ?? 0;
    if (reason === 'expired') assert(missed > 0 && (this.#log.trimmed.get(before.epoch) ?? 0) > 0);
    else assert(reason === 'too-many' && missed > 1, `${this.id} was told of a gap: ${reason}`);
  }

  #onJoined(joined: Joined, id: string, since: Position | undefined): void {
    if (joined.reason === 'left') return;
    assert(joined.position !== undefined);
    if (since === undefined) assert(!joined.recovered && joined.reason === undefined);
    else assert.equal(joined.recovered, joined.reason === undefined, `${id}: ${JSON.stringify(joined)}`);
  }

  #isLeftOut({ exceptSockets }: { readonly exceptSockets: readonly string[] }): boolean {
    return exceptSockets.includes(this.id);
  }
}
