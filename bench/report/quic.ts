import type { QuicRow, Way } from '../quic/main.ts';
import { median } from '../ratios.ts';
import { commitsOf, lineOf, spread } from './outcomes.ts';

/** What bench/quic records. */
export interface QuicResult {
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly node: string };
  readonly rows: readonly QuicRow[];
}

type Figure = Exclude<keyof QuicRow, 'way' | 'world' | 'repetition' | 'othersCores' | 'loadAverage'>;

const COLUMNS: readonly (readonly [figure: Figure, head: string])[] = [
  ['mbPerSecond', 'MB/s'],
  ['cpuPerGb', 'CPU of both, s/GB'],
  ['p50Us', 'request, p50, µs'],
  ['p99Us', 'p99, µs'],
  ['requestsPerSecond', 'requests/s, 16 under way'],
  ['cpuPerRequestUs', 'CPU of both for one, µs'],
  ['dialMs', 'dial, ms'],
];
const WORLDS = { loopback: 'loopback', internet: 'packets of 1480 bytes' } as const;
const WAYS: readonly Way[] = ['quic', 'udpack', 'tls'];

export function quicTable({ command, when, commit, machine, rows }: QuicResult): string {
  const lines = (['loopback', 'internet'] as const).flatMap((world) =>
    WAYS.map((way) => {
      const own = rows.filter((row) => row.way === way && row.world === world);
      const cells = COLUMNS.map(([figure]) => {
        const values = own.map((row) => row[figure]);
        return spread(values, median(values));
      });
      return lineOf([`\`${way}:\`, ${WORLDS[world]}`, ...cells]);
    }),
  );
  const repetitions = new Set(rows.map(({ repetition }) => repetition)).size;
  const others = rows.map(({ othersCores }) => othersCores);
  const loads = rows.map(({ loadAverage }) => loadAverage);
  const source = [
    `\`${command}\`: ${repetitions} repetitions on ${when.slice(0, 10)} at ${commitsOf([{ name: 'quic', commit }])},`,
    `${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel}, node ${machine.node}; others kept`,
    `${Math.min(...others).toFixed(2)} to ${Math.max(...others).toFixed(2)} of a core busy, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}.`,
  ];
  const head = [lineOf(['', ...COLUMNS.map(([, name]) => name)]), `| --- |${' ---: |'.repeat(COLUMNS.length)}`];
  return [...head, ...lines, '', source.join(' ')].join('\n');
}
