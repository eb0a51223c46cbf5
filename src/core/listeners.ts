/** `inner` is the one that `once` wrapped. */
type Listener = ((...args: never[]) => unknown) & { inner?: Listener };

/**
 * Listeners by name, for on / once / off. Names are looked up in a Map, so `toString` or `__proto__` are names like any other.
 * A listener that is added or removed during a call counts from the next call on.
 */
export class Listeners {
  #byName: Map<string, readonly Listener[]> | undefined;

  add(name: string, listener: Listener): void {
    this.#byName ??= new Map();
    const before = this.#byName.get(name);
    // What a spread makes has room for many more, and most names have one listener.
    this.#byName.set(name, before === undefined ? [listener] : [...before, listener]);
  }

  /** Removes the listener that was added last, also one that `once` wrapped; all of the name when none is given. */
  remove(name: string, listener?: Listener): void {
    const all = this.#byName?.get(name);
    if (!all) return;
    const at = all.findLastIndex((one) => one === listener || one.inner === listener);
    const rest = listener === undefined ? [] : at < 0 ? all : all.toSpliced(at, 1);
    if (rest.length === 0) this.#byName?.delete(name);
    else this.#byName?.set(name, rest);
  }

  once(name: string, listener: Listener): void {
    const wrapped: Listener = (...args) => {
      this.remove(name, wrapped);
      return listener(...args);
    };
    wrapped.inner = listener;
    this.add(name, wrapped);
  }

  /** The listeners of a name, in the order they were added. */
  of(name: string): readonly Listener[] | undefined {
    return this.#byName?.get(name);
  }
}
