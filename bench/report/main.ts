/**
 * Writes the figures of bench/results into docs/BENCHMARKS.md, between its marks, and the plots into docs/benchmarks.
 *
 *   npm run bench:report
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goalsTable } from './goals.ts';
import { FIGURES, type Figure, median, type Result, ROOT, readResult, valuesOf, variantsOf } from './results.ts';
import { drawn, type Group } from './svg.ts';
import { rounded, sourceOf, tableOf } from './tables.ts';
import { wsGoals, wsGroups, wsTable } from './ws.ts';

const PAGE = join(ROOT, 'docs/BENCHMARKS.md');
const PLOTS = join(ROOT, 'docs/benchmarks');
const MARK = /(<!-- ((?:udp|ws)-[\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

function found(name: string): Result | undefined {
  return existsSync(join(ROOT, 'bench/results', `${name}.json`)) ? readResult(name) : undefined;
}

function fill(page: string): string {
  return page.replace(MARK, (whole: string, open: string, name: string, close: string) => {
    if (name === 'udp-goals') return `${open}${goalsTable(found)}\n${close}`;
    if (name.startsWith('ws-')) {
      const table = name === 'ws-goals' ? wsGoals() : wsTable(name);
      return table === undefined ? whole : `${open}${table}\n${close}`;
    }
    const result = found(name);
    return result === undefined ? whole : `${open}${tableOf(result)}\n\n${sourceOf(result)}\n${close}`;
  });
}

function bars(result: Result, name: string, figure: Figure): Group {
  const values = variantsOf(result).flatMap((variant) => {
    const value = median(valuesOf(result, variant, figure));
    return value === undefined ? [] : [{ name: variant, value, text: rounded(value) }];
  });
  return { name, bars: values };
}

function groups(names: Readonly<Record<string, string>>, figure: Figure): Group[] {
  return Object.entries(names).flatMap(([name, title]) => {
    const result = found(name);
    return result === undefined ? [] : [bars(result, title, figure)];
  });
}

function plot(name: string, title: string, unit: string, content: readonly Group[], logarithmic: boolean): void {
  if (content.length === 0) return;
  writeFileSync(join(PLOTS, `${name}.svg`), drawn({ title, unit, groups: content, logarithmic }));
}

function plotWebSockets(): void {
  const link = {
    'link-echo-16': 'echo, 16 in flight',
    'link-broadcast-16': 'broadcast, bursts of 16, per delivery',
    'link-echo-1': 'echo, one in flight',
    'link-broadcast-1': 'broadcast, one at a time, per delivery',
  };
  plot('ws-link', 'WebSocket: CPU time of the server per message of 64 bytes', 'µs', wsGroups(link), false);
  const framework = {
    'echo-16': 'echo of an event, 16 in flight',
    'request-16': 'request and answer, 16 in flight',
    'broadcast-16': 'broadcast to a room, bursts of 16, per delivery',
    'echo-1': 'echo of an event, one in flight',
  };
  plot('ws-framework', 'The whole: CPU time of the server per message', 'µs', wsGroups(framework), false);
}

function plotAll(): void {
  mkdirSync(PLOTS, { recursive: true });
  plotWebSockets();
  const bulk = { 'udp-bulk-1452': 'datagrams of 1,452 bytes', 'udp-bulk-free': 'as long as each likes' };
  plot('udp-bulk', 'Bulk over loopback', 'MB/s', groups(bulk, FIGURES.megabytes), true);
  const loss = { 'udp-loss-0': 'no loss', 'udp-loss-1': '1 % loss', 'udp-loss-3': '3 % loss' };
  plot('udp-loss', 'Goodput: 100 Mbit/s, 40 ms round trip', 'MB/s', groups(loss, FIGURES.megabytes), false);
  const streams = found('udp-streams-2');
  if (streams === undefined) return;
  const shares = { p50: FIGURES.p50, p95: FIGURES.p95, p99: FIGURES.p99 };
  const latencies = Object.entries(shares).map(([name, figure]) => bars(streams, name, figure));
  plot('udp-streams', '64 bytes on each of ten streams every 10 ms, 2 % loss', 'ms', latencies, false);
}

writeFileSync(PAGE, fill(readFileSync(PAGE, 'utf8')));
plotAll();
