/**
 * Hawser between two threads beside a bare `postMessage`: the same events and round trips over both, in turns, so that a busy machine
 * slows both alike. What is told is the median of the rounds, and what Hawser keeps of the bare speed.
 *
 *   npm run bench:threads -- [--rounds 5] [--out bench/results/threads.json]
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type ClientSocket, connect } from 'hawser/client';

interface Api {
  readonly toServer: {
    readonly events: { readonly event: Uint8Array };
    readonly requests: { readonly echo: (n: number) => number };
  };
}

interface Case {
  readonly name: string;
  readonly count: number;
  readonly hawser: () => Promise<void>;
  readonly bare: () => Promise<void>;
}

interface Row {
  readonly name: string;
  readonly hawserPerSecond: number;
  readonly barePerSecond: number;
  readonly kept: number;
}

/** The other thread: it answers requests and flushes, and drops all else. */
const PEER = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (value) => { if (typeof value === 'number') parentPort.postMessage(value); });
  import('hawser').then(async ({ createServer }) => {
    const server = createServer({ limits: { messageRate: Infinity } });
    server.on('connection', (socket) => {
      socket.on('event', () => {});
      socket.handle('echo', (n) => n);
    });
    await server.listen('worker:bench');
  });
`;

const IN_FLIGHT = 16;
const TURN = 64;
const MB = 1 << 20;

function roundTrips(socket: ClientSocket<Api>, worker: Worker, count: number): Case {
  const lane = async (): Promise<void> => {
    for (let i = 0; i < count / IN_FLIGHT; i++) await socket.request('echo', i);
  };
  const bare = (): Promise<void> =>
    new Promise((resolve) => {
      let sent = IN_FLIGHT;
      let answered = 0;
      const onAnswer = (): void => {
        answered += 1;
        if (sent < count) worker.postMessage(sent++);
        else if (answered === count) resolve(void worker.off('message', onAnswer));
      };
      worker.on('message', onAnswer);
      for (let i = 0; i < IN_FLIGHT; i++) worker.postMessage(i);
    });
  const hawser = async (): Promise<void> => void (await Promise.all(Array.from({ length: IN_FLIGHT }, lane)));
  return { name: 'round trips, 16 at once', count, hawser, bare };
}

function events(socket: ClientSocket<Api>, worker: Worker, bytes: number, count: number): Case {
  const body = new Uint8Array(bytes).fill(7);
  const hawser = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      if (!socket.send('event', body)) await new Promise<void>((resolve) => socket.once('drain', resolve));
      else if (i % TURN === TURN - 1) await turn();
    }
    await socket.request('echo', 0);
  };
  const bare = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      worker.postMessage({ event: 'event', data: body });
      if (i % TURN === TURN - 1) await turn();
    }
    const flushed = once(worker, 'message');
    worker.postMessage(0);
    await flushed;
  };
  return { name: `events of ${bytes} bytes`, count, hawser, bare };
}

async function perSecond(count: number, run: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await run();
  return Math.round((count / (performance.now() - started)) * 1000);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function measure(one: Case, rounds: number): Promise<Row> {
  const hawser: number[] = [];
  const bare: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const speeds = [await perSecond(one.count, one.hawser), await perSecond(one.count, one.bare)] as const;
    if (round < 0) continue;
    hawser.push(speeds[0]);
    bare.push(speeds[1]);
  }
  const [hawserPerSecond, barePerSecond] = [median(hawser), median(bare)];
  return {
    name: one.name,
    hawserPerSecond,
    barePerSecond,
    kept: Math.round((hawserPerSecond / barePerSecond) * 100) / 100,
  };
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, out: { type: 'string' } },
});
const worker = new Worker(PEER, { eval: true });
const limits = { backlogBytes: 16 * MB, resumeBytes: 16 * MB };
const socket: ClientSocket<Api> = await connect<Api>('worker:bench', { limits });
const rows: Row[] = [];
for (const one of [
  roundTrips(socket, worker, 48_000),
  events(socket, worker, 64, 50_000),
  events(socket, worker, 1024, 50_000),
  events(socket, worker, 65_536, 1500),
  events(socket, worker, 524_288, 300),
]) {
  const row = await measure(one, Number(values.rounds));
  rows.push(row);
  console.log(`${row.name}: ${row.hawserPerSecond}/s, bare ${row.barePerSecond}/s, kept ${row.kept}`);
}
await socket.close();
await worker.terminate();
if (values.out !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  const told = { machine, command: 'npm run bench:threads', rows };
  writeFileSync(values.out, `${JSON.stringify(told, null, 2)}\n`);
}
