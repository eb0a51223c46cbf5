import type { BusHost, LoggedBytes } from '../../src/engine/index.ts';
import { RedisBus, type RedisEngineOptions } from '../../src/engines/redis/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { bytes, text } from '../support/words.ts';

/** A bus that was started, and all that its host was told. */
export class HeardBus implements BusHost, AsyncDisposable {
  readonly bus: RedisBus;
  readonly heard: string[] = [];
  /** `namespace room offset previous epoch text` */
  readonly entries: { place: string; entry: LoggedBytes; epoch: string; text: string }[] = [];
  readonly told: string[] = [];
  readonly reported: unknown[] = [];
  readonly pushes: string[] = [];

  constructor(options: RedisEngineOptions) {
    this.bus = new RedisBus({ heartbeat: 200, ...options }, realWorld());
  }

  static async start(options: RedisEngineOptions): Promise<HeardBus> {
    const heard = new HeardBus(options);
    await heard.bus.start(heard);
    return heard;
  }

  received(got: Uint8Array): void {
    this.heard.push(text(got));
  }

  logged(namespace: string, room: string, entry: LoggedBytes, epoch: string): void {
    this.entries.push({ place: `${namespace} ${room}`, entry, epoch, text: text(entry.bytes) });
  }

  reconnected(): void {
    this.told.push('reconnected');
  }

  disconnected(error: unknown): void {
    this.told.push(`disconnected ${(error as { code?: string }).code}`);
  }

  report(error: unknown): void {
    this.reported.push(error);
  }

  /** What it is answered with; by default that all is well. */
  answer: (json: string) => string = () => '{"ok":true}';

  async pushed(json: Uint8Array, heardBy: 'one' | 'all'): Promise<Uint8Array> {
    this.pushes.push(`${heardBy} ${text(json)}`);
    return bytes(this.answer(text(json)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus.close();
  }
}
