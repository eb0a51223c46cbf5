// Tells what has changed: to the room that every page and client may be in, and to whoever listens on the local network.

/** @import { Server } from 'hawser' */
/** @import { LanBus } from 'hawser/lan' */
/** @import { MarketApi, Quote } from './api.ts' */

export const ROOM = 'quotes';
/** ms after which a quote that hasn't changed is told to the network again, for those who came late. */
const REFRESH = 5000;

export class Quotes {
  /** The newest of each symbol. @type {Map<string, Quote>} */
  #newest = new Map();
  #server;
  #bus;
  /** What waits until the network takes more: of each symbol the newest. @type {Map<string, Quote>} */
  #waiting = new Map();
  #isFull = false;
  #refresh;

  /** @param {Server<MarketApi>} server @param {readonly Quote[]} quotes as they are now @param {LanBus} [bus] */
  constructor(server, quotes, bus) {
    this.#server = server;
    this.#bus = bus;
    for (const quote of quotes) this.#newest.set(quote.symbol, quote);
    // Who comes back within minutes is given what it missed; after that it asks for all anew.
    server.history(ROOM, { size: 1000, age: 300_000 });
    bus?.on('drain', () => this.#goOn());
    this.#tellNetwork(quotes);
    this.#refresh = setInterval(() => this.#tellAgain(), REFRESH).unref();
  }

  get all() {
    return [...this.#newest.values()];
  }

  /** @param {readonly Quote[]} quotes in the order of their sequence */
  tell(quotes) {
    for (const quote of quotes) {
      this.#newest.set(quote.symbol, quote);
      // A client that is slow is left out of some, never of the last.
      this.#server.to(ROOM).send('quote', quote, { overflow: 'latest', key: quote.symbol });
    }
    this.#tellNetwork(quotes);
  }

  stop() {
    clearInterval(this.#refresh);
  }

  /** @param {Iterable<Quote>} quotes */
  #tellNetwork(quotes) {
    if (this.#bus === undefined) return;
    for (const quote of quotes) {
      if (this.#isFull) this.#waiting.set(quote.symbol, quote);
      else this.#isFull = !this.#bus.publish(topicOf(quote), quote);
    }
  }

  #goOn() {
    this.#isFull = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#tellNetwork(waiting);
  }

  #tellAgain() {
    if (!this.#isFull) this.#tellNetwork(this.#newest.values());
  }
}

/** @param {Quote} quote */
export function topicOf({ symbol }) {
  return `quotes/${symbol}`;
}
