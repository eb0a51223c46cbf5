import { median } from '../ratios.ts';
import { commitsOf, lineOf, type Outcome, rounded, spread } from './outcomes.ts';

import type { Group } from './svg.ts';

/** What bench/worker-echo.ts records. */
export interface WorkerResult {
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly loadAverage: number;
  };
  readonly ratios: readonly (Case & { readonly ratio: number; readonly most: number })[];
  readonly rows: readonly (Case & {
    readonly way: Way;
    readonly cpuUs: number;
    readonly perSecond: number;
    readonly othersCores: number;
  })[];
}

interface Case {
  readonly bytes: number;
  readonly inFlight: number;
}

type Way = 'hawser' | 'bare';

const NAMES: Readonly<Record<Way, string>> = { hawser: 'Hawser', bare: 'postMessage' };

export function workerOutcomes(result: WorkerResult): Outcome[] {
  return result.ratios.map(({ ratio, most, ...one }) => ({
    what: `Echo between threads, ${titleOf(one)}`,
    ours: `${rounded(middle(result, one, 'hawser'))} µs`,
    peer: NAMES.bare,
    theirs: `${rounded(middle(result, one, 'bare'))} µs`,
    value: ratio,
    unit: ' ×',
    most,
    commit: result.commit,
  }));
}

export function workerTable(result: WorkerResult): string {
  const { machine, command, when, commit, rows } = result;
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const lines = result.ratios.map(({ ratio, ...one }) => {
    const [ours, bare] = [valuesOf(result, one, 'hawser'), valuesOf(result, one, 'bare')];
    return lineOf([titleOf(one), 'µs', spread(ours, median(ours)), spread(bare, median(bare)), `${rounded(ratio)} ×`]);
  });
  const source = [
    `\`${command}\`: ${when.slice(0, 10)} at ${commitsOf([{ name: 'worker-echo', commit }])}, ${machine.cores} cores of`,
    `${machine.cpu}, node ${machine.node}; others kept at most ${others.toFixed(2)} of a core busy, load average`,
    `${machine.loadAverage.toFixed(1)} when it began.`,
  ];
  const head = [lineOf(['', '', NAMES.hawser, NAMES.bare, 'Hawser to it']), '| --- | --- | ---: | ---: | ---: |'];
  return [...head, ...lines, '', source.join(' ')].join('\n');
}

export function workerGroups(result: WorkerResult): Group[] {
  return result.ratios.map((one) => ({
    name: titleOf(one),
    bars: (['hawser', 'bare'] as const).map((way) => {
      const value = middle(result, one, way);
      return { name: NAMES[way], value, text: rounded(value) };
    }),
  }));
}

const titleOf = ({ bytes, inFlight }: Case): string =>
  `${bytes < 1024 ? `${bytes} bytes` : `${bytes / 1024} KiB`}, ${inFlight} in flight`;

const middle = (result: WorkerResult, one: Case, way: Way): number => median(valuesOf(result, one, way)) ?? Number.NaN;

const valuesOf = ({ rows }: WorkerResult, { bytes, inFlight }: Case, way: Way): number[] =>
  rows.filter((row) => row.way === way && row.bytes === bytes && row.inFlight === inFlight).map(({ cpuUs }) => cpuUs);
