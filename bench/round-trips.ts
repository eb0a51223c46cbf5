/**
 * Request/response round trips over each transport: 100,000 by default, none may be lost. Server and client are processes of their
 * own; what is told is the CPU time of each per round trip (user and system), and the wall time.
 *
 *   npm run bench:round-trips -- [--count 100000] [--in-flight 16] [--out bench/results/round-trips.json]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { connect } from 'hawser/client';

interface Row {
  readonly transport: string;
  readonly inFlight: number;
  readonly count: number;
  readonly answered: number;
  readonly serverCpuUs: number;
  readonly clientCpuUs: number;
  readonly wallMs: number;
}

interface Api {
  readonly toServer: { readonly requests: { readonly echo: (n: number) => number; readonly cpu: () => number } };
}

const cpuNow = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

async function serve(urls: readonly string[]): Promise<void> {
  // Over the default of 10,000 messages a second from one peer.
  const server = createServer<Api>({ limits: { messageRate: Infinity } });
  server.on('connection', (socket) => {
    socket.handle('echo', (n) => n);
    socket.handle('cpu', cpuNow);
  });
  process.send?.(await server.listen(...urls));
  process.on('disconnect', () => void server.close());
}

async function measure(url: string, count: number, inFlight: number): Promise<Row> {
  await using socket = await connect<Api>(url);
  let sent = 0;
  let answered = 0;
  const lane = async (until: number): Promise<void> => {
    while (sent < until) {
      sent += 1;
      const n = sent;
      if ((await socket.request('echo', n)) === n) answered += 1;
    }
  };
  const lanes = (until: number): Promise<unknown> => Promise.all(Array.from({ length: inFlight }, () => lane(until)));
  await lanes(Math.min(5000, count));
  sent = 0;
  answered = 0;
  const server = await socket.request('cpu');
  const client = cpuNow();
  const wall = performance.now();
  await lanes(count);
  const wallMs = performance.now() - wall;
  const clientCpuUs = (cpuNow() - client) / count;
  const serverCpuUs = ((await socket.request('cpu')) - server) / count;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return {
    transport: new URL(url).protocol.slice(0, -1),
    inFlight,
    count,
    answered,
    serverCpuUs: round(serverCpuUs),
    clientCpuUs: round(clientCpuUs),
    wallMs: Math.round(wallMs),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { count: { type: 'string' }, 'in-flight': { type: 'string' }, out: { type: 'string' } },
  });
  const count = Number(values.count ?? 100_000);
  const inFlights = values['in-flight'] === undefined ? [1, 16] : [Number(values['in-flight'])];
  const pipe = join(tmpdir(), `hawser-bench-${process.pid}.sock`);
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['--serve', pipe], { execArgv: process.execArgv });
  const [endpoints] = (await once(child, 'message')) as [string[]];
  const inproc = createServer<Api>();
  inproc.on('connection', (socket) => {
    socket.handle('echo', (n) => n);
    socket.handle('cpu', cpuNow);
  });
  const rows: Row[] = [];
  for (const url of [...endpoints, ...(await inproc.listen('inproc://bench'))]) {
    for (const inFlight of inFlights) {
      const row = await measure(url, count, inFlight);
      rows.push(row);
      console.log(JSON.stringify(row));
      if (row.answered !== count) process.exitCode = 1;
    }
  }
  await inproc.close();
  child.disconnect();
  rmSync(pipe, { force: true });
  if (values.out !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
    writeFileSync(values.out, `${JSON.stringify({ machine, command: 'npm run bench:round-trips', rows }, null, 2)}\n`);
  }
}

const pipe = process.argv[2] === '--serve' ? process.argv[3] : undefined;
if (pipe === undefined) await main();
else await serve(['ws://127.0.0.1:0', 'tcp://127.0.0.1:0', `ipc://${pipe}`]);
