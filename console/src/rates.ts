import type { Totals } from './api.ts';

/** What happened around one second. */
export interface Sample {
  /** ms, on the clock that the caller reads. */
  readonly at: number;
  /** Messages that the server took in, per second. */
  readonly received: number;
  /** Messages that the server sent, per second. */
  readonly sent: number;
  readonly sockets: number;
  readonly links: number;
}

/** Less than this between two readings makes a rate of chance, ms. */
const LEAST_GAP = 500;

/** Turns running totals into rates, and keeps those of the last `span` ms. */
export class Rates {
  readonly #span: number;
  readonly #samples: Sample[] = [];
  #last: { readonly totals: Totals; readonly at: number } | undefined;

  constructor(span: number) {
    this.#span = span;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /**
   * Takes in totals read at `at`; gives the rates since the reading before, unless that was just now. Totals that went
   * down are those of another server: counting starts anew.
   */
  add(totals: Totals, at: number): Sample | undefined {
    const last = this.#last;
    if (last !== undefined && at - last.at < LEAST_GAP) return undefined;
    this.#last = { totals, at };
    while (this.#samples[0] !== undefined && this.#samples[0].at < at - this.#span) this.#samples.shift();
    if (last === undefined) return undefined;
    if (totals.received < last.totals.received || totals.sent < last.totals.sent) return undefined;
    const seconds = (at - last.at) / 1000;
    const sample: Sample = {
      at,
      received: (totals.received - last.totals.received) / seconds,
      sent: (totals.sent - last.totals.sent) / seconds,
      sockets: totals.sockets,
      links: totals.links,
    };
    this.#samples.push(sample);
    return sample;
  }
}

/** The top of an axis that shows `most`: 1, 2 or 5 times a power of ten, at least `least`. */
export function niceTop(most: number, least: number): number {
  const wanted = Math.max(most, least, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= wanted) ?? wanted;
}
