import type { LoadOrder } from './loads.ts';
import type { Task } from './orders.ts';
import type { PeerName } from './peers/index.ts';

/** What is told of a run. */
export type Unit =
  /** CPU time of the server per message that the load generator got, us. */
  | 'cpu'
  /** What the server's process grows by for each further idle connection, bytes. */
  | 'memory'
  /** From when a message was due to its answer, ms. */
  | 'latency';

/** `peer` / `against` is to be at most `most`; without `against` the value itself is. */
export interface Target {
  readonly peer: PeerName;
  readonly against?: PeerName;
  readonly most: number;
}

export interface Plan {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  readonly task: Task;
  /** Connections while it is measured, and where growth is measured, before. */
  readonly connections: number;
  readonly from?: number;
  readonly load?: LoadOrder;
  /** Default: what the command line says. */
  readonly measureMs?: number;
  readonly peers: readonly PeerName[];
  readonly targets: readonly Target[];
}

const SIZE = 64;
/** A process that may open 20,000 files, which is a common bound, has a few besides its sockets. */
const MANY = 19_500;
const ECHO: Task = { kind: 'echo', burst: 1, size: SIZE };
const REQUEST: Task = { kind: 'request', burst: 1, size: SIZE };
const JOIN: Task = { kind: 'join', burst: 1, size: SIZE };
const news = (burst: number): Task => ({ kind: 'broadcast', burst, size: SIZE });
const closed = (inFlight: number): LoadOrder => ({ kind: 'closed', inFlight });

const LINKS: readonly PeerName[] = ['hawser-link', 'hawser-raw', 'ws', 'bun', 'uws', 'net'];
const FRAMEWORKS: readonly PeerName[] = ['hawser', 'hawser-json', 'socket.io'];

const link = (most: number, bun?: number): readonly Target[] => [
  { peer: 'hawser-link', against: 'ws', most },
  ...(bun === undefined ? [] : [{ peer: 'hawser-link', against: 'bun', most: bun } as const]),
];
const framework = (most: number): readonly Target[] => [{ peer: 'hawser', against: 'socket.io', most }];

function stream(transport: 'tcp' | 'ipc', inFlight: number): Plan {
  const peer = `hawser-${transport}` as const;
  const against = `prefix-${transport}` as const;
  return {
    name: `${transport}-echo-${inFlight}`,
    what: `Echo of a 64-byte event over ${transport}, ${inFlight} in flight, beside an echo with a length prefix written by hand`,
    unit: 'cpu',
    task: ECHO,
    connections: 200,
    load: closed(inFlight),
    peers: [peer, against],
    targets: [{ peer, against, most: 1.5 }],
  };
}

function subscribers(count: number): Plan {
  return {
    name: `scale-${count}`,
    what: `Broadcast of 64 characters to a room of ${count.toLocaleString('en')}, one event at a time; per delivery`,
    unit: 'cpu',
    task: news(1),
    connections: count,
    load: { kind: 'bursts', burst: 1 },
    peers: ['hawser'],
    targets: [],
  };
}

function growth(from: number, to: number): Plan {
  const [least, most] = [from, to].map((count) => count.toLocaleString('en'));
  return {
    name: `scale-memory-${to}`,
    what: `Idle sockets: growth of the server from ${least} to ${most} of them`,
    unit: 'memory',
    task: ECHO,
    from,
    connections: to,
    peers: ['hawser'],
    targets: [],
  };
}

export const PLANS: readonly Plan[] = [
  {
    name: 'link-echo-1',
    what: 'Echo of 64 bytes, 200 connections, one message in flight on each',
    unit: 'cpu',
    task: ECHO,
    connections: 200,
    load: closed(1),
    peers: LINKS,
    targets: link(0.8),
  },
  {
    name: 'link-echo-16',
    what: 'Echo of 64 bytes, 200 connections, 16 messages in flight on each',
    unit: 'cpu',
    task: ECHO,
    connections: 200,
    load: closed(16),
    peers: LINKS,
    targets: link(0.12, 1.3),
  },
  {
    name: 'link-broadcast-1',
    what: 'Broadcast of 64 bytes to 1,000 connections, one message at a time; per delivery',
    unit: 'cpu',
    task: news(1),
    connections: 1000,
    load: { kind: 'bursts', burst: 1 },
    peers: LINKS,
    targets: link(0.8),
  },
  {
    name: 'link-broadcast-16',
    what: 'Broadcast of 64 bytes to 1,000 connections, 16 messages at a time; per delivery',
    unit: 'cpu',
    task: news(16),
    connections: 1000,
    load: { kind: 'bursts', burst: 16 },
    peers: LINKS,
    targets: link(0.07, 1.3),
  },
  {
    name: 'link-memory',
    what: 'Idle connections: growth of the server from 1,000 to 6,000 of them',
    unit: 'memory',
    task: ECHO,
    from: 1000,
    connections: 6000,
    peers: LINKS,
    targets: link(0.6),
  },
  {
    name: 'link-handshake',
    what: 'Connections that are upgraded to WebSocket and say goodbye, 32 at a time; per connection',
    unit: 'cpu',
    task: ECHO,
    connections: 0,
    load: { kind: 'churn', atOnce: 32 },
    peers: LINKS,
    targets: link(0.5),
  },
  {
    name: 'link-echo-mib',
    what: 'Echo of 1 MiB, four connections, one message in flight on each',
    unit: 'cpu',
    task: { kind: 'echo', burst: 1, size: 1 << 20 },
    connections: 4,
    load: closed(1),
    peers: LINKS,
    targets: link(0.45),
  },
  {
    name: 'link-latency',
    what: 'Echo of 64 bytes, 200 connections, 10,000 messages a second in all whether answers come or not',
    unit: 'latency',
    task: ECHO,
    connections: 200,
    load: { kind: 'open', perSecond: 10_000 },
    peers: LINKS,
    targets: [],
  },
  {
    name: 'echo-1',
    what: 'Echo of an event of 64 characters, 200 connections, one in flight on each',
    unit: 'cpu',
    task: ECHO,
    connections: 200,
    load: closed(1),
    peers: FRAMEWORKS,
    targets: framework(0.5),
  },
  {
    name: 'echo-16',
    what: 'Echo of an event of 64 characters, 200 connections, 16 in flight on each',
    unit: 'cpu',
    task: ECHO,
    connections: 200,
    load: closed(16),
    peers: FRAMEWORKS,
    targets: framework(0.12),
  },
  {
    name: 'broadcast-1',
    what: 'Broadcast of 64 characters to a room of 1,000, one event at a time; per delivery',
    unit: 'cpu',
    task: news(1),
    connections: 1000,
    load: { kind: 'bursts', burst: 1 },
    peers: FRAMEWORKS,
    targets: framework(0.6),
  },
  {
    name: 'broadcast-16',
    what: 'Broadcast of 64 characters to a room of 1,000, 16 events at a time; per delivery',
    unit: 'cpu',
    task: news(16),
    connections: 1000,
    load: { kind: 'bursts', burst: 16 },
    peers: FRAMEWORKS,
    targets: framework(0.08),
  },
  {
    name: 'memory',
    what: 'Idle sockets: growth of the server from 1,000 to 6,000 of them',
    unit: 'memory',
    task: ECHO,
    from: 1000,
    connections: 6000,
    peers: FRAMEWORKS,
    targets: framework(0.55),
  },
  {
    name: 'welcome',
    what: 'Connections that are upgraded, get their welcome and say goodbye, 32 at a time; per connection',
    unit: 'cpu',
    task: ECHO,
    connections: 0,
    load: { kind: 'churn', atOnce: 32 },
    peers: FRAMEWORKS,
    targets: framework(0.35),
  },
  {
    name: 'request-16',
    what: 'Requests of 64 characters and their answers, 200 connections, 16 in flight on each',
    unit: 'cpu',
    task: REQUEST,
    connections: 200,
    load: closed(16),
    peers: FRAMEWORKS,
    targets: framework(0.2),
  },
  {
    name: 'joins',
    what: '1,000 sockets ask to join ten rooms each (10,000 joins) and to leave them again, ten requests in flight; per request',
    unit: 'cpu',
    task: JOIN,
    connections: 1000,
    load: closed(10),
    peers: FRAMEWORKS,
    targets: [],
  },
  {
    name: 'latency',
    what: 'Echo of an event of 64 characters, 200 connections, 10,000 a second in all whether answers come or not',
    unit: 'latency',
    task: ECHO,
    connections: 200,
    load: { kind: 'open', perSecond: 10_000 },
    peers: FRAMEWORKS,
    targets: [],
  },
  stream('tcp', 1),
  stream('tcp', 16),
  stream('ipc', 1),
  stream('ipc', 16),
  subscribers(100),
  subscribers(1000),
  subscribers(MANY),
  growth(1000, 5000),
  growth(5000, MANY),
  {
    name: 'scale-latency',
    what: 'Broadcast to a room of 19,500, once a second: how long each waits for it (p99)',
    unit: 'latency',
    task: news(1),
    connections: MANY,
    load: { kind: 'announcements', everyMs: 1000 },
    measureMs: 8000,
    peers: ['hawser'],
    targets: [{ peer: 'hawser', most: 250 }],
  },
];
