import type { WaitOptions } from '../core/index.ts';
import type { Appended, Bus, BusHost, BytesRead, HistoryRule, ReadOptions, Subject } from '../engine/index.ts';

/** A bus whose node can die: from then on nothing leaves and nothing comes, and nobody is told. For `kill` of the suite of engines. */
export class MortalBus implements Bus {
  readonly name: string;
  readonly #bus: Bus;
  #isDead = false;

  constructor(bus: Bus) {
    this.name = bus.name;
    this.#bus = bus;
  }

  get payloadBytes(): number {
    return this.#bus.payloadBytes;
  }

  /** As when a process is gone: the server sees its connection end, if it sees that. */
  async kill(): Promise<void> {
    this.#isDead = true;
    await this.#bus.close();
  }

  start(host: BusHost): Promise<void> {
    return this.#bus.start({
      received: (bytes) => this.#tell(() => host.received(bytes)),
      logged: (namespace, room, entry, epoch) => this.#tell(() => host.logged(namespace, room, entry, epoch)),
      reconnected: () => this.#tell(() => host.reconnected()),
      disconnected: (error) => this.#tell(() => host.disconnected(error)),
      ended: (node) => this.#tell(() => host.ended?.(node)),
      ...(host.pushed && { pushed: host.pushed.bind(host) }),
      report: (error, during) => this.#tell(() => host.report(error, during)),
    });
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    this.#tell(() => this.#bus.publish(subject, bytes));
  }

  subscribe(subject: Subject): void {
    this.#tell(() => this.#bus.subscribe(subject));
  }

  unsubscribe(subject: Subject): void {
    this.#tell(() => this.#bus.unsubscribe(subject));
  }

  watchLog(namespace: string, room: string, rule: HistoryRule): void {
    this.#tell(() => this.#bus.watchLog(namespace, room, rule));
  }

  unwatchLog(namespace: string, room: string, rule: HistoryRule): void {
    this.#tell(() => this.#bus.unwatchLog(namespace, room, rule));
  }

  append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    options: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    return this.#bus.append(namespace, room, rule, bytes, options);
  }

  read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead> {
    return this.#bus.read(namespace, room, rule, options);
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #tell(run: () => void): void {
    if (!this.#isDead) run();
  }
}
