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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Of the peers that were measured. */
export function medians(rows: readonly Row[]): Readonly<Partial<Record<PeerName, number>>> {
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  return Object.fromEntries(peers.map((name) => [name, median(valuesOf(rows, name))]));
}

/** Both of a ratio are of the same repetition: what slowed one slowed the other, too. */
export function ratiosOf({ targets }: Plan, rows: readonly Row[]): Ratio[] {
  return targets.flatMap((target) => {
    const all = rows
      .filter(({ peer }) => peer === target.peer)
      .flatMap(({ repetition, value }) => {
        if (target.against === undefined) return [value];
        const other = rows.find((row) => row.peer === target.against && row.repetition === repetition);
        return other === undefined ? [] : [value / other.value];
      });
    if (all.length === 0) return [];
    const ratio = median(all);
    return [{ ...target, ratio, met: ratio <= target.most }];
  });
}

const valuesOf = (rows: readonly Row[], name: PeerName): number[] =>
  rows.filter(({ peer }) => peer === name).map(({ value }) => value);
