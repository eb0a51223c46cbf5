import { aborted, HawserError, type WaitOptions, type World } from '../../core/index.ts';
import type { Appended, Bus, BusHost, BytesRead, HistoryRule, ReadOptions, Subject } from '../../engine/index.ts';
import { loadRedis, type RedisModule } from './client.ts';
import { isMoved, logError } from './failures.ts';
import type { Link } from './link.ts';
import { entryOf, Logs } from './logs.ts';
import { Names } from './names.ts';
import { type RedisEngineOptions, type RedisSettings, resolveRedisOptions } from './options.ts';
import { Pushes } from './pushes.ts';
import { Servers } from './servers.ts';
import { Subscriptions } from './subscriptions.ts';

/** Bytes that wait for the server; what comes beyond is lost, or refused where somebody is told. */
export const WAITING_MOST = 67_108_864;

/** Carries bytes between nodes by sharded channels of Redis 7 or Valkey, and keeps the logs of rooms in its streams. */
export class RedisBus implements Bus {
  readonly name = 'redis';
  readonly payloadBytes: number;
  readonly #settings: RedisSettings;
  readonly #names: Names;
  readonly #world: World;
  readonly #load: () => Promise<RedisModule>;
  #host: BusHost | undefined;
  #servers: Servers | undefined;
  #subscriptions: Subscriptions | undefined;
  #logs: Logs | undefined;
  #pushes: Pushes | undefined;
  /** Logs that are watched, by channel. */
  readonly #watched = new Map<string, { readonly namespace: string; readonly room: string }>();
  #waitingBytes = 0;
  #isLosing = false;
  #isClosed = false;

  /** @throws HawserError ERR_OPTION, ERR_URL. */
  constructor(options: RedisEngineOptions, world: World, load: () => Promise<RedisModule> = loadRedis) {
    this.#settings = resolveRedisOptions(options);
    this.payloadBytes = this.#settings.payloadBytes;
    this.#names = new Names(this.#settings.name);
    this.#world = world;
    this.#load = load;
  }

  /** @throws HawserError ERR_UNSUPPORTED without @redis/client, ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_VERSION, ERR_OPTION, ERR_CLOSED. */
  async start(host: BusHost): Promise<void> {
    const redis = await this.#load();
    this.#refuseClosed();
    const servers = new Servers(redis, this.#settings, this.#world, {
      broken: (error) => host.disconnected(error),
      moved: async () => subscriptions.moved(),
      whole: () => host.reconnected(),
    });
    const subscriptions = new Subscriptions({
      servers,
      soon: (run) => this.#world.soon(run),
      refused: (error) => host.report(logError(error), 'subscribe'),
    });
    this.#host = host;
    this.#servers = servers;
    this.#subscriptions = subscriptions;
    this.#logs = new Logs(servers, this.#world);
    await servers.start();
    this.#refuseClosed();
    if (this.#settings.push && host.pushed !== undefined) this.#takePushes(redis, servers, host);
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    const channel = this.#names.channel(subject);
    const link = this.#servers?.ofKey(channel);
    if (link === undefined) return;
    const { length } = bytes;
    if (length > this.payloadBytes || this.#isFull(length)) {
      this.#lose(length);
      return;
    }
    this.#subscriptions?.flush();
    this.#waitingBytes += length;
    // Our own copy: it leaves at the end of the turn.
    link.wire.sendCommand(['SPUBLISH', channel, Buffer.from(bytes)]).then(
      () => this.#sent(link, length),
      (error: unknown) => {
        this.#sent(link, length);
        if (link.isUp) this.#refused(error, 'publish');
      },
    );
  }

  subscribe(subject: Subject): void {
    this.#subscriptions?.add(this.#names.channel(subject), this.#hear);
  }

  unsubscribe(subject: Subject): void {
    this.#subscriptions?.remove(this.#names.channel(subject));
  }

  watchLog(namespace: string, room: string): void {
    const channel = this.#names.log(namespace, room);
    this.#watched.set(channel, { namespace, room });
    this.#subscriptions?.add(channel, this.#hearLog);
  }

  unwatchLog(namespace: string, room: string): void {
    const channel = this.#names.log(namespace, room);
    this.#watched.delete(channel);
    this.#subscriptions?.remove(channel);
  }

  async append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    options: WaitOptions & { readonly id?: string | undefined } = {},
  ): Promise<Appended> {
    const { length } = bytes;
    if (length > this.payloadBytes) throw new HawserError('ERR_MESSAGE_TOO_LARGE');
    if (options.signal?.aborted === true) throw aborted(options.signal, 'no');
    const logs = this.#logs;
    if (logs === undefined || this.#isFull(length))
      throw down(logs === undefined ? 'it was not started' : 'too much waits for it');
    this.#waitingBytes += length;
    try {
      const key = this.#names.log(namespace, room);
      // Who watches hears all that is added after it began, or after a reading.
      const pending = this.#subscriptions?.pending(key);
      if (pending !== undefined) await pending;
      return await logs.append(key, rule, bytes, options);
    } finally {
      this.#waitingBytes -= length;
    }
  }

  async read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions = {}): Promise<BytesRead> {
    const key = this.#names.log(namespace, room);
    if (options.signal?.aborted === true) throw aborted(options.signal);
    if (this.#logs === undefined) throw down('it was not started');
    await this.#subscriptions?.pending(key);
    return this.#logs.read(key, rule, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#servers === undefined) return;
    await this.#pushes?.close();
    await this.#servers?.drain();
    this.#servers?.close();
    this.#watched.clear();
    this.#servers = undefined;
    this.#subscriptions = undefined;
    this.#logs = undefined;
    this.#pushes = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What begins after a close would never end. */
  #refuseClosed(): void {
    if (this.#isClosed) throw new HawserError('ERR_CLOSED', 'the engine was closed while it started');
  }

  /** The channel is heard by all nodes, an entry of the stream is taken by one. */
  #takePushes(redis: RedisModule, servers: Servers, host: BusHost): void {
    const hear = (json: Buffer): void => void host.pushed?.(json, 'all');
    this.#subscriptions?.add(this.#names.push, hear, false);
    const stream = this.#names.pushStream;
    this.#pushes = new Pushes({ redis, settings: this.#settings, world: this.#world, servers, host, stream });
    void this.#pushes.run();
  }

  readonly #hear = (bytes: Buffer): void => this.#host?.received(bytes);

  readonly #hearLog = (bytes: Buffer, channel: Buffer): void => {
    const place = this.#watched.get(channel.toString());
    if (place === undefined) return;
    const said = entryOf(bytes);
    if (said !== undefined) this.#host?.logged(place.namespace, place.room, said.entry, said.epoch);
    else
      this.#host?.report(
        new HawserError('ERR_MESSAGE_MALFORMED', `not of Hawser: on channel ${channel.toString()}`),
        'log',
      );
  };

  #isFull(length: number): boolean {
    const isFull = this.#waitingBytes + length > WAITING_MOST;
    if (!isFull) this.#isLosing = false;
    return isFull;
  }

  #sent(link: Link, length: number): number {
    link.heard('wire');
    this.#waitingBytes -= length;
    return this.#waitingBytes;
  }

  /** Told once, until there is room again. */
  #lose(length: number): void {
    if (length > this.payloadBytes) this.#host?.report(new HawserError('ERR_MESSAGE_TOO_LARGE'), 'publish');
    else if (!this.#isLosing) {
      this.#isLosing = true;
      this.#host?.report(down('too much waits for it, messages are lost'), 'publish');
    }
  }

  #refused(error: unknown, during: string): void {
    if (isMoved(error)) this.#servers?.refresh(error);
    else this.#host?.report(logError(error), during);
  }
}

function down(why: string): HawserError {
  return new HawserError('ERR_ENGINE_DOWN', `no Redis: ${why}`, { delivered: 'no' });
}
