import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HttpCase, HttpResult, HttpRow } from '../http/results.ts';
import { median, ratioWithin } from '../ratios.ts';
import { lineOf, type Outcome, rounded, spread } from './outcomes.ts';
import { ROOT } from './results.ts';

const OURS = 'hawser';
const NODE = 'node';

function read(): HttpResult | undefined {
  const file = join(ROOT, 'bench/results/http-static.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as HttpResult) : undefined;
}

const titleOf = ({ protocol, bytes }: HttpCase): string => `${protocol}, ${bytes / 1024} KiB`;

const isOf =
  ({ protocol, bytes }: HttpCase, contestant: string) =>
  (row: HttpRow): boolean =>
    row.contestant === contestant && row.protocol === protocol && row.bytes === bytes;

function besideOurs({ rows }: HttpResult, one: HttpCase, contestant: string): number | undefined {
  return ratioWithin(rows, isOf(one, OURS), isOf(one, contestant), ({ cpuUs }) => cpuUs);
}

/** What `bench/http` recorded, and where it comes from. */
export function httpTable(): string | undefined {
  const result = read();
  if (result === undefined) return undefined;
  const { plan, rows, command, when, commit, machine, versions } = result;
  const lines = plan.cases.flatMap((one) =>
    plan.contestants.map((contestant) => {
      const own = rows.filter(isOf(one, contestant));
      const [times, speeds] = [own.map(({ cpuUs }) => cpuUs), own.map(({ perSecond }) => perSecond)];
      const ratio = contestant === OURS ? undefined : besideOurs(result, one, contestant);
      const beside = ratio === undefined ? '' : `${rounded(ratio)} ×`;
      return lineOf([titleOf(one), contestant, spread(times, median(times)), spread(speeds, median(speeds)), beside]);
    }),
  );
  const others = Math.max(...rows.map(({ othersCores }) => othersCores));
  const named = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  return [
    lineOf(['', '', 'CPU of the server for a request, µs', 'Requests a second', 'CPU time of hawser to it']),
    '| --- | --- | ---: | ---: | ---: |',
    ...lines,
    '',
    `\`${command}\`: ${when.slice(0, 10)} at commit ${commit}, ${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel},`,
    `${named.join(', ')}; others kept at most ${others.toFixed(2)} of a core busy.`,
  ].join('\n');
}

/** No more CPU time than Node's own example. */
export function httpOutcomes(): Outcome[] {
  const result = read();
  return (result?.plan.cases ?? []).flatMap((one) => {
    const value = result && besideOurs(result, one, NODE);
    if (result === undefined || value === undefined) return [];
    const of = (contestant: string): string => {
      const middle = median(result.rows.filter(isOf(one, contestant)).map(({ cpuUs }) => cpuUs));
      return middle === undefined ? '–' : `${rounded(middle)} µs`;
    };
    const what = `A file of ${one.bytes / 1024} KiB over ${one.protocol} and TLS`;
    return [
      { what, ours: of(OURS), peer: 'Node', theirs: of(NODE), value, unit: ' ×', most: 1, commit: result.commit },
    ];
  });
}
