import type { Instant } from '../core/index.ts';
import type { LanAddress, LanFault, LanFaultEvent } from './types.ts';

interface Count {
  total: number;
  untold: number;
  toldAt: Instant;
}

/** Counts what is wrong with what comes in, and says now and then what should be told of it. */
export class Faults {
  readonly #interval: number;
  readonly #counts = new Map<LanFault, Count>();

  constructor(interval: number) {
    this.#interval = interval;
  }

  /** Counts one; returns what is to be told now, if it is. */
  count(reason: LanFault, from: LanAddress, now: Instant): LanFaultEvent | undefined {
    const count = this.#counts.get(reason) ?? { total: 0, untold: 0, toldAt: -Infinity };
    this.#counts.set(reason, count);
    count.total++;
    count.untold++;
    if (now - count.toldAt < this.#interval) return undefined;
    const event: LanFaultEvent = { type: 'fault', reason, count: count.untold, from };
    count.untold = 0;
    count.toldAt = now;
    return event;
  }

  totals(): Partial<Record<LanFault, number>> {
    return Object.fromEntries([...this.#counts].map(([reason, { total }]) => [reason, total]));
  }
}
