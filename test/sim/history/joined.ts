import type { World } from '../../../src/core/index.ts';
import { type Engine, type Entry, epochOf, JoinedEngine, RoomLog } from '../../../src/engine/index.ts';
import { readMessage } from '../../../src/engine/joined/message-frame.ts';
import type { Namespace } from '../../../src/room/index.ts';
import { type TestBus, TestHub } from '../../../src/testing/index.ts';
import type { Stage, TrueLog } from './stage.ts';

/** Nodes that are joined as they are in truth, by a hub that freezes, forgets its logs, and to which ways are cut. */
export class JoinedStage implements Stage {
  readonly log: Truth;
  readonly #world: World;
  readonly #harm: number;
  readonly #hub: Hub;
  readonly #buses: TestBus[] = [];
  #delay: number;

  constructor(world: World, harm: number) {
    this.#world = world;
    this.#harm = harm;
    this.#delay = this.#anyDelay();
    this.log = new Truth();
    this.#hub = new Hub(world, () => this.#unit() ** 2 * this.#delay, this.log);
  }

  makeEngine(): Engine {
    const bus = this.#hub.bus();
    this.#buses.push(bus);
    return new JoinedEngine(bus, { world: this.#world });
  }

  harm(_nodes: readonly Namespace[]): void {
    const what = this.#unit();
    const bus = this.#buses[Math.floor(this.#unit() * this.#buses.length)];
    if (what < 0.2) this.#delay = this.#anyDelay();
    else if (what < 0.45) bus?.cut(this.#unit() < 0.5);
    else if (what < 0.75) bus?.mend();
    else if (what < 0.82 && this.#unit() < this.#harm) this.#hub.freeze();
    else if (what < 0.94) this.#hub.thaw();
    else if (this.#unit() < this.#harm) this.#loseAll();
  }

  calm(): void {
    this.#delay = 10;
    this.#hub.thaw();
    for (const bus of this.#buses) bus.mend();
  }

  /** A server that has lost its logs has lost its connections before. */
  #loseAll(): void {
    for (const bus of this.#buses) bus.cut();
    this.#hub.forget();
    for (const bus of this.#buses) bus.mend();
  }

  #anyDelay(): number {
    return 1 + this.#unit() ** 2 * 300;
  }

  #unit(): number {
    return this.#world.random.unit();
  }
}

/** Hears of each entry that is added. */
class Truth implements TrueLog {
  epoch = '';
  readonly all: Map<string, Entry[]> = new Map();
  readonly trimmed: Map<string, number> = new Map();

  begin(epoch: string): void {
    this.epoch = epoch;
    this.all.set(epoch, []);
  }

  add(entry: Entry, size: number): void {
    const entries = this.all.get(entry.epoch) ?? [];
    entries.push(entry);
    const last = entries.at(-size - 1);
    if (last !== undefined) this.trimmed.set(entry.epoch, last.offset);
  }
}

class Hub extends TestHub {
  readonly #truth: Truth;

  constructor(world: World, delay: () => number, truth: Truth) {
    super({ world, delay });
    this.#truth = truth;
  }

  override log(key: string): RoomLog<Uint8Array> {
    const known = this.logs.get(key);
    if (known !== undefined) return known;
    const log = new HeardLog(epochOf(this.options.world.random.bytes(8)), this.#truth);
    this.logs.set(key, log);
    return log;
  }
}

class HeardLog extends RoomLog<Uint8Array> {
  readonly #truth: Truth;

  constructor(epoch: string, truth: Truth) {
    super(epoch);
    this.#truth = truth;
    truth.begin(epoch);
  }

  override append(...args: Parameters<RoomLog<Uint8Array>['append']>): ReturnType<RoomLog<Uint8Array>['append']> {
    const appended = super.append(...args);
    const message = readMessage(args[0]);
    const { entry, epoch } = appended;
    if (entry !== undefined && message !== undefined) {
      this.#truth.add({ message, offset: entry.offset, previous: entry.previous, epoch }, args[1].size);
    }
    return appended;
  }
}
