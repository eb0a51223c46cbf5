import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ratioWithin } from '../ratios.ts';
import type { Recorded } from '../recorded.ts';
import type { Figures } from '../udp/measure.ts';
import type { Plan } from '../udp/plans.ts';

/** What bench/udp records of one workload. */
export type Result = Recorded<Plan, Row>;

export interface Row extends Figures {
  readonly repetition: number;
  readonly variant: string;
}

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

export function readResult(name: string): Result {
  return JSON.parse(readFileSync(join(ROOT, 'bench/results', `${name}.json`), 'utf8')) as Result;
}

/** A figure of a run; undefined where it has none. */
export type Figure = (row: Row) => number | undefined;

const perSecond =
  (pick: Figure): Figure =>
  (row) => {
    const value = pick(row);
    return value === undefined ? undefined : value / row.seconds;
  };

const cpu = ({ serverCpu, clientCpu }: Row): number => serverCpu + clientCpu;

type FigureName =
  | 'megabytes'
  | 'cpuPerGigabyte'
  | 'messages'
  | 'cpuPerMessage'
  | 'serverPerMessage'
  | 'perCpuSecond'
  | 'p50'
  | 'p95'
  | 'p99'
  | 'longest'
  | 'forged'
  | 'wire';

export const FIGURES: Readonly<Record<FigureName, Figure>> = {
  megabytes: perSecond(({ bytes }) => bytes / 1e6),
  cpuPerGigabyte: (row) => cpu(row) / (row.bytes / 1e9),
  messages: perSecond(({ messages }) => messages),
  /** In us. */
  cpuPerMessage: (row) => (cpu(row) * 1e6) / row.messages,
  serverPerMessage: ({ serverCpu, messages: count }) => (serverCpu * 1e6) / count,
  perCpuSecond: (row) => row.messages / cpu(row),
  p50: ({ latencyMs }) => latencyMs?.p50,
  p95: ({ latencyMs }) => latencyMs?.p95,
  p99: ({ latencyMs }) => latencyMs?.p99,
  longest: ({ latencyMs }) => latencyMs?.most,
  /** Datagrams a second. */
  forged: perSecond(({ forged }) => forged),
  /** In KB a second, with all headers. */
  wire: perSecond(({ wireBytes }) => (wireBytes === undefined ? undefined : wireBytes / 1e3)),
};

export function valuesOf({ rows }: Result, variant: string, figure: Figure): number[] {
  return rows
    .filter((row) => row.variant === variant)
    .map(figure)
    .filter((value) => value !== undefined);
}

/** The median of what `variant` has for each of what `other` has, within a repetition each. */
export function ratio({ rows }: Result, figure: Figure, variant: string, other: string): number | undefined {
  return ratioWithin(
    rows,
    (row) => row.variant === variant,
    (row) => row.variant === other,
    figure,
  );
}

/** Variants that have results, in the order of the plan. */
export function variantsOf({ plan, rows }: Result): string[] {
  return plan.variants.map(({ name }) => name).filter((name) => rows.some(({ variant }) => variant === name));
}
