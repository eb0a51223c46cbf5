// Takes orders from every door, in the order in which they come. All that come in one turn of the event loop share one commit: nobody is answered
// before it, and a crowd waits for the disk once.
import { HawserError } from 'hawser';

/** @import { Order, Quote, Receipt } from './api.ts' */
/** @import { Ledger } from './ledger.js' */

/** Orders of one commit; those beyond wait for the next. */
const BATCH = 1000;
/** Orders that wait at one time, of all clients. */
const MOST_WAITING = 10_000;

/**
 * @typedef {object} Hearing
 * @property {(quotes: readonly Quote[]) => void} onQuotes hears what has changed, after the answers
 * @property {(user: string, receipt: Receipt, quote: Quote) => void} onOrder hears of each order that was taken
 * @property {(error: unknown) => void} onFailure the ledger can't be written: whoever waits has been told, and nothing more is taken
 */

/** One thing that waits. @typedef {{ work: (time: number) => { answer: () => void, quote?: Quote | undefined }, fail: (error: unknown) => void }} Job */

export class Desk {
  #ledger;
  #hearing;
  /** @type {Job[]} */
  #waiting = [];
  #failed = false;

  /** @param {Ledger} ledger @param {Hearing} hearing */
  constructor(ledger, hearing) {
    this.#ledger = ledger;
    this.#hearing = hearing;
  }

  /**
   * Resolves when the order is taken, for good.
   * @param {string} user @param {Order} order one that was checked @returns {Promise<Receipt>}
   * @throws HawserError with a code of `Refusal`, or LEDGER_BUSY or LEDGER_FAILED: then ask again by the same id.
   */
  order(user, order) {
    return this.#queue((time, { resolve, reject }) => {
      const done = this.#ledger.order(user, order, time);
      if ('refusal' in done) return { answer: () => reject(new HawserError(done.refusal, done.why)) };
      const { receipt, quote } = done;
      const answer = () => {
        resolve(receipt);
        if (quote !== undefined) this.#hearing.onOrder(user, receipt, quote);
      };
      return { answer, quote };
    });
  }

  /**
   * Resolves with the first quote, or undefined when the symbol is listed already.
   * @param {{ symbol: string, total: number, price: number }} listing @returns {Promise<Quote | undefined>}
   */
  list(listing) {
    return this.#queue((time, { resolve }) => {
      const quote = this.#ledger.list(listing, time);
      return { answer: () => resolve(quote), quote };
    });
  }

  /**
   * @template T
   * @param {(time: number, end: { resolve: (value: T) => void, reject: (error: unknown) => void }) => ReturnType<Job['work']>} work
   * @returns {Promise<T>}
   */
  #queue(work) {
    if (this.#failed) return Promise.reject(new HawserError('LEDGER_FAILED', 'the market is closing: ask again later'));
    if (this.#waiting.length >= MOST_WAITING) {
      return Promise.reject(new HawserError('LEDGER_BUSY', 'too many orders wait: ask again later'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work: (time) => work(time, { resolve, reject }), fail: reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush() {
    const jobs = this.#waiting.slice(0, BATCH);
    const done = this.#commit(jobs);
    if (done === undefined) return;
    this.#waiting.splice(0, jobs.length);
    for (const { answer } of done) answer();
    this.#hearing.onQuotes(done.flatMap(({ quote }) => quote ?? []));
    if (this.#waiting.length > 0) setImmediate(() => this.#flush());
  }

  /** Undefined when the ledger can't be written. @param {readonly Job[]} jobs */
  #commit(jobs) {
    try {
      const time = Date.now();
      return this.#ledger.transact(() => jobs.map(({ work }) => work(time)));
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** After a failed commit nobody knows what the disk has: whoever starts the market again reads it anew. @param {unknown} error */
  #fail(error) {
    this.#failed = true;
    const told = new HawserError('LEDGER_FAILED', 'the ledger can’t be written: ask again later');
    for (const { fail } of this.#waiting.splice(0)) fail(told);
    this.#hearing.onFailure(error);
  }
}
