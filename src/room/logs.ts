import { aborted, HawserError, type Timer, type WaitOptions, type World, within } from '../core/index.ts';
import type { Appended, Engine, EngineMessage, HistoryRule, Position, Reading } from '../engine/index.ts';
import { Repeats } from './repeats.ts';

/** Logs that a node reads at one time; further ones wait. */
const READS_MOST = 16;
/** A log that could not be read is asked again after this long, ms, doubled each time up to the second. */
const RETRY_FIRST = 50;
const RETRY_MOST = 5000;
/** A reading that takes longer, ms, is given up and begun again. */
const READ_WAIT = 10_000;

export interface LogSettings {
  /** Messages that one reading gives at the most. */
  readonly recovery: number;
  /** Messages on their way into logs, at one time. */
  readonly appends: number;
  /** How long one may be on its way, ms. */
  readonly appendWait: number;
}

/** A log, by the room that it is of. */
export interface LogName {
  readonly namespace: string;
  readonly room: string;
  readonly rule: HistoryRule;
}

interface Question extends LogName {
  readonly since: Position | undefined;
  tries: number;
  readonly answered: (reading: Reading) => void;
  isOver: boolean;
  timer: Timer | undefined;
}

/** What the rooms of a node share for their history: readings, a few at a time and again until they succeed, and what is on its way in. */
export class Logs {
  readonly repeats: Repeats = new Repeats();
  readonly world: World;
  readonly #engine: Engine;
  readonly #settings: LogSettings;
  readonly #report: (error: unknown, during: string) => void;
  readonly #waiting = new Set<Question>();
  #reading = 0;
  #appending = 0;

  constructor(engine: Engine, world: World, settings: LogSettings, report: (error: unknown, during: string) => void) {
    this.#engine = engine;
    this.world = world;
    this.#settings = settings;
    this.#report = report;
  }

  report(error: unknown, during: string): void {
    this.#report(error, during);
  }

  /**
   * Reads on from a place, or finds where the log stands, as often as it takes; after `tries` in vain not at once. Returns what gives it up:
   * `answered` is not called then.
   */
  read(log: LogName, since: Position | undefined, tries: number, answered: (reading: Reading) => void): () => void {
    const question: Question = { ...log, since, tries, answered, isOver: false, timer: undefined };
    this.#askIn(question, tries);
    return () => {
      question.isOver = true;
      question.timer?.cancel();
      this.#waiting.delete(question);
    };
  }

  /**
   * Adds a message to the log of the room that it names. Calls for one room are added in their order.
   * @throws HawserError ERR_BACKLOG_FULL, ERR_TIMEOUT, ERR_ABORTED and what `Engine.append` throws.
   */
  append(message: EngineMessage, rule: HistoryRule, options: WaitOptions): Promise<Appended> {
    const { signal, timeout = this.#settings.appendWait } = options;
    if (signal?.aborted) return Promise.reject(aborted(signal, 'no'));
    if (this.#appending >= this.#settings.appends) {
      const text = `${this.#settings.appends} messages are on their way into logs`;
      return Promise.reject(new HawserError('ERR_BACKLOG_FULL', text, { delivered: 'no' }));
    }
    this.#appending += 1;
    return this.#within(
      this.#engine.append(message, rule, signal === undefined ? {} : { signal }),
      timeout,
      signal,
    ).finally(() => {
      this.#appending -= 1;
    });
  }

  /** The caller's time is kept here alone, so that its end has one code whatever the engine. */
  #within<T>(done: Promise<T>, timeout: number, signal?: AbortSignal): Promise<T> {
    return within(done, this.world, { signal, timeout, what: 'word of the log', delivered: 'unknown' });
  }

  #askIn(question: Question, tries: number): void {
    if (tries === 0) {
      this.#ask(question);
      return;
    }
    const bound = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** Math.min(tries - 1, 30));
    const delay = bound * (0.5 + this.world.random.unit() / 2);
    question.timer = this.world.timer(this.world.now() + delay, () => this.#ask(question));
  }

  #ask(question: Question): void {
    this.#waiting.add(question);
    this.#next();
  }

  #next(): void {
    for (const question of this.#waiting) {
      if (this.#reading >= READS_MOST) return;
      this.#waiting.delete(question);
      this.#reading += 1;
      void this.#put(question).finally(() => {
        this.#reading -= 1;
        this.#next();
      });
    }
  }

  async #put(question: Question): Promise<void> {
    const { namespace, room, rule, since } = question;
    let reading: Reading;
    try {
      const most = this.#settings.recovery;
      reading = await this.#within(this.#engine.read(namespace, room, rule, { since, most }), READ_WAIT);
    } catch (error) {
      if (question.isOver) return;
      question.tries += 1;
      // A server that is gone is told of by the engine itself.
      if (question.tries === 1 && !isDown(error)) this.#report(error, `history of '${room}'`);
      this.#askIn(question, question.tries);
      return;
    }
    if (!question.isOver) question.answered(reading);
  }
}

function isDown(error: unknown): boolean {
  return error instanceof HawserError && error.code === 'ERR_ENGINE_DOWN';
}
