import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FilesResult } from '../files/results.ts';
import { median, ratioWithin } from '../ratios.ts';
import { type Outcome, rounded, spread } from './outcomes.ts';
import { ROOT } from './results.ts';

const THEIRS = 'scp';

function read(name: string): FilesResult | undefined {
  const file = join(ROOT, 'bench/results', `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FilesResult) : undefined;
}

type Row = FilesResult['rows'][number];

const megabytes = ({ bytes, seconds }: Row): number => bytes / seconds / 1e6;

/** The median of what a carrier has for each of what scp has, within a repetition. */
function besideScp({ rows }: FilesResult, carrier: string): number | undefined {
  return ratioWithin(
    rows,
    (row) => row.carrier === carrier,
    (row) => row.carrier === THEIRS,
    megabytes,
  );
}

/** What `bench/files` recorded of one workload, as a table, and where it comes from. */
export function filesTable(name: string): string | undefined {
  const result = read(name);
  if (result === undefined) return undefined;
  const lines = result.plan.carriers.map((carrier) => {
    const rows = result.rows.filter((row) => row.carrier === carrier);
    const beside = carrier === THEIRS ? undefined : besideScp(result, carrier);
    const [speeds, cpus] = [rows.map(megabytes), rows.map((row) => row.cpu / (row.bytes / 1e9))];
    const times = beside === undefined ? '' : `${rounded(beside)} ×`;
    return `| ${carrier} | ${spread(speeds, median(speeds))} | ${spread(cpus, median(cpus))} | ${times} |`;
  });
  const { command, when, commit, machine, versions } = result;
  const named = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  return [
    '| | MB/s | CPU s/GB | MB/s to scp’s |',
    '| --- | ---: | ---: | ---: |',
    ...lines,
    '',
    `\`${command}\`: ${when.slice(0, 10)} at commit ${commit}, ${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel},`,
    `${named.join(', ')}.`,
  ].join('\n');
}

/** The aims of files for which there is a figure. */
export function filesOutcomes(): Outcome[] {
  return [
    ...outcomeOf('A file over 100 Mbit/s, 40 ms and 1 % loss', 'files-link', 'hawser, UDPack', 15),
    ...outcomeOf('A file over loopback TCP', 'files-loopback', 'hawser, TCP', 1),
  ];
}

function outcomeOf(
  what: string,
  name: string,
  carrier: FilesResult['plan']['carriers'][number],
  least: number,
): Outcome[] {
  const result = read(name);
  const value = result && besideScp(result, carrier);
  if (result === undefined || value === undefined) return [];
  const of = (one: string): string => {
    const middle = median(result.rows.filter((row) => row.carrier === one).map(megabytes));
    return middle === undefined ? '–' : `${rounded(middle)} MB/s`;
  };
  return [
    { what, ours: of(carrier), peer: THEIRS, theirs: of(THEIRS), value, unit: ' ×', least, commit: result.commit },
  ];
}
