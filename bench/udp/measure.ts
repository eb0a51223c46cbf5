import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Latency } from '../asking.ts';
import type { Mark } from './orders.ts';
import type { Place, Target } from './peer.ts';
import type { Plan, Variant } from './plans.ts';
import { Process } from './process.ts';
import { type Trouble, trouble } from './troubles.ts';
import { machineCpuUs, type World } from './worlds.ts';

/** Time after the end of a load in which the last messages may arrive. */
const SETTLE_MS = 1500;

/** What one run came to. Times in seconds unless the name says otherwise. */
export interface Figures {
  readonly seconds: number;
  readonly serverCpu: number;
  readonly clientCpu: number;
  /** Payload that the server got, or where it sends the load generator. */
  readonly bytes: number;
  /** Messages or datagrams that the server got, or sessions, or round trips that the load generator completed. */
  readonly messages: number;
  readonly latencyMs: Latency | undefined;
  /** Of those sent in the whole run, how many never came; undefined where nobody counted. */
  readonly missing: number | undefined;
  /** Bytes that entered the link towards the server during the measurement, with all headers. */
  readonly wireBytes: number | undefined;
  /** Datagrams that were forged besides during the measurement. */
  readonly forged: number | undefined;
  readonly serverRss: number;
  /** The machine's load average when the run began, and the cores that others kept busy during it. */
  readonly loadAverage: number;
  readonly othersCores: number;
}

export interface RunOptions {
  readonly keys: string;
  readonly profile: string | undefined;
}

/** One run in fresh processes: what comes back is compared byte for byte, then the load runs, warms up, and is measured between two marks. */
export async function measure(plan: Plan, variant: Variant, world: World, options: RunOptions): Promise<Figures> {
  const { keys, profile } = options;
  const place: Place = { host: world.host, keys, datagram: variant.datagram ?? 0, small: plan.small };
  const server = new Process({ core: 0, namespace: world.namespaces.server, profile });
  const client = new Process({ core: 1, namespace: world.namespaces.client, profile });
  try {
    const { peer } = variant;
    const target = await server.obey<Target>({ do: 'serve', peer, place });
    await client.obey({ do: 'verify', peer, place, target });
    await server.obey({ do: 'mode', mode: plan.mode });
    const { forgery } = variant;
    await client.obey({ do: 'begin', load: plan.load, ...(forgery !== undefined && { forgery }) });
    const troubled = await trouble(plan, variant, world, target, client);
    try {
      await sleep(plan.warmupMs);
      const figures = await watch(plan, { world, server, client, troubled });
      return { ...figures, missing: await missing(plan, server, client) };
    } finally {
      await troubled.end();
    }
  } finally {
    await Promise.all([client.end(), server.end()]);
  }
}

interface Running {
  readonly world: World;
  readonly server: Process;
  readonly client: Process;
  readonly troubled: Trouble;
}

async function watch(plan: Plan, running: Running): Promise<Figures> {
  const [loadAverage = 0] = loadavg();
  const before = await look(running);
  await sleep(plan.measureMs);
  const after = await look(running);
  const seconds = (after.server.atMs - before.server.atMs) / 1e3;
  const delta = (pick: (look: Look) => number): number => pick(after) - pick(before);
  const serverCpu = delta((at) => at.server.cpuUs) / 1e6;
  const clientCpu = delta((at) => at.client.cpuUs) / 1e6;
  const others = delta((at) => at.machineUs - at.ownUs) / 1e6 - serverCpu - clientCpu;
  const wire = after.wire === undefined || before.wire === undefined ? undefined : after.wire - before.wire;
  return {
    seconds,
    serverCpu,
    clientCpu,
    bytes: delta(bytesOf(plan)),
    messages: delta((at) => messagesOf(plan, at)),
    latencyMs: after.server.latency ?? after.client.latency,
    missing: undefined,
    wireBytes: wire,
    forged: after.forged === undefined ? undefined : after.forged - (before.forged ?? 0),
    serverRss: after.server.rssBytes,
    loadAverage,
    othersCores: Math.max(0, others / seconds),
  };
}

function messagesOf({ mode, load }: Plan, { server, client }: Look): number {
  if (load.kind === 'bulk') return server.bytes / load.chunk;
  if (load.kind === 'fetch') return client.bytes / load.chunk;
  if (load.kind === 'forged') return server.datagrams ?? 0;
  return (mode === 'clock' ? server : client).messages;
}

function bytesOf({ load }: Plan): (look: Look) => number {
  return load.kind === 'fetch' ? ({ client }) => client.bytes : ({ server }) => server.bytes;
}

interface Look {
  readonly client: Mark;
  readonly server: Mark;
  readonly wire: number | undefined;
  readonly forged: number | undefined;
  readonly machineUs: number;
  readonly ownUs: number;
}

async function look({ world, server, client, troubled }: Running): Promise<Look> {
  const wire = world.bytesToServer();
  const [fromClient, fromServer, forger] = await Promise.all([client.mark(), server.mark(), troubled.mark()]);
  const { user, system } = process.cpuUsage();
  return {
    client: fromClient,
    server: fromServer,
    wire,
    forged: forger?.messages,
    machineUs: machineCpuUs(),
    ownUs: world.ownCpuUs() + (forger?.cpuUs ?? 0) + user + system,
  };
}

/** Messages that never came, in a workload whose server knows how many did. */
async function missing({ mode, load }: Plan, server: Process, client: Process): Promise<number | undefined> {
  if (mode !== 'clock' && mode !== 'gaps') return undefined;
  await client.obey({ do: 'finish' });
  await sleep(SETTLE_MS);
  const [sent, got] = await Promise.all([client.mark(), server.mark()]);
  return sent.messages - (load.kind === 'bulk' ? got.bytes / load.chunk : got.messages);
}
