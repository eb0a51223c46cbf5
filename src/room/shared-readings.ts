import type { Entry, Position, Reading } from '../engine/index.ts';
import type { FeedHost } from './feed.ts';
import type { Seat } from './namespace.ts';

interface Shared {
  readonly answers: Set<(reading: Reading) => void>;
  readonly stop: () => void;
}

/**
 * Readings that several followers of one room ask for at one time, as after the end of a node, when all who were on it come back from the same
 * place: the log is read once, and what it says is encoded once.
 */
export class SharedReadings {
  readonly #host: Pick<FeedHost, 'read' | 'hand'>;
  readonly #byPlace: Map<string, Shared> = new Map();
  readonly #hands: WeakMap<Entry, (seat: Seat) => boolean> = new WeakMap();

  constructor(host: Pick<FeedHost, 'read' | 'hand'>) {
    this.#host = host;
  }

  /** As `FeedHost.read`. */
  read(since: Position, tries: number, answered: (reading: Reading) => void): () => void {
    // Who asks again had an old answer, and wants one of its own.
    if (tries > 0) return this.#host.read(since, tries, answered);
    const key = `${since.offset} ${since.epoch}`;
    const shared = this.#byPlace.get(key) ?? this.#begin(key, since);
    shared.answers.add(answered);
    return () => {
      if (!shared.answers.delete(answered) || shared.answers.size > 0) return;
      shared.stop();
      this.#byPlace.delete(key);
    };
  }

  /** As `FeedHost.hand`, made once for each entry, unless who is left out of it changes with those who come and go. */
  hand(entry: Entry): (seat: Seat) => boolean {
    if (entry.message.target.exceptRooms.length > 0) return this.#host.hand(entry);
    let hand = this.#hands.get(entry);
    if (hand === undefined) {
      hand = this.#host.hand(entry);
      this.#hands.set(entry, hand);
    }
    return hand;
  }

  #begin(key: string, since: Position): Shared {
    const answers: Shared['answers'] = new Set();
    const stop = this.#host.read(since, 0, (reading) => {
      this.#byPlace.delete(key);
      for (const answered of answers) answered(reading);
    });
    const shared = { answers, stop };
    this.#byPlace.set(key, shared);
    return shared;
  }
}
