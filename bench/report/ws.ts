import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerName } from '../ws/peers/index.ts';
import type { Plan } from '../ws/plans.ts';
import { median, type Row, ratiosOf } from '../ws/ratios.ts';
import { ROOT } from './results.ts';
import type { Group } from './svg.ts';
import { rounded } from './tables.ts';

/** What bench/ws records of one workload. */
export interface WsResult {
  readonly plan: Plan;
  readonly when: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** Workloads that stand in one table, by the name of the mark. */
export const TABLES: Readonly<Record<string, readonly string[]>> = {
  'ws-link': [
    'link-echo-1',
    'link-echo-16',
    'link-broadcast-1',
    'link-broadcast-16',
    'link-echo-mib',
    'link-handshake',
    'link-memory',
    'link-latency',
  ],
  'ws-framework': [
    'echo-1',
    'echo-16',
    'request-16',
    'broadcast-1',
    'broadcast-16',
    'joins',
    'welcome',
    'memory',
    'latency',
  ],
  'ws-tcp': ['tcp-echo-1', 'tcp-echo-16'],
  'ws-ipc': ['ipc-echo-1', 'ipc-echo-16'],
  'ws-scale': ['scale-100', 'scale-1000', 'scale-19500', 'scale-latency', 'scale-memory-5000', 'scale-memory-19500'],
};

const NAMES: Readonly<Record<PeerName, string>> = {
  'hawser-link': 'Hawser, link',
  'hawser-raw': 'Hawser, `raw`',
  hawser: 'Hawser',
  'hawser-json': 'Hawser, JSON',
  'hawser-tcp': 'Hawser',
  'hawser-ipc': 'Hawser',
  ws: 'ws',
  'socket.io': 'Socket.IO',
  bun: 'Bun',
  uws: 'uWebSockets.js',
  net: 'node:net',
  'prefix-tcp': 'length prefix on node:net',
  'prefix-ipc': 'length prefix on node:net',
};

const UNITS = { cpu: 'µs', memory: 'bytes', latency: 'ms' } as const;

export function readWs(name: string): WsResult | undefined {
  const path = join(ROOT, 'bench/results', `ws-${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as WsResult) : undefined;
}

/** Medians, with the least and the most; and where they come from. Undefined where nothing was measured. */
export function wsTable(mark: string): string | undefined {
  const results = resultsOf(TABLES[mark] ?? []);
  const [first] = results;
  if (first === undefined) return undefined;
  const { peers } = first.plan;
  const head = ['', '', ...peers.map((peer) => NAMES[peer])];
  const lines = results.map(({ plan, rows }) =>
    lineOf([plan.what, UNITS[plan.unit], ...peers.map((peer) => spread(rows, peer))]),
  );
  const rule = head.map((_, at) => (at < 2 ? '---' : '---:'));
  return [lineOf(head), lineOf(rule), ...lines, '', sourceOf(results)].join('\n');
}

/** What was aimed at, and what came of it. */
export function wsGoals(): string | undefined {
  const results = resultsOf(Object.values(TABLES).flat());
  if (results.length === 0) return undefined;
  const lines = results.flatMap(({ plan, rows }) =>
    ratiosOf(plan, rows).map(({ peer, against, most, ratio, met }) =>
      lineOf([
        plan.what,
        NAMES[peer],
        against === undefined ? '' : NAMES[against],
        `≤ ${most}`,
        rounded(ratio),
        met ? 'reached' : '**not reached**',
      ]),
    ),
  );
  return [lineOf(['', '', 'Beside', 'Aim', 'Measured', '']), '| --- | --- | --- | ---: | ---: | --- |', ...lines].join(
    '\n',
  );
}

/** Bars of one workload each. */
export function wsGroups(names: Readonly<Record<string, string>>): Group[] {
  return Object.entries(names).flatMap(([name, title]) => {
    const result = readWs(name);
    if (result === undefined) return [];
    const bars = result.plan.peers.flatMap((peer) => {
      const values = valuesOf(result.rows, peer);
      const value = median(values);
      return values.length === 0 ? [] : [{ name: NAMES[peer].replaceAll('`', ''), value, text: rounded(value) }];
    });
    return [{ name: title, bars }];
  });
}

const lineOf = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const resultsOf = (names: readonly string[]): WsResult[] => names.flatMap((name) => readWs(name) ?? []);

const valuesOf = (rows: readonly Row[], peer: PeerName): number[] =>
  rows.filter((row) => row.peer === peer).map(({ value }) => value);

function spread(rows: readonly Row[], peer: PeerName): string {
  const values = valuesOf(rows, peer);
  if (values.length === 0) return '–';
  const [least, most] = [rounded(Math.min(...values)), rounded(Math.max(...values))];
  return least === most ? rounded(median(values)) : `**${rounded(median(values))}** (${least} – ${most})`;
}

function sourceOf(results: readonly WsResult[]): string {
  const rows = results.flatMap((result) => result.rows);
  const all = <Item>(pick: (result: WsResult) => Item): Item[] => [...new Set(results.map(pick))];
  const repetitions = new Set(rows.map(({ repetition }) => repetition)).size;
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const loads = rows.map(({ loadAverage }) => loadAverage);
  const [machine] = results.map((result) => result.machine);
  const versions = Object.entries(results[0]?.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  return [
    `\`npm run bench:ws -- --only ${all(({ plan }) => plan.name).join(',')}\`: ${repetitions} repetitions on`,
    `${all(({ when }) => when.slice(0, 10)).join(' and ')} at commit ${all(({ commit }) => commit).join(', ')},`,
    `${machine?.cores} cores of ${machine?.cpu}, Linux ${machine?.kernel}, ${versions.join(', ')}; others kept at most`,
    `${others.toFixed(2)} of a core busy, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}.`,
  ].join(' ');
}
