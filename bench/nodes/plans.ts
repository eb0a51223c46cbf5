import type { EngineName, Load, PeerName } from './orders.ts';

/** One of the workloads. */
export interface Plan {
  readonly name: string;
  readonly what: string;
  readonly engine: EngineName;
  readonly nodes: number;
  /** On all nodes together. */
  readonly members: number;
  readonly load: Load;
  readonly size: number;
  readonly history: boolean;
  readonly peers: readonly PeerName[];
  /** What is aimed at: ours over theirs. */
  readonly most: number | undefined;
}

const ENGINES = ['cluster', 'nats', 'redis'] as const;
/** What has an adapter that its makers keep up. */
export const PEERS: Readonly<Record<(typeof ENGINES)[number], readonly PeerName[]>> = {
  cluster: ['hawser', 'socket.io'],
  nats: ['hawser'],
  redis: ['hawser', 'socket.io'],
};
const MEMBERS = 300;
const SIZE = 64;

/** Messages to one room whose members are spread over the nodes, by the CPU time of nodes for each delivery. */
function deliveries(engine: (typeof ENGINES)[number], nodes: number, burst: number, members: number): Plan {
  return {
    name: `${engine}-${nodes}-deliver-${members}-${burst}`,
    what: `Bursts of ${burst} to ${members} members on ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
    engine,
    nodes,
    members,
    load: { kind: 'bursts', burst },
    size: SIZE,
    history: false,
    peers: PEERS[engine],
    most: 0.6,
  };
}

function latency(engine: (typeof ENGINES)[number], nodes: number): Plan {
  return {
    ...deliveries(engine, nodes, 1, MEMBERS),
    name: `${engine}-${nodes}-latency`,
    what: `100 messages a second to ${MEMBERS} members on ${nodes} nodes: how long those on other nodes wait`,
    load: { kind: 'announcements', everyMs: 10 },
    most: 0.7,
  };
}

/** The cost of history, on and off. */
function logged(engine: (typeof ENGINES)[number], burst: number): Plan {
  return {
    ...deliveries(engine, 2, burst, MEMBERS),
    name: `${engine}-2-history-${burst}`,
    what: `Bursts of ${burst} to ${MEMBERS} members on 2 nodes, with history`,
    history: true,
    peers: ['hawser'],
    most: undefined,
  };
}

export const PLANS: readonly Plan[] = ENGINES.flatMap((engine) => [
  ...[1, 2, 3].map((nodes) => deliveries(engine, nodes, 16, MEMBERS)),
  ...[2, 3].map((nodes) => deliveries(engine, nodes, 1, MEMBERS)),
  deliveries(engine, 2, 1, 6),
  ...[2, 3].map((nodes) => latency(engine, nodes)),
  logged(engine, 1),
  logged(engine, 16),
]);
