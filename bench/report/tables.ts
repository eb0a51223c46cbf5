import { median } from '../ratios.ts';
import { rounded, spread } from './outcomes.ts';
import { FIGURES, type Figure, type Result, ratio, valuesOf, variantsOf } from './results.ts';

interface Column {
  readonly head: string;
  readonly figure: Figure;
}

/** What is told of a workload, and by which of its columns the contestants are compared. */
interface Shape {
  readonly columns: readonly Column[];
  readonly compared: readonly Column[];
}

const OURS = 'UDPack';

const MEGABYTES: Column = { head: 'MB/s', figure: FIGURES.megabytes };
const CPU_GB: Column = { head: 'CPU s/GB', figure: FIGURES.cpuPerGigabyte };
const CPU_EACH: Column = { head: 'CPU µs each', figure: FIGURES.cpuPerMessage };
const P50: Column = { head: 'p50 ms', figure: FIGURES.p50 };
const P95: Column = { head: 'p95 ms', figure: FIGURES.p95 };
const P99: Column = { head: 'p99 ms', figure: FIGURES.p99 };

const BULK: Shape = { columns: [MEGABYTES, CPU_GB], compared: [MEGABYTES] };
const MESSAGES: Shape = {
  columns: [{ head: 'messages/s', figure: FIGURES.messages }, CPU_EACH],
  compared: [{ head: 'messages/s', figure: FIGURES.messages }],
};
const ROUND_TRIPS: Shape = { columns: [P50, P95, P99, CPU_EACH], compared: [P50, P99] };
const FLOODED: Shape = {
  columns: [MEGABYTES, { head: 'forged/s', figure: FIGURES.forged }, CPU_GB],
  compared: [MEGABYTES],
};
const REBINDING: Shape = {
  columns: [
    MEGABYTES,
    { head: 'longest pause ms', figure: FIGURES.longest },
    { head: 'chunks missing', figure: ({ missing }) => missing },
  ],
  compared: [],
};
const STREAMS: Shape = {
  columns: [P50, P95, P99, { head: 'KB/s on the link', figure: FIGURES.wire }, CPU_EACH],
  compared: [P95, P99],
};
const HANDSHAKES: Shape = {
  columns: [{ head: 'per CPU second', figure: FIGURES.perCpuSecond }, CPU_EACH],
  compared: [CPU_EACH],
};

const FORGED: Shape = {
  columns: [
    { head: 'datagrams/s', figure: FIGURES.messages },
    { head: 'CPU µs of the server each', figure: FIGURES.serverPerMessage },
  ],
  compared: [],
};

function shapeOf({ load, mode, variants }: Result['plan']): Shape {
  if (mode === 'gaps' || mode === 'pour') return REBINDING;
  if (load.kind === 'bulk' && variants.some(({ forgery }) => forgery !== undefined)) return FLOODED;
  if (load.kind === 'bulk') return load.chunk < 1024 ? MESSAGES : BULK;
  if (load.kind === 'round-trips') return ROUND_TRIPS;
  if (load.kind === 'forged') return FORGED;
  return load.kind === 'ticks' ? STREAMS : HANDSHAKES;
}

/** A table of medians, and of ratios within a repetition. */
export function tableOf(result: Result): string {
  const { columns, compared } = shapeOf(result.plan);
  const variants = variantsOf(result);
  const ours = variants.includes(OURS);
  const heads = columns.map(({ head }) => head);
  const ratios = ours ? compared.map(({ head }) => `${OURS}’s ${head} to it`) : [];
  const lines = variants.map((variant) => {
    const cells = columns.map(({ figure }) => of(valuesOf(result, variant, figure)));
    const beside = ratios.map((_, at) => times(result, compared[at]?.figure, variant));
    return `| ${[variant, ...cells, ...beside].join(' | ')} |`;
  });
  const head = ['', ...heads, ...ratios];
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map((_, at) => (at === 0 ? ' --- |' : ' ---: |')).join('')}`,
    ...lines,
  ].join('\n');
}

const of = (values: readonly number[]): string => spread(values, median(values));

function times(result: Result, figure: Figure | undefined, variant: string): string {
  if (figure === undefined || variant === OURS) return '';
  const value = ratio(result, figure, OURS, variant);
  return value === undefined ? '' : `${rounded(value)} ×`;
}

/** Where a table comes from, in one line. */
export function sourceOf(result: Result): string {
  const { rows, commit, when, machine, versions, command } = result;
  const repetitions = new Set(rows.map(({ repetition }) => repetition)).size;
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const load = rows.map(({ loadAverage }) => loadAverage);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `\`${command}\`: ${repetitions} repetitions on ${when.slice(0, 10)} at commit ${commit}, ${machine.cores} cores of ${machine.cpu},`,
    `Linux ${machine.kernel}, ${named.join(', ')}; others kept at most ${others.toFixed(2)} of a core busy, load average`,
    `${Math.min(...load).toFixed(1)} to ${Math.max(...load).toFixed(1)}.`,
  ].join(' ');
}
