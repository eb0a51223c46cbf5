/**
 * Several nodes beside Socket.IO's adapters: what a delivery costs, and how long members on other nodes wait. Every figure is of fresh
 * processes; all nodes share a core, the members and the engine's server have the other. Repetitions are interleaved, their order rotates.
 *
 *   npm run bench:nodes -- [--only redis-2-latency,…] [--peers hawser] [--repetitions 3] [--seconds 2] [--out bench/results]
 *
 * Needs Linux with two cores, `taskset`, and nats-server and redis-server of Debian. `--profile FOLDER` writes CPU profiles of nodes; the
 * figures of such a run are worth nothing.
 */
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { median, ratioWithin } from '../ratios.ts';
import { type Figures, measure } from './measure.ts';
import type { PeerName } from './orders.ts';
import { PLANS, type Plan } from './plans.ts';
import { buildPrograms } from './process.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    warmup: { type: 'string', default: '1.5' },
    out: { type: 'string' },
    profile: { type: 'string' },
  },
});

interface Row extends Figures {
  readonly repetition: number;
  readonly peer: PeerName;
}

/** What a plan is about: us, or ms at the 99th percentile. */
function figureOf({ load }: Plan, row: Row): number | undefined {
  return load.kind === 'bursts' ? row.nodesUs : row.latencyMs?.p99;
}

async function runPlan(plan: Plan, repetitions: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const at = repetition % plan.peers.length;
    for (const peer of [...plan.peers.slice(at), ...plan.peers.slice(0, at)]) {
      try {
        const profile = options.profile === undefined ? undefined : join(options.profile, `${plan.name}-${peer}`);
        const [warmupMs, measureMs] = [Number(options.warmup) * 1e3, Number(options.seconds) * 1e3];
        const row = { repetition, peer, ...(await measure(plan, peer, { warmupMs, measureMs, profile })) };
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
  const { latencyMs: latency } = row;
  const parts = [
    `${row.nodesUs.toFixed(2)} us of nodes, ${row.serverUs.toFixed(2)} us of the server`,
    `${Math.round(row.perSecond)}/s`,
    latency === undefined ? '' : `p50 ${latency.p50.toFixed(2)} p99 ${latency.p99.toFixed(2)} ms`,
    `cores ${row.nodesCores.toFixed(2)}+${row.membersCores.toFixed(2)}, others ${row.othersCores.toFixed(2)}`,
  ];
  return `${plan.name} #${row.repetition} ${row.peer}: ${parts.filter((part) => part !== '').join('; ')}`;
}

function ratioOf(plan: Plan, rows: readonly Row[]): number | undefined {
  const isOurs = ({ peer }: Row): boolean => peer === 'hawser';
  const isTheirs = ({ peer }: Row): boolean => peer === 'socket.io';
  return ratioWithin(rows, isOurs, isTheirs, (row) => figureOf(plan, row));
}

function record(plan: Plan, rows: readonly Row[], folder: string): void {
  const page = {
    plan,
    command: `npm run bench:nodes -- --only ${plan.name} --repetitions ${options.repetitions} --seconds ${options.seconds} --warmup ${options.warmup}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() },
    versions: { node: process.versions.node },
    ratio: ratioOf(plan, rows),
    rows,
  };
  writeFileSync(join(folder, `nodes-${plan.name}.json`), `${JSON.stringify(page, null, 1)}\n`);
}

async function main(): Promise<void> {
  const only = options.only?.split(',');
  const wanted = options.peers?.split(',');
  await buildPrograms();
  for (const plan of PLANS.filter(({ name }) => only?.includes(name) ?? true)) {
    const peers = plan.peers.filter((peer) => wanted?.includes(peer) ?? true);
    const rows = await runPlan({ ...plan, peers }, Number(options.repetitions));
    const ratio = ratioOf(plan, rows);
    const ours = median(rows.filter(({ peer }) => peer === 'hawser').flatMap((row) => figureOf(plan, row) ?? []));
    const aim = plan.most === undefined ? '' : `, aim ${plan.most}${(ratio ?? 0) <= plan.most ? '' : ': MISSED'}`;
    console.log(`${plan.name}: ${ours?.toFixed(2)}; ${ratio?.toFixed(3) ?? 'no'} of socket.io's${aim}`);
    if (options.out !== undefined) record(plan, rows, options.out);
  }
}

await main();
