// What people and programs may say: everything that comes from outside is read here, and nothing else is believed.
import { HawserError } from 'hawser/client';

/** @import { Order, Quote, Receipt, Side } from './api.ts' */

export const MOST_SHARES = 1_000_000_000;
/** In hundredths. Times `MOST_SHARES` it is still a whole number that JavaScript holds exactly. */
export const MOST_PRICE = 9_000_000;
const USUAL_PRICE = 1000;

export const ORDER_FORM = 'message needs to be formatted as follows: BUY|SELL <SYMBOL> <NUMBER>';
export const LISTING_FORM = 'to list a new ticker the following format needs to be followed <SYMBOL> <NUMBER> [PRICE]';

const SYMBOL = /^[A-Z][A-Z0-9.]{0,11}$/;
const ID = /^[\w.:-]{1,64}$/;
const NAME = /^[\w.-]{1,64}$/;

/** @param {unknown} name */
export function isName(name) {
  return typeof name === 'string' && NAME.test(name);
}

/**
 * What somebody typed: `BUY ABC 10`, and behind it perhaps an id. Undefined when it is no order.
 * @param {string} line @returns {{ side: Side, symbol: string, shares: number, id: string | undefined } | undefined}
 */
export function readOrder(line) {
  const [side = '', symbol = '', number = '', id, ...more] = line.trim().split(/\s+/);
  const shares = wholeNumber(number);
  const wanted = { side: /** @type {Side} */ (side.toUpperCase()), symbol: symbol.toUpperCase(), shares, id };
  return more.length === 0 && isOrder({ ...wanted, id: id ?? 'x' }) ? wanted : undefined;
}

/**
 * An order as a program sends it. @param {unknown} data @returns {Order}
 * @throws HawserError BAD_ORDER.
 */
export function checkOrder(data) {
  if (!isOrder(data))
    throw new HawserError('BAD_ORDER', `an order has an id, BUY or SELL, a symbol and 1 to ${MOST_SHARES} shares`);
  const { id, side, symbol, shares } = data;
  return { id, side, symbol, shares };
}

/** @param {unknown} data @returns {data is Order} */
function isOrder(data) {
  if (typeof data !== 'object' || data === null) return false;
  const { id, side, symbol, shares } = /** @type {Partial<Record<keyof Order, unknown>>} */ (data);
  return isText(id, ID) && (side === 'BUY' || side === 'SELL') && isText(symbol, SYMBOL) && isCount(shares);
}

/**
 * What is typed into the market: `ABC 100`, and behind it perhaps a price. Undefined when it lists nothing.
 * @param {string} line
 */
export function readListing(line) {
  const [symbol = '', number = '', price, ...more] = line.trim().split(/\s+/);
  const total = wholeNumber(number);
  const cents = price === undefined ? USUAL_PRICE : readPrice(price);
  if (more.length > 0 || !SYMBOL.test(symbol) || !isCount(total) || !(cents >= 1 && cents <= MOST_PRICE))
    return undefined;
  return { symbol, total, price: cents };
}

/** @param {unknown} data @returns {data is string} */
export function isSymbol(data) {
  return isText(data, SYMBOL);
}

/** Whether a quote is one: anybody on a network may send anything. @param {unknown} data @returns {data is Quote} */
export function isQuote(data) {
  if (typeof data !== 'object' || data === null) return false;
  const { symbol, available, price, time, sequence } = /** @type {Partial<Record<keyof Quote, unknown>>} */ (data);
  return isText(symbol, SYMBOL) && [available, price, time, sequence].every((number) => Number.isSafeInteger(number));
}

/** Hundredths as people read them. @param {number} price */
export function money(price) {
  return (price / 100).toFixed(2);
}

/** @param {Receipt} receipt */
export function whatHappened({ side, symbol, shares, price, held }) {
  return `${side === 'BUY' ? 'bought' : 'sold'} ${shares} ${symbol} at ${money(price)}, you now hold ${held}`;
}

/** NaN for anything but digits: half a number is none. @param {string} text */
function wholeNumber(text) {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

/** @param {string} text */
function readPrice(text) {
  const [, whole, hundredths = ''] = /^(\d{1,5})(?:\.(\d{1,2}))?$/.exec(text) ?? [];
  return whole === undefined ? Number.NaN : Number(whole) * 100 + Number(hundredths.padEnd(2, '0'));
}

/** @param {unknown} value @param {RegExp} form @returns {value is string} */
function isText(value, form) {
  return typeof value === 'string' && form.test(value);
}

/** @param {unknown} value */
function isCount(value) {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_SHARES;
}
