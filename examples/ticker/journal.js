// What a client wants, on its own disk before the market hears of it: one that is killed asks for the answers that it still lacks.
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

/** @import { Order, Receipt } from './api.ts' */
/** @typedef {{ receipt: Receipt } | { code: string, message: string }} Answer */
/** @typedef {{ order: Order } | { id: string, answer: Answer }} Entry a line of the file */

export class Journal {
  #file;
  /** Orders without an answer. @type {Map<string, Order>} */
  #open = new Map();
  /** All of them. @type {Map<string, Order>} */
  #orders = new Map();
  /** @type {Map<string, Answer>} */
  #answers = new Map();

  /** @param {string} path */
  constructor(path) {
    this.#file = openSync(path, 'a+', 0o600);
    const text = readFileSync(this.#file, 'utf8');
    // The last line may have been cut by a death: what it wanted was never asked.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) ftruncateSync(this.#file, Buffer.byteLength(whole));
    for (const line of whole.split('\n')) if (line !== '') this.#take(JSON.parse(line));
  }

  /** Orders whose answer is not known, in their order. */
  get open() {
    return [...this.#open.values()];
  }

  /** What became of this order; another one under its id is refused, as the market does. @param {Order} order @returns {Answer | undefined} */
  answerTo({ id, side, symbol, shares }) {
    const was = this.#orders.get(id);
    if (was === undefined || (was.side === side && was.symbol === symbol && was.shares === shares))
      return this.#answers.get(id);
    return { code: 'ORDER_DIFFERS', message: `order ${id} was another one: ${was.side} ${was.symbol} ${was.shares}` };
  }

  /** Returns when it is on the disk. @param {Order} order */
  want(order) {
    if (!this.#open.has(order.id)) this.#write({ order });
  }

  /** @param {string} id @param {Answer} answer */
  answered(id, answer) {
    this.#write({ id, answer });
  }

  close() {
    closeSync(this.#file);
  }

  /** @param {Entry} entry */
  #write(entry) {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#file);
    this.#take(entry);
  }

  /** @param {Entry} entry */
  #take(entry) {
    if ('order' in entry) {
      this.#open.set(entry.order.id, entry.order);
      this.#orders.set(entry.order.id, entry.order);
    } else {
      this.#open.delete(entry.id);
      this.#answers.set(entry.id, entry.answer);
    }
  }
}
