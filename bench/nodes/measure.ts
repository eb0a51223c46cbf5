import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Latency } from '../asking.ts';
import { cpuUsOf } from '../programs.ts';
import { machineCpuUs } from '../udp/worlds.ts';
import type { Mark, NodeOrder, PeerName, Task } from './orders.ts';
import type { Plan } from './plans.ts';
import { Process } from './process.ts';
import { type EngineServer, startServer } from './servers.ts';

/** All nodes share a core; the members, the engine's server and the primary have the other. */
const NODES_CORE = 1;
const OTHER_CORE = 0;
const JOINED_MS = 20_000;

/** What one run came to. */
export interface Figures {
  /** CPU time of all nodes for each delivery, us. */
  readonly nodesUs: number;
  /** The same of the engine's server, or of the primary process. */
  readonly serverUs: number;
  readonly perSecond: number;
  readonly latencyMs: Latency | undefined;
  readonly nodesCores: number;
  readonly membersCores: number;
  /** The machine's load average when the run began, and the cores that others kept busy during it. */
  readonly loadAverage: number;
  readonly othersCores: number;
}

export interface RunOptions {
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly profile: string | undefined;
}

/** A node, in a process of its own or a worker of a primary one. */
export interface NodeHandle {
  readonly pid: number;
  obey<Value = void>(order: NodeOrder): Promise<Value>;
}

/** The nodes of one run, joined and serving. */
export class World {
  readonly nodes: readonly NodeHandle[];
  readonly ports: readonly number[];
  readonly task: Task;
  /** What joins them: the engine's server, or the primary process. */
  readonly serverPid: number | undefined;
  readonly #processes: readonly Process[];
  readonly #server: EngineServer | undefined;

  private constructor(
    nodes: readonly NodeHandle[],
    ports: readonly number[],
    task: Task,
    processes: readonly Process[],
    server: EngineServer | undefined,
    serverPid: number | undefined,
  ) {
    this.nodes = nodes;
    this.ports = ports;
    this.task = task;
    this.#processes = processes;
    this.#server = server;
    this.serverPid = serverPid;
  }

  static async open(plan: Plan, peer: PeerName, profile: string | undefined): Promise<World> {
    const { engine, history, size, load } = plan;
    const server = await startServer(engine, OTHER_CORE);
    const burst = load.kind === 'bursts' ? load.burst : 1;
    const task: Task = { peer, engine, server: server?.url, history, burst, size };
    const [processes, nodes] = engine === 'cluster' ? await workersOf(plan, peer) : ownOf(plan, profile);
    const serverPid = engine === 'cluster' ? processes[0]?.pid : server?.pid;
    const ports: number[] = [];
    for (const node of nodes) ports.push(await node.obey<number>({ do: 'serve', task }));
    return new World(nodes, ports, task, processes, server, serverPid);
  }

  /** Waits until every node knows of so many members. */
  async joined(members: number): Promise<void> {
    for (const until = Date.now() + JOINED_MS; Date.now() < until; await sleep(50)) {
      // One after the other: a primary process has one ear for all.
      const counts: number[] = [];
      for (const node of this.nodes) counts.push(await node.obey<number>({ do: 'count' }));
      if (counts.every((count) => count === members)) return;
    }
    throw new Error('the nodes never knew of all members');
  }

  get nodesCpuUs(): number {
    return this.nodes.reduce((sum, { pid }) => sum + cpuUsOf(pid), 0);
  }

  get serverCpuUs(): number {
    return this.serverPid === undefined ? 0 : cpuUsOf(this.serverPid);
  }

  async close(): Promise<void> {
    for (const process of this.#processes) await process.end();
    await this.#server?.end();
  }
}

function ownOf({ nodes }: Plan, profile: string | undefined): [Process[], NodeHandle[]] {
  const processes = Array.from({ length: nodes }, () => new Process({ core: NODES_CORE, program: 'node', profile }));
  return [processes, processes];
}

/** Workers are born on the primary's core, and moved. */
async function workersOf({ nodes }: Plan, peer: PeerName): Promise<[Process[], NodeHandle[]]> {
  const primary = new Process({ core: OTHER_CORE, program: 'primary' });
  const pids = await primary.obey<number[]>({ do: 'fork', peer, count: nodes });
  for (const pid of pids) execFileSync('taskset', ['-a', '-cp', `${NODES_CORE}`, `${pid}`], { stdio: 'ignore' });
  const handles = pids.map((pid, worker): NodeHandle => {
    return { pid, obey: (order) => primary.obey({ do: 'tell', worker, order }) };
  });
  return [[primary], handles];
}

/** One run in fresh processes. */
export async function measure(plan: Plan, peer: PeerName, options: RunOptions): Promise<Figures> {
  const world = await World.open(plan, peer, options.profile);
  const members = new Process({ core: OTHER_CORE, program: 'members' });
  try {
    // An offset takes more bytes as it grows.
    await members.obey({ do: 'aim', task: world.task, ports: world.ports, anyLength: plan.history });
    await members.obey({ do: 'open', connections: plan.members });
    await world.joined(plan.members);
    await members.obey({ do: 'begin', load: plan.load });
    await sleep(options.warmupMs);
    const [loadAverage = 0] = loadavg();
    const before = await look(world, members);
    await sleep(options.measureMs);
    const after = await look(world, members);
    return { ...figuresOf(before, after), loadAverage };
  } finally {
    await members.end();
    await world.close();
  }
}

interface Look {
  readonly mark: Mark;
  readonly nodesUs: number;
  readonly serverUs: number;
  readonly membersUs: number;
  readonly machineUs: number;
  readonly ownUs: number;
}

async function look(world: World, members: Process): Promise<Look> {
  const mark = await members.obey<Mark>({ do: 'mark' });
  const { user, system } = process.cpuUsage();
  return {
    mark,
    nodesUs: world.nodesCpuUs,
    serverUs: world.serverCpuUs,
    membersUs: cpuUsOf(members.pid),
    machineUs: machineCpuUs(),
    ownUs: user + system,
  };
}

function figuresOf(before: Look, after: Look): Omit<Figures, 'loadAverage'> {
  const count = after.mark.messages - before.mark.messages;
  if (count === 0) throw new Error('nothing was delivered');
  const us = (after.mark.atMs - before.mark.atMs) * 1e3;
  const [nodesUs, serverUs, membersUs, ownUs] = (['nodesUs', 'serverUs', 'membersUs', 'ownUs'] as const).map(
    (name) => after[name] - before[name],
  ) as [number, number, number, number];
  const others = after.machineUs - before.machineUs - nodesUs - serverUs - membersUs - ownUs;
  return {
    nodesUs: nodesUs / count,
    serverUs: serverUs / count,
    perSecond: (count / us) * 1e6,
    latencyMs: after.mark.latency,
    nodesCores: nodesUs / us,
    membersCores: membersUs / us,
    othersCores: Math.max(0, others / us),
  };
}
