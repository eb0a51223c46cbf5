import { median } from '../ratios.ts';
import { rounded } from './outcomes.ts';
import { FIGURES, type Figure, type Result, valuesOf, variantsOf } from './results.ts';
import type { Chart, Group } from './svg.ts';

/** A plot of one figure of several workloads: those of bench/ws have one each, those of bench/udp several. */
export interface Plot {
  readonly name: string;
  /** The mark of the table below which it stands. */
  readonly under: string;
  readonly title: string;
  readonly unit: string;
  readonly logarithmic?: boolean;
  /** Workloads, by the name that their bars get. */
  readonly workloads: Readonly<Record<string, string>>;
  /** Of bench/udp. */
  readonly figure?: Figure;
}

export const PLOTS: readonly Plot[] = [
  {
    name: 'ws-link',
    under: 'ws-link',
    title: 'WebSocket: CPU time of the server per message of 64 bytes',
    unit: 'µs',
    workloads: {
      'echo, 16 in flight': 'link-echo-16',
      'broadcast, bursts of 16, per delivery': 'link-broadcast-16',
      'echo, one in flight': 'link-echo-1',
      'broadcast, one at a time, per delivery': 'link-broadcast-1',
    },
  },
  {
    name: 'ws-link-heavy',
    under: 'ws-link',
    title: 'WebSocket: CPU time of the server',
    unit: 'µs',
    workloads: { 'a connection, upgraded and ended': 'link-handshake', 'echo of 1 MiB': 'link-echo-mib' },
  },
  {
    name: 'ws-link-memory',
    under: 'ws-link',
    title: 'WebSocket: what an idle connection adds to the server',
    unit: 'bytes',
    workloads: { '': 'link-memory' },
  },
  {
    name: 'ws-link-latency',
    under: 'ws-link',
    title: 'WebSocket: 10,000 echoes a second, 99th percentile',
    unit: 'ms',
    workloads: { '': 'link-latency' },
  },
  {
    name: 'ws-framework',
    under: 'ws-framework',
    title: 'The whole: CPU time of the server per message',
    unit: 'µs',
    workloads: {
      'echo of an event, 16 in flight': 'echo-16',
      'request and answer, 16 in flight': 'request-16',
      'broadcast to a room, bursts of 16, per delivery': 'broadcast-16',
      'echo of an event, one in flight': 'echo-1',
      'broadcast to a room, one at a time, per delivery': 'broadcast-1',
      'joining and leaving a room': 'joins',
    },
  },
  {
    name: 'ws-framework-heavy',
    under: 'ws-framework',
    title: 'The whole: CPU time of the server per connection',
    unit: 'µs',
    workloads: { 'upgraded, welcomed and ended': 'welcome' },
  },
  {
    name: 'ws-framework-memory',
    under: 'ws-framework',
    title: 'The whole: what an idle socket adds to the server',
    unit: 'bytes',
    workloads: { '': 'memory' },
  },
  {
    name: 'ws-framework-latency',
    under: 'ws-framework',
    title: 'The whole: 10,000 echoes a second, 99th percentile',
    unit: 'ms',
    workloads: { '': 'latency' },
  },
  {
    name: 'ws-streams',
    under: 'ws-ipc',
    title: 'Byte streams: CPU time of the server per echo',
    unit: 'µs',
    workloads: {
      'tcp, one in flight': 'tcp-echo-1',
      'tcp, 16 in flight': 'tcp-echo-16',
      'Unix socket, one in flight': 'ipc-echo-1',
      'Unix socket, 16 in flight': 'ipc-echo-16',
    },
  },
  {
    name: 'ws-scale',
    under: 'ws-scale',
    title: 'Broadcast to a room: CPU time of the server per delivery',
    unit: 'µs',
    workloads: { '100 members': 'scale-100', '1,000 members': 'scale-1000', '19,500 members': 'scale-19500' },
  },
  {
    name: 'ws-scale-memory',
    under: 'ws-scale',
    title: 'What an idle socket adds to the server',
    unit: 'bytes',
    workloads: { 'from 1,000 to 5,000': 'scale-memory-5000', 'from 5,000 to 19,500': 'scale-memory-19500' },
  },
  {
    name: 'ws-scale-latency',
    under: 'ws-scale',
    title: 'Broadcast to 19,500 once a second, 99th percentile',
    unit: 'ms',
    workloads: { '': 'scale-latency' },
  },
  {
    name: 'udp-bulk',
    under: 'udp-bulk-free',
    title: 'Bulk over loopback',
    unit: 'MB/s',
    logarithmic: true,
    workloads: { 'datagrams of 1,452 bytes': 'bulk-1452', 'as long as each likes': 'bulk-free' },
    figure: FIGURES.megabytes,
  },
  {
    name: 'udp-messages',
    under: 'udp-small-messages',
    title: 'Messages of 64 bytes, as many as will go',
    unit: 'a second',
    logarithmic: true,
    workloads: { '': 'small-messages' },
    figure: FIGURES.messages,
  },
  ...(['p50', 'p99'] as const).map((share) => ({
    name: `udp-round-trips-${share}`,
    under: 'udp-round-trips',
    title: `Round trips of 64 bytes, ${share}`,
    unit: 'ms',
    logarithmic: true,
    workloads: { '': 'round-trips' },
    figure: FIGURES[share],
  })),
  {
    name: 'udp-loss',
    under: 'udp-loss-3',
    title: 'Goodput: 100 Mbit/s, 40 ms round trip',
    unit: 'MB/s',
    workloads: { 'no loss': 'loss-0', '1 % loss': 'loss-1', '3 % loss': 'loss-3' },
    figure: FIGURES.megabytes,
  },
  ...(['p50', 'p95', 'p99'] as const).map((share) => ({
    name: `udp-streams-${share}`,
    under: 'udp-streams-2',
    title: `64 bytes on each of ten streams every 10 ms, 2 % loss, ${share}`,
    unit: 'ms',
    workloads: { '': 'streams-2' },
    figure: FIGURES[share],
  })),
  {
    name: 'udp-rebinding',
    under: 'udp-rebinding-fetch',
    title: 'A NAT that gives the client another port every second: longest pause',
    unit: 'ms',
    workloads: { 'the client sends': 'rebinding', 'the client receives': 'rebinding-fetch' },
    figure: FIGURES.longest,
  },
  {
    name: 'udp-flooded',
    under: 'udp-flooded',
    title: 'Goodput while 50,000 datagrams a second are forged',
    unit: 'MB/s',
    workloads: { '': 'flooded' },
    figure: FIGURES.megabytes,
  },
  {
    name: 'udp-forged',
    under: 'udp-forged',
    title: 'Forged datagrams: CPU time of the server for each',
    unit: 'µs',
    workloads: { '': 'forged' },
    figure: FIGURES.serverPerMessage,
  },
  {
    name: 'udp-handshakes',
    under: 'udp-handshakes',
    title: 'Sessions opened and closed again: CPU time of both sides',
    unit: 'µs',
    workloads: { '': 'handshakes' },
    figure: FIGURES.cpuPerMessage,
  },
];

export function chartOf({ title, unit, logarithmic = false }: Plot, groups: readonly Group[]): Chart {
  return { title, unit, groups, logarithmic };
}

/** Bars of one figure, one for each contestant that has it. */
export function udpGroup(result: Result, name: string, figure: Figure): Group {
  const bars = variantsOf(result).flatMap((variant) => {
    const value = median(valuesOf(result, variant, figure));
    return value === undefined ? [] : [{ name: variant, value, text: rounded(value) }];
  });
  return { name, bars };
}
