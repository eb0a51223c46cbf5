import type { Forgery, Load, Mode } from './orders.ts';
import type { PeerName } from './peers/index.ts';

/** One contestant of a workload. */
export interface Variant {
  readonly name: string;
  readonly peer: PeerName;
  /** Bytes of UDP payload that its datagrams may have. Default: what it chooses by itself. */
  readonly datagram?: number;
  /** Congestion control of the kernel, where it takes part. Default `cubic`. */
  readonly congestion?: string;
  /** What it is flooded with, where that is the load; else what is forged besides, at 50,000 datagrams a second. */
  readonly forgery?: Forgery;
  /** How often the NAT before the client gives it another port, in ms. Default never. */
  readonly rebindMs?: number;
}

export interface Plan {
  readonly name: string;
  readonly what: string;
  readonly where: 'loopback' | 'narrow' | 'link';
  /** Share of packets that the link loses each way. */
  readonly loss?: number;
  /** Whether the client is behind a NAT. Default false. */
  readonly nat?: boolean;
  readonly mode: Mode;
  readonly load: Load;
  readonly small: boolean;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly variants: readonly Variant[];
}

const UDPACK: Variant = { name: 'UDPack', peer: 'udpack' };
const TLS: Variant = { name: 'node:tls', peer: 'tls' };
const TCP: Variant = { name: 'node:net', peer: 'tcp' };
const QUIC: Variant = { name: '@matrixai/quic', peer: 'quic' };
const KCP: Variant = { name: 'node-kcp', peer: 'kcp' };
const CUBIC: Variant = { ...TLS, name: 'node:tls, CUBIC', congestion: 'cubic' };
const BBR: Variant = { ...TLS, name: 'node:tls, BBR', congestion: 'bbr' };

const REBINDING: readonly Variant[] = [
  { ...UDPACK, rebindMs: 1000 },
  { ...UDPACK, name: 'UDPack, same port' },
];

const BULK = { mode: 'count', load: { kind: 'bulk', chunk: 65_536 }, small: false } as const;
const ROUND_TRIPS = { mode: 'echo', load: { kind: 'round-trips', size: 64 }, small: true } as const;

function goodput(loss: number): Plan {
  const percent = loss * 100;
  return {
    ...BULK,
    name: `loss-${percent}`,
    what: `Goodput over 100 Mbit/s, 40 ms round trip, a queue of 500 KB and ${percent} % loss each way`,
    where: 'link',
    loss,
    warmupMs: 2000,
    measureMs: 10_000,
    variants: [UDPACK, CUBIC, BBR, QUIC],
  };
}

export const PLANS: readonly Plan[] = [
  {
    ...BULK,
    name: 'bulk-1452',
    what: 'Bulk over loopback in datagrams of at most 1,452 bytes',
    where: 'narrow',
    warmupMs: 1500,
    measureMs: 3000,
    variants: [
      UDPACK,
      { name: 'bare path', peer: 'bare', datagram: 1452 },
      { ...QUIC, datagram: 1452 },
      { ...KCP, datagram: 1452 },
      TLS,
    ],
  },
  {
    ...BULK,
    name: 'bulk-free',
    what: 'Bulk over loopback with datagrams as long as each likes',
    where: 'loopback',
    warmupMs: 2000,
    measureMs: 3000,
    variants: [UDPACK, { name: 'bare path', peer: 'bare', datagram: 60_000 }, TLS, TCP, QUIC],
  },
  {
    ...BULK,
    name: 'small-messages',
    what: 'Messages of 64 bytes, as many as will go, over loopback',
    where: 'loopback',
    load: { kind: 'bulk', chunk: 64 },
    small: true,
    warmupMs: 1500,
    measureMs: 3000,
    variants: [UDPACK, TCP, TLS],
  },
  {
    ...ROUND_TRIPS,
    name: 'round-trips',
    what: 'Round trips of 64 bytes over loopback, one at a time',
    where: 'loopback',
    warmupMs: 1500,
    measureMs: 3000,
    variants: [UDPACK, TLS, TCP, QUIC, KCP],
  },
  goodput(0),
  goodput(0.01),
  goodput(0.03),
  {
    name: 'streams-2',
    what: 'Messages of 64 bytes, one on each of ten streams every 10 ms, over 40 ms round trip and 2 % loss each way',
    where: 'link',
    loss: 0.02,
    mode: 'clock',
    load: { kind: 'ticks', size: 64, streams: 10, everyMs: 10 },
    small: true,
    warmupMs: 2000,
    measureMs: 20_000,
    variants: [UDPACK, CUBIC, QUIC],
  },
  {
    name: 'handshakes',
    what: 'Sessions opened and closed again over loopback, four at a time',
    where: 'loopback',
    mode: 'count',
    load: { kind: 'handshakes', atOnce: 4 },
    small: true,
    warmupMs: 1500,
    measureMs: 3000,
    variants: [UDPACK, TLS, QUIC],
  },
  {
    ...BULK,
    name: 'flooded',
    what: 'Goodput over 100 Mbit/s and 40 ms round trip, while 50,000 datagrams a second are forged',
    where: 'link',
    warmupMs: 3000,
    measureMs: 8000,
    variants: [
      { ...UDPACK, forgery: 'live' },
      { ...UDPACK, name: 'UDPack, forged to no session', forgery: 'unknown' },
      { ...UDPACK, name: 'UDPack in calm' },
    ],
  },
  {
    ...BULK,
    name: 'rebinding',
    what: 'Pauses of a transfer over 100 Mbit/s and 40 ms round trip, while a NAT gives its sender another port every second',
    where: 'link',
    nat: true,
    mode: 'gaps',
    warmupMs: 3000,
    measureMs: 10_000,
    variants: REBINDING,
  },
  {
    name: 'rebinding-fetch',
    what: 'The same, while the NAT gives its receiver another port every second',
    where: 'link',
    nat: true,
    mode: 'pour',
    load: { kind: 'fetch', chunk: 65_536 },
    small: false,
    warmupMs: 3000,
    measureMs: 10_000,
    variants: REBINDING,
  },
  {
    name: 'forged',
    what: 'A flood of forged datagrams of 1,200 bytes over loopback',
    where: 'loopback',
    mode: 'count',
    load: { kind: 'forged', size: 1200 },
    small: true,
    warmupMs: 1500,
    measureMs: 3000,
    variants: [
      { ...UDPACK, name: 'to a session', forgery: 'live' },
      { ...UDPACK, name: 'to no session', forgery: 'unknown' },
      { ...UDPACK, name: 'INIT', forgery: 'init' },
    ],
  },
];
