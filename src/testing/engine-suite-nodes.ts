import type { World } from '../core/index.ts';
import type { Engine, EngineHost, EngineMessage, Entry, HistoryRule, JoinedTimes, Target } from '../engine/index.ts';
import type { TestApi } from './link-bench.ts';

export interface EngineSuiteOptions {
  readonly api: TestApi;
  readonly world: World;
  /**
   * A new node, not started. Nodes that are made with the same `cluster` are one, all others know nothing of each other. `times` are short, so that
   * nobody waits long for the end of a lease.
   */
  readonly makeEngine: (cluster: string, times: JoinedTimes) => Engine;
  /** Whether several nodes can be one. Left out, what crosses nodes is not tested. */
  readonly joins?: boolean;
  /** Whether rooms can have history. Left out, they are not tested. */
  readonly logs?: boolean;
  /** Ends a node as if its process had died: it says nothing more, and hears nothing. Left out, deaths are not tested. */
  readonly kill?: (engine: Engine) => void | Promise<void>;
  /** Whether its server may keep history for longer than was asked. Left out, it must be gone soon. */
  readonly keepsLonger?: boolean;
  /** The longest message in a room's history, bytes. Left out, longer ones are not tried. */
  readonly entryBytes?: number;
}

export const ADA = { id: 'a1', user: 'ada' };
export const BOB = { id: 'b1', user: 'bob' };
export const NOBODY = { id: 'n1', user: null };
/** Names that every object inherits, and some that are hard to carry. */
export const ODD_NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  '*',
  '>',
  'a.b',
  'a b',
  '{a}',
  'ä',
  '🚀',
  '\ud800',
  "'",
  '"',
  '\\',
  '\n',
  '\r\n',
  '\0',
  '$SYS',
  '~',
  'x'.repeat(256),
];
/** How long a case may take, ms. */
const CASE_WAIT = 60_000;
const TIMES: JoinedTimes = { heartbeat: 50, lease: 200 };
/** Levels of lists and maps that the data of a message may have. */
const DEPTH = 64;
/** What probes the way between two nodes. */
const PROBE = 'probe';

let clusters = 0;
let rules = 0;

/** One started node, and what its host was told. */
export class SuiteNode implements EngineHost {
  readonly engine: Engine;
  readonly told: string[] = [];
  /** How many members the room had then, for each of `told`. */
  readonly counts: number[] = [];
  readonly delivered: EngineMessage[] = [];
  readonly entries: Entry[] = [];
  readonly rivals: (readonly [namespace: string, user: string, mine: string, theirs: string, later: string])[] = [];
  readonly reported: unknown[] = [];
  probed = 0;
  /** What it says when it is asked. */
  answer: (question: unknown, node: string) => unknown = () => undefined;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  deliver(delivered: EngineMessage): void {
    if (delivered.event === PROBE) this.probed += 1;
    else this.delivered.push(delivered);
  }

  presence(
    namespace: string,
    room: string,
    member: { readonly id: string },
    change: 'joined' | 'left',
    count: number,
  ): void {
    this.counts.push(count);
    this.told.push(`${member.id} ${change} ${namespace} ${room}`);
  }

  entered(entry: Entry): void {
    this.entries.push(entry);
  }

  interrupted(): void {}

  rival(namespace: string, user: string, mine: string, theirs: string, later: 'mine' | 'theirs'): void {
    this.rivals.push([namespace, user, mine, theirs, later]);
  }

  report(error: unknown): void {
    this.reported.push(error);
  }
}

/** The nodes of one case. */
export class SuiteCluster implements AsyncDisposable {
  readonly #options: EngineSuiteOptions;
  readonly #name: string;
  readonly #nodes: SuiteNode[] = [];

  constructor(options: EngineSuiteOptions) {
    this.#options = options;
    clusters += 1;
    this.#name = `suite${clusters}`;
  }

  async node(): Promise<SuiteNode> {
    const node = new SuiteNode(this.#options.makeEngine(this.#name, TIMES));
    this.#nodes.push(node);
    await node.engine.start(node);
    return node;
  }

  /** Nodes that know each other. */
  async joined(count: 2): Promise<[SuiteNode, SuiteNode]>;
  async joined(count: 3): Promise<[SuiteNode, SuiteNode, SuiteNode]>;
  async joined(count: number): Promise<SuiteNode[]> {
    const nodes: SuiteNode[] = [];
    while (nodes.length < count) nodes.push(await this.node());
    for (const { engine } of nodes) await this.until(async () => (await engine.nodes()).length === count);
    return nodes;
  }

  /** Waits until what one node publishes reaches another: an engine takes its time to hear of an interest. */
  async connected(from: SuiteNode, to: SuiteNode, target: Partial<Target>): Promise<void> {
    const before = to.probed;
    await this.until(() => {
      from.engine.publish({ ...message(target), event: PROBE });
      return to.probed > before;
    });
  }

  /** Waits for what may take a while; the case's own time limit ends a wait in vain. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await this.wait(1);
  }

  async wait(ms: number): Promise<void> {
    const { world } = this.#options;
    await new Promise<void>((resolve) => {
      world.timer(world.now() + ms, resolve);
    });
  }

  async kill({ engine }: SuiteNode): Promise<void> {
    await this.#options.kill?.(engine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node.engine.close();
  }
}

export type Case = (cluster: SuiteCluster) => Promise<void>;

export function testIn(options: EngineSuiteOptions): (name: string, run: Case) => void {
  return (name, run) => {
    options.api.test(
      name,
      async () => {
        await using cluster = new SuiteCluster(options);
        await run(cluster);
      },
      CASE_WAIT,
    );
  };
}

export function message(target: Partial<Target>, data: unknown = null): EngineMessage {
  const whole = { namespace: '/', rooms: [], users: [], exceptRooms: [], exceptSockets: [], ...target };
  return { target: whole, event: 'say', data, meta: { from: ADA }, volatile: false };
}

/** A message with all that one can have. */
export function fullMessage(target: Partial<Target>): EngineMessage {
  const data = {
    bytes: Uint8Array.of(0, 1, 255),
    date: new Date(1_700_000_000_123),
    large: 2n ** 63n,
    list: [null, true, -1, 1.5, '🚀', { deep: [[[[]]]] }],
    deepest: deep(DEPTH - 1),
  };
  const meta = { room: 'r', from: ADA, member: NOBODY };
  return { ...message(target, data), meta, volatile: true, overflow: 'latest', key: 'k', id: 'id 1' };
}

function deep(levels: number): unknown {
  return levels === 0 ? 'end' : [deep(levels - 1)];
}

/** A rule for one case. */
export function ruleOf(rule: Partial<HistoryRule> = {}): HistoryRule {
  rules += 1;
  return { name: `/ case${rules}-*`, size: 100, age: 60_000, ...rule };
}

export function pairs(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
