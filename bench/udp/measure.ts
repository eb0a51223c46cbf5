import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Latency, Mark } from './orders.ts';
import type { Place, Target } from './peer.ts';
import type { Plan, Variant } from './plans.ts';
import { Process } from './process.ts';
import { machineCpuUs, type World } from './worlds.ts';

/** Time after the end of a load in which the last messages may arrive. */
const SETTLE_MS = 1500;

/** What one run came to. Times in seconds unless the name says otherwise. */
export interface Figures {
  readonly seconds: number;
  readonly serverCpu: number;
  readonly clientCpu: number;
  /** Payload that the server got. */
  readonly bytes: number;
  /** Messages or datagrams that the server got, or sessions, or round trips that the load generator completed. */
  readonly messages: number;
  readonly latencyMs: Latency | undefined;
  /** Of those sent in the whole run, how many never came; undefined where nobody counted. */
  readonly missing: number | undefined;
  /** Bytes that entered the link towards the server during the measurement, with all headers. */
  readonly wireBytes: number | undefined;
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
    await sleep(plan.warmupMs);
    const figures = await watch(plan, world, server, client);
    return { ...figures, missing: plan.mode === 'clock' ? await missing(server, client) : undefined };
  } finally {
    await Promise.all([client.end(), server.end()]);
  }
}

async function watch(plan: Plan, world: World, server: Process, client: Process): Promise<Figures> {
  const [loadAverage = 0] = loadavg();
  const before = await look(world, server, client);
  await sleep(plan.measureMs);
  const after = await look(world, server, client);
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
    bytes: delta((at) => at.server.bytes),
    messages: delta((at) => messagesOf(plan, at)),
    latencyMs: after.server.latency ?? after.client.latency,
    missing: undefined,
    wireBytes: wire,
    serverRss: after.server.rssBytes,
    loadAverage,
    othersCores: Math.max(0, others / seconds),
  };
}

function messagesOf({ mode, load }: Plan, { server, client }: Look): number {
  if (load.kind === 'bulk') return server.bytes / load.chunk;
  if (load.kind === 'forged') return server.datagrams ?? 0;
  return (mode === 'clock' ? server : client).messages;
}

interface Look {
  readonly client: Mark;
  readonly server: Mark;
  readonly wire: number | undefined;
  readonly machineUs: number;
  readonly ownUs: number;
}

async function look(world: World, server: Process, client: Process): Promise<Look> {
  const wire = world.bytesToServer();
  const [fromClient, fromServer] = await Promise.all([client.mark(), server.mark()]);
  const { user, system } = process.cpuUsage();
  return {
    client: fromClient,
    server: fromServer,
    wire,
    machineUs: machineCpuUs(),
    ownUs: world.ownCpuUs() + user + system,
  };
}

async function missing(server: Process, client: Process): Promise<number> {
  await client.obey({ do: 'finish' });
  await sleep(SETTLE_MS);
  const [sent, got] = await Promise.all([client.mark(), server.mark()]);
  return sent.messages - got.messages;
}
