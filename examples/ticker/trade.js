// Buys and sells. With an order on the command line it places that and ends; otherwise it takes what is typed.
//   node examples/ticker/trade.js [URL] [BUY|SELL SYMBOL NUMBER] [--user NAME | --token-file FILE] [--id ID] [--journal FILE] [--quotes room|URL [--quotes-key FILE]]
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { HawserError } from 'hawser/client';
import { openLan } from 'hawser/lan';
import { Journal } from './journal.js';
import { newerOnly, Trader } from './trader.js';
import { isQuote, money, ORDER_FORM, readOrder, whatHappened } from './words.js';

/** @import { Interface } from 'node:readline' */
/** @import { Order, Quote, Receipt } from './api.ts' */

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    user: { type: 'string' },
    'token-file': { type: 'string' },
    /** The order's; its own one when nobody says. */
    id: { type: 'string' },
    journal: { type: 'string' },
    /** `room`, or where the market tells them to the network. */
    quotes: { type: 'string' },
    'quotes-key': { type: 'string' },
    /** ms after which one order on the command line is given up. */
    wait: { type: 'string', default: '30000' },
  },
});

/** What ends the asking without an answer. */
const NO_ANSWER = new Set(['ERR_ABORTED', 'ERR_CLOSED']);
/** Exit codes. */
const TAKEN = 0;
const REFUSED = 1;
const UNKNOWN = 2;

async function main() {
  const isUrl = /^[a-z]+:/.test(positionals[0] ?? '');
  const [url, words] = isUrl ? [positionals[0] ?? '', positionals.slice(1)] : ['ws://127.0.0.1:8000', positionals];
  const once = words.length === 0 ? undefined : orderOf([...words, ...(values.id ? [values.id] : [])].join(' '));
  const journal = values.journal === undefined ? undefined : new Journal(values.journal);
  const patience = once === undefined ? undefined : AbortSignal.timeout(Number(values.wait));
  const token = values['token-file'] && (await readFile(values['token-file'], 'utf8')).trim();
  const trader = await Trader.open(url, {
    ...(values.user !== undefined && { user: values.user }),
    ...(token && { token }),
    ...(patience && { signal: patience }),
  }).catch((error) => {
    if (error.code === 'ERR_ABORTED') throw new HawserError(error.code, `no market at ${url}`);
    throw error;
  });
  process.once('SIGINT', () => void trader.close());
  const desk = new Orders(trader, journal, patience);
  await desk.catchUp();
  if (once === undefined) await talk(trader, desk);
  else process.exitCode = await desk.place(once);
  journal?.close();
  await trader.close();
}

/** Places orders, one after the other, and says what became of them. */
class Orders {
  #trader;
  #journal;
  #patience;

  /** @param {Trader} trader @param {Journal | undefined} journal @param {AbortSignal | undefined} patience */
  constructor(trader, journal, patience) {
    this.#trader = trader;
    this.#journal = journal;
    this.#patience = patience;
  }

  /** Asks for the answers that the program didn't live to hear. */
  async catchUp() {
    for (const order of this.#journal?.open ?? []) await this.place(order);
  }

  /** Resolves with the exit code that the order comes to. @param {Order} order */
  async place(order) {
    const known = this.#journal?.answerTo(order);
    if (known !== undefined) {
      console.log('receipt' in known ? done(known.receipt) : refused(order.id, known));
      return 'receipt' in known ? TAKEN : REFUSED;
    }
    this.#journal?.want(order);
    try {
      const receipt = await this.#trader.place(order, this.#patience);
      this.#journal?.answered(order.id, { receipt });
      console.log(done(receipt));
      return TAKEN;
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      return this.#failed(order.id, error);
    }
  }

  /** @param {string} id @param {HawserError} error */
  #failed(id, error) {
    const isUnknown = NO_ANSWER.has(error.code);
    // Hawser's own codes say that the market didn't look at the order.
    if (!error.code.startsWith('ERR_')) this.#journal?.answered(id, { code: error.code, message: error.message });
    console.log(
      isUnknown ? `order ${id}: no answer (${error.message}), ask again with --id ${id}` : refused(id, error),
    );
    return isUnknown ? UNKNOWN : REFUSED;
  }
}

/** @param {Trader} trader @param {Orders} desk */
async function talk(trader, desk) {
  console.log(`${trader.user ?? 'nobody'} is at the market, over ${trader.transport}`);
  trader.onLink((event) =>
    console.log(event === 'down' ? 'the market is gone, looking for it' : 'the market is there'),
  );
  if (values.quotes !== undefined) await watch(trader, values.quotes);
  const lines = createInterface({ input: process.stdin });
  void hangUp(trader, lines);
  for await (const line of lines) {
    const word = line.trim().toUpperCase();
    if (word === 'QUIT') break;
    if (word === 'HOLDINGS') await tellHoldings(trader);
    else if (word !== '') await obey(line, desk);
  }
  lines.close();
}

/** Takes nothing more that is typed when the market doesn't want to talk. @param {Trader} trader @param {Interface} lines */
async function hangUp(trader, lines) {
  const { code, reason } = await trader.closed;
  if (code !== 1000) fail(`the market says goodbye (${code} ${reason})`);
  lines.close();
  process.stdin.destroy();
}

/** @param {string} line @param {Orders} desk */
async function obey(line, desk) {
  try {
    await desk.place(orderOf(line));
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
  }
}

/** @param {Trader} trader */
async function tellHoldings(trader) {
  try {
    const holdings = await trader.holdings();
    console.log(holdings.map(({ symbol, shares }) => `${shares} ${symbol}`).join(', ') || 'you hold nothing');
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
  }
}

/** Shows quotes, from the market's room or from the network. @param {Trader} trader @param {string} where */
async function watch(trader, where) {
  if (where === 'room') return trader.watch(show);
  const take = newerOnly(show);
  const key = values['quotes-key'];
  const bus = await openLan(where, key === undefined ? {} : { key: { file: key } });
  void trader.closed.then(() => bus.close());
  bus.on('message', ({ data }) => isQuote(data) && take(data));
  bus.on('recovered', ({ from, to }) => console.log(`${to - from + 1} messages of the market came late`));
  // What is lost for good is asked for where nothing gets lost.
  bus.on('gap', ({ from, to, reason }) => {
    console.log(`${to - from + 1} messages of the market are lost (${reason})`);
    void ask();
  });
  const ask = async () => (await trader.quotes().catch(() => [])).forEach(take);
  await ask();
}

/** @param {Quote} quote */
function show({ symbol, available, price, sequence }) {
  console.log(`quote ${sequence}: ${symbol} ${money(price)}, ${available} available`);
}

/** @param {string} line @returns {Order} */
function orderOf(line) {
  const wanted = readOrder(line);
  if (wanted === undefined) throw new Error(ORDER_FORM);
  return { ...wanted, id: wanted.id ?? randomUUID() };
}

/** @param {Receipt} receipt */
function done(receipt) {
  return `order ${receipt.id}: ${whatHappened(receipt)}`;
}

/** @param {string} id @param {{ code: string, message: string }} why */
function refused(id, { code, message }) {
  return `order ${id}: refused, ${message} (${code})`;
}

/** @param {string} text */
function fail(text) {
  console.error(`trade: ${text}`);
  process.exitCode = 1;
}

main().catch((error) => {
  fail(error instanceof Error ? error.message : String(error));
  // Nobody was there to be asked.
  if (error?.code === 'ERR_ABORTED') process.exitCode = UNKNOWN;
});
