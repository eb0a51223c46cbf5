/** What a market and its clients say to each other. Types only: nothing here runs. Prices are in hundredths, times in ms since 1970. */

export type Side = 'BUY' | 'SELL';

/** What a client wants. Its `id` is the client's own: the same id gets the same answer, however often it is asked. */
export interface Order {
  /** 1 to 64 letters, digits and `.` `_` `:` `-`, unlike those of all other orders of the user. */
  id: string;
  side: Side;
  symbol: string;
  shares: number;
}

/** What became of an order that was taken. */
export interface Receipt extends Order {
  /** What the market quoted when it was taken. */
  price: number;
  /** How many of these shares the user had after it. */
  held: number;
  /** The number of the quote that followed. */
  sequence: number;
  time: number;
}

/** The state of one symbol, told after each order and each listing. */
export interface Quote {
  symbol: string;
  available: number;
  price: number;
  time: number;
  /** Counts all quotes of the market, over restarts: of two quotes of a symbol the higher one is newer. */
  sequence: number;
}

export interface Holding {
  symbol: string;
  shares: number;
}

/** Why an order was refused, as the code of the error: its words say the rest. */
export type Refusal = 'BAD_ORDER' | 'NO_SUCH_SYMBOL' | 'NOT_AVAILABLE' | 'NOT_HELD' | 'ORDER_DIFFERS';

export interface MarketApi {
  toServer: {
    requests: {
      order: (order: Order) => Receipt;
      /** The user's own. */
      holdings: () => Holding[];
      /** All symbols as they are. */
      quotes: () => Quote[];
      /** The same, and from now on an event for each change. */
      watch: () => Quote[];
      /** The last quotes of a symbol, oldest first. */
      past: (what: { symbol: string; most: number }) => Quote[];
    };
  };
  toClient: { events: { quote: Quote } };
}
