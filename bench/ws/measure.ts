import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Latency } from '../asking.ts';
import { machineCpuUs } from '../udp/worlds.ts';
import type { Mark, Target } from './orders.ts';
import type { PeerName } from './peers/index.ts';
import type { Plan } from './plans.ts';
import { Process } from './process.ts';

/** The server and the load generator have a core each. */
const SERVER_CORE = 1;
const GENERATOR_CORE = 0;
const SETTLE_MS = 500;

/** What one run came to. */
export interface Figures {
  /** In the unit of the plan: us, bytes, or ms at the 99th percentile. */
  readonly value: number;
  readonly seconds: number;
  /** Messages that the load generator got, or connections that were opened. */
  readonly count: number;
  /** Cores that the server and the load generator kept busy. */
  readonly serverCores: number;
  readonly generatorCores: number;
  readonly serverRss: number;
  readonly latencyMs: Latency | undefined;
  /** The machine's load average when the run began, and the cores that others kept busy during it. */
  readonly loadAverage: number;
  readonly othersCores: number;
}

export interface RunOptions {
  readonly warmupMs: number;
  readonly measureMs: number;
  /** A folder for a CPU profile of the server. */
  readonly profile: string | undefined;
}

/** One run in fresh processes. What comes back is compared byte for byte before anything is measured. */
export async function measure(plan: Plan, peer: PeerName, options: RunOptions): Promise<Figures> {
  const runtime = peer === 'bun' ? 'bun' : 'node';
  const server = new Process({ core: SERVER_CORE, program: 'server', runtime, profile: options.profile });
  const generator = new Process({ core: GENERATOR_CORE, program: 'generator', runtime: 'node' });
  try {
    const { task } = plan;
    const target = await server.obey<Target>({ do: 'serve', peer, task });
    await generator.obey({ do: 'aim', peer, task, target });
    await generator.obey({ do: 'verify' });
    const run = new Run(server, generator);
    if (plan.unit === 'memory') return await memory(plan, run);
    return await load(plan, run, options);
  } finally {
    // First those who would take the other's end for a failure.
    await generator.end();
    await server.end();
  }
}

async function load(plan: Plan, run: Run, { warmupMs, measureMs }: RunOptions): Promise<Figures> {
  if (plan.load === undefined) throw new Error(`${plan.name} has no load`);
  await run.generator.obey({ do: 'open', connections: plan.connections });
  await run.generator.obey({ do: 'begin', load: plan.load });
  await sleep(warmupMs);
  await run.begin();
  await sleep(measureMs);
  const figures = await run.end();
  if (figures.count === 0) throw new Error('nothing came back');
  const value = plan.unit === 'latency' ? (figures.latencyMs?.p99 ?? Number.NaN) : figures.value;
  return { ...figures, value };
}

async function memory({ from = 0, connections }: Plan, run: Run): Promise<Figures> {
  const rssWith = async (count: number): Promise<number> => {
    await run.generator.obey({ do: 'open', connections: count });
    await sleep(SETTLE_MS);
    await run.server.obey({ do: 'collect' });
    return run.server.rssBytes;
  };
  const before = await rssWith(from);
  await run.begin();
  const after = await rssWith(connections);
  const figures = await run.end(connections - from);
  return { ...figures, value: (after - before) / (connections - from), serverRss: after };
}

interface Look {
  readonly mark: Mark;
  readonly serverUs: number;
  readonly generatorUs: number;
  readonly machineUs: number;
  readonly ownUs: number;
}

/** A server, its load generator, and what they use between `begin` and `end`. */
class Run {
  readonly server: Process;
  readonly generator: Process;
  #before: Look | undefined;
  #loadAverage = 0;

  constructor(server: Process, generator: Process) {
    this.server = server;
    this.generator = generator;
  }

  async begin(): Promise<void> {
    [this.#loadAverage = 0] = loadavg();
    this.#before = await this.#look();
  }

  /** @param count What was done meanwhile; default: the messages that the load generator got. */
  async end(count?: number): Promise<Figures> {
    const before = this.#before;
    const after = await this.#look();
    if (before === undefined) throw new Error('it did not begin');
    const done = count ?? after.mark.messages - before.mark.messages;
    const us = (after.mark.atMs - before.mark.atMs) * 1e3;
    const serverUs = after.serverUs - before.serverUs;
    const generatorUs = after.generatorUs - before.generatorUs;
    const ownUs = after.ownUs - before.ownUs;
    return {
      value: serverUs / done,
      seconds: us / 1e6,
      count: done,
      serverCores: serverUs / us,
      generatorCores: generatorUs / us,
      serverRss: this.server.rssBytes,
      latencyMs: after.mark.latency,
      loadAverage: this.#loadAverage,
      othersCores: Math.max(0, (after.machineUs - before.machineUs - serverUs - generatorUs - ownUs) / us),
    };
  }

  async #look(): Promise<Look> {
    const mark = await this.generator.obey<Mark>({ do: 'mark' });
    const { user, system } = process.cpuUsage();
    return {
      mark,
      serverUs: this.server.cpuUs,
      generatorUs: this.generator.cpuUs,
      machineUs: machineCpuUs(),
      ownUs: user + system,
    };
  }
}
