/**
 * 100,000 rooms with one member each, on two nodes: how long it takes until all are joined and heard, what they take of memory, on both nodes
 * and in the engine's server, and whether a message to each of those on the other node arrives.
 *
 *   npm run bench:rooms -- [--engines nats,redis,cluster] [--peers hawser,socket.io] [--out bench/results]
 */
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { commitOf } from '../commit.ts';
import { rssOf } from '../programs.ts';
import { clock } from '../udp/tally.ts';
import { World } from './measure.ts';
import type { EngineName, Mark, PeerName } from './orders.ts';
import { PEERS, type Plan } from './plans.ts';
import { buildPrograms, Process } from './process.ts';

const SOCKETS = 1000;
const EACH = 100;
const OTHER_CORE = 0;
/** How long nothing more may come before the rest counts as lost, ms. */
const QUIET_MS = 3000;
const HEARD_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    engines: { type: 'string', default: 'cluster,nats,redis' },
    peers: { type: 'string', default: 'hawser,socket.io' },
    out: { type: 'string' },
  },
});

interface Row {
  readonly engine: EngineName;
  readonly peer: PeerName;
  /** ms until both nodes had asked for all rooms, and until a message to the last of them came through. */
  readonly joinMs: number;
  /** Bytes a room on a node, both nodes' memory taken together, and in the server. */
  readonly nodeBytes: number;
  readonly serverBytes: number;
  /** Messages that were sent to the rooms of the other node, those that came, and how many a second. */
  readonly sent: number;
  readonly heard: number;
  readonly perSecond: number;
}

async function run(engine: EngineName, peer: PeerName): Promise<Row> {
  const plan: Plan = {
    name: 'rooms',
    what: '',
    engine,
    nodes: 2,
    members: SOCKETS,
    load: { kind: 'bursts', burst: 1 },
    size: 64,
    history: false,
    peers: [peer],
    most: undefined,
  };
  const world = await World.open(plan, peer, undefined);
  const members = new Process({ core: OTHER_CORE, program: 'members' });
  try {
    await members.obey({ do: 'aim', task: world.task, ports: world.ports, anyLength: true });
    await members.obey({ do: 'open', connections: SOCKETS });
    await world.joined(SOCKETS);
    await members.obey({ do: 'count' });
    const before = await memory(world);
    const began = clock();
    const rooms: (readonly string[])[] = [];
    for (const node of world.nodes) rooms.push(await node.obey<string[]>({ do: 'join', each: EACH }));
    await audible(world, members, rooms);
    const joinMs = clock() - began;
    const after = await memory(world);
    const there = rooms[1] ?? [];
    const heard = await address(world, members, there);
    const count = SOCKETS * EACH;
    return {
      engine,
      peer,
      joinMs,
      nodeBytes: (after.nodes - before.nodes) / count,
      serverBytes: (after.server - before.server) / count,
      sent: there.length,
      ...heard,
    };
  } finally {
    await members.end();
    await world.close();
  }
}

async function memory({ nodes, serverPid }: World): Promise<{ readonly nodes: number; readonly server: number }> {
  for (const node of nodes) await node.obey({ do: 'collect' });
  return {
    nodes: nodes.reduce((sum, { pid }) => sum + rssOf(pid), 0),
    server: serverPid === undefined ? 0 : rssOf(serverPid),
  };
}

/** Until the last room of each node hears the other. */
async function audible({ nodes }: World, members: Process, rooms: readonly (readonly string[])[]): Promise<void> {
  for (const [at, node] of nodes.entries()) {
    const last = rooms[1 - at]?.at(-1) ?? '';
    const { messages } = await members.obey<Mark>({ do: 'mark' });
    for (const until = Date.now() + HEARD_MS; ; await sleep(20)) {
      if (Date.now() > until) throw new Error('the last room hears nothing');
      await node.obey({ do: 'address', rooms: [last] });
      if ((await members.obey<Mark>({ do: 'mark' })).messages > messages) break;
    }
  }
  await sleep(500);
}

async function address(
  { nodes }: World,
  members: Process,
  rooms: readonly string[],
): Promise<{ readonly heard: number; readonly perSecond: number }> {
  const before = await members.obey<Mark>({ do: 'mark' });
  await nodes[0]?.obey({ do: 'address', rooms });
  let last = await members.obey<Mark>({ do: 'mark' });
  for (let quietSince = clock(); clock() - quietSince < QUIET_MS; await sleep(50)) {
    const now = await members.obey<Mark>({ do: 'mark' });
    if (now.messages > last.messages) [last, quietSince] = [now, clock()];
    if (now.messages - before.messages >= rooms.length) break;
  }
  const heard = last.messages - before.messages;
  return { heard, perSecond: (heard / (last.atMs - before.atMs)) * 1e3 };
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  await buildPrograms();
  for (const engine of ['cluster', 'nats', 'redis'] as const) {
    if (!options.engines.split(',').includes(engine)) continue;
    for (const peer of PEERS[engine].filter((one) => options.peers.split(',').includes(one))) {
      try {
        const row = await run(engine, peer);
        rows.push(row);
        console.log(
          `${engine} ${peer}: ${Math.round(row.joinMs)} ms, ${Math.round(row.nodeBytes)} bytes a room on the nodes, ${Math.round(row.serverBytes)} in the server, ${row.heard} of ${row.sent} heard, ${Math.round(row.perSecond)}/s`,
        );
      } catch (error) {
        console.log(`${engine} ${peer}: left out: ${(error as Error).message}`);
      }
    }
  }
  if (options.out === undefined) return;
  const page = {
    command: 'npm run bench:rooms',
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() },
    rooms: SOCKETS * EACH,
    rows,
  };
  writeFileSync(join(options.out, 'nodes-rooms.json'), `${JSON.stringify(page, null, 1)}\n`);
}

await main();
