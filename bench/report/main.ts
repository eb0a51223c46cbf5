/**
 * Writes the figures of bench/results into docs/BENCHMARKS.md, between its marks, and the plots into docs/benchmarks.
 *
 *   npm run bench:report
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesOutcomes, filesTable } from './files.ts';
import { udpOutcomes } from './goals.ts';
import { httpOutcomes, httpTable } from './http.ts';
import { nodesOutcomes, nodesTable, readNodes, roomsTable } from './nodes.ts';
import { type Outcome, rounded, summaryOf } from './outcomes.ts';
import { fillMarks } from './page.ts';
import { chartOf, PLOTS, type Plot, udpGroup } from './plots.ts';
import { type QuicResult, quicTable } from './quic.ts';
import { type Result, ROOT, readResult } from './results.ts';
import { type StreamsResult, streamsGroups, streamsTable } from './streams.ts';
import { drawn, type Group } from './svg.ts';
import { sourceOf, tableOf } from './tables.ts';
import { tickerTable } from './ticker.ts';
import { type WorkerResult, workerGroups, workerOutcomes, workerTable } from './worker.ts';
import { scaleOutcomes, TABLES, wsGroups, wsOutcomes, wsTable } from './ws.ts';

const PAGE = join(ROOT, 'docs/BENCHMARKS.md');
const FOLDER = join(ROOT, 'docs/benchmarks');
/** A page's client, bytes after gzip. */
const CLIENT_MOST = 15 * 1024;

const isThere = (name: string): boolean => existsSync(join(ROOT, 'bench/results', `${name}.json`));
const found = (name: string): Result | undefined => (isThere(name) ? readResult(name) : undefined);

const worker = found('worker-echo') as WorkerResult | undefined;
const streams = found('byte-streams') as StreamsResult | undefined;
const quic = found('quic') as QuicResult | undefined;

function clientOutcome(): Outcome {
  const { gzip } = JSON.parse(readFileSync(join(ROOT, 'test/client-size.json'), 'utf8')) as { readonly gzip: number };
  return {
    what: 'Browser client with MessagePack, minified, after gzip (beside Socket.IO without and with it)',
    ours: `${rounded(gzip / 1024)} KB`,
    peer: 'Socket.IO',
    theirs: '13.5 and 15.3 KB',
    value: gzip / 1024,
    unit: ' KB',
    most: CLIENT_MOST / 1024,
    commit: '',
  };
}

function summary(): string | undefined {
  return summaryOf([
    { title: 'WebSocket links', outcomes: wsOutcomes(['ws-link']) },
    { title: 'The whole framework, beside Socket.IO', outcomes: wsOutcomes(['ws-framework']) },
    {
      title: 'TCP, Unix sockets, threads',
      outcomes: [...wsOutcomes(['ws-tcp', 'ws-ipc']), ...(worker ? workerOutcomes(worker) : [])],
    },
    { title: 'Many sockets on one process', outcomes: [...wsOutcomes(['ws-scale']), ...scaleOutcomes()] },
    {
      title: 'Several nodes, beside Socket.IO',
      outcomes: ['cluster', 'redis'].flatMap((name) => nodesOutcomes(readNodes(name))),
    },
    { title: 'UDPack', outcomes: udpOutcomes(found) },
    { title: 'Files, beside scp', outcomes: filesOutcomes() },
    { title: 'HTTP, CPU time for a request', outcomes: httpOutcomes() },
    { title: 'In a page', outcomes: [clientOutcome()] },
  ]);
}

function tableFor(mark: string): string | undefined {
  if (mark === 'summary') return summary();
  if (mark === 'worker-echo') return worker && workerTable(worker);
  if (mark === 'byte-streams') return streams && streamsTable(streams);
  if (mark === 'quic') return quic && quicTable(quic);
  if (mark.startsWith('files-')) return filesTable(mark);
  if (mark === 'http-static') return httpTable();
  if (mark === 'ticker') return tickerTable();
  if (mark === 'nodes-rooms') return roomsTable();
  if (mark.startsWith('nodes-')) return nodesTable(mark.slice('nodes-'.length));
  if (mark in TABLES) return wsTable(mark);
  const result = found(mark);
  return result && `${tableOf(result)}\n\n${sourceOf(result)}`;
}

function groupsOf({ name, workloads, figure }: Plot): Group[] {
  if (name.startsWith('ws-')) return wsGroups(workloads);
  return Object.entries(workloads).flatMap(([title, workload]) => {
    const result = found(`udp-${workload}`);
    return result === undefined || figure === undefined ? [] : [udpGroup(result, title, figure)];
  });
}

/** Draws what there are figures of, and returns by mark which plots stand under it. */
function plotAll(): Map<string, { name: string; title: string }[]> {
  const drawnBy = new Map<string, { name: string; title: string }[]>();
  const own = [
    ...(worker ? [{ ...WORKER, groups: workerGroups(worker) }] : []),
    ...(streams ? [{ ...STREAMS, groups: streamsGroups(streams) }] : []),
  ];
  const all = [...PLOTS.map((plot) => ({ ...plot, groups: groupsOf(plot) })), ...own];
  mkdirSync(FOLDER, { recursive: true });
  for (const file of readdirSync(FOLDER)) if (file.endsWith('.svg')) rmSync(join(FOLDER, file));
  for (const plot of all) {
    if (plot.groups.length === 0) continue;
    writeFileSync(join(FOLDER, `${plot.name}.svg`), drawn(chartOf(plot, plot.groups)));
    drawnBy.set(plot.under, [...(drawnBy.get(plot.under) ?? []), plot]);
  }
  return drawnBy;
}

const WORKER: Plot = {
  name: 'worker-echo',
  under: 'worker-echo',
  title: 'Echo between threads: CPU time of both per message',
  unit: 'µs',
  logarithmic: true,
  workloads: {},
};

const STREAMS: Plot = {
  name: 'byte-streams',
  under: 'byte-streams',
  title: '32 byte streams at one time: CPU time of the server',
  unit: 's/GB',
  workloads: {},
};

const plots = plotAll();
writeFileSync(
  PAGE,
  fillMarks(
    readFileSync(PAGE, 'utf8'),
    (mark) => tableFor(mark),
    (mark) => plots.get(mark) ?? [],
  ),
);
