/**
 * Static files over TLS: `serveFiles` on an https: endpoint beside what Node's documentation shows and nginx with one worker. `h2load` asks for
 * one file again and again, by HTTP/2 on 4 connections with 100 streams each, or by HTTP/1.1 on 32 connections; the server has the first core, the load
 * the second. CPU time of the server counts: requests a second say more about the machine's other work.
 *
 *   npm run bench:http -- [--peers hawser,node] [--repetitions 3] [--seconds 3] [--out bench/results] [--profile FOLDER]
 *
 * Needs Linux with two cores and `taskset`, `h2load`, `nginx` and `openssl`.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { commitOf } from '../commit.ts';
import { ratioWithin } from '../ratios.ts';
import { machineCpuUs } from '../udp/worlds.ts';
import { CONTESTANTS, nginxVersion, type Running, type Site } from './contestants.ts';
import type { HttpCase, HttpPlan, HttpResult, HttpRow } from './results.ts';

const { values: options } = parseArgs({
  options: {
    peers: { type: 'string', default: Object.keys(CONTESTANTS).join(';') },
    repetitions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    out: { type: 'string' },
    profile: { type: 'string' },
  },
});

const CASES: readonly HttpCase[] = [
  { protocol: 'HTTP/2', bytes: 1024 },
  { protocol: 'HTTP/2', bytes: 102_400 },
  { protocol: 'HTTP/1.1', bytes: 1024 },
  { protocol: 'HTTP/1.1', bytes: 102_400 },
];

/** Files that are older than what counts as just changed. */
const SETTLING_MS = 2000;

function makeSite(place: string): Site {
  const [folder, cert, key] = [join(place, 'files'), join(place, 'cert.pem'), join(place, 'key.pem')];
  mkdirSync(folder);
  for (const { bytes } of CASES) writeFileSync(join(folder, `${bytes}.js`), '/'.repeat(bytes));
  const what = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-days',
    '2',
  ];
  execFileSync('openssl', ['req', '-x509', ...what, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { folder, cert, key };
}

/** Compilers have work first. */
const WARMUP_S = 1;

/** Requests a second. @throws Error unless each was answered with 200 and all of the file. */
async function load({ protocol, bytes }: HttpCase, port: number, requests: number): Promise<number> {
  const how = protocol === 'HTTP/2' ? ['-c4', '-m100'] : ['--h1', '-c32'];
  const url = `https://127.0.0.1:${port}/${bytes}.js`;
  const { stdout } = await promisify(execFile)('taskset', [
    '-c',
    '1',
    'h2load',
    '-t1',
    ...how,
    '-n',
    `${requests}`,
    url,
  ]);
  const [, perSecond] = /finished in .*?, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, good] = /status codes: (\d+) 2xx/.exec(stdout) ?? [];
  const [, data] = /\((\d+)\) data/.exec(stdout) ?? [];
  if (Number(good) !== requests || Number(data) !== requests * bytes)
    throw new Error(`not all was answered:\n${stdout}`);
  return Number(perSecond);
}

async function measure(
  one: HttpCase,
  server: Running,
): Promise<Omit<HttpRow, keyof HttpCase | 'repetition' | 'contestant'>> {
  const cold = await load(one, server.port, 1000);
  const warm = await load(one, server.port, Math.round(cold * WARMUP_S));
  const requests = Math.round(warm * Number(options.seconds));
  const [cpuUs, machineUs, ownUs, began] = [server.cpuUs(), machineCpuUs(), familyCpuUs(), performance.now()];
  const perSecond = await load(one, server.port, requests);
  const used = server.cpuUs() - cpuUs;
  const passedUs = (performance.now() - began) * 1e3;
  const othersUs = machineCpuUs() - machineUs - used - (familyCpuUs() - ownUs);
  return { perSecond, cpuUs: used / requests, othersCores: Math.max(0, othersUs / passedUs) };
}

/** us, of this process and of children that have ended. */
function familyCpuUs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 1e4, 0);
}

/** As calm as it can be had: what others do on the same cores costs time at each change from one to the other. */
async function measureCalm(one: HttpCase, server: Running): Promise<Awaited<ReturnType<typeof measure>>> {
  let best = await measure(one, server);
  for (let again = 0; again < AGAIN_MOST && best.othersCores > CALM; again++) {
    const next = await measure(one, server);
    if (next.othersCores < best.othersCores) best = next;
  }
  return best;
}

/** Cores that others may keep busy, and how often a disturbed run is repeated. */
const CALM = 0.9;
const AGAIN_MOST = 2;

async function once(repetition: number, contestant: string, one: HttpCase, site: Site): Promise<HttpRow> {
  const server = await CONTESTANTS[contestant]?.(site, one.protocol, options.profile);
  if (server === undefined) throw new Error(`there is no ${contestant}`);
  try {
    return { repetition, contestant, ...one, ...(await measureCalm(one, server)) };
  } finally {
    await server.stop();
  }
}

function show(rows: readonly HttpRow[], { contestants }: HttpPlan): void {
  for (const { protocol, bytes } of CASES) {
    for (const name of contestants) {
      const of = (contestant: string) => (row: HttpRow) =>
        row.contestant === contestant && row.protocol === protocol && row.bytes === bytes;
      const ratio = ratioWithin(rows, of('hawser'), of(name), ({ cpuUs }) => cpuUs);
      if (name !== 'hawser' && ratio !== undefined) {
        console.log(`${protocol}, ${bytes} bytes: hawser takes ${ratio.toFixed(2)} of ${name}'s CPU time`);
      }
    }
  }
}

async function main(): Promise<void> {
  const plan: HttpPlan = { contestants: options.peers.split(';'), cases: CASES, seconds: Number(options.seconds) };
  const place = mkdtempSync(join(tmpdir(), 'hawser-http-'));
  const rows: HttpRow[] = [];
  try {
    const site = makeSite(place);
    await sleep(SETTLING_MS);
    for (let repetition = 0; repetition < Number(options.repetitions); repetition++) {
      for (const one of CASES) {
        for (const name of repetition % 2 === 0 ? plan.contestants : plan.contestants.toReversed()) {
          const row = await once(repetition, name, one, site);
          rows.push(row);
          const figures = `${row.cpuUs.toFixed(1)} us, ${Math.round(row.perSecond)}/s, others ${row.othersCores.toFixed(2)}`;
          console.log(`${one.protocol}, ${one.bytes} bytes, ${name}: ${figures}`);
        }
      }
      // Who ends it early has what is whole.
      if (options.out !== undefined) record(plan, rows);
    }
  } finally {
    rmSync(place, { recursive: true });
  }
  show(rows, plan);
}

function record(plan: HttpPlan, rows: readonly HttpRow[]): void {
  const [h2load = ''] = execFileSync('h2load', ['--version'], { encoding: 'utf8' }).trim().split('/').slice(-1);
  const page: HttpResult = {
    plan,
    command: `npm run bench:http -- --repetitions ${options.repetitions} --seconds ${options.seconds}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release() },
    versions: { node: process.versions.node, openssl: process.versions.openssl, nginx: nginxVersion(), h2load },
    rows,
  };
  writeFileSync(join(options.out ?? '.', 'http-static.json'), `${JSON.stringify(page, null, 1)}\n`);
}

await main();
