/** Who has subscribed to what, by keys. */
export class Routes<P> {
  readonly #byKey = new Map<string, P[]>();

  /** In no order; undefined when there is nobody. */
  of(key: string): readonly P[] | undefined {
    return this.#byKey.get(key);
  }

  /** Each pair of key and peer is added once, by who keeps count. */
  add(key: string, peer: P): void {
    const peers = this.#byKey.get(key);
    if (peers === undefined) this.#byKey.set(key, [peer]);
    else peers.push(peer);
  }

  delete(key: string, peer: P): void {
    const peers = this.#byKey.get(key);
    const at = peers?.indexOf(peer) ?? -1;
    if (peers === undefined || at < 0) return;
    if (peers.length === 1) {
      this.#byKey.delete(key);
      return;
    }
    const last = peers.pop() as P;
    if (at < peers.length) peers[at] = last;
  }

  get size(): number {
    return this.#byKey.size;
  }
}
