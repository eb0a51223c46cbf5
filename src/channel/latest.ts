import type { Outbound } from '../core/index.ts';

/** Messages that wait for room, at most one by key: the newest. They leave in the order in which their keys began to wait. */
export class Latest {
  readonly #byKey: Map<string, Outbound> = new Map();
  #bytes = 0;

  get size(): number {
    return this.#byKey.size;
  }

  /** Bytes that would wait with this message in place of the one before it. */
  bytesWith(key: string, message: Outbound): number {
    return this.#bytes + message.length - (this.#byKey.get(key)?.length ?? 0);
  }

  /** True when it took the place of another. */
  put(key: string, message: Outbound): boolean {
    const replaces = this.#byKey.has(key);
    this.#bytes = this.bytesWith(key, message);
    this.#byKey.set(key, message);
    return replaces;
  }

  /** Takes out the message of this key, or the one that waited longest. */
  take(key: string | undefined = this.#byKey.keys().next().value): Outbound | undefined {
    const message = this.#byKey.get(key as string);
    if (message && this.#byKey.delete(key as string)) this.#bytes -= message.length;
    return message;
  }
}
