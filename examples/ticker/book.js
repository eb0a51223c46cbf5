// What the page knows of each symbol: its quotes, each once and in order, whether they came live or were asked for.

/** @import { Quote } from './api.ts' */

/** Quotes that are kept of one symbol. */
const MOST = 1000;

export class Book {
  /** Oldest first. @type {Map<string, Quote[]>} */
  #quotes = new Map();

  get symbols() {
    return [...this.#quotes.keys()].toSorted();
  }

  /** @param {string} symbol @returns {readonly Quote[]} */
  of(symbol) {
    return this.#quotes.get(symbol) ?? [];
  }

  /** @param {string} symbol */
  newest(symbol) {
    return this.of(symbol).at(-1);
  }

  /** Takes in quotes of one symbol, in any order; those that are known change nothing. @param {string} symbol @param {readonly Quote[]} quotes */
  add(symbol, quotes) {
    const all = new Map([...this.of(symbol), ...quotes].map((quote) => [quote.sequence, quote]));
    this.#quotes.set(symbol, [...all.values()].toSorted((a, b) => a.sequence - b.sequence).slice(-MOST));
  }

  /** How much the price has moved since the first quote that is known, as a part of it. @param {string} symbol */
  change(symbol) {
    const [first] = this.of(symbol);
    const last = this.newest(symbol);
    return first === undefined || last === undefined ? 0 : last.price / first.price - 1;
  }
}
