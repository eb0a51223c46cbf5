import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerName } from '../nodes/orders.ts';
import type { Plan } from '../nodes/plans.ts';
import { median, ratioWithin } from '../ratios.ts';
import { commitsOf, lineOf, type Outcome, rounded, spread } from './outcomes.ts';
import { ROOT } from './results.ts';
import { commandsOf } from './ws.ts';

/** What bench/nodes/main.ts records of one workload. */
export interface NodesResult {
  readonly plan: Plan;
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

interface Row {
  readonly repetition: number;
  readonly peer: PeerName;
  readonly nodesUs: number;
  readonly serverUs: number;
  readonly perSecond: number;
  readonly latencyMs?: { readonly p50: number; readonly p99: number } | undefined;
  readonly othersCores: number;
}

/** What bench/nodes/rooms.ts records. */
export interface RoomsResult {
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly rooms: number;
  readonly rows: readonly {
    readonly engine: string;
    readonly peer: PeerName;
    readonly joinMs: number;
    readonly nodeBytes: number;
    readonly serverBytes: number;
    readonly sent: number;
    readonly heard: number;
    readonly perSecond: number;
  }[];
}

const RESULTS = join(ROOT, 'bench/results');
const NAMES: Readonly<Record<PeerName, string>> = { hawser: 'Hawser', 'socket.io': 'Socket.IO' };
const ENGINES = { cluster: 'Workers', nats: 'NATS', redis: 'Redis' } as const;

/** Of one engine, in the order of their names. */
export function readNodes(engine: string): NodesResult[] {
  const files = readdirSync(RESULTS).filter((name) => name.startsWith(`nodes-${engine}-`));
  return files.toSorted().map((name) => JSON.parse(readFileSync(join(RESULTS, name), 'utf8')) as NodesResult);
}

export function readRooms(): RoomsResult | undefined {
  const path = join(RESULTS, 'nodes-rooms.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as RoomsResult) : undefined;
}

const isLatency = ({ plan }: NodesResult): boolean => plan.load.kind === 'announcements';

/** What is aimed at: us of the nodes for a delivery, or ms at the 99th percentile. */
function figureOf(result: NodesResult): (row: Row) => number | undefined {
  return isLatency(result) ? ({ latencyMs }) => latencyMs?.p99 : ({ nodesUs }) => nodesUs;
}

function valuesOf(rows: readonly Row[], peer: PeerName, figure: (row: Row) => number | undefined): number[] {
  return rows.filter((row) => row.peer === peer).flatMap((row) => figure(row) ?? []);
}

export function nodesOutcomes(results: readonly NodesResult[]): Outcome[] {
  return results.flatMap((result) => {
    const { plan, rows, commit } = result;
    const figure = figureOf(result);
    const isOurs = ({ peer }: Row): boolean => peer === 'hawser';
    const value = ratioWithin(rows, isOurs, ({ peer }) => peer === 'socket.io', figure);
    if (plan.most === undefined || value === undefined) return [];
    const shown = (peer: PeerName): string => {
      const middle = median(valuesOf(rows, peer, figure)) ?? Number.NaN;
      return `${rounded(middle)} ${isLatency(result) ? 'ms p99' : 'µs CPU'}`;
    };
    const what = `${ENGINES[plan.engine as keyof typeof ENGINES]}: ${plan.what}`;
    const [ours, theirs] = [shown('hawser'), shown('socket.io')];
    return [{ what, ours, peer: NAMES['socket.io'], theirs, value, unit: ' ×', most: plan.most, commit }];
  });
}

/** One engine's workloads: medians, with the least and the most; and where they come from. Undefined where nothing was measured. */
export function nodesTable(engine: string): string | undefined {
  const results = readNodes(engine);
  const [first] = results;
  if (first === undefined) return undefined;
  const head = ['', 'Of', 'µs of the nodes', 'µs of what joins them', 'Deliveries/s', 'p50, p99 on other nodes, ms'];
  const lines = results.flatMap((result) =>
    result.plan.peers.flatMap((peer) =>
      result.rows.some((row) => row.peer === peer) ? [lineOf(cellsOf(result, peer))] : [],
    ),
  );
  const { when, machine, versions } = first;
  const [least, most] = [Math.min, Math.max].map((pick) =>
    pick(...results.flatMap(({ rows }) => rows.map((row) => row.othersCores))),
  );
  const commits = commitsOf(results.map(({ plan, commit }) => ({ name: plan.name, commit })));
  const source = `${commandsOf(results)}: ${when.slice(0, 10)} at ${commits}, ${machine.cores} cores of ${machine.cpu}, node ${versions['node']}; others kept ${least?.toFixed(2)} to ${most?.toFixed(2)} of a core busy.`;
  return [lineOf(head), '| --- | --- | ---: | ---: | ---: | ---: |', ...lines, '', source].join('\n');
}

function cellsOf({ plan, rows }: NodesResult, peer: PeerName): string[] {
  const of = (figure: (row: Row) => number | undefined): string => {
    const values = valuesOf(rows, peer, figure);
    return spread(values, median(values));
  };
  const [p50, p99] = (['p50', 'p99'] as const).map((name) => of(({ latencyMs }) => latencyMs?.[name]));
  const latency = plan.load.kind === 'announcements' ? `${p50}, ${p99}` : '–';
  return [
    plan.what,
    NAMES[peer],
    of(({ nodesUs }) => nodesUs),
    of(({ serverUs }) => serverUs),
    of(({ perSecond }) => perSecond),
    latency,
  ];
}

export function roomsTable(): string | undefined {
  const result = readRooms();
  if (result === undefined) return undefined;
  const head = [
    '',
    'Of',
    'Joined and heard after, ms',
    'Bytes a room on the nodes',
    'in what joins them',
    'Arrived',
    'Messages/s',
  ];
  const lines = result.rows.map(({ engine, peer, joinMs, nodeBytes, serverBytes, sent, heard, perSecond }) =>
    lineOf([
      ENGINES[engine as keyof typeof ENGINES],
      NAMES[peer],
      rounded(joinMs),
      rounded(nodeBytes),
      rounded(serverBytes),
      `${heard.toLocaleString('en')} of ${sent.toLocaleString('en')}`,
      rounded(perSecond),
    ]),
  );
  const source = `\`${result.command}\`: ${result.when.slice(0, 10)} at ${result.commit.slice(0, 12)}, one run.`;
  return [lineOf(head), '| --- | --- | ---: | ---: | ---: | ---: | ---: |', ...lines, '', source].join('\n');
}
