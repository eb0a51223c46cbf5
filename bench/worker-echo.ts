/**
 * Echo between two threads, over `worker:` with sessions on and by bare `postMessage` of the same bytes: CPU time of the whole process, both
 * threads, per message there and back. Every figure is of a fresh process; repetitions are interleaved.
 *
 *   npm run bench:worker-echo -- [--repetitions 5] [--seconds 2] [--out bench/results]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { connect } from 'hawser/client';
import { commitOf } from './commit.ts';
import { ratioWithin } from './ratios.ts';
import { pattern } from './udp/tally.ts';
import { machineCpuUs } from './udp/worlds.ts';

const WAYS = ['hawser', 'bare'] as const;
type Way = (typeof WAYS)[number];

interface Case {
  readonly bytes: number;
  readonly inFlight: number;
}

interface Row extends Case {
  readonly repetition: number;
  readonly way: Way;
  readonly cpuUs: number;
  readonly perSecond: number;
  /** Cores that others kept busy meanwhile. */
  readonly othersCores: number;
}

type Figures = Pick<Row, 'cpuUs' | 'perSecond' | 'othersCores'>;

interface Api {
  readonly toServer: { readonly events: { readonly echo: Uint8Array } };
  readonly toClient: { readonly events: { readonly echo: Uint8Array } };
}

const CASES: readonly Case[] = [
  { bytes: 64, inFlight: 1 },
  { bytes: 64, inFlight: 16 },
  { bytes: 65_536, inFlight: 4 },
];

const WARMUP_MS = 1500;

/** The other threads. */
const THREADS: Readonly<Record<Way, string>> = {
  hawser: `
    import('hawser').then(async ({ createServer }) => {
      const server = createServer({ limits: { messageRate: Infinity } });
      server.on('connection', (socket) => socket.on('echo', (bytes) => void socket.send('echo', bytes)));
      await server.listen('worker:echo');
    });
    require('node:worker_threads').parentPort.on('message', () => {});
  `,
  bare: `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (bytes) => parentPort.postMessage(bytes));
  `,
};

/** Starts the echo; calls `heard` for each message that is back. */
async function start(way: Way, { bytes, inFlight }: Case, heard: () => void): Promise<void> {
  const message = pattern(bytes);
  const worker = new Worker(THREADS[way], { eval: true });
  const answered = (back: Uint8Array): void => {
    if (back.length !== bytes || back[bytes - 1] !== message[bytes - 1]) throw new Error('something else came back');
    heard();
    send();
  };
  let send = (): void => worker.postMessage(message);
  if (way === 'hawser') {
    const socket = await connect<Api>('worker:echo');
    send = () => void socket.send('echo', message);
    socket.on('echo', answered);
  } else {
    worker.on('message', answered);
  }
  for (let i = 0; i < inFlight; i++) send();
}

/** In a process of its own. */
async function measure(way: Way, one: Case, ms: number): Promise<Figures> {
  let count = 0;
  await start(way, one, () => {
    count += 1;
  });
  await sleep(WARMUP_MS);
  const [before, counted, began, machine] = [process.cpuUsage(), count, performance.now(), machineCpuUs()];
  await sleep(ms);
  const { user, system } = process.cpuUsage(before);
  const [done, passedUs] = [count - counted, (performance.now() - began) * 1e3];
  return {
    cpuUs: (user + system) / done,
    perSecond: Math.round((done * 1e6) / passedUs),
    othersCores: Math.max(0, (machineCpuUs() - machine - user - system) / passedUs),
  };
}

async function inFreshProcess(way: Way, one: Case, seconds: string): Promise<Figures> {
  const child = fork(fileURLToPath(import.meta.url), ['--measure', JSON.stringify({ way, one }), '--seconds', seconds]);
  const [row] = (await once(child, 'message')) as [Figures];
  await once(child, 'exit');
  return row;
}

/** Hawser's CPU time to that of bare messages, within a repetition. */
function ratio(rows: readonly Row[], one: Case): number {
  const of = (way: Way) => (row: Row) => row.way === way && row.bytes === one.bytes && row.inFlight === one.inFlight;
  return ratioWithin(rows, of('hawser'), of('bare'), ({ cpuUs }) => cpuUs) ?? Number.NaN;
}

async function main(repetitions: number, seconds: string, out: string | undefined): Promise<void> {
  const rows: Row[] = [];
  const loadAverage = loadavg()[0];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const one of CASES) {
      for (const way of repetition % 2 === 0 ? WAYS : WAYS.toReversed()) {
        const row = { repetition, way, ...one, ...(await inFreshProcess(way, one, seconds)) };
        rows.push(row);
        console.log(
          `${one.bytes} bytes, ${one.inFlight} in flight, ${way}: ${row.cpuUs.toFixed(2)} us, ${row.perSecond}/s, others ${row.othersCores.toFixed(2)}`,
        );
      }
    }
  }
  const ratios = CASES.map((one) => ({ ...one, ratio: Math.round(ratio(rows, one) * 1000) / 1000, most: 1.3 }));
  console.log(JSON.stringify(ratios));
  if (out === undefined) return;
  const page = {
    command: `npm run bench:worker-echo -- --repetitions ${repetitions} --seconds ${seconds}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, loadAverage },
    ratios,
    rows,
  };
  writeFileSync(join(out, 'worker-echo.json'), `${JSON.stringify(page, null, 1)}\n`);
}

const { values } = parseArgs({
  options: {
    measure: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});
if (values.measure === undefined) {
  await main(Number(values.repetitions), values.seconds, values.out);
} else {
  const { way, one } = JSON.parse(values.measure) as { way: Way; one: Case };
  process.send?.(await measure(way, one, Number(values.seconds) * 1000));
  process.disconnect();
  process.exit();
}
