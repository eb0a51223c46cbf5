import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row, TickerResult, Way } from '../ticker/results.ts';
import { lineOf, rounded } from './outcomes.ts';
import { ROOT } from './results.ts';

const WAYS: Readonly<Record<Way, string>> = { multicast: 'Multicast', tcp: 'TCP links' };

/** What `bench/ticker.ts` recorded: of each way the highest rate that it held, and both at the lower one of these. */
export function tickerTable(): string | undefined {
  const file = join(ROOT, 'bench/results/ticker.json');
  if (!existsSync(file)) return undefined;
  const { plan, rows, command, when, commit, machine, versions } = JSON.parse(
    readFileSync(file, 'utf8'),
  ) as TickerResult;
  const held = (['multicast', 'tcp'] as const).flatMap(
    (way) => rows.findLast((row) => row.way === way && row.ok) ?? [],
  );
  const low = Math.min(...held.map(({ rate }) => rate));
  const alike = held.flatMap(({ way }) => rows.find((row) => row.way === way && row.rate === low) ?? []);
  const shown = [...new Set([...held, ...alike])];
  const { load = '', ...programs } = versions;
  const named = Object.entries(programs).map(([program, version]) => `${program} ${version}`);
  return [
    lineOf([
      `To ${plan.subscribers} subscribers by`,
      'Quotes a second',
      'Heard a second, in all',
      'Quotes that somebody lacks',
      'Repaired on the way',
      'From told to heard, p50 and p99, ms',
      'CPU of the market for a quote, µs',
      'of all subscribers, µs',
    ]),
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...shown.map((row) => lineOf(cellsOf(row, plan.subscribers))),
    '',
    `\`${command}\`: ${when.slice(0, 10)} at commit ${commit}, ${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel},`,
    `${named.join(', ')}; load average ${load}.`,
  ].join('\n');
}

function cellsOf(row: Row, subscribers: number): string[] {
  const whole = (value: number): string => Math.round(value).toLocaleString('en');
  return [
    WAYS[row.way],
    `**${whole(row.rate)}**`,
    whole(row.rate * subscribers),
    whole(row.missing),
    whole(row.recovered),
    `${rounded(row.waitP50Ms)}, ${rounded(row.waitP99Ms)}`,
    rounded(row.marketCpuUs),
    rounded(row.subscribersCpuUs),
  ];
}
