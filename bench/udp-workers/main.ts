/**
 * What it costs that workers share a UDP port: one process, one worker, and two of which each reads what is for both, so that half of what comes
 * is handed on. CPU time of all processes of the server per datagram that came, and what gets through. Fresh processes for each figure;
 * repetitions are interleaved. The machine's cores are not divided: the client, the workers and the primary have them together.
 *
 *   npm run bench:udp-workers -- [--repetitions 5] [--seconds 3] [--out bench/results]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generateKeys, UDPack, type UdpackStream } from 'hawser/udpack';
import { commitOf } from '../commit.ts';
import { median } from '../ratios.ts';
import { clock, Latencies, pattern } from '../udp/tally.ts';
import { machineCpuUs } from '../udp/worlds.ts';
import type { Serving, Used } from './serving.ts';

interface Load {
  readonly name: string;
  readonly datagramSize: number;
  /** Bytes of a packet. */
  readonly size: number;
  readonly sessions: number;
  /** Undefined: as much as goes; else each session asks every so many ms, and is answered. */
  readonly everyMs: number | undefined;
}

const LOADS: readonly Load[] = [
  { name: 'bulk-1452', datagramSize: 1452, size: 65_536, sessions: 2, everyMs: undefined },
  { name: 'bulk-60000', datagramSize: 60_000, size: 65_536, sessions: 2, everyMs: undefined },
  { name: 'echo', datagramSize: 1452, size: 64, sessions: 50, everyMs: 10 },
];
const WORKERS = [0, 1, 2] as const;
const KEYS = generateKeys();
const WARMUP_MS = 2000;

interface Row {
  readonly load: string;
  readonly workers: number;
  readonly repetition: number;
  readonly mbPerSecond: number;
  readonly datagramsPerSecond: number;
  /** Share of the datagrams that were handed on. */
  readonly forwarded: number;
  readonly dropped: number;
  /** CPU us per datagram that came: of all processes of the server, and of the primary alone. */
  readonly serverUs: number;
  readonly primaryUs: number;
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Cores that others kept busy. */
  readonly othersCores: number;
}

async function told<Value>(child: ChildProcess): Promise<Value> {
  const [message] = (await once(child, 'message', { signal: AbortSignal.timeout(30_000) })) as [Value];
  return message;
}

async function mark(server: ChildProcess): Promise<{ readonly used: readonly Used[]; readonly atMs: number }> {
  server.send('mark');
  const { used } = await told<{ used: Used[] }>(server);
  return { used, atMs: clock() };
}

/** What a process of the server has used between two marks. */
function sum(used: readonly Used[], of: (one: Used) => number): number {
  return used.reduce((total, one) => total + of(one), 0);
}

async function pour(stream: UdpackStream, message: Uint8Array): Promise<void> {
  for (;;) if (!stream.send(message)) await once(stream, 'drain');
}

/** Sessions that begin one after the other until each worker has as many as the others: what bulk goes to says nothing if one has all. */
async function dialled(client: UDPack, port: number, count: number): Promise<UdpackStream[]> {
  const streams: UdpackStream[] = [];
  while (streams.length < count) {
    const session = await client.connect({ port });
    streams.push(await session.openStream());
  }
  return streams;
}

async function run(load: Load, workers: number, repetition: number, ms: number): Promise<Row> {
  const serving: Serving = {
    key: KEYS.privateKey,
    workers,
    datagramSize: load.datagramSize,
    echo: load.everyMs !== undefined,
  };
  const server = fork(fileURLToPath(new URL('serving.ts', import.meta.url)), [], {
    env: { ...process.env, BENCH: JSON.stringify(serving) },
  });
  const client = new UDPack({ pubkey: KEYS.publicKey, datagramSize: load.datagramSize });
  const latencies = new Latencies();
  const timers: NodeJS.Timeout[] = [];
  try {
    const { port } = await told<{ port: number }>(server);
    const streams = await dialled(await client.ready(), port, load.sessions);
    const message = pattern(load.size);
    for (const stream of streams) {
      if (load.everyMs === undefined) void pour(stream, message).catch(() => {});
      else timers.push(asking(stream, message, load.everyMs, latencies));
    }
    await sleep(WARMUP_MS);
    latencies.summary();
    const [before, machine, own] = [await mark(server), machineCpuUs(), process.cpuUsage()];
    await sleep(ms);
    const [after, spent] = [await mark(server), process.cpuUsage(own)];
    const seconds = (after.atMs - before.atMs) / 1e3;
    const grown = (of: (one: Used) => number, role?: Used['role']): number => {
      const those = (used: readonly Used[]): readonly Used[] => used.filter((one) => (role ?? one.role) === one.role);
      return sum(those(after.used), of) - sum(those(before.used), of);
    };
    const datagrams = grown((one) => one.datagrams);
    const cpuUs = grown((one) => one.cpuUs);
    const latency = latencies.summary();
    return {
      load: load.name,
      workers,
      repetition,
      mbPerSecond: round(grown((one) => one.bytes) / seconds / 1e6),
      datagramsPerSecond: Math.round(datagrams / seconds),
      forwarded: round(grown((one) => one.forwarded) / datagrams),
      dropped: grown((one) => one.dropped),
      serverUs: round(cpuUs / datagrams),
      primaryUs: round(grown((one) => one.cpuUs, 'primary') / datagrams),
      p50: latency && round(latency.p50),
      p99: latency && round(latency.p99),
      othersCores: round(Math.max(0, (machineCpuUs() - machine - cpuUs - spent.user - spent.system) / seconds / 1e6)),
    };
  } finally {
    for (const timer of timers) clearInterval(timer);
    await client.abort();
    const gone = once(server, 'exit');
    server.kill();
    await gone;
  }
}

function asking(stream: UdpackStream, message: Uint8Array, everyMs: number, latencies: Latencies): NodeJS.Timeout {
  const asked: number[] = [];
  stream.on('data', () => latencies.add(clock() - (asked.shift() ?? 0)));
  return setInterval(() => {
    asked.push(clock());
    stream.send(message);
  }, everyMs);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** What handing a datagram on costs: what two workers take more than one, by what they handed on. */
function costs(rows: readonly Row[]): object[] {
  return LOADS.map(({ name }) => {
    const of = (workers: number, figure: (row: Row) => number): number =>
      median(rows.filter((row) => row.load === name && row.workers === workers).map(figure)) ?? Number.NaN;
    const [alone, one, two] = WORKERS.map((workers) => of(workers, ({ serverUs }) => serverUs));
    const share = of(2, ({ forwarded }) => forwarded);
    return {
      load: name,
      mbPerSecond: WORKERS.map((workers) => of(workers, ({ mbPerSecond }) => mbPerSecond)),
      serverUs: [alone, one, two],
      forwarded: share,
      usPerForwarded: round(((two ?? 0) - (one ?? 0)) / share),
    };
  });
}

async function main(
  repetitions: number,
  seconds: number,
  only: string | undefined,
  out: string | undefined,
): Promise<void> {
  const rows: Row[] = [];
  const loadAverage = loadavg()[0];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const load of LOADS.filter(({ name }) => only === undefined || only === name)) {
      for (const workers of repetition % 2 === 0 ? WORKERS : WORKERS.toReversed()) {
        const row = await run(load, workers, repetition, seconds * 1000);
        rows.push(row);
        console.log(JSON.stringify(row));
      }
    }
  }
  const summary = costs(rows);
  console.log(JSON.stringify(summary, null, 1));
  if (out === undefined) return;
  const page = {
    command: `npm run bench:udp-workers -- --repetitions ${repetitions} --seconds ${seconds}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, loadAverage },
    summary,
    rows,
  };
  writeFileSync(join(out, 'udp-workers.json'), `${JSON.stringify(page, null, 1)}\n`);
}

const { values } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
});
await main(Number(values.repetitions), Number(values.seconds), values.only, values.out);
