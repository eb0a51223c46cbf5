import { aborted, HawserError, type Instant, type Timer, type WaitOptions, type World } from '../core/index.ts';
import {
  type Appended,
  type Bus,
  type BusHost,
  type BytesRead,
  epochOf,
  type HistoryRule,
  type ReadOptions,
  RoomLog,
  type Subject,
} from '../engine/index.ts';

export interface TestHubOptions {
  readonly world: Pick<World, 'now' | 'random' | 'timer' | 'soon'>;
  /** How long the next message takes between a node and the hub, ms; asked for each message and each way. Default 0. */
  readonly delay?: () => number;
  /** Whether the next message to a subscriber is lost. Default never. */
  readonly isLost?: () => boolean;
  /** Default 64 KiB. */
  readonly payloadBytes?: number;
}

/** What a server does for the nodes of one cluster, in memory: to try an engine without one, and to have everything happen that can. */
export class TestHub {
  readonly options: Required<TestHubOptions>;
  readonly buses: Set<TestBus> = new Set();
  /** By namespace and room. */
  readonly logs: Map<string, RoomLog<Uint8Array>> = new Map();
  /** Buses by the subjects that they have subscribed to. */
  readonly subscribers: Map<string, Set<TestBus>> = new Map();
  #isFrozen = false;

  constructor(options: TestHubOptions) {
    this.options = { delay: () => 0, isLost: () => false, payloadBytes: 64 * 1024, ...options };
  }

  bus(): TestBus {
    return new TestBus(this);
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Everything waits until `thaw`. */
  freeze(): void {
    this.#isFrozen = true;
    for (const bus of this.buses) bus.hold();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const bus of this.buses) bus.release();
  }

  /** The logs are lost. */
  forget(): void {
    this.logs.clear();
  }

  log(key: string): RoomLog<Uint8Array> {
    let log = this.logs.get(key);
    if (log === undefined) {
      log = new RoomLog(epochOf(this.options.world.random.bytes(8)));
      this.logs.set(key, log);
    }
    return log;
  }
}

/** The bus of one node at a hub. */
export class TestBus implements Bus {
  readonly name = 'test';
  readonly payloadBytes: number;
  readonly #hub: TestHub;
  /** To the hub, and from it. */
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #subjects = new Set<string>();
  readonly #watched = new Set<string>();
  #host: BusHost | undefined;
  #state: 'new' | 'up' | 'cut' | 'closed' = 'new';
  /** Rejects who waits for an answer that will not come. */
  readonly #waiting = new Set<(error: HawserError) => void>();

  constructor(hub: TestHub) {
    this.#hub = hub;
    this.payloadBytes = hub.options.payloadBytes;
    this.#up = new Pipe(hub.options);
    this.#down = new Pipe(hub.options);
  }

  async start(host: BusHost): Promise<void> {
    this.#host = host;
    this.#state = 'up';
    this.#hub.buses.add(this);
    if (this.#hub.isFrozen) this.hold();
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    const key = keyOf(subject);
    if (this.#state === 'up') this.#up.push(() => this.#spread(key, bytes));
  }

  subscribe(subject: Subject): void {
    const key = keyOf(subject);
    this.#subjects.add(key);
    if (this.#state === 'up') this.#up.push(() => this.#enlist(key));
  }

  unsubscribe(subject: Subject): void {
    const key = keyOf(subject);
    this.#subjects.delete(key);
    if (this.#state === 'up') this.#up.push(() => this.#strike(key));
  }

  watchLog(namespace: string, room: string): void {
    const key = logKey(namespace, room);
    this.#watched.add(key);
    if (this.#state === 'up') this.#up.push(() => this.#enlist(key));
  }

  unwatchLog(namespace: string, room: string): void {
    const key = logKey(namespace, room);
    this.#watched.delete(key);
    if (this.#state === 'up') this.#up.push(() => this.#strike(key));
  }

  append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    { id, ...options }: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    const key = logKey(namespace, room);
    return this.#call(options, () => {
      const log = this.#hub.log(key);
      const { entry, ...appended } = log.append(bytes, rule, this.#hub.options.world.now(), id);
      if (entry === undefined) return appended;
      const { offset, previous } = entry;
      for (const bus of this.#hub.subscribers.get(key) ?? []) {
        bus.#fall(() => bus.#host?.logged(namespace, room, { bytes: copy(bytes), offset, previous }, log.epoch));
      }
      return appended;
    });
  }

  read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead> {
    return this.#call(options, () => {
      const log = this.#hub.log(logKey(namespace, room));
      log.trim(rule.size, rule.age, this.#hub.options.world.now());
      const read = log.read(options.since, options.most ?? 1000);
      if (!read.isWhole) return read;
      const entries = read.entries.map(({ value, offset, previous }) => ({ bytes: copy(value), offset, previous }));
      return { ...read, entries };
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    // What was published before still leaves.
    if (this.#state === 'up') this.#up.push(() => this.#vanish());
    else this.#vanish();
    this.#state = 'closed';
    this.#down.clear();
    this.#rejectAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The process of the node has died: nothing leaves any more, and nobody is told. */
  kill(): void {
    this.#state = 'closed';
    this.#vanish();
    this.#up.clear();
    this.#down.clear();
    this.#rejectAll();
  }

  /** The way to the hub is cut: what is under way, and what is sent, is lost. `isNoticed`: the node is told. */
  cut(isNoticed = true): void {
    if (this.#state !== 'up') return;
    this.#state = 'cut';
    this.#vanish();
    this.#up.clear();
    this.#down.clear();
    this.#rejectAll();
    if (isNoticed) this.#host?.disconnected(new Error('cut'));
  }

  mend(): void {
    if (this.#state !== 'cut') return;
    this.#state = 'up';
    this.#hub.buses.add(this);
    if (this.#hub.isFrozen) this.hold();
    for (const key of [...this.#subjects, ...this.#watched]) this.#up.push(() => this.#enlist(key));
    this.#host?.reconnected();
  }

  /** Bytes that are none of ours arrive. */
  inject(bytes: Uint8Array): void {
    this.#host?.received(bytes);
  }

  /** Nothing comes or goes until `release`. */
  hold(): void {
    this.#up.hold();
    this.#down.hold();
  }

  release(): void {
    this.#up.release();
    this.#down.release();
  }

  #spread(key: string, bytes: Uint8Array): void {
    for (const bus of this.#hub.subscribers.get(key) ?? []) {
      if (!this.#hub.options.isLost()) bus.#fall(() => bus.#host?.received(copy(bytes)));
    }
  }

  #fall(run: () => void): void {
    if (this.#state === 'up') this.#down.push(run);
  }

  #enlist(key: string): void {
    const { subscribers } = this.#hub;
    subscribers.set(key, (subscribers.get(key) ?? new Set()).add(this));
  }

  #strike(key: string): void {
    const subscribed = this.#hub.subscribers.get(key);
    subscribed?.delete(this);
    if (subscribed?.size === 0) this.#hub.subscribers.delete(key);
  }

  #vanish(): void {
    for (const key of [...this.#subjects, ...this.#watched]) this.#strike(key);
    this.#hub.buses.delete(this);
  }

  #call<T>({ signal, timeout = 5000 }: WaitOptions, act: () => T): Promise<T> {
    const { world } = this.#hub.options;
    const down = new HawserError('ERR_ENGINE_DOWN', 'no way to the hub', { delivered: 'no' });
    if (this.#state !== 'up') return Promise.reject(down);
    if (signal?.aborted) return Promise.reject(aborted(signal, 'no'));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(fail);
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: HawserError): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => fail(aborted(signal, 'unknown'));
      const onLate = (): void => fail(new HawserError('ERR_ENGINE_DOWN', 'no answer', { delivered: 'unknown' }));
      const timer: Timer | undefined = timeout > 0 ? world.timer(world.now() + timeout, onLate) : undefined;
      this.#waiting.add(fail);
      signal?.addEventListener('abort', onAbort);
      this.#up.push(() => {
        const done = act();
        this.#fall(() => {
          end();
          resolve(done);
        });
      });
    });
  }

  #rejectAll(): void {
    const cut = new HawserError('ERR_ENGINE_DOWN', 'the way to the hub was cut', { delivered: 'unknown' });
    for (const reject of [...this.#waiting]) reject(cut);
  }
}

/** One way of a link: what goes in comes out later, in its order. */
class Pipe {
  readonly #options: Required<TestHubOptions>;
  #queue: { readonly at: Instant; readonly run: () => void }[] = [];
  #last: Instant = 0;
  #isHeld = false;
  #isArmed = false;

  constructor(options: Required<TestHubOptions>) {
    this.#options = options;
  }

  push(run: () => void): void {
    const { world, delay } = this.#options;
    this.#last = Math.max(this.#last, world.now() + delay());
    this.#queue.push({ at: this.#last, run });
    this.#arm();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#arm();
  }

  clear(): void {
    this.#queue = [];
    this.#isHeld = false;
  }

  #arm(): void {
    const [first] = this.#queue;
    if (first === undefined || this.#isHeld || this.#isArmed) return;
    const { world } = this.#options;
    this.#isArmed = true;
    if (first.at <= world.now()) world.soon(() => this.#drain());
    else world.timer(first.at, () => this.#drain());
  }

  #drain(): void {
    this.#isArmed = false;
    if (this.#isHeld) return;
    const now = this.#options.world.now();
    let due = 0;
    while ((this.#queue[due]?.at ?? Number.POSITIVE_INFINITY) <= now) due += 1;
    for (const { run } of this.#queue.splice(0, due)) run();
    this.#arm();
  }
}

function keyOf(subject: Subject): string {
  if (subject.kind === 'all') return 'all';
  if (subject.kind === 'node') return `node ${subject.node}`;
  const name = subject.kind === 'room' ? subject.room : subject.user;
  return `${subject.kind} ${subject.namespace}\0${name}`;
}

function logKey(namespace: string, room: string): string {
  return `log ${namespace}\0${room}`;
}

/** Memory of its own, as if it had come from elsewhere. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
