import { type Backend, type EngineName, startBackend } from './backend.ts';
import { ClusterPrimary } from './cluster-primary.ts';
import type { HistoryChoice, NodeOptions } from './control.ts';
import { FaultProxy } from './fault-proxy.ts';
import { type NodeHandle, NodeProcess } from './node-process.ts';
import type { Programs } from './programs.ts';

/** What is kept of rooms; rooms of other names have no history. */
const HISTORY: readonly HistoryChoice[] = [
  { pattern: 'log-*', size: 20_000, age: 600_000 },
  // So little that who was away for long can't get all that it missed.
  { pattern: 'short-*', size: 40, age: 600_000 },
];
/** Times of the nodes, ms: a member that is gone is told soon. */
const TIMES = { heartbeat: 500, readWait: 1500, writeWait: 2000, resumeWindow: 3000, closeWait: 300, loginWait: 3000 };

/** How long a worker in the place of one that has ended may take, ms. */
const WORKER_WAIT = 15_000;

/** Begins a node's life; `name` is what it is to call itself, where it doesn't choose. */
type Launch = (name: string, enginePort: number) => Promise<NodeHandle>;

/** A place where a node runs, lives after lives, behind lines of its own: those of clients and the one to the engine's server. */
export class Slot implements AsyncDisposable {
  readonly name: string;
  readonly tcp: FaultProxy;
  readonly ws: FaultProxy;
  readonly toEngine: FaultProxy | undefined;
  readonly #launch: Launch;
  /** Why it ended, of each life that nobody ended. */
  readonly accidents: string[] = [];
  #process: NodeHandle | undefined;
  #lives = 0;

  private constructor(name: string, lines: readonly [FaultProxy, FaultProxy, FaultProxy | undefined], launch: Launch) {
    this.name = name;
    [this.tcp, this.ws, this.toEngine] = lines;
    this.#launch = launch;
  }

  static async open(name: string, backend: Backend, launch: Launch): Promise<Slot> {
    const toEngine = backend.port === undefined ? undefined : await FaultProxy.open(backend.port);
    return new Slot(name, [await FaultProxy.open(), await FaultProxy.open(), toEngine], launch);
  }

  /** What clients dial for rooms, the same in all lives. */
  urls(query: string): { readonly tcp: string; readonly ws: string } {
    return { tcp: `tcp://127.0.0.1:${this.tcp.port}?${query}`, ws: `ws://127.0.0.1:${this.ws.port}/?${query}` };
  }

  /** The node that runs now, or ran last. @throws Error before the first. */
  get process(): NodeHandle {
    if (this.#process === undefined) throw new Error(`${this.name} was never started`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** What its node calls itself: each life has a name of its own. */
  get life(): string {
    return this.process.life;
  }

  /** A new life. @throws Error when it can't begin. */
  async start(): Promise<void> {
    this.look();
    this.#lives += 1;
    this.#process = await this.#launch(`${this.name}.${this.#lives}`, this.toEngine?.port ?? 0);
    for (const endpoint of this.#process.endpoints) {
      const { protocol, port } = new URL(endpoint);
      if (protocol === 'tcp:') this.tcp.target = Number(port);
      else this.ws.target = Number(port);
    }
  }

  /** Notes how a life ended that should not have. */
  look(): void {
    const accident = this.#process?.accident;
    if (accident !== undefined && !this.accidents.includes(accident)) this.accidents.push(accident);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.look();
    await this.#process?.kill().catch(() => {});
    await Promise.all([this.tcp.close(), this.ws.close(), this.toEngine?.close()]);
  }
}

/** Nodes, the servers of their engine, and the lines between all of them. */
export class Site implements AsyncDisposable {
  readonly backend: Backend;
  readonly slots: Slot[] = [];
  readonly #programs: Programs;
  readonly #size: number;
  #primary: ClusterPrimary | undefined;

  private constructor(backend: Backend, size: number, programs: Programs) {
    this.backend = backend;
    this.#size = size;
    this.#programs = programs;
  }

  static async start(engine: EngineName, size: number, programs: Programs): Promise<Site> {
    const site = new Site(await startBackend(engine, size), size, programs);
    try {
      await site.#open();
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The process whose workers the nodes are. @throws Error where they are none. */
  get primary(): ClusterPrimary {
    if (this.#primary === undefined) throw new Error('the nodes are no workers');
    return this.#primary;
  }

  /** A primary with workers that no slot has yet. */
  async startPrimary(): Promise<void> {
    this.#primary = await ClusterPrimary.start(this.#programs, this.#optionsOf('primary', 0));
  }

  /** URLs of all nodes for one client, beginning with the node of this number and over this transport. */
  urls(first: number, transport: 'tcp' | 'ws', query: string): string[] {
    const turned = this.slots.map((_, at) => this.slots[(first + at) % this.slots.length] as Slot);
    const other = transport === 'tcp' ? 'ws' : 'tcp';
    const urls = turned.map((slot) => slot.urls(query));
    return [...urls.map((one) => one[transport]), ...urls.map((one) => one[other])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot[Symbol.asyncDispose]()));
    await this.#primary?.process.kill();
    await this.backend[Symbol.asyncDispose]();
  }

  async #open(): Promise<void> {
    const isCluster = this.backend.choiceFor(0).kind === 'cluster';
    if (isCluster) await this.startPrimary();
    const launch: Launch = async (life, enginePort) =>
      isCluster ? this.primary.take(WORKER_WAIT) : NodeProcess.start(this.#programs, this.#optionsOf(life, enginePort));
    for (let at = 1; at <= this.#size; at++) this.slots.push(await Slot.open(`node${at}`, this.backend, launch));
    await Promise.all(this.slots.map((slot) => slot.start()));
  }

  #optionsOf(name: string, enginePort: number): NodeOptions {
    return { name, engine: this.backend.choiceFor(enginePort), history: HISTORY, times: TIMES };
  }
}
