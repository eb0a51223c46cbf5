import { Listeners } from '../core/index.ts';

type Events<E> = { readonly [Name in keyof E]: (...args: never[]) => unknown };

/** What has events: `on`, `once` and `off`, and nothing that a listener does harms who tells. */
export abstract class Audience<E extends Events<E>> {
  readonly #listeners: Listeners = new Listeners();
  readonly #onError: (error: unknown, during: string) => void;

  constructor(onError: (error: unknown, during: string) => void) {
    this.#onError = onError;
  }

  on<Name extends keyof E & string>(event: Name, listener: E[Name]): this {
    this.onListener(event);
    this.#listeners.add(event, listener);
    return this;
  }

  once<Name extends keyof E & string>(event: Name, listener: E[Name]): this {
    this.onListener(event);
    this.#listeners.once(event, listener);
    return this;
  }

  off<Name extends keyof E & string>(event: Name, listener: E[Name]): this {
    this.#listeners.remove(event, listener);
    return this;
  }

  /** Somebody is about to listen. May throw: then nobody does. */
  protected onListener(_event: keyof E & string): void {
    // Most don't mind.
  }

  protected listens(event: keyof E & string): boolean {
    return this.#listeners.of(event) !== undefined;
  }

  protected tell<Name extends keyof E & string>(event: Name, ...args: Parameters<E[Name]>): void {
    for (const listener of this.#listeners.of(event) ?? []) {
      try {
        const result = (listener as (...all: unknown[]) => unknown)(...args);
        if (result instanceof Promise) result.catch((error: unknown) => this.#fail(error, event));
      } catch (error) {
        this.#fail(error, event);
      }
    }
  }

  #fail(error: unknown, event: string): void {
    this.#onError(error, `a listener of '${event}'`);
  }
}
