import type { Msg } from '@nats-io/transport-node';
import { HawserError, type WaitOptions, type World } from '../../core/index.ts';
import type { Appended, Bus, BusHost, BytesRead, HistoryRule, ReadOptions, Subject } from '../../engine/index.ts';
import { loadNats, type NatsModules } from './client.ts';
import { down, RareReports } from './failures.ts';
import { type Hearing, NatsLink } from './link.ts';
import { StreamLogs } from './logs.ts';
import { Names } from './names.ts';
import { type NatsEngineOptions, type ResolvedNatsOptions, resolveNatsOptions } from './options.ts';

/** What headers take of a message's bytes, at most. */
export const HEADER_BYTES = 512;
/** Before the server has said it. */
const PAYLOAD_BYTES = 1_048_576;
/** Nodes that take what is pushed: exactly one gets each. */
const PUSH_QUEUE = 'hawser';

/** Carries bytes between nodes by subjects of NATS, and keeps the logs of rooms in streams of JetStream. */
export class NatsBus implements Bus {
  readonly name = 'nats';
  readonly #options: ResolvedNatsOptions;
  readonly #names: Names;
  readonly #world: World;
  readonly #load: () => Promise<NatsModules>;
  readonly #hearings = new Map<string, Hearing>();
  #host: BusHost | undefined;
  #link: NatsLink | undefined;
  #logs: StreamLogs | undefined;
  #reports: RareReports | undefined;
  #payloadBytes = PAYLOAD_BYTES;
  #isClosed = false;

  /** @throws HawserError ERR_OPTION, ERR_URL. */
  constructor(options: NatsEngineOptions, world: World, load: () => Promise<NatsModules> = () => loadNats()) {
    this.#options = resolveNatsOptions(options);
    this.#names = new Names(this.#options.name);
    this.#world = world;
    this.#load = load;
  }

  get payloadBytes(): number {
    // While there is no connection, what the last one allowed.
    this.#payloadBytes = this.#link?.server?.max_payload ?? this.#payloadBytes;
    return this.#payloadBytes - HEADER_BYTES;
  }

  /** @throws HawserError ERR_UNSUPPORTED without the client of NATS, ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_TLS. */
  async start(host: BusHost): Promise<void> {
    const modules = await this.#load();
    const reports = new RareReports(
      () => this.#world.now(),
      (error, during) => host.report(error, during),
    );
    const link = new NatsLink(modules, this.#options, this.#world, {
      up: () => {
        logs.turn();
        host.reconnected();
      },
      down: (error) => {
        logs.turn(error);
        host.disconnected(error);
      },
      changed: () => host.reconnected(),
      failed: (error) => reports.tell(error, 'nats'),
    });
    const logs = new StreamLogs(link, this.#names, this.#options, this.#world, {
      logged: (namespace, room, entry, epoch) => this.#guard(() => host.logged(namespace, room, entry, epoch)),
      interrupted: () => host.reconnected(),
      report: (error, during) => reports.tell(error, during),
    });
    this.#host = host;
    this.#reports = reports;
    await link.start();
    if (this.#isClosed) return link.close();
    this.#link = link;
    this.#logs = logs;
    if (host.pushed !== undefined) link.hear(this.#names.push, (message) => void this.#pushed(message), PUSH_QUEUE);
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    const link = this.#link;
    if (link === undefined) return;
    try {
      const isLost = !link.publish(this.#names.subject(subject), bytes) && link.isUp;
      if (isLost)
        this.#reports?.tell(new HawserError('ERR_BACKLOG_FULL', 'NATS takes too little: messages are lost'), 'publish');
    } catch (error) {
      this.#reports?.tell(error, 'publish');
    }
  }

  subscribe(subject: Subject): void {
    const name = this.#names.subject(subject);
    const link = this.#link;
    if (link === undefined || this.#hearings.has(name)) return;
    const hearing = link.hear(name, (message) => this.#guard(() => this.#host?.received(message.data)));
    this.#hearings.set(name, hearing);
  }

  unsubscribe(subject: Subject): void {
    const name = this.#names.subject(subject);
    this.#hearings.get(name)?.stop();
    this.#hearings.delete(name);
  }

  watchLog(namespace: string, room: string, rule: HistoryRule): void {
    this.#logs?.watch(namespace, room, rule);
  }

  unwatchLog(namespace: string, room: string, rule: HistoryRule): void {
    this.#logs?.unwatch(namespace, room, rule);
  }

  async append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    options: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    if (bytes.length > this.payloadBytes) {
      throw new HawserError('ERR_MESSAGE_TOO_LARGE', `an entry of over ${this.payloadBytes} bytes`);
    }
    if (this.#logs === undefined) throw down('NATS is not connected', 'no');
    return await this.#logs.append(namespace, room, rule, bytes, options);
  }

  async read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead> {
    if (this.#logs === undefined) throw down('NATS is not connected', 'no');
    return await this.#logs.read(namespace, room, rule, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const link = this.#link;
    this.#link = undefined;
    this.#logs?.close();
    this.#logs = undefined;
    await link?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #pushed(message: Msg): Promise<void> {
    try {
      const answer = await this.#host?.pushed?.(message.data, 'one');
      if (message.reply && answer !== undefined) this.#link?.publish(message.reply, answer);
    } catch (error) {
      this.#reports?.tell(error, 'push');
    }
  }

  /** What is thrown into the client would end its reading for ever. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#reports?.tell(error, 'nats');
    }
  }
}
