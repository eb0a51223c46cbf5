import type { World } from '../../src/core/index.ts';
import type { BusHost, LoggedBytes } from '../../src/engine/index.ts';
import { NatsBus, type NatsEngineOptions } from '../../src/engines/nats/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { bytes, text } from '../support/words.ts';

/** A bus that was started, and all that its host was told. */
export class HeardBus implements BusHost, AsyncDisposable {
  readonly bus: NatsBus;
  readonly heard: string[] = [];
  readonly entries: (LoggedBytes & { readonly place: string; readonly epoch: string; readonly text: string })[] = [];
  readonly told: string[] = [];
  readonly reported: unknown[] = [];
  readonly pushes: string[] = [];

  constructor(options: NatsEngineOptions, world: World = realWorld()) {
    this.bus = new NatsBus({ reconnectWait: 50, ...options }, world);
  }

  static async start(options: NatsEngineOptions, world?: World): Promise<HeardBus> {
    const heard = new HeardBus(options, world);
    await heard.bus.start(heard);
    return heard;
  }

  get texts(): string[] {
    return this.entries.map((entry) => entry.text);
  }

  /** How often the word was told. */
  times(word: string): number {
    return this.told.filter((told) => told === word).length;
  }

  received(got: Uint8Array): void {
    this.heard.push(text(got));
  }

  logged(namespace: string, room: string, entry: LoggedBytes, epoch: string): void {
    this.entries.push({ ...entry, place: `${namespace} ${room}`, epoch, text: text(entry.bytes) });
  }

  reconnected(): void {
    this.told.push('reconnected');
  }

  disconnected(error: unknown): void {
    this.told.push('disconnected');
    this.reported.push(error);
  }

  report(error: unknown): void {
    this.reported.push(error);
  }

  async pushed(json: Uint8Array): Promise<Uint8Array> {
    this.pushes.push(text(json));
    return bytes(`answer to ${text(json)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus.close();
  }
}
