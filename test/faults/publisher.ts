import { setTimeout as delay } from 'node:timers/promises';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import type { PublishAnswer } from './control.ts';
import type { Published } from './ledger.ts';
import { now } from './member.ts';

const TIMES = { loginWait: 2000, heartbeat: 500, readWait: 1500, writeWait: 2000, closeWait: 500 };
const RECONNECT = { first: 50, most: 400 };
/** How long an answer is waited for, and the pause before the next try, ms. */
const TRY_WAIT = 3000;
const TRY_PAUSE = 100;

/** A client that publishes to rooms, in each one message after the other, until it is confirmed. */
export class Publisher implements AsyncDisposable {
  readonly name: string;
  readonly published: Published[] = [];
  /** Why tries failed, by code. */
  readonly failures: Record<string, number> = {};
  /** When a try failed first since `forget`. */
  failedAt: number | undefined;
  readonly #asked = new Map<string, number>();
  readonly #urls: readonly string[];
  readonly #run: string;
  readonly #stop = new AbortController();
  #socket: ClientSocket | undefined;
  #rooms: Promise<void>[] = [];
  #isLate = false;

  /** `run` is part of the ids, so that no run's are another's. */
  constructor(name: string, urls: readonly string[], run: string) {
    this.name = name;
    this.#urls = urls;
    this.#run = run;
  }

  async open(): Promise<void> {
    const options = { times: TIMES, reconnect: RECONNECT, persistent: true, onError: () => {} };
    this.#socket = await connect(this.#urls, { user: this.name, ...options });
  }

  /** Begins; `pauseOf` says how long to wait after each message, ms, and `sizeOf` how long one is, bytes. */
  begin(rooms: readonly string[], pauseOf: () => number, sizeOf: (room: string) => number): void {
    this.#rooms = rooms.map((room) => this.#publishTo(room, pauseOf, sizeOf));
  }

  /** When it began to publish this one. */
  askedAt(room: string, number: number): number | undefined {
    return this.#asked.get(`${room}/${number}`);
  }

  forget(): void {
    this.failedAt = undefined;
  }

  /** Publishes no more; what is not confirmed is tried for `wait` ms more. */
  async end(wait: number): Promise<void> {
    this.#stop.abort();
    const late = setTimeout(() => (this.#isLate = true), wait);
    await Promise.all(this.#rooms);
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#isLate = true;
    await this.#socket?.close();
    await Promise.all(this.#rooms);
  }

  async #publishTo(room: string, pauseOf: () => number, sizeOf: (room: string) => number): Promise<void> {
    for (let number = 1; !this.#stop.signal.aborted; number++) {
      const askedAt = now();
      const at = this.published.length;
      this.#asked.set(`${room}/${number}`, askedAt);
      const asked = { publisher: this.name, room, number, askedAt };
      this.published.push({ ...asked, doneAt: undefined, tries: 0, place: undefined });
      const { answer, tries } = await this.#insist(room, number, sizeOf(room));
      const place = answer?.place;
      this.published[at] = { ...asked, doneAt: answer === undefined ? undefined : now(), tries, place };
      await delay(pauseOf(), undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }

  /** Tries by the same id until it is confirmed. */
  async #insist(
    room: string,
    number: number,
    size: number,
  ): Promise<{ answer: PublishAnswer | undefined; tries: number }> {
    const id = `${this.#run}/${room}/${this.name}/${number}`;
    for (let tries = 1; ; tries++) {
      try {
        const request = { room, number, id, size };
        const answer = await this.#socket?.request('publish', request, { timeout: TRY_WAIT });
        return { answer: answer as PublishAnswer, tries };
      } catch (error) {
        const { code = String(error) } = error as { readonly code?: string };
        this.failures[code] = (this.failures[code] ?? 0) + 1;
        this.failedAt ??= now();
        if (this.#isLate || code === 'ERR_CLOSED') return { answer: undefined, tries };
        await delay(TRY_PAUSE);
      }
    }
  }
}
