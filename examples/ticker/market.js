// The market: lists symbols, keeps the books, takes orders at every door, and tells what has changed.
//   node examples/ticker/market.js --ledger FILE [--listen URL]… [--plain URL] [--quotes URL [--quotes-key FILE]] [--file FILE] [--users FILE] [--audit]
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createServer, HawserError } from 'hawser';
import { openLan } from 'hawser/lan';
import { Desk } from './desk.js';
import { Ledger } from './ledger.js';
import { servePlain } from './plain.js';
import { Quotes, ROOM } from './quotes.js';
import { makeSite } from './site.js';
import { Users } from './users.js';
import { checkOrder, isSymbol, LISTING_FORM, money, readListing } from './words.js';

/** @import { Server, ServerSocket } from 'hawser' */
/** @import { MarketApi } from './api.ts' */

const MOST_PAST = 1000;
/** Where those are who come in by lines. */
const PLAIN = '/plain';
/** ms for what is under way when the market closes */
const DRAIN = 1000;

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values } = parseArgs({
  options: {
    ledger: { type: 'string', default: 'ticker.db' },
    /** Where clients and pages come in: any endpoint of Hawser's. */
    listen: { type: 'string', multiple: true, default: ['ws://127.0.0.1:8000'] },
    /** Where people with a terminal come in. */
    plain: { type: 'string', default: 'tcp://127.0.0.1:3000' },
    /** Where quotes are told to the local network. */
    quotes: { type: 'string', default: 'udp://239.192.0.0:3000' },
    /** A file with what signs them; off this machine it is needed. */
    'quotes-key': { type: 'string' },
    /** What is listed when the market starts, a line each. */
    file: { type: 'string' },
    /** Who may trade, a line each: NAME TOKEN. */
    users: { type: 'string' },
    /** Looks through the books, and ends. */
    audit: { type: 'boolean', default: false },
    /** Says nothing of orders. */
    quiet: { type: 'boolean', default: false },
  },
});

async function main() {
  const ledger = new Ledger(values.ledger);
  const faults = ledger.audit();
  if (faults.length > 0) throw new Error(`the books of ${values.ledger} are wrong:\n${faults.join('\n')}`);
  if (values.audit) {
    console.log(`the books of ${values.ledger} are right`);
    return ledger.close();
  }
  const users = await Users.read(values.users);
  /** @type {Server<MarketApi>} */
  const server = createServer({
    name: 'ticker',
    authenticate: (credentials) => users.identify(credentials),
    onRequest: await makeSite(),
    limits: { messageBytes: 16 * 1024, messageRate: 1000, messageBurst: 5000 },
  });
  const bus = values.quotes === 'none' ? undefined : await openBus(values.quotes, values['quotes-key']);
  const quotes = new Quotes(server, ledger.quotes(), bus);
  const desk = new Desk(ledger, {
    onQuotes: (changed) => quotes.tell(changed),
    onOrder: (user, { side, shares, symbol, price }, { available }) => {
      if (!values.quiet) console.log(`${user} ${side} ${shares} ${symbol} at ${money(price)}: ${available} left`);
    },
    onFailure: (error) => void stop(error),
  });
  server.on('connection', (socket) => serve(socket, { desk, ledger, quotes }));
  servePlain(server, PLAIN, { desk, users });

  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => void list(line, desk));
  if (values.file !== undefined)
    for (const line of (await readFile(values.file, 'utf8')).split('\n')) await list(line, desk);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => void stop());

  let isStopping = false;
  /** @param {unknown} [error] why, when nobody asked for it */
  async function stop(error) {
    if (error !== undefined) complain(error);
    if (isStopping) return;
    isStopping = true;
    // A pipe that stays open would keep the program alive.
    input.close();
    process.stdin.destroy();
    quotes.stop();
    await server.close({ drain: DRAIN });
    await bus?.close();
    if (error === undefined) ledger.close();
  }

  try {
    const endpoints = await server.listen(
      ...values.listen,
      ...(values.plain === 'none' ? [] : [plainDoor(values.plain)]),
    );
    for (const endpoint of endpoints) console.log(`market listens on ${endpoint}`);
    if (bus !== undefined) console.log(`quotes go to ${bus.url}`);
  } catch (error) {
    await stop(error);
  }
}

/** Whoever has said all still hears the answers; whoever says nothing for an hour is sent away. @param {string} url */
function plainDoor(url) {
  const query = `${url.includes('?') ? '&' : '?'}dialect=line&namespace=${PLAIN}`;
  return { url: url + query, halfOpen: true, idleTimeout: 3_600_000, maxConnections: 1000 };
}

/** Speaks to a group, and doesn't listen. @param {string} url @param {string | undefined} file */
async function openBus(url, file) {
  const bus = await openLan(url, { listen: false, ...(file !== undefined && { key: { file } }) });
  // The network is away for a moment: orders are taken all the same, and quotes are told again.
  return bus.on('error', (error) => console.error(`market: ${error.message}`));
}

/**
 * What a client may ask.
 * @param {ServerSocket<MarketApi>} socket @param {{ desk: Desk, ledger: Ledger, quotes: Quotes }} market
 */
function serve(socket, { desk, ledger, quotes }) {
  const user = () => {
    if (socket.user === null) throw new HawserError('ERR_AUTH_REQUIRED', 'only who has a name may trade');
    return socket.user;
  };
  socket.handle('order', (order) => desk.order(user(), checkOrder(order)));
  socket.handle('holdings', () => ledger.holdings(user()));
  socket.handle('past', (what) => {
    const { symbol, most } = /** @type {{ symbol?: unknown, most?: unknown }} */ (what ?? {});
    if (!isSymbol(symbol) || !Number.isInteger(most)) throw new HawserError('BAD_ORDER', 'the past is of a symbol');
    return ledger.past(symbol, Math.max(1, Math.min(Number(most), MOST_PAST)));
  });
  socket.handle('quotes', () => quotes.all);
  socket.handle('watch', async () => {
    // What changes from here on comes as an event, before or after this answer: the sequence says what is newer.
    await socket.join(ROOM);
    return quotes.all;
  });
}

/** @param {string} line @param {Desk} desk */
async function list(line, desk) {
  if (line.trim() === '') return;
  const listing = readListing(line);
  if (listing === undefined) return console.log(`${LISTING_FORM}: not ${line.slice(0, 80)}`);
  try {
    const quote = await desk.list(listing);
    if (quote === undefined) console.log(`${listing.symbol} is listed already`);
    else console.log(`${quote.symbol} is listed: ${quote.available} at ${money(quote.price)}`);
  } catch (error) {
    complain(error);
  }
}

/** @param {unknown} error */
function complain(error) {
  console.error(`market: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

main().catch((error) => {
  complain(error);
  process.stdin.destroy();
});
