import assert from 'node:assert/strict';
import type { AnyDirection } from '../../../src/core/index.ts';
import type { Engine, Position } from '../../../src/engine/index.ts';
import { Broadcast, everybody, HistoryRules, Logs, Namespace } from '../../../src/room/index.ts';
import { type VirtualWorld, virtualWorld } from '../../../src/testing/index.ts';
import { JoinedStage } from './joined.ts';
import { SimpleStage } from './simple.ts';
import type { Stage } from './stage.ts';
import { ROOM, Visitor } from './visitor.ts';

const SETTINGS = {
  roomsPerSocket: 3,
  nameLength: 64,
  presence: false,
  presenceMembers: 0,
  requestAll: 1,
  requestTimeout: 1000,
};

/** What is told of an engine that can't be reached, or takes too long. */
const EXPECTED: ReadonlySet<string> = new Set(['ERR_ENGINE_DOWN', 'ERR_TIMEOUT']);

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
  readonly engine: Engine;
  readonly namespace: Namespace;
}

/** Nodes, a log and visitors, for one seed. @throws when a visitor misses, gets twice or gets in another order what the log has. */
export async function runHistory(seed: number): Promise<HistoryRun> {
  const world = virtualWorld(seed);
  const sim = new HistorySim(world, seed % 2 === 0);
  await sim.play();
  return sim.result();
}

class HistorySim {
  readonly #world: VirtualWorld;
  readonly #stage: Stage;
  readonly #nodes: readonly Node[];
  readonly #visitors: readonly Visitor[];
  readonly #size: number;
  #published = 0;
  #sockets = 0;

  /** `isJoined`: with the engine that joins nodes, and a hub that does what a server does. */
  constructor(world: VirtualWorld, isJoined: boolean) {
    this.#world = world;
    this.#size = 2 + this.#upTo(30);
    // Some runs are calm, so that what is delivered without a hole is met, too.
    const harm = this.#upTo(4) / 3;
    this.#stage = isJoined ? new JoinedStage(world, harm) : new SimpleStage(world, this.#size, harm);
    const recovery = 3 + this.#upTo(30);
    this.#nodes = Array.from({ length: 1 + this.#upTo(3) }, () => this.#makeNode(recovery));
    this.#visitors = Array.from({ length: 2 + this.#upTo(4) }, () => new Visitor(this.#stage.log, () => this.#unit()));
  }

  async play(): Promise<void> {
    for (let step = 0; step < 80; step++) {
      this.#act();
      await this.#world.advanceAsync(this.#unit() ** 3 * 200);
    }
    await this.#calmDown();
    for (const visitor of this.#visitors) {
      if (visitor.namespace === undefined) continue;
      assert.equal(visitor.cursor?.epoch, this.#stage.log.epoch, `${visitor.id} follows a log that is over`);
      assert.equal(visitor.next(), undefined, `${visitor.id} has not had all`);
      visitor.leave();
    }
    assert.deepEqual(this.#world.reported, []);
    for (const { engine } of this.#nodes) await engine.close();
    await this.#world.advanceAsync(20_000);
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
      restarts: this.#stage.log.all.size - 1,
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
    else this.#stage.harm(this.#namespaces);
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
    const entry = this.#stage.log.all.get(position?.epoch ?? '')?.find(({ offset }) => offset === position?.offset);
    assert.deepEqual(entry?.message.data, data);
  }

  /** Comes, goes, or goes and comes back at once. */
  #move(visitor: Visitor, node: Node): void {
    const wasIn = visitor.namespace !== undefined;
    visitor.leave();
    if (wasIn && this.#unit() < 0.4) return;
    this.#sockets += 1;
    visitor.enter(node.namespace, `s${this.#sockets}`, this.#unit() < 0.2);
  }

  async #calmDown(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      this.#stage.calm(this.#namespaces);
      for (const visitor of this.#visitors) visitor.isSlow = false;
      for (const visitor of this.#visitors) visitor.drain();
      await this.#world.advanceAsync(20_000);
    }
  }

  get #namespaces(): readonly Namespace[] {
    return this.#nodes.map(({ namespace }) => namespace);
  }

  #makeNode(recovery: number): Node {
    const engine = this.#stage.makeEngine();
    const rules = new HistoryRules('/');
    rules.add('*', { size: this.#size }, 64);
    const failed = (error: unknown): void => {
      if (!EXPECTED.has((error as { code?: string }).code ?? '')) this.#world.report(error);
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
