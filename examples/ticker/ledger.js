// The books, in one file of SQLite: what is listed, who holds what, and each order with its answer. Nothing is in two places, and what is
// answered is on the disk.
import Database from 'libsql';

/** @import { Holding, Order, Quote, Receipt, Refusal } from './api.ts' */
/** @typedef {{ receipt: Receipt, quote?: Quote }} Taken */
/** @typedef {{ refusal: Refusal, why: string }} Refused */
/** @typedef {{ user: string, id: string, side: Order['side'], symbol: string, shares: number, time: number, refusal: Refusal | null, why: string | null, sequence: number, price: number, held: number }} OrderRow */

/** How the file came to be what it is: each step leads from one `user_version` to the next, and none is ever changed. */
const STEPS = [
  `CREATE TABLE symbols (
     symbol TEXT PRIMARY KEY,
     total INTEGER NOT NULL CHECK (total > 0),
     available INTEGER NOT NULL CHECK (available BETWEEN 0 AND total),
     listed INTEGER NOT NULL CHECK (listed > 0),
     -- What is scarce is dear: from the price at which it was listed to twice that, when all is sold.
     price INTEGER NOT NULL GENERATED ALWAYS AS (listed + listed * (total - available) / total) STORED
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE holdings (
     user TEXT NOT NULL,
     symbol TEXT NOT NULL REFERENCES symbols,
     shares INTEGER NOT NULL CHECK (shares >= 0),
     PRIMARY KEY (user, symbol)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE quotes (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     symbol TEXT NOT NULL REFERENCES symbols,
     available INTEGER NOT NULL CHECK (available >= 0),
     price INTEGER NOT NULL CHECK (price > 0),
     time INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX quotes_of_symbol ON quotes (symbol, sequence);
   CREATE TABLE orders (
     user TEXT NOT NULL,
     id TEXT NOT NULL,
     side TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')),
     symbol TEXT NOT NULL,
     shares INTEGER NOT NULL CHECK (shares > 0),
     time INTEGER NOT NULL,
     refusal TEXT,
     why TEXT,
     sequence INTEGER UNIQUE REFERENCES quotes,
     price INTEGER,
     held INTEGER CHECK (held >= 0),
     PRIMARY KEY (user, id),
     CHECK ((refusal IS NULL) = (sequence IS NOT NULL)),
     CHECK ((sequence IS NULL) = (price IS NULL)),
     CHECK ((sequence IS NULL) = (held IS NULL))
   ) STRICT, WITHOUT ROWID;`,
];

/** Each finds what must not be: shares that came from nowhere or got lost, and holdings that the orders don't explain. */
const AUDITS = [
  `SELECT symbol || ': ' || total || ' were listed, ' || (available + held) || ' are there' AS fault
     FROM (SELECT s.symbol, s.total, s.available, COALESCE(SUM(h.shares), 0) AS held
             FROM symbols s LEFT JOIN holdings h ON h.symbol = s.symbol GROUP BY s.symbol)
    WHERE available + held <> total`,
  `SELECT h.user || ' holds ' || h.shares || ' of ' || h.symbol || ', by the orders ' || COALESCE(o.shares, 0) AS fault
     FROM holdings h LEFT JOIN (
            SELECT user, symbol, SUM(CASE side WHEN 'BUY' THEN shares ELSE -shares END) AS shares
              FROM orders WHERE refusal IS NULL GROUP BY user, symbol) o
       ON o.user = h.user AND o.symbol = h.symbol
    WHERE h.shares <> COALESCE(o.shares, 0)`,
  `SELECT o.user || ' traded ' || o.symbol || ' and has no book of it' AS fault
     FROM orders o LEFT JOIN holdings h ON h.user = o.user AND h.symbol = o.symbol
    WHERE o.refusal IS NULL AND h.user IS NULL`,
];

/**
 * The one writer of its file: a second process that opens it is refused. Orders and listings belong into `transact`. When anything fails in
 * there, the file is as it was before, and this object is of no more use.
 */
export class Ledger {
  /** @type {Database.Database} */
  #db;
  #statements;

  /** @param {string} file @throws Error in words, when it is another market's, or no ledger. */
  constructor(file) {
    try {
      this.#db = new Database(file);
      // No other process may come in between, and what has been committed survives a loss of power.
      for (const setting of [
        'locking_mode = EXCLUSIVE',
        'journal_mode = WAL',
        'synchronous = FULL',
        'foreign_keys = ON',
      ])
        this.#db.pragma(setting);
      this.transact(() => this.#migrate());
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY';
      throw busy ? new Error(`another market has ${file}`) : new Error(`${file}: ${said(error)}`, { cause: error });
    }
    this.#statements = this.#prepare();
  }

  /**
   * All that `work` does is kept, or nothing of it. When this returns, it is on the disk.
   * @template T @param {() => T} work
   */
  transact(work) {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Lists a symbol, once and for all: undefined when it is listed already.
   * @param {{ symbol: string, total: number, price: number }} listing @param {number} time @returns {Quote | undefined}
   */
  list({ symbol, total, price }, time) {
    const { changes } = this.#statements.list.run({ symbol, total, price });
    return changes === 0 ? undefined : this.#quote(symbol, time);
  }

  /**
   * Takes an order or refuses it, and keeps the answer. One whose id is known is answered as it was then.
   * @param {string} user @param {Order} order @param {number} time @returns {Taken | Refused}
   */
  order(user, order, time) {
    const known = this.#known(user, order);
    if (known !== undefined) return known;
    const { side, symbol, shares } = order;
    /** @param {Refusal} refusal @param {string} why */
    const refuse = (refusal, why) => {
      this.#statements.refuse.run({ ...order, user, time, refusal, why });
      return { refusal, why };
    };
    const quoted = this.quote(symbol);
    if (quoted === undefined) return refuse('NO_SUCH_SYMBOL', `${symbol} is not listed`);
    if (side === 'BUY' && shares > quoted.available) {
      return refuse('NOT_AVAILABLE', `${quoted.available} of ${symbol} are available, not ${shares}`);
    }
    const held = this.#held(user, symbol);
    if (side === 'SELL' && shares > held) return refuse('NOT_HELD', `you hold ${held} of ${symbol}, not ${shares}`);
    return this.#take(user, order, quoted.price, time);
  }

  /** @param {string} user @returns {Holding[]} */
  holdings(user) {
    return /** @type {Holding[]} */ (this.#statements.holdings.all({ user }));
  }

  /** The newest of each symbol. @returns {Quote[]} */
  quotes() {
    return /** @type {Quote[]} */ (this.#statements.quotes.all());
  }

  /** The newest of one symbol. @param {string} symbol @returns {Quote | undefined} */
  quote(symbol) {
    return this.past(symbol, 1)[0];
  }

  /** The last `most` quotes of a symbol, oldest first. @param {string} symbol @param {number} most */
  past(symbol, most) {
    return /** @type {Quote[]} */ (this.#statements.past.all({ symbol, most })).toReversed();
  }

  /** What is wrong with the books; nothing, unless somebody else wrote into the file or it is damaged. @returns {string[]} */
  audit() {
    const damage = /** @type {{ integrity_check: string }[]} */ (this.#db.pragma('integrity_check'));
    const faults = AUDITS.flatMap((sql) => /** @type {{ fault: string }[]} */ (this.#db.prepare(sql).all()));
    return [
      ...damage.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
      ...faults.map((row) => row.fault),
    ];
  }

  close() {
    this.#db.close();
  }

  #migrate() {
    const [row] = /** @type {{ user_version: number }[]} */ (this.#db.pragma('user_version'));
    const version = row?.user_version ?? 0;
    if (version > STEPS.length) throw new Error(`is of a newer market (version ${version}, not ${STEPS.length})`);
    for (const step of STEPS.slice(version)) this.#db.exec(step);
    if (version < STEPS.length) this.#db.exec(`PRAGMA user_version = ${STEPS.length}`);
  }

  #prepare() {
    /** @param {string} sql */
    const prepare = (sql) => this.#db.prepare(sql);
    return {
      list: prepare(`INSERT INTO symbols (symbol, total, available, listed) VALUES (:symbol, :total, :total, :price)
        ON CONFLICT DO NOTHING`),
      quote: prepare(`INSERT INTO quotes (symbol, available, price, time)
        SELECT symbol, available, price, :time FROM symbols WHERE symbol = :symbol`),
      quotes: prepare(`SELECT symbol, available, price, time, sequence FROM quotes
        WHERE sequence IN (SELECT (SELECT MAX(sequence) FROM quotes WHERE symbol = s.symbol) FROM symbols s) ORDER BY symbol`),
      past: prepare(`SELECT symbol, available, price, time, sequence FROM quotes WHERE symbol = :symbol
        ORDER BY sequence DESC LIMIT :most`),
      known: prepare(`SELECT * FROM orders WHERE user = :user AND id = :id`),
      held: prepare(`SELECT symbol, shares FROM holdings WHERE user = :user AND symbol = :symbol`),
      holdings: prepare(`SELECT symbol, shares FROM holdings WHERE user = :user AND shares > 0 ORDER BY symbol`),
      move: prepare(`UPDATE symbols SET available = available - :change WHERE symbol = :symbol`),
      open: prepare(`INSERT INTO holdings (user, symbol, shares) VALUES (:user, :symbol, 0) ON CONFLICT DO NOTHING`),
      hold: prepare(`UPDATE holdings SET shares = shares + :change WHERE user = :user AND symbol = :symbol`),
      take: prepare(`INSERT INTO orders (user, id, side, symbol, shares, time, sequence, price, held)
        VALUES (:user, :id, :side, :symbol, :shares, :time, :sequence, :price, :held)`),
      refuse: prepare(`INSERT INTO orders (user, id, side, symbol, shares, time, refusal, why)
        VALUES (:user, :id, :side, :symbol, :shares, :time, :refusal, :why)`),
    };
  }

  /** @param {string} user @param {Order} order @returns {Taken | Refused | undefined} */
  #known(user, order) {
    const [row] = /** @type {OrderRow[]} */ (this.#statements.known.all({ user, id: order.id }));
    if (row === undefined) return undefined;
    if (row.side !== order.side || row.symbol !== order.symbol || row.shares !== order.shares) {
      const why = `order ${order.id} was another one: ${row.side} ${row.symbol} ${row.shares}`;
      return { refusal: 'ORDER_DIFFERS', why };
    }
    if (row.refusal !== null) return { refusal: row.refusal, why: row.why ?? '' };
    const { price, held, sequence, time } = row;
    return { receipt: { ...order, price, held, sequence, time } };
  }

  /** @param {string} user @param {Order} order @param {number} price @param {number} time @returns {Taken} */
  #take(user, order, price, time) {
    const { symbol } = order;
    const change = order.side === 'BUY' ? order.shares : -order.shares;
    this.#statements.move.run({ symbol, change });
    this.#statements.open.run({ user, symbol });
    this.#statements.hold.run({ user, symbol, change });
    const quote = this.#quote(symbol, time);
    const receipt = { ...order, price, held: this.#held(user, symbol), sequence: quote.sequence, time };
    this.#statements.take.run({ ...receipt, user });
    return { receipt, quote };
  }

  /** @param {string} user @param {string} symbol */
  #held(user, symbol) {
    const [row] = /** @type {Holding[]} */ (this.#statements.held.all({ user, symbol }));
    return row?.shares ?? 0;
  }

  /** Writes the next quote of a symbol. @param {string} symbol @param {number} time */
  #quote(symbol, time) {
    this.#statements.quote.run({ symbol, time });
    return /** @type {Quote} */ (this.quote(symbol));
  }
}

/** @param {unknown} error */
function said(error) {
  return error instanceof Error ? error.message : String(error);
}
