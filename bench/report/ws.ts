import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../ratios.ts';
import type { Recorded } from '../recorded.ts';
import type { PeerName } from '../ws/peers/index.ts';
import type { Plan } from '../ws/plans.ts';
import { type Row, ratiosOf } from '../ws/ratios.ts';
import { commitsOf, lineOf, type Outcome, rounded, spread } from './outcomes.ts';
import { ROOT } from './results.ts';
import type { Group } from './svg.ts';

/** What bench/ws records of one workload. */
export type WsResult = Recorded<Plan, Row>;

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
    lineOf([
      plan.what,
      UNITS[plan.unit],
      ...peers.map((peer) => spread(valuesOf(rows, peer), median(valuesOf(rows, peer)))),
    ]),
  );
  const rule = head.map((_, at) => (at < 2 ? '---' : '---:'));
  return [lineOf(head), lineOf(rule), ...lines, '', sourceOf(results)].join('\n');
}

/** The aims of the workloads in these tables for which there is a figure. */
export function wsOutcomes(marks: readonly string[], read: typeof readWs = readWs): Outcome[] {
  return marks
    .flatMap((mark) => TABLES[mark] ?? [])
    .flatMap((name) => read(name) ?? [])
    .flatMap(({ plan, rows, commit }) => {
      const shown = (peer: PeerName): string =>
        `${rounded(median(valuesOf(rows, peer)) ?? Number.NaN)} ${UNITS[plan.unit]}`;
      return ratiosOf(plan, rows).map(({ peer, against, most, ratio }) => ({
        what: plan.what,
        ours: shown(peer),
        peer: against === undefined ? '' : NAMES[against],
        theirs: against === undefined ? '' : shown(against),
        value: ratio,
        unit: against === undefined ? ` ${UNITS[plan.unit]}` : ' ×',
        most,
        commit,
      }));
    });
}

/** Whether costs stay flat: the same figure of ours with many connections and with few. */
export function scaleOutcomes(read: typeof readWs = readWs): Outcome[] {
  return FLAT.flatMap(({ what, many, few }) => {
    const [above, below] = [read(many), read(few)];
    if (above === undefined || below === undefined) return [];
    const [most, least] = [above, below].map(({ rows }) => median(valuesOf(rows, 'hawser')));
    if (most === undefined || least === undefined) return [];
    const unit = UNITS[above.plan.unit];
    const [ours, theirs] = [`${rounded(most)} ${unit}`, `${rounded(least)} ${unit}`];
    const commit = above.commit === below.commit ? above.commit : `${above.commit.slice(0, 7)}, ${below.commit}`;
    return [{ what, ours, peer: below.plan.what, theirs, value: most / least, unit: ' ×', most: 1.3, commit }];
  });
}

const FLAT = [
  { what: 'Cost of a delivery to 19,500 subscribers', many: 'scale-19500', few: 'scale-100' },
  { what: 'Memory of an idle socket among 19,500', many: 'scale-memory-19500', few: 'scale-memory-5000' },
] as const;

/** Bars of one workload each, by the name that they get. */
export function wsGroups(names: Readonly<Record<string, string>>): Group[] {
  return Object.entries(names).flatMap(([title, name]) => {
    const result = readWs(name);
    if (result === undefined) return [];
    const bars = result.plan.peers.flatMap((peer) => {
      const values = valuesOf(result.rows, peer);
      const value = median(values);
      return value === undefined ? [] : [{ name: NAMES[peer].replaceAll('`', ''), value, text: rounded(value) }];
    });
    return [{ name: title, bars }];
  });
}

const resultsOf = (names: readonly string[]): WsResult[] => names.flatMap((name) => readWs(name) ?? []);

const valuesOf = (rows: readonly Row[], peer: PeerName): number[] =>
  rows.filter((row) => row.peer === peer).map(({ value }) => value);

function sourceOf(results: readonly WsResult[]): string {
  const rows = results.flatMap((result) => result.rows);
  const all = <Item>(pick: (result: WsResult) => Item): Item[] => [...new Set(results.map(pick))];
  const repetitions = new Set(rows.map(({ repetition }) => repetition)).size;
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const loads = rows.map(({ loadAverage }) => loadAverage);
  const [machine] = results.map((result) => result.machine);
  const versions = Object.entries(results[0]?.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  return [
    `${commandsOf(results)}: ${repetitions} repetitions on`,
    `${all(({ when }) => when.slice(0, 10)).join(' and ')} at ${commitsOf(results.map(({ plan, commit }) => ({ name: plan.name, commit })))},`,
    `${machine?.cores} cores of ${machine?.cpu}, Linux ${machine?.kernel}, ${versions.join(', ')}; others kept at most`,
    `${others.toFixed(2)} of a core busy, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}.`,
  ].join(' ');
}

/** One command for all that were measured in the same way. */
export function commandsOf(
  results: readonly { readonly plan: { readonly name: string }; readonly command: string }[],
): string {
  const ONLY = /--only \S+/;
  const ways = new Set(results.map(({ command }) => command.replace(ONLY, '')));
  const commands = [...ways].map((way) => {
    const same = results.filter(({ command }) => command.replace(ONLY, '') === way);
    return same[0]?.command.replace(ONLY, `--only ${same.map(({ plan }) => plan.name).join(',')}`);
  });
  return commands.map((command) => `\`${command}\``).join(' and ');
}
