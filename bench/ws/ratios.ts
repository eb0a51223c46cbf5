import { median, ratioWithin } from '../ratios.ts';
import type { Figures } from './measure.ts';
import type { PeerName } from './peers/index.ts';
import type { Plan, Target } from './plans.ts';

export interface Row extends Figures {
  readonly repetition: number;
  readonly peer: PeerName;
}

export interface Ratio extends Target {
  /** The median of the ratios within a repetition, or of the values themselves. */
  readonly ratio: number;
  readonly met: boolean;
}

/** Of the peers that were measured. */
export function medians(rows: readonly Row[]): Readonly<Partial<Record<PeerName, number>>> {
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  return Object.fromEntries(peers.map((name) => [name, median(valuesOf(rows, name)) ?? Number.NaN]));
}

/** Targets without a peer are of the value itself. */
export function ratiosOf({ targets }: Plan, rows: readonly Row[]): Ratio[] {
  return targets.flatMap((target) => {
    const isOurs = ({ peer }: Row): boolean => peer === target.peer;
    const isTheirs = ({ peer }: Row): boolean => peer === target.against;
    const ratio =
      target.against === undefined
        ? median(valuesOf(rows, target.peer))
        : ratioWithin(rows, isOurs, isTheirs, ({ value }) => value);
    return ratio === undefined ? [] : [{ ...target, ratio, met: ratio <= target.most }];
  });
}

const valuesOf = (rows: readonly Row[], name: PeerName): number[] =>
  rows.filter(({ peer }) => peer === name).map(({ value }) => value);
