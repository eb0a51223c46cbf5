/**
 * `hawser send` beside `scp`: one file that looks like chance, from one process to another, receiver and sender pinned to a core each. Over
 * an emulated link at 1 % loss each has so many seconds, and what is there by then counts; over loopback each sends all of it.
 *
 *   npm run bench:files -- [--only link,loopback] [--peers hawser,scp] [--repetitions 3] [--seconds 60] [--mebibytes 1024]
 *                          [--link FOLDER] [--out bench/results] [--profile FOLDER]
 *
 * Needs Linux with two cores and `taskset`, OpenSSH's client and server with SFTP; for the link root, and the folder of the emulator.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { emulated, loopback, type World } from '../udp/worlds.ts';
import { CARRIERS, type Carrier, type CarrierName } from './carriers.ts';
import type { FilesPlan, FilesResult, FilesRow } from './results.ts';

const MIB = 1 << 20;

const PLANS: readonly FilesPlan[] = [
  {
    name: 'link',
    what: 'A file over 100 Mbit/s, 40 ms round trip, a queue of 500 KB and 1 % loss each way',
    where: 'link',
    carriers: ['hawser, UDPack', 'scp'],
  },
  {
    name: 'loopback',
    what: 'A file over loopback',
    where: 'loopback',
    carriers: ['hawser, TCP', 'hawser, UDPack', 'scp'],
  },
];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    mebibytes: { type: 'string', default: '1024' },
    link: { type: 'string' },
    out: { type: 'string' },
    profile: { type: 'string' },
  },
});

function makeFile(path: string, mebibytes: number): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let written = 0; written < mebibytes; written++) {
    const piece = randomBytes(MIB);
    hash.update(piece);
    writeSync(file, piece);
  }
  closeSync(file);
  return hash.digest('hex');
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex');
}

function worldOf({ where }: FilesPlan, repetition: number): World {
  if (where === 'loopback') return loopback();
  const link = { delayMs: 20, loss: 0.01, rateMbit: 100, queueKb: 500, seed: 300 + repetition, nat: false };
  if (options.link === undefined) throw new Error('--link names the folder of the emulator');
  return emulated(options.link, { ...link, congestion: 'cubic' });
}

/** What is in a folder, under whatever names. */
function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function once(
  plan: FilesPlan,
  name: CarrierName,
  repetition: number,
  file: string,
  digest: string,
): Promise<FilesRow> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-inbox-'));
  const inbox = join(folder, 'inbox');
  mkdirSync(inbox);
  const world = worldOf(plan, repetition);
  const carrier: Carrier = CARRIERS[name];
  try {
    // What the last one left to be written is not this one's affair.
    execFileSync('sync');
    const sent = await carrier({
      world,
      folder,
      inbox,
      file,
      seconds: Number(options.seconds),
      profile: options.profile,
    });
    const [arrived = ''] = readdirSync(inbox);
    const complete = sent.ended && (await digestOf(join(inbox, arrived))) === digest;
    return { repetition, carrier: name, seconds: sent.seconds, bytes: bytesIn(inbox), complete, cpu: sent.cpu };
  } finally {
    world.close();
    rmSync(folder, { recursive: true });
  }
}

function shown({ name }: FilesPlan, row: FilesRow): string {
  const { repetition, carrier, seconds, bytes, complete } = row;
  const speed = `${(bytes / seconds / 1e6).toFixed(2)} MB/s (${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(2)} s)`;
  const cpu = `${(row.cpu / (bytes / 1e9)).toFixed(2)} CPU s/GB`;
  return `${name} #${repetition} ${carrier}: ${speed}, ${complete ? 'complete' : 'stopped'}; ${cpu}`;
}

function record(plan: FilesPlan, rows: readonly FilesRow[]): void {
  if (options.out === undefined) return;
  const words = `--only ${plan.name} --repetitions ${options.repetitions} --seconds ${options.seconds}`;
  const link = plan.where === 'link' ? ' --link FOLDER' : '';
  const page: FilesResult = {
    plan,
    command: `npm run bench:files -- ${words} --mebibytes ${options.mebibytes}${link}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release() },
    versions: { node: process.versions.node, openssl: process.versions.openssl, openssh: openSsh() },
    rows,
  };
  writeFileSync(join(options.out, `files-${plan.name}.json`), `${JSON.stringify(page, null, 1)}\n`);
}

function openSsh(): string {
  return execFileSync('sh', ['-c', 'ssh -V 2>&1'], { encoding: 'utf8' }).split(',')[0] ?? '';
}

async function runPlan(plan: FilesPlan, file: string, digest: string): Promise<void> {
  const peers = options.peers?.split(',');
  const carriers = plan.carriers.filter((name) => peers?.some((peer) => name.startsWith(peer)) ?? true);
  const rows: FilesRow[] = [];
  for (let repetition = 0; repetition < Number(options.repetitions); repetition++) {
    const first = repetition % carriers.length;
    for (const name of [...carriers.slice(first), ...carriers.slice(0, first)]) {
      const row = await once(plan, name, repetition, file, digest);
      rows.push(row);
      console.log(shown(plan, row));
    }
  }
  record(plan, rows);
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-outbox-'));
  try {
    const file = join(folder, 'file.bin');
    const digest = makeFile(file, Number(options.mebibytes));
    const only = options.only?.split(',');
    for (const plan of PLANS.filter(({ name }) => only?.includes(name) ?? true)) await runPlan(plan, file, digest);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
