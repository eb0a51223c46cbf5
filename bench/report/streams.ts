import { median } from '../ratios.ts';
import { commitsOf, lineOf, rounded, spread } from './outcomes.ts';

import type { Group } from './svg.ts';

/** What bench/byte-streams.ts records. */
export interface StreamsResult {
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly node: string };
  readonly streams: number;
  readonly rows: readonly Row[];
}

interface Row {
  readonly way: string;
  readonly repetition: number;
  readonly mbPerSecond: number;
  readonly cpuPerGb: number;
  readonly othersCores: number;
  readonly loadAverage: number;
}

const NAMES: Readonly<Record<string, string>> = {
  'channels-ws': 'Hawser: channels of one socket, WebSocket',
  'channels-tcp': 'Hawser: channels of one socket, TCP',
  'socket.io': 'Socket.IO: as many sockets, chunks acknowledged',
  net: 'node:net: as many sockets',
};

export function streamsTable({ command, when, commit, machine, rows }: StreamsResult): string {
  const lines = waysOf(rows).map((way) => {
    const [speeds, costs] = [valuesOf(rows, way, 'mbPerSecond'), valuesOf(rows, way, 'cpuPerGb')];
    return lineOf([NAMES[way] ?? way, spread(speeds, median(speeds)), spread(costs, median(costs))]);
  });
  const repetitions = new Set(rows.map(({ repetition }) => repetition)).size;
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const loads = rows.map(({ loadAverage }) => loadAverage);
  const source = [
    `\`${command}\`: ${repetitions} repetitions on ${when.slice(0, 10)} at ${commitsOf([{ name: 'byte-streams', commit }])},`,
    `${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel}, node ${machine.node}; others kept at most`,
    `${others.toFixed(2)} of a core busy, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}.`,
  ];
  const head = [lineOf(['', 'MB/s', 'CPU of the server, s/GB']), '| --- | ---: | ---: |'];
  return [...head, ...lines, '', source.join(' ')].join('\n');
}

export function streamsGroups({ rows }: StreamsResult): Group[] {
  const bars = waysOf(rows).map((way) => {
    const value = median(valuesOf(rows, way, 'cpuPerGb')) ?? Number.NaN;
    return { name: SHORT[way] ?? way, value, text: rounded(value) };
  });
  return [{ name: '', bars }];
}

const SHORT: Readonly<Record<string, string>> = {
  'channels-ws': 'Hawser, WebSocket',
  'channels-tcp': 'Hawser, TCP',
  'socket.io': 'Socket.IO',
  net: 'node:net',
};

const waysOf = (rows: readonly Row[]): string[] => [...new Set(rows.toSorted(byName).map(({ way }) => way))];

const ORDER = Object.keys(NAMES);
const byName = (a: Row, b: Row): number => ORDER.indexOf(a.way) - ORDER.indexOf(b.way);

const valuesOf = (rows: readonly Row[], way: string, figure: 'mbPerSecond' | 'cpuPerGb'): number[] =>
  rows.filter((row) => row.way === way).map((row) => row[figure]);
