import type { ControllerName } from '../../../src/udpack/congestion/index.ts';
import { mbit, type Outcome, run, type Scenario } from './scenario.ts';

/** Prints the tables of docs/decisions/congestion.md: the same each time, since chance comes from seeds. */

type Flow = Scenario['flows'][number];

const RTT = 40;

function flows(...kinds: readonly ControllerName[]): readonly Flow[] {
  return kinds.map((kind) => ({ kind, delay: RTT / 2 }));
}

function percent(part: number): string {
  return `${Math.round(part * 100)}`;
}

function row(...cells: readonly (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

function head(title: string, ...cells: readonly string[]): void {
  console.log(`\n${title}\n`);
  row(...cells);
  row(...cells.map(() => '---'));
}

/** One flow on 100 Mbit/s with 40 ms and 500 KB of queue: MB/s from the first datagram on. */
function speed(kind: ControllerName, loss: number, more: Partial<Flow> = {}): string {
  const link = { rate: mbit(100), queue: 500_000, loss };
  const outcome = run({ seed: 1, duration: 15_000, link, flows: [{ kind, delay: RTT / 2, ...more }] });
  return (outcome.goodput(0, 0, 15_000) / 1000).toFixed(1);
}

function pair(kinds: readonly [ControllerName, ControllerName], rate: number, queue: number, seed: number): Outcome {
  return run({ seed, duration: 60_000, link: { rate, queue: queue * rate * RTT }, flows: flows(...kinds) });
}

/** The first one's part of the second half, for some seeds, in percent. */
function shares(kinds: readonly [ControllerName, ControllerName], rate: number, queue: number, seeds: number): string {
  const all = Array.from({ length: seeds }, (_, at) =>
    percent(pair(kinds, rate, queue, at + 1).share(0, 30_000, 60_000)),
  );
  return all.join(', ');
}

head('Alone, 100 Mbit/s, 40 ms, queue of one product, MB/s', 'loss', 'bbr', 'cubic', 'newreno');
for (const loss of [0, 0.001, 0.01, 0.03, 0.05]) {
  row(`${loss * 100} %`, speed('bbr', loss), speed('cubic', loss), speed('newreno', loss));
}

head('BBR alone on the same path, MB/s', 'loss', 'jitter of 5 ms', 'stalls of 6 ms', 'stalls of 20 ms');
for (const loss of [0, 0.01, 0.03]) {
  const busy = (every: number, by: number): string => speed('bbr', loss, { stall: { every, by } });
  row(`${loss * 100} %`, speed('bbr', loss, { jitter: 5 }), busy(60, 6), busy(200, 20));
}

head("BBR's part beside CUBIC, percent, one number per seed", 'queue', '20 Mbit/s', '50 Mbit/s', '100 Mbit/s');
for (const queue of [0.06, 0.12, 0.25, 0.5, 1, 2, 4]) {
  const part = (rate: number, seeds: number): string => shares(['bbr', 'cubic'], mbit(rate), queue, seeds);
  row(queue, part(20, 3), part(50, 2), part(100, 2));
}

head('Two of a kind, percent of the first, 20 Mbit/s', 'queue', 'bbr', 'cubic', 'newreno');
for (const queue of [0.5, 1, 2, 4]) {
  const part = (kind: ControllerName): string => shares([kind, kind], mbit(20), queue, 3);
  row(queue, part('bbr'), part('cubic'), part('newreno'));
}
