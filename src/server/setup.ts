import { HawserError, Listeners, type Overflow } from '../core/index.ts';
import { type HistoryOptions, HistoryRules, type Namespace } from '../room/index.ts';
import type { EventMiddleware } from './gate.ts';
import type { ConnectionMiddleware } from './middleware.ts';

/**
 * What becomes of a user who logs in while another socket of the same user is in the namespace: both are in; the new one is refused
 * (ERR_ALREADY_LOGGED_IN), unless the old one has lost its link; the old one is ended (ERR_LOGGED_IN_ELSEWHERE). Nobody (null) may be in any
 * number of times.
 */
export type SecondLogin = (typeof SECOND_LOGINS)[number];
const SECOND_LOGINS = ['allow', 'reject', 'replace'] as const;

/** How a namespace is, or all that a pattern makes. What is said in a later call of `of` wins. */
export interface NamespaceOptions {
  /** Makes a namespace of its own though a pattern fits its path. Default false: then such a path is one of the pattern's. */
  readonly fixed?: boolean;
  /**
   * What peers speak who don't ask for a dialect of Hawser's: `raw`, `line`, or a name of `ServerOptions.dialects`. Default `hawser`: the dialects
   * of docs/PROTOCOL.md.
   */
  readonly dialect?: string;
  /** Default: the server's option of this name. */
  readonly secondLogin?: SecondLogin;
  /** `overflow` of its sockets from their beginning: what becomes of messages to a peer that is slower than we are. */
  readonly overflow?: Overflow;
}

type Report = (error: unknown, during: string) => void;

/** What an application has said of a namespace, or of all that a pattern makes. */
export class Setup {
  options: NamespaceOptions = {};
  admissions: readonly ConnectionMiddleware[] = [];
  events: readonly EventMiddleware[] = [];
  /** Which rooms keep their messages. */
  readonly rules: HistoryRules;
  readonly #listeners: Listeners = new Listeners();
  readonly #nameLength: number;
  readonly #namespaces: () => Iterable<Namespace>;

  /** `path` is the namespace's or the pattern's; `namespaces` are those on this node that it is the setup of. */
  constructor(path: string, nameLength: number, namespaces: () => Iterable<Namespace>) {
    this.rules = new HistoryRules(path);
    this.#nameLength = nameLength;
    this.#namespaces = namespaces;
  }

  /** @throws HawserError ERR_OPTION; ERR_ARGUMENT, also when a room that the pattern covers has members on this node. */
  keep(pattern: string, options: HistoryOptions): void {
    for (const namespace of this.#namespaces()) {
      if (!namespace.hasMembersIn(pattern)) continue;
      throw new HawserError(
        'ERR_ARGUMENT',
        `the history of '${pattern}' must be set before somebody is in such a room`,
      );
    }
    this.rules.add(pattern, options, this.#nameLength);
  }

  add(event: string, listener: (...args: never[]) => unknown): void {
    this.#listeners.add(event, listener);
  }

  remove(event: string, listener?: (...args: never[]) => unknown): void {
    this.#listeners.remove(event, listener);
  }

  /** Calls the listeners of an event; what they throw, now or later, is reported. */
  tell(event: string, report: Report, ...args: unknown[]): void {
    for (const listener of this.#listeners.of(event) ?? []) {
      try {
        const result = listener(...(args as never[]));
        if (result instanceof Promise) result.catch((error: unknown) => report(error, `listener of '${event}'`));
      } catch (error) {
        report(error, `listener of '${event}'`);
      }
    }
  }
}

/** @throws HawserError ERR_OPTION. */
export function checkSecondLogin(policy: SecondLogin | undefined): SecondLogin | undefined {
  if (policy === undefined || SECOND_LOGINS.includes(policy)) return policy;
  throw new HawserError('ERR_OPTION', `secondLogin is ${SECOND_LOGINS.join(', ')}, not ${policy}`);
}

const OVERFLOWS: readonly (Overflow | undefined)[] = [undefined, 'block', 'disconnect', 'drop', 'latest'];

/** @throws HawserError ERR_OPTION. */
export function checkOverflow(policy: Overflow | undefined): void {
  if (!OVERFLOWS.includes(policy)) throw new HawserError('ERR_OPTION', `overflow can't be ${policy}`);
}
