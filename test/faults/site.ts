import { type Backend, type EngineName, startBackend } from './backend.ts';
import type { HistoryChoice, NodeOptions } from './control.ts';
import { FaultProxy } from './fault-proxy.ts';
import { NodeProcess } from './node-process.ts';
import type { Programs } from './programs.ts';

/** What is kept of rooms; rooms of other names have no history. */
const HISTORY: readonly HistoryChoice[] = [{ pattern: 'log*', size: 20_000, age: 600_000 }];
/** Times of the nodes, ms: a member that is gone is told soon. */
const TIMES = { heartbeat: 500, readWait: 1500, writeWait: 2000, resumeWindow: 3000, closeWait: 300, loginWait: 3000 };

/** A place where a node runs, lives after lives, behind lines of its own: those of clients and the one to the engine's server. */
export class Slot implements AsyncDisposable {
  readonly name: string;
  readonly tcp: FaultProxy;
  readonly ws: FaultProxy;
  readonly toEngine: FaultProxy | undefined;
  readonly #programs: Programs;
  readonly #options: NodeOptions;
  /** Why it ended, of each life that nobody ended. */
  readonly accidents: string[] = [];
  #process: NodeProcess | undefined;
  #lives = 0;

  private constructor(
    name: string,
    lines: readonly [FaultProxy, FaultProxy, FaultProxy | undefined],
    programs: Programs,
    options: NodeOptions,
  ) {
    this.name = name;
    [this.tcp, this.ws, this.toEngine] = lines;
    this.#programs = programs;
    this.#options = options;
  }

  static async open(name: string, programs: Programs, backend: Backend): Promise<Slot> {
    const toEngine = backend.port === undefined ? undefined : await FaultProxy.open(backend.port);
    const lines = [await FaultProxy.open(), await FaultProxy.open(), toEngine] as const;
    const engine = backend.choiceFor(toEngine?.port ?? 0);
    return new Slot(name, lines, programs, { name, engine, history: HISTORY, times: TIMES });
  }

  /** What clients dial for rooms, the same in all lives. */
  urls(query: string): { readonly tcp: string; readonly ws: string } {
    return { tcp: `tcp://127.0.0.1:${this.tcp.port}?${query}`, ws: `ws://127.0.0.1:${this.ws.port}/?${query}` };
  }

  /** The node that runs now, or ran last. @throws Error before the first. */
  get process(): NodeProcess {
    if (this.#process === undefined) throw new Error(`${this.name} was never started`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** What its node calls itself: each life has a name of its own. */
  get life(): string {
    return `${this.name}.${this.#lives}`;
  }

  async start(): Promise<void> {
    this.look();
    this.#lives += 1;
    this.#process = await NodeProcess.start(this.#programs, { ...this.#options, name: this.life });
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
    await this.#process?.kill();
    await Promise.all([this.tcp.close(), this.ws.close(), this.toEngine?.close()]);
  }
}

/** Nodes, the servers of their engine, and the lines between all of them. */
export class Site implements AsyncDisposable {
  readonly backend: Backend;
  readonly slots: readonly Slot[];

  private constructor(backend: Backend, slots: readonly Slot[]) {
    this.backend = backend;
    this.slots = slots;
  }

  static async start(engine: EngineName, size: number, programs: Programs): Promise<Site> {
    const backend = await startBackend(engine);
    const names = Array.from({ length: size }, (_, index) => `node${index + 1}`);
    const slots = await Promise.all(names.map((name) => Slot.open(name, programs, backend)));
    const site = new Site(backend, slots);
    try {
      await Promise.all(slots.map((slot) => slot.start()));
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
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
    await this.backend[Symbol.asyncDispose]();
  }
}
