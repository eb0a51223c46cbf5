import { hostname } from 'node:os';
import { pid } from 'node:process';
import { HawserError } from '../core/index.ts';
import type { Engine, NodeInfo, NodeNotice } from '../engine/index.ts';
import { Deadline, type TimerWheel } from '../runtime/index.ts';

/** What a server says of itself to the other nodes. */
export interface NodeOptions {
  /** For people. Default: host name and process id. */
  readonly name?: string;
  /** Plain data, such as a zone or a version; at most 4 KiB as JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** URLs by which clients reach this node. Default: those that it listens on. */
  readonly endpoints?: readonly string[];
}

export type ResolvedNode = Omit<Required<NodeOptions>, 'endpoints'> & Pick<NodeOptions, 'endpoints'>;

const METADATA_BYTES = 4096;
const NAME_LETTERS = 256;
/** How often the number of sockets is told at the most, ms. */
const COUNT_EVERY = 5000;

/** @throws HawserError ERR_OPTION. */
export function checkNode({ name = `${hostname()}:${pid}`, metadata = {}, endpoints }: NodeOptions): ResolvedNode {
  if (typeof name !== 'string' || name === '' || name.length > NAME_LETTERS) {
    throw new HawserError('ERR_OPTION', `the name of a node has 1 to ${NAME_LETTERS} characters`);
  }
  return { name, metadata: plain(metadata), ...(endpoints && { endpoints: [...endpoints] }) };
}

function plain(metadata: unknown): Readonly<Record<string, unknown>> {
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata);
  } catch {
    // Told below.
  }
  if (text === undefined || !text.startsWith('{')) {
    throw new HawserError('ERR_OPTION', "a node's metadata is an object of plain data");
  }
  if (new TextEncoder().encode(text).length > METADATA_BYTES) {
    throw new HawserError('ERR_OPTION', `a node's metadata has at most ${METADATA_BYTES} bytes`);
  }
  return JSON.parse(text) as Readonly<Record<string, unknown>>;
}

/** What a node's notice is made of at any moment. */
export interface Standing {
  readonly endpoints: readonly string[];
  readonly sockets: number;
}

/** Keeps what the other nodes know of this one up to date. */
export class Registration {
  readonly #engine: Engine;
  readonly #node: ResolvedNode;
  readonly #wheel: TimerWheel;
  readonly #now: () => number;
  readonly #look: () => Standing;
  readonly #deadline: Deadline = new Deadline({ onDeadline: () => this.announce() });
  #state: NodeNotice['state'] = 'up';

  constructor(engine: Engine, node: ResolvedNode, wheel: TimerWheel, now: () => number, look: () => Standing) {
    this.#engine = engine;
    this.#node = node;
    this.#wheel = wheel;
    this.#now = now;
    this.#look = look;
  }

  get state(): NodeNotice['state'] {
    return this.#state;
  }

  /** Says at once what there is now. */
  announce(): void {
    this.#wheel.cancel(this.#deadline);
    const { endpoints, sockets } = this.#look();
    const { name, metadata } = this.#node;
    this.#engine.announce({
      name,
      metadata,
      endpoints: this.#node.endpoints ?? endpoints,
      sockets,
      state: this.#state,
    });
  }

  /** A socket came or went: told within a few seconds, however many do. */
  counted(): void {
    if (this.#deadline.at === undefined) this.#wheel.schedule(this.#deadline, this.#now() + COUNT_EVERY);
  }

  /** From now on nobody new is wanted. */
  drain(): void {
    this.#state = 'draining';
    this.announce();
  }

  stop(): void {
    this.#wheel.cancel(this.#deadline);
  }

  nodes(): Promise<readonly NodeInfo[]> {
    this.announce();
    return this.#engine.nodes();
  }
}
