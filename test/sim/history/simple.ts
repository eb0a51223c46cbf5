import { HawserError, type World } from '../../../src/core/index.ts';
import {
  type Appended,
  type Engine,
  type EngineHost,
  type EngineMessage,
  type Entry,
  type HistoryRule,
  MemoryEngine,
  type Reading,
  type ReadOptions,
} from '../../../src/engine/index.ts';
import type { Namespace } from '../../../src/room/index.ts';
import type { Stage, TrueLog } from './stage.ts';

/** A log and engines that have nothing else: anything may come late, twice or never. */
export class SimpleStage implements Stage {
  readonly log: SimLog;
  readonly #world: World;
  readonly #size: number;
  readonly #harm: number;
  readonly #engines: SimEngine[] = [];

  /** `size`: entries that are kept. `harm`: how much happens, 0 to 1. */
  constructor(world: World, size: number, harm: number) {
    this.#world = world;
    this.#size = size;
    this.#harm = harm;
    this.log = new SimLog(world);
  }

  makeEngine(): Engine {
    const engine = new SimEngine(this.log, this.#world, this.#anyWeather());
    this.#engines.push(engine);
    return engine;
  }

  harm(nodes: readonly Namespace[]): void {
    const what = this.#unit();
    const at = Math.floor(this.#unit() * nodes.length);
    const engine = this.#engines[at];
    if (what < 0.35 && engine !== undefined) engine.weather = this.#anyWeather();
    else if (what < 0.6) nodes[at]?.interrupted();
    else if (what < 0.75) this.log.isDown = this.#unit() < this.#harm / 2;
    else if (what < 0.88) this.log.trim(Math.floor(this.#unit() * this.#size));
    else if (this.#unit() < this.#harm) this.#restart(nodes);
  }

  calm(nodes: readonly Namespace[]): void {
    this.log.isDown = false;
    for (const engine of this.#engines) engine.weather = { delay: 10, loss: 0, twice: 0, failing: 0 };
    for (const node of nodes) node.interrupted();
  }

  /** Nodes hear that there is another log by what is added to it, or, as from an engine that reconnects, by being told. */
  #restart(nodes: readonly Namespace[]): void {
    this.log.restart();
    if (this.#unit() < 0.5) for (const node of nodes) node.interrupted();
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

  #unit(): number {
    return this.#world.random.unit();
  }
}

/** What a server of logs has of one room, and for the referee all that it ever had. */
class SimLog implements TrueLog {
  epoch = 'e1';
  /** All entries of each epoch, those that are no longer kept included. */
  readonly all: Map<string, Entry[]> = new Map([['e1', []]]);
  /** The offset of the last one that is no longer kept, of each epoch. */
  readonly trimmed: Map<string, number> = new Map();
  isDown = false;
  readonly #world: World;
  readonly #nodes: SimEngine[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get entries(): Entry[] {
    return this.all.get(this.epoch) ?? [];
  }

  get end(): number {
    return this.entries.at(-1)?.offset ?? 0;
  }

  attach(node: SimEngine): void {
    this.#nodes.push(node);
  }

  add(message: EngineMessage, rule: HistoryRule): Entry {
    const previous = this.end;
    // Not always the next number: logs share their numbers.
    const offset = previous + 1 + Math.floor(this.#world.random.unit() * 3);
    const entry: Entry = { message, offset, previous, epoch: this.epoch };
    this.entries.push(entry);
    this.trim(rule.size);
    for (const node of this.#nodes) node.hear(entry);
    return entry;
  }

  trim(size: number): void {
    const last = this.entries.at(-size - 1);
    if (last !== undefined) this.trimmed.set(this.epoch, Math.max(last.offset, this.trimmed.get(this.epoch) ?? 0));
  }

  /** It comes back with nothing. */
  restart(): void {
    this.epoch = `e${this.all.size + 1}`;
    this.all.set(this.epoch, []);
  }

  read({ since, most = 1000 }: ReadOptions): Reading {
    const position = { offset: this.end, epoch: this.epoch };
    if (since === undefined) return { isWhole: true, entries: [], position };
    if (since.epoch !== this.epoch) return { isWhole: false, reason: 'epoch', position };
    if (since.offset > this.end) return { isWhole: false, reason: 'unknown', position };
    if (since.offset < (this.trimmed.get(this.epoch) ?? 0)) return { isWhole: false, reason: 'expired', position };
    const entries = this.entries.filter(({ offset }) => offset > since.offset);
    if (entries.length > most) return { isWhole: false, reason: 'too-many', position };
    return { isWhole: true, entries, position };
  }
}

/** How bad the way between a node and the log is. */
interface Weather {
  readonly delay: number;
  readonly loss: number;
  readonly twice: number;
  readonly failing: number;
}

/** The engine of one node: entries come late, twice or not at all, readings and additions late or not at all. */
class SimEngine extends MemoryEngine {
  weather: Weather;
  readonly #log: SimLog;
  readonly #world: World;
  #told: EngineHost | undefined;
  #isWatched = false;
  /** What was sent one after the other arrives so. */
  #hearAt = 0;
  #addAt = 0;

  constructor(log: SimLog, world: World, weather: Weather) {
    super(world);
    this.#log = log;
    this.#world = world;
    this.weather = weather;
    log.attach(this);
  }

  override async start(host: EngineHost): Promise<void> {
    this.#told = host;
    await super.start(host);
  }

  override watchRoom(namespace: string, room: string, rule?: HistoryRule): void {
    super.watchRoom(namespace, room, rule);
    this.#isWatched = true;
  }

  override unwatchRoom(namespace: string, room: string): void {
    super.unwatchRoom(namespace, room);
    this.#isWatched = false;
  }

  hear(entry: Entry): void {
    if (!this.#isWatched || this.#chance(this.weather.loss)) return;
    this.#hearAt = Math.max(this.#hearAt, this.#after());
    const tell = (): void => {
      if (this.#isWatched) this.#told?.entered(entry);
    };
    this.#world.timer(this.#hearAt, tell);
    if (this.#chance(this.weather.twice)) this.#world.timer(this.#hearAt + this.weather.delay, tell);
  }

  override async append(message: EngineMessage, rule: HistoryRule): Promise<Appended> {
    this.#addAt = Math.max(this.#addAt, this.#after());
    await this.#until(this.#addAt);
    this.#mayFail('no');
    const { offset, epoch } = this.#log.add(message, rule);
    await this.#until(this.#after());
    this.#mayFail('unknown');
    return { offset, epoch, isDuplicate: false };
  }

  override async read(_namespace: string, _room: string, _rule: HistoryRule, options: ReadOptions): Promise<Reading> {
    await this.#until(this.#after());
    this.#mayFail('no');
    const reading = this.#log.read(options);
    await this.#until(this.#after());
    this.#mayFail('no');
    return reading;
  }

  #mayFail(delivered: 'no' | 'unknown'): void {
    if (this.#log.isDown || this.#chance(this.weather.failing)) {
      throw new HawserError('ERR_ENGINE_DOWN', undefined, { delivered });
    }
  }

  #chance(of: number): boolean {
    return this.#world.random.unit() < of;
  }

  #after(): number {
    return this.#world.now() + this.#world.random.unit() ** 2 * this.weather.delay;
  }

  #until(at: number): Promise<void> {
    return new Promise((resolve) => this.#world.timer(at, resolve));
  }
}
