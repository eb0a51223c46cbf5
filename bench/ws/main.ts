/**
 * Hawser's WebSocket and its byte streams beside their peers. Every figure is of fresh processes, server and load generator on a core
 * each; repetitions are interleaved, their order rotates.
 *
 *   npm run bench:ws -- [--only link-echo-16,memory] [--peers hawser,socket.io] [--repetitions 5] [--seconds 2] [--out bench/results]
 *
 * Needs Linux with two cores and `taskset`. What can't be had is left out, and said. `--profile FOLDER` writes CPU profiles of servers in
 * Node; the figures of such a run are worth nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { type Figures, measure } from './measure.ts';
import type { PeerName } from './peers/index.ts';
import { PLANS, type Plan } from './plans.ts';
import { buildPrograms } from './process.ts';
import { medians, type Row, ratiosOf } from './ratios.ts';

/** Cores that others may keep busy before a run is done again, and how often it is. */
const OTHERS_MOST = 0.15;
const TRIES = 3;
const UNITS = { cpu: 'us CPU', memory: 'bytes', latency: 'ms p99' } as const;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    warmup: { type: 'string', default: '1.5' },
    tries: { type: 'string', default: String(TRIES) },
    out: { type: 'string' },
    profile: { type: 'string' },
  },
});

function once(plan: Plan, peer: PeerName): Promise<Figures> {
  const profile = options.profile === undefined ? undefined : join(options.profile, `${plan.name}-${peer}`);
  const [warmupMs, measureMs] = [Number(options.warmup) * 1e3, plan.measureMs ?? Number(options.seconds) * 1e3];
  return measure(plan, peer, { warmupMs, measureMs, profile });
}

/** A run that others disturbed is done again; the calmest counts. */
async function calm(plan: Plan, peer: PeerName): Promise<Figures> {
  let best = await once(plan, peer);
  for (let tries = 1; tries < Number(options.tries) && best.othersCores > OTHERS_MOST; tries++) {
    await sleep(1000);
    const again = await once(plan, peer);
    if (again.othersCores < best.othersCores) best = again;
  }
  return best;
}

/** Each repetition begins with another peer. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

async function runPlan(plan: Plan, repetitions: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const peer of rotated(plan.peers, repetition)) {
      try {
        const row = { repetition, peer, ...(await calm(plan, peer)) };
        rows.push(row);
        console.log(shown(plan, row));
      } catch (error) {
        console.log(`${plan.name} #${repetition} ${peer}: left out: ${(error as Error).message}`);
      }
    }
  }
  return rows;
}

function shown(plan: Plan, row: Row): string {
  const { repetition, peer, value, count, seconds, serverCores, generatorCores, latencyMs } = row;
  const parts = [
    `${value.toFixed(value < 100 ? 2 : 0)} ${UNITS[plan.unit]}`,
    `${Math.round(count / seconds)}/s`,
    latencyMs === undefined ? '' : `p50 ${latencyMs.p50.toFixed(3)} p95 ${latencyMs.p95.toFixed(3)} ms`,
    `cores ${serverCores.toFixed(2)}+${generatorCores.toFixed(2)}`,
    `others ${row.othersCores.toFixed(2)}, load ${row.loadAverage.toFixed(1)}`,
  ];
  return `${plan.name} #${repetition} ${peer}: ${parts.filter((part) => part !== '').join('; ')}`;
}

function versions(): Record<string, string | undefined> {
  const of = (name: string): string => {
    const file = join(ROOT, 'bench/node_modules', name, 'package.json');
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  };
  const peers = ['ws', 'socket.io', 'bun', '@rjweb/uws'].map((name) => [name, of(name)]);
  return { node: process.versions.node, ...Object.fromEntries(peers) };
}

function record(plan: Plan, rows: readonly Row[], folder: string): void {
  const page = {
    plan,
    command: `npm run bench:ws -- --only ${plan.name} --repetitions ${options.repetitions} --seconds ${options.seconds} --warmup ${options.warmup}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() },
    versions: versions(),
    medians: medians(rows),
    ratios: ratiosOf(plan, rows),
    rows,
  };
  writeFileSync(join(folder, `ws-${plan.name}.json`), `${JSON.stringify(page, null, 1)}\n`);
}

async function main(): Promise<void> {
  const only = options.only?.split(',');
  const wanted = options.peers?.split(',');
  await buildPrograms();
  for (const plan of PLANS.filter(({ name }) => only?.includes(name) ?? true)) {
    const peers = plan.peers.filter((peer) => wanted?.includes(peer) ?? true);
    const rows = await runPlan({ ...plan, peers }, Number(options.repetitions));
    for (const { peer, against, ratio, most, met } of ratiosOf(plan, rows)) {
      console.log(
        `${plan.name}: ${peer} / ${against ?? 1} = ${ratio.toFixed(3)}, target ${most}${met ? '' : ': MISSED'}`,
      );
    }
    if (options.out !== undefined) record(plan, rows, options.out);
  }
}

await main();
