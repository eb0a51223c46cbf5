import { Listeners } from '../core/index.ts';

/** How a namespace is, or all that a pattern makes. What is said in a later call of `of` wins. */
export interface NamespaceOptions {
  /** Makes a namespace of its own though a pattern fits its path. Default false: then such a path is one of the pattern's. */
  readonly fixed?: boolean;
}

type Report = (error: unknown, during: string) => void;

/** What an application has said of a namespace, or of all that a pattern makes. */
export class Setup {
  options: NamespaceOptions = {};
  readonly #listeners: Listeners = new Listeners();

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
