/**
 * `quic:` beside `udpack:` and `tls:`, through Hawser's sockets: how much a client sends in events of 64 KiB, how long a request takes, how many
 * there are in a second with 16 under way, and how long a dial takes. Over loopback as it is, where datagrams may be long, and over one whose
 * longest packet is that of the internet (`ip netns`, which needs root). Server and client are fresh processes on a core each; repetitions are interleaved.
 *
 *   npm run bench:quic -- [--only quic,tls] [--repetitions 3] [--seconds 2] [--out bench/results]
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { machineCpuUs } from '../udp/worlds.ts';
import type { Figures } from './client.ts';

const WAYS = ['quic', 'udpack', 'tls'] as const;
export type Way = (typeof WAYS)[number];

/** What the longest packet is called, and how long it is; undefined: what the system has. */
const WORLDS = { loopback: undefined, internet: 1480 } as const;
type WorldName = keyof typeof WORLDS;

export interface QuicRow extends Figures {
  readonly way: Way;
  readonly world: WorldName;
  readonly repetition: number;
  /** Cores that others kept busy meanwhile. */
  readonly othersCores: number;
  readonly loadAverage: number;
}

const NAMESPACE = `hawser-quic-${process.pid}`;
const here = fileURLToPath(new URL('.', import.meta.url));

function run(command: string, ...words: string[]): void {
  execFileSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** A certificate for this machine, and keys for UDPack. */
function makeKeys(folder: string): void {
  const program = [fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))];
  run(process.execPath, ...program, 'cert', '--out', folder);
  run(process.execPath, ...program, 'keygen', '--out', folder);
}

/** A program in a process of its own, on a core of its own, in one of the worlds. */
function start(program: string, core: number, world: WorldName, words: readonly string[]) {
  const inside = WORLDS[world] === undefined ? [] : ['ip', 'netns', 'exec', NAMESPACE];
  const [command, ...rest] = [...inside, 'taskset', '-c', String(core), process.execPath, '--import', 'tsx'];
  return spawn(command, [...rest, join(here, program), ...words], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function measure(way: Way, world: WorldName, repetition: number, folder: string): Promise<QuicRow> {
  const loadAverage = loadavg()[0] ?? 0;
  const [machine, began] = [machineCpuUs(), performance.now()];
  const server = start('server.ts', 1, world, [way, folder, world]);
  const [port] = (await once(server, 'message')) as [string];
  const client = start('client.ts', 0, world, [way, folder, world, port, values.seconds]);
  try {
    const [figures] = (await once(client, 'message')) as [Figures & { readonly usedUs: number }];
    const { usedUs, ...rest } = figures;
    const passed = (performance.now() - began) * 1e3;
    return {
      way,
      world,
      repetition,
      ...rest,
      othersCores: othersOf(machineCpuUs() - machine - usedUs, passed),
      loadAverage,
    };
  } finally {
    client.kill();
    server.kill();
  }
}

/** Starting the two, which takes about a second of a core, is not others' doing. */
function othersOf(us: number, passedUs: number): number {
  return Math.max(0, (us - 2e6) / passedUs);
}

/** What is known so far: a run that is broken off leaves what it had. */
function record(rows: readonly QuicRow[]): void {
  if (values.out === undefined) return;
  const page = {
    command: `npm run bench:quic -- --repetitions ${values.repetitions} --seconds ${values.seconds}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.versions.node },
    rows,
  };
  writeFileSync(`${values.out}/quic.json`, `${JSON.stringify(page, null, 1)}\n`);
}

async function repeat(repetition: number, folder: string): Promise<QuicRow[]> {
  const ways = WAYS.filter((way) => values.only?.split(',').includes(way) ?? true);
  const rows: QuicRow[] = [];
  for (const world of ['loopback', 'internet'] as const) {
    for (const way of [...ways.slice(repetition % ways.length), ...ways.slice(0, repetition % ways.length)]) {
      const row = await measure(way, world, repetition, folder);
      rows.push(row);
      console.log(JSON.stringify(row));
    }
  }
  return rows;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-bench-quic-'));
  const rows: QuicRow[] = [];
  makeKeys(folder);
  run('ip', 'netns', 'add', NAMESPACE);
  try {
    run('ip', '-n', NAMESPACE, 'link', 'set', 'lo', 'mtu', String(WORLDS.internet), 'up');
    for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
      rows.push(...(await repeat(repetition, folder)));
      record(rows);
    }
  } finally {
    run('ip', 'netns', 'del', NAMESPACE);
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});
await main();
