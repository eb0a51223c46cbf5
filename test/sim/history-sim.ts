import assert from 'node:assert/strict';
import type { AnyDirection } from '../../src/core/index.ts';
import type { Entry, Position } from '../../src/engine/index.ts';
import {
  Broadcast,
  type Delivery,
  everybody,
  HistoryRules,
  type Joined,
  Logs,
  Namespace,
  type Seat,
} from '../../src/room/index.ts';
import { type VirtualWorld, virtualWorld } from '../../src/testing/index.ts';
import { SimEngine, SimLog, type Weather } from './history-engine.ts';

const ROOM = 'room';
const SETTINGS = {
  roomsPerSocket: 3,
  nameLength: 64,
  presence: false,
  presenceMembers: 0,
  requestAll: 1,
  requestTimeout: 1000,
};

/** What one run has met. */
export interface HistoryRun {
  readonly delivered: number;
  readonly recoveries: number;
  readonly missed: number;
  readonly gaps: number;
  readonly restarts: number;
  readonly waits: number;
  readonly published: number;
}

interface Node {
  readonly engine: SimEngine;
  readonly namespace: Namespace;
}

/** Somebody with a client that remembers where he is: he comes, goes and comes back, on any node, each time as another socket. */
class Visitor implements Seat {
  id = '';
  readonly user = null;
  occupant = undefined;
  /** What his client shows: what he was told last. */
  cursor: Position | undefined;
  node: Node | undefined;
  isSlow = false;
  readonly counts = { delivered: 0, recoveries: 0, missed: 0, gaps: 0, waits: 0 };
  readonly #log: SimLog;
  readonly #random: () => number;
  /** Messages since he joined, or was told something else than a message. */
  #got = 0;
  /** He was told where he is since he joined. */
  #isIn = false;
  #owesDrain = false;

  constructor(log: SimLog, random: () => number) {
    this.#log = log;
    this.#random = random;
  }

  enter(node: Node, id: string, isNew: boolean): void {
    this.id = id;
    this.node = node;
    this.#got = 0;
    this.#isIn = false;
    node.namespace.add(this);
    const since = isNew ? undefined : this.cursor;
    if (since === undefined) this.cursor = undefined;
    void node.namespace.join(this, ROOM, { since: since ?? null }).then((joined) => this.#onJoined(joined, id, since));
  }

  leave(): void {
    const { node } = this;
    this.node = undefined;
    node?.namespace.remove(this);
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
    this.node?.namespace.drained(this);
  }

  deliver({ event, data, meta }: Delivery): void {
    assert(this.node !== undefined, 'nobody is there');
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
    if (event === 'position') {
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

/** Nodes, a log and visitors, for one seed. @throws when a visitor misses, gets twice or gets in another order what the log has. */
export async function runHistory(seed: number): Promise<HistoryRun> {
  const world = virtualWorld(seed);
  const sim = new HistorySim(world);
  await sim.play();
  return sim.result();
}

class HistorySim {
  readonly #world: VirtualWorld;
  readonly #log: SimLog;
  readonly #nodes: readonly Node[];
  readonly #visitors: readonly Visitor[];
  readonly #size: number;
  readonly #harm: number;
  #published = 0;
  #sockets = 0;

  constructor(world: VirtualWorld) {
    this.#world = world;
    this.#log = new SimLog(world);
    this.#size = 2 + this.#upTo(30);
    // Some runs are calm, so that what is delivered without a hole is met, too.
    this.#harm = this.#upTo(4) / 3;
    const recovery = 3 + this.#upTo(30);
    this.#nodes = Array.from({ length: 1 + this.#upTo(3) }, () => this.#makeNode(recovery));
    this.#visitors = Array.from({ length: 2 + this.#upTo(4) }, () => new Visitor(this.#log, () => this.#unit()));
  }

  async play(): Promise<void> {
    for (let step = 0; step < 80; step++) {
      this.#act();
      await this.#world.advanceAsync(this.#unit() ** 3 * 200);
    }
    await this.#calmDown();
    for (const visitor of this.#visitors) {
      if (visitor.node === undefined) continue;
      assert.equal(visitor.cursor?.epoch, this.#log.epoch, `${visitor.id} follows a log that is over`);
      assert.equal(visitor.next(), undefined, `${visitor.id} has not had all`);
      visitor.leave();
    }
    assert.deepEqual(this.#world.reported, []);
    assert.equal(this.#world.timers, 0, 'something goes on after all have left');
  }

  result(): HistoryRun {
    const sum = (what: keyof Visitor['counts']): number =>
      this.#visitors.reduce((total, { counts }) => total + counts[what], 0);
    return {
      delivered: sum('delivered'),
      recoveries: sum('recoveries'),
      missed: sum('missed'),
      gaps: sum('gaps'),
      restarts: this.#log.all.size - 1,
      waits: sum('waits'),
      published: this.#published,
    };
  }

  #act(): void {
    const what = this.#unit();
    const visitor = this.#one(this.#visitors);
    const node = this.#one(this.#nodes);
    if (what < 0.45) this.#publish(node, visitor);
    else if (what < 0.75) this.#move(visitor, node);
    else if (what < 0.8) visitor.isSlow = !visitor.isSlow;
    else if (what < 0.88) visitor.drain();
    else if (what < 0.92) node.engine.weather = this.#anyWeather();
    else if (what < 0.95) node.namespace.interrupted();
    else if (what < 0.97) this.#log.isDown = this.#unit() < this.#harm / 2;
    else if (what < 0.985) this.#log.trim(this.#upTo(this.#size));
    else if (this.#unit() < this.#harm) this.#restart();
  }

  #publish(node: Node, visitor: Visitor): void {
    const target = everybody('/');
    const except = this.#unit() < 0.2 && visitor.id !== '' ? [visitor.id] : [];
    const broadcast = new Broadcast<AnyDirection>(node.namespace, node.engine, { ...target, exceptSockets: except });
    for (let left = this.#upTo(5); left > 0; left--) {
      this.#published += 1;
      const data = { n: this.#published };
      if (this.#unit() < 0.5) broadcast.to(ROOM).send('say', data);
      else
        void broadcast
          .to(ROOM)
          .publish('say', data)
          .then(
            ({ positions }) => this.#judge(positions[0], data),
            () => {},
          );
    }
  }

  #judge(position: Position | undefined, data: unknown): void {
    const entry = this.#log.all.get(position?.epoch ?? '')?.find(({ offset }) => offset === position?.offset);
    assert.deepEqual(entry?.message.data, data);
  }

  /** Comes, goes, or goes and comes back at once. */
  #move(visitor: Visitor, node: Node): void {
    const wasIn = visitor.node !== undefined;
    visitor.leave();
    if (wasIn && this.#unit() < 0.4) return;
    this.#sockets += 1;
    visitor.enter(node, `s${this.#sockets}`, this.#unit() < 0.2);
  }

  /** Nodes hear that there is another log by what is added to it, or, as from an engine that reconnects, by being told. */
  #restart(): void {
    this.#log.restart();
    if (this.#unit() < 0.5) for (const { namespace } of this.#nodes) namespace.interrupted();
  }

  async #calmDown(): Promise<void> {
    this.#log.isDown = false;
    for (const { engine } of this.#nodes) engine.weather = { delay: 10, loss: 0, twice: 0, failing: 0 };
    for (let round = 0; round < 3; round++) {
      await this.#world.advanceAsync(20_000);
      for (const { namespace } of this.#nodes) namespace.interrupted();
      for (const visitor of this.#visitors) visitor.isSlow = false;
      for (const visitor of this.#visitors) visitor.drain();
    }
    await this.#world.advanceAsync(20_000);
  }

  #makeNode(recovery: number): Node {
    const engine = new SimEngine(this.#log, this.#world, this.#anyWeather());
    const rules = new HistoryRules('/');
    rules.add('*', { size: this.#size }, 64);
    const failed = (error: unknown): void => {
      if ((error as { code?: string }).code !== 'ERR_ENGINE_DOWN') this.#world.report(error);
    };
    const logs = new Logs(engine, this.#world, { recovery, appends: 100, appendWait: 5000 }, failed);
    const namespace = new Namespace('/', engine, SETTINGS, logs, rules);
    void engine.start({
      entered: (entry) => namespace.entered(entry),
      interrupted: () => namespace.interrupted(),
      answer: () => undefined,
      rival: () => {},
      deliver: () => {},
      presence: () => {},
      report: failed,
    });
    return { engine, namespace };
  }

  #anyWeather(): Weather {
    const harm = this.#harm;
    return {
      delay: 1 + this.#unit() ** 2 * 300,
      loss: this.#unit() < 0.5 ? 0 : this.#unit() * harm * 0.5,
      twice: this.#unit() * harm * 0.3,
      failing: this.#unit() < 0.5 ? 0 : this.#unit() * harm * 0.5,
    };
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#upTo(list.length)] as T;
  }

  #upTo(most: number): number {
    return Math.floor(this.#unit() * most);
  }

  #unit(): number {
    return this.#world.random.unit();
  }
}
