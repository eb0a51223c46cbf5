import type { AnyApi, ApiShape } from '../core/index.ts';
import type { HistoryOptions, IsPattern, Params, ParamsOf } from '../room/index.ts';
import type { EventMiddleware } from './gate.ts';
import type { ConnectionMiddleware } from './middleware.ts';
import type { ServerNamespace, ServerNamespaceEvents } from './namespace.ts';
import type { Setup } from './setup.ts';

export interface NamespacePatternEvents<A extends ApiShape, P extends Params = Params>
  extends ServerNamespaceEvents<A, P> {
  /** A namespace was made, for a peer that is about to be let in. */
  open: (namespace: ServerNamespace<A, P>) => unknown;
  /** A namespace was dropped: nobody has been in it for `times.namespaceGrace`. */
  close: (namespace: ServerNamespace<A, P>) => unknown;
}

/** What `of` gives for a path. */
export type NamespaceAt<A extends ApiShape, P extends string> =
  IsPattern<P> extends true ? NamespacePattern<A, ParamsOf<P>> : ServerNamespace<A>;

/** Paths with names in them, such as `/room/:id`: each that a peer asks for becomes a namespace of its own, with these handlers. */
export class NamespacePattern<A extends ApiShape = AnyApi, P extends Params = Params> {
  readonly path: string;
  readonly #setup: Setup;
  readonly #all: () => ServerNamespace[];

  constructor(path: string, setup: Setup, all: () => ServerNamespace[]) {
    this.path = path;
    this.#setup = setup;
    this.#all = all;
  }

  /** Those that exist on this node now. */
  get namespaces(): readonly ServerNamespace<A, P>[] {
    return this.#all() as unknown as ServerNamespace<A, P>[];
  }

  on<E extends keyof NamespacePatternEvents<A, P>>(event: E, listener: NamespacePatternEvents<A, P>[E]): this {
    this.#setup.add(event, listener);
    return this;
  }

  off<E extends keyof NamespacePatternEvents<A, P>>(event: E, listener?: NamespacePatternEvents<A, P>[E]): this {
    this.#setup.remove(event, listener);
    return this;
  }

  /** Has each peer looked at after authentication and before it has a socket or its namespace is made, in the order of the calls. */
  use(middleware: ConnectionMiddleware): this {
    this.#setup.admissions = [...this.#setup.admissions, middleware];
    return this;
  }

  /**
   * Has the rooms that the pattern covers, in all of these namespaces, keep their last messages: see `ServerNamespace.history`.
   * @throws HawserError ERR_OPTION, ERR_ARGUMENT.
   */
  history(pattern: string, options: HistoryOptions = {}): this {
    this.#setup.keep(pattern, options);
    return this;
  }

  /** Has each event and request of every socket looked at before its handlers run, in the order of the calls. */
  useEvent(middleware: EventMiddleware): this {
    this.#setup.events = [...this.#setup.events, middleware];
    return this;
  }
}
