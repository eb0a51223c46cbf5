export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return undefined;
  if (Number.isInteger(middle)) return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return sorted[Math.floor(middle)];
}

/**
 * The median of what ours have for each of what theirs have. Both of a ratio are of the same repetition: what slowed one slowed the other,
 * too. Undefined where there is none.
 */
export function ratioWithin<Row extends { readonly repetition: number }>(
  rows: readonly Row[],
  isOurs: (row: Row) => boolean,
  isTheirs: (row: Row) => boolean,
  figure: (row: Row) => number | undefined,
): number | undefined {
  const ratios: number[] = [];
  for (const row of rows.filter(isOurs)) {
    const beside = rows.find((one) => one.repetition === row.repetition && isTheirs(one));
    const [above, below] = [figure(row), beside === undefined ? undefined : figure(beside)];
    if (above !== undefined && below !== undefined && below !== 0) ratios.push(above / below);
  }
  return median(ratios);
}
