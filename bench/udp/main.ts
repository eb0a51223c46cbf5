/**
 * UDPack beside its peers: bulk, round trips, loss, handshakes. Every figure is of fresh processes, server and load generator on a core
 * each; repetitions are interleaved, their order rotates.
 *
 *   npm run bench:udp -- [--only bulk-1452,loss-1] [--peers udpack,tls] [--repetitions 5] [--tries 3] [--link FOLDER] [--out bench/results]
 *
 * Needs Linux with two cores and `taskset`; root for what is measured in network namespaces; for an emulated link the folder of the
 * emulator (`netlab.sh`), named by --link. What can't be had is left out, and said.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { type Figures, measure } from './measure.ts';
import { PLANS, type Plan, type Variant } from './plans.ts';
import { emulated, loopback, narrowLoopback, type World } from './worlds.ts';

/** Cores that others may keep busy before a run is done again. */
const OTHERS_MOST = 0.15;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Row extends Figures {
  readonly repetition: number;
  readonly variant: string;
}

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    /** How often a run is done, at most, while others disturb it. */
    tries: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    link: { type: 'string' },
    out: { type: 'string' },
    profile: { type: 'string' },
  },
});

function makeKeys(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-bench-'));
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.77.0.2';
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'.split(
    ' ',
  );
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  execFileSync('openssl', [...words, '-addext', names, ...files], { stdio: 'ignore' });
  return folder;
}

function worldOf({ where, loss = 0, nat = false }: Plan, { congestion = 'cubic' }: Variant, repetition: number): World {
  if (where === 'loopback') return loopback();
  if (where === 'narrow') return narrowLoopback();
  const link = { delayMs: 20, loss, rateMbit: 100, queueKb: 500, seed: 100 + repetition, nat, congestion };
  if (options.link === undefined) throw new Error('--link names the folder of the emulator');
  return emulated(options.link, link);
}

async function once(plan: Plan, variant: Variant, repetition: number, keys: string): Promise<Figures> {
  const world = worldOf(plan, variant, repetition);
  try {
    return await measure(plan, variant, world, { keys, profile: options.profile });
  } finally {
    world.close();
  }
}

/** A run that others disturbed is done again; the calmest counts. */
async function calm(plan: Plan, variant: Variant, repetition: number, keys: string): Promise<Figures> {
  let best = await once(plan, variant, repetition, keys);
  for (let tries = 1; tries < Number(options.tries) && best.othersCores > OTHERS_MOST; tries++) {
    await sleep(2000);
    const again = await once(plan, variant, repetition, keys);
    if (again.othersCores < best.othersCores) best = again;
  }
  return best;
}

/** Each repetition begins with another variant. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

async function runPlan(plan: Plan, repetitions: number, keys: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const variant of rotated(plan.variants, repetition)) {
      try {
        const row = { repetition, variant: variant.name, ...(await calm(plan, variant, repetition, keys)) };
        rows.push(row);
        console.log(shown(plan, row));
      } catch (error) {
        console.log(`${plan.name} #${repetition} ${variant.name}: left out: ${(error as Error).message}`);
      }
    }
  }
  return rows;
}

function shown(plan: Plan, row: Row): string {
  const { seconds, bytes, messages, serverCpu, clientCpu, latencyMs, missing, wireBytes, othersCores, loadAverage } =
    row;
  const forged = plan.load.kind === 'forged';
  // Who forges pays for himself.
  const cpu = forged ? serverCpu : serverCpu + clientCpu;
  const parts = [
    bytes > 0 ? `${(bytes / seconds / 1e6).toFixed(2)} MB/s, ${(cpu / (bytes / 1e9)).toFixed(2)} CPU s/GB` : '',
    messages > 0 ? `${Math.round(messages / seconds)}/s, ${((cpu * 1e6) / messages).toFixed(1)} CPU us each` : '',
    latencyMs === undefined
      ? ''
      : `p50 ${latencyMs.p50.toFixed(3)} p95 ${latencyMs.p95.toFixed(3)} p99 ${latencyMs.p99.toFixed(3)} most ${latencyMs.most.toFixed(1)} ms`,
    missing === undefined ? '' : `missing ${missing}`,
    wireBytes === undefined ? '' : `wire ${(wireBytes / seconds / 1e6).toFixed(2)} MB/s`,
    row.forged === undefined ? '' : `forged ${Math.round(row.forged / seconds)}/s`,
    `cores ${(serverCpu / seconds).toFixed(2)}+${(clientCpu / seconds).toFixed(2)}, others ${othersCores.toFixed(2)}, load ${loadAverage}`,
  ];
  return `${plan.name} #${row.repetition} ${row.variant}: ${parts.filter((part) => part !== '').join('; ')}`;
}

function versions(): Record<string, string> {
  const of = (name: string): string => {
    const file = join(ROOT, 'bench/node_modules', name, 'package.json');
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  };
  const { node, openssl } = process.versions;
  return { node, openssl, '@matrixai/quic': of('@matrixai/quic'), 'node-kcp': of('node-kcp') };
}

function record(plan: Plan, rows: readonly Row[], folder: string): void {
  const seconds = options.seconds === undefined ? '' : ` --seconds ${options.seconds}`;
  const link = plan.where === 'link' ? ' --link FOLDER' : '';
  const page = {
    plan,
    command: `npm run bench:udp -- --only ${plan.name} --repetitions ${options.repetitions}${seconds}${link}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() },
    versions: versions(),
    rows,
  };
  writeFileSync(join(folder, `udp-${plan.name}.json`), `${JSON.stringify(page, null, 1)}\n`);
}

async function main(): Promise<void> {
  const only = options.only?.split(',');
  const peers = options.peers?.split(',');
  const keys = makeKeys();
  for (const plan of PLANS.filter(({ name }) => only?.includes(name) ?? true)) {
    const variants = plan.variants.filter(({ peer }) => peers?.includes(peer) ?? true);
    const measureMs = options.seconds === undefined ? plan.measureMs : Number(options.seconds) * 1e3;
    const rows = await runPlan({ ...plan, variants, measureMs }, Number(options.repetitions), keys);
    if (options.out !== undefined && rows.length > 0) record(plan, rows, options.out);
  }
  rmSync(keys, { recursive: true });
}

await main();
