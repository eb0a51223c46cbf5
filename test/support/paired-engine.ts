import { HawserError } from '../../src/core/index.ts';
import {
  type AskOptions,
  type EngineHost,
  type EngineMessage,
  MemoryEngine,
  type NodeInfo,
  type Polled,
  type Whereabouts,
} from '../../src/engine/index.ts';
import { realWorld } from '../../src/runtime/index.ts';

/** The smallest engine that joins nodes of one process: it carries messages, questions and second logins, and can fall silent. */
export class PairedEngine extends MemoryEngine {
  readonly id: string;
  /** Answers no question, as a node that hangs. */
  isMute = false;
  readonly #cluster: Set<PairedEngine>;
  readonly #sockets = new Map<string, Set<string>>();
  #host: EngineHost | undefined;

  constructor(cluster: Set<PairedEngine>) {
    super(realWorld());
    this.#cluster = cluster;
    this.id = `node-${cluster.size + 1}`;
    cluster.add(this);
  }

  override async start(host: EngineHost): Promise<void> {
    this.#host = host;
    await super.start(host);
  }

  override publish(message: EngineMessage): void {
    for (const other of this.#others) setImmediate(() => other.#host?.deliver(structuredClone(message)));
  }

  override arrive(namespace: string, user: string, socket: string): void {
    super.arrive(namespace, user, socket);
    const key = `${namespace} ${user}`;
    this.#sockets.set(key, (this.#sockets.get(key) ?? new Set()).add(socket));
    for (const other of this.#others) {
      setImmediate(() => {
        for (const theirs of other.#socketsOf(namespace, user)) {
          this.#host?.rival(namespace, user, socket, theirs, 'mine');
          other.#host?.rival(namespace, user, theirs, socket, 'theirs');
        }
      });
    }
  }

  override depart(namespace: string, user: string, socket: string): void {
    super.depart(namespace, user, socket);
    this.#sockets.get(`${namespace} ${user}`)?.delete(socket);
  }

  override async whereIs(namespace: string, user: string): Promise<readonly Whereabouts[]> {
    return [...this.#cluster].flatMap((node) =>
      node.#socketsOf(namespace, user).map((socket) => ({ node: node.id, socket })),
    );
  }

  override async nodes(): Promise<readonly NodeInfo[]> {
    const own = await super.nodes();
    const others = await Promise.all(this.#others.map((other) => other.#told()));
    return [...own.map((one) => ({ ...one, id: this.id })), ...others.flat()];
  }

  override async ask(question?: unknown, { timeout = 200, signal, nodes }: AskOptions = {}): Promise<Polled> {
    if (signal?.aborted) throw new HawserError('ERR_ABORTED');
    const asked = this.#others.filter(({ id }) => nodes === undefined || nodes.includes(id));
    const all = asked.map((other) => other.#answer(structuredClone(question), this.id, timeout, signal));
    const outcomes = await Promise.all(all);
    if (signal?.aborted) throw new HawserError('ERR_ABORTED');
    return {
      answers: outcomes.flatMap((one) => ('data' in one ? [one] : [])),
      errors: outcomes.flatMap((one) => ('error' in one ? [one] : [])),
      silent: outcomes.flatMap((one) => ('data' in one || 'error' in one ? [] : [one.node])),
    };
  }

  override async close(): Promise<void> {
    this.#cluster.delete(this);
    await super.close();
  }

  get #others(): PairedEngine[] {
    return [...this.#cluster].filter((one) => one !== this);
  }

  #socketsOf(namespace: string, user: string): string[] {
    return [...(this.#sockets.get(`${namespace} ${user}`) ?? [])];
  }

  async #told(): Promise<readonly NodeInfo[]> {
    return (await super.nodes()).map((one) => ({ ...one, id: this.id, isSelf: false, heardAgo: 1 }));
  }

  async #answer(question: unknown, from: string, timeout: number, signal: AbortSignal | undefined): Promise<Outcome> {
    const node = this.id;
    if (this.isMute) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout);
        signal?.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
      return { node };
    }
    try {
      return { node, data: structuredClone(await this.#host?.answer(question, from)) };
    } catch (error) {
      const { code, message } = error as HawserError;
      return { node, error: new HawserError(code ?? 'ERR_INTERNAL', message) };
    }
  }
}

type Outcome =
  | { readonly node: string }
  | { readonly node: string; readonly data: unknown }
  | { readonly node: string; readonly error: HawserError };
