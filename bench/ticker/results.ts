import type { Recorded } from '../recorded.ts';

export type Way = 'multicast' | 'tcp';

/** One run at one rate. */
export interface Row {
  readonly way: Way;
  readonly rate: number;
  readonly quotes: number;
  /** Over all subscribers. */
  readonly received: number;
  readonly missing: number;
  readonly disordered: number;
  readonly recovered: number;
  readonly lost: number;
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
  /** From the last quote's telling to its last hearing, or to the end of patience. */
  readonly lastMs: number;
  /** CPU time for each quote, of the market and of all subscribers, user and system. */
  readonly marketCpuUs: number;
  readonly subscribersCpuUs: number;
  /** The market kept the pace, and everybody got everything in time. */
  readonly ok: boolean;
}

export interface Plan {
  readonly subscribers: number;
  readonly processes: number;
}

/** What `bench/ticker.ts` writes; of each way the last row is the one that was held. */
export type TickerResult = Recorded<Plan, Row>;
