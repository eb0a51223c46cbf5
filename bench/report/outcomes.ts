/** What was aimed at, and what came of it. */
export interface Outcome {
  readonly what: string;
  /** Our figure, and that of the one beside us, with their units; '' where there is none. */
  readonly ours: string;
  readonly peer: string;
  readonly theirs: string;
  /** What the aim bounds: a ratio, or our figure itself. */
  readonly value: number;
  /** Behind the value and its bound, such as ` MB/s`; ` ×` for a ratio. */
  readonly unit: string;
  readonly least?: number | undefined;
  readonly most?: number | undefined;
  /** Of which commit the figure is; '' where it is of this one. */
  readonly commit: string;
}

export interface Section {
  readonly title: string;
  readonly outcomes: readonly Outcome[];
}

export function isMet({ value, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }: Outcome): boolean {
  return value >= least && value <= most;
}

/** All aims in tables, one for each section that has any, and how many were reached. */
export function summaryOf(sections: readonly Section[]): string | undefined {
  const filled = sections.filter(({ outcomes }) => outcomes.length > 0);
  const all = filled.flatMap(({ outcomes }) => outcomes);
  if (all.length === 0) return undefined;
  const commits = new Set(all.map(({ commit }) => commit).filter((commit) => commit !== ''));
  const tables = filled.map(({ title, outcomes }) => `**${title}**\n\n${tableOf(outcomes)}`);
  const count = `${all.filter(isMet).length} of ${all.length} aims are reached.`;
  return [`${count}${commits.size > 1 ? ` ${MIXED}` : ''}`, ...tables].join('\n\n');
}

const MIXED =
  'Not all figures are of one commit: the last column says of which each is, and figures of different commits are not to be compared.';

function tableOf(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map((one) => {
    const { what, ours, peer, theirs, value, unit, least, most, commit } = one;
    const aim = least === undefined ? `≤ ${most}${unit}` : `≥ ${least}${unit}`;
    const met = isMet(one) ? '✓ reached' : '✗ **missed**';
    return lineOf([what, ours, peer, theirs, `**${rounded(value)}${unit}**`, aim, met, commit.slice(0, 7)]);
  });
  const head = ['', 'Hawser', 'Beside', '', 'Measured', 'Aim', '', 'Commit'];
  return [lineOf(head), lineOf(['---', '---:', '---', '---:', '---:', '---:', '---', '---']), ...lines].join('\n');
}

export const lineOf = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** Three digits that count. */
export function rounded(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value >= 1000
    ? Math.round(Number(value.toPrecision(3))).toLocaleString('en')
    : value.toFixed(Math.min(digits, 3));
}

/** The median, and the least and the most when they are not the same. */
export function spread(values: readonly number[], middle: number | undefined): string {
  if (middle === undefined || values.length === 0) return '–';
  const [least, most] = [rounded(Math.min(...values)), rounded(Math.max(...values))];
  return least === most ? rounded(middle) : `**${rounded(middle)}** (${least} – ${most})`;
}

/** What a table's figures were measured at: each commit with the names of what was measured there, one commit alone without them. */
export function commitsOf(results: readonly { readonly name: string; readonly commit: string }[]): string {
  const commits = [...new Set(results.map(({ commit }) => commit))];
  if (commits.length === 1) return `commit ${commits.join('')}`;
  const parts = commits.map((commit) => {
    const names = results.filter((result) => result.commit === commit).map(({ name }) => name);
    return `${commit} (${names.join(', ')})`;
  });
  return `commits ${parts.join(' and ')}, not to be compared with each other`;
}
