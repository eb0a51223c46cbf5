// One user at the market, in Node and in the page. An order keeps its id until it has its answer: links may break and the market may die meanwhile.
import { connect, HawserError } from 'hawser/client';

/** @import { ClientSocket } from 'hawser/client' */
/** @import { Holding, MarketApi, Order, Quote, Receipt } from './api.ts' */

/** What says nothing about the order: it is asked again. */
const AGAIN = new Set([
  'ERR_TIMEOUT',
  'ERR_SESSION_LOST',
  'ERR_BACKLOG_FULL',
  'ERR_TOO_MANY_REQUESTS',
  'LEDGER_BUSY',
  'LEDGER_FAILED',
]);
/** ms for one answer, and between two questions */
const ANSWER_WAIT = 5000;
const PAUSE = 200;

export class Trader {
  #socket;

  /** @param {ClientSocket<MarketApi>} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * Comes in, and comes back by itself. Waits for a market that isn't there yet.
   * @param {string} url @param {{ user?: string, token?: string, signal?: AbortSignal }} options
   */
  static async open(url, options = {}) {
    const reconnect = { first: 50, most: 1000 };
    /** @type {ClientSocket<MarketApi>} */
    const socket = await connect(url, { ...options, persistent: true, timeout: 0, reconnect });
    return new Trader(socket);
  }

  get user() {
    return this.#socket.user;
  }

  get transport() {
    return this.#socket.transport;
  }

  get closed() {
    return this.#socket.closed;
  }

  /** @param {(event: 'down' | 'up') => void} hear of the link */
  onLink(hear) {
    this.#socket.on('down', () => hear('down'));
    this.#socket.on('up', () => hear('up'));
  }

  /**
   * Resolves with what became of the order.
   * @param {Order} order @param {AbortSignal} [signal] stops asking: then nobody knows, and the same id may be asked again @returns {Promise<Receipt>}
   * @throws HawserError with the market's code and words, ERR_ABORTED, ERR_CLOSED.
   */
  async place(order, signal) {
    for (;;) {
      try {
        return await this.#socket.request('order', order, { timeout: ANSWER_WAIT, ...(signal && { signal }) });
      } catch (error) {
        if (!(error instanceof HawserError) || !AGAIN.has(error.code)) throw error;
      }
      await new Promise((resolve) => void setTimeout(resolve, PAUSE));
    }
  }

  /** The last quotes of a symbol, oldest first. @param {string} symbol @param {number} most @returns {Promise<Quote[]>} */
  past(symbol, most) {
    return this.#socket.request('past', { symbol, most });
  }

  /** @returns {Promise<Holding[]>} */
  holdings() {
    return this.#socket.request('holdings');
  }

  /**
   * Hears the newest quote of each symbol, and then each that is newer.
   * @param {(quote: Quote) => void} hear
   */
  async watch(hear) {
    const take = newerOnly(hear);
    const ask = async () => inOrder(await this.#socket.request('watch')).forEach(take);
    this.#socket.on('quote', take);
    // A new session is in no room, and after a gap nobody knows what was missed.
    this.#socket.on('up', ({ recovered }) => recovered === false && ask().catch(() => {}));
    this.#socket.on('gap', () => ask().catch(() => {}));
    await ask();
  }

  /** All symbols as they are. */
  async quotes() {
    return inOrder(await this.#socket.request('quotes'));
  }

  close() {
    return this.#socket.close();
  }
}

/** Passes on what is newer than all before of the same symbol. @param {(quote: Quote) => void} hear */
export function newerOnly(hear) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @param {Quote} quote */
  return (quote) => {
    if (quote.sequence <= (seen.get(quote.symbol) ?? 0)) return;
    seen.set(quote.symbol, quote.sequence);
    hear(quote);
  };
}

/** @param {readonly Quote[]} quotes */
function inOrder(quotes) {
  return quotes.toSorted((a, b) => a.sequence - b.sequence);
}
