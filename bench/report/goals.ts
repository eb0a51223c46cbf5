import { median } from '../ratios.ts';
import { type Outcome, rounded } from './outcomes.ts';
import { FIGURES, type Figure, type Result, ratio, valuesOf } from './results.ts';

const OURS = 'UDPack';

interface Goal {
  readonly what: string;
  readonly result: string;
  readonly figure: Figure;
  /** Whom it is compared with; undefined: the figure itself counts. */
  readonly to: string | undefined;
  readonly least?: number;
  readonly most?: number;
  /** Of the figure, behind its value. */
  readonly unit: string;
}

const { megabytes, p50, p95, p99, longest, messages, cpuPerMessage, wire } = FIGURES;
const CUBIC = 'node:tls, CUBIC';
const BBR = 'node:tls, BBR';

const GOALS: readonly Goal[] = [
  goal('Bulk, datagrams of 1,452 bytes', 'bulk-1452', megabytes, ' MB/s', 'bare path', { least: 0.75 }),
  goal('Bulk, datagrams of 1,452 bytes', 'bulk-1452', megabytes, ' MB/s', undefined, { least: 100 }),
  goal('Bulk, datagrams of 1,452 bytes', 'bulk-1452', megabytes, ' MB/s', '@matrixai/quic', { least: 50 }),
  goal('Bulk, datagrams as long as each likes', 'bulk-free', megabytes, ' MB/s', 'node:tls', { least: 0.75 }),
  goal('64-byte round trip, p50', 'round-trips', p50, ' ms', 'node:tls', { most: 1 }),
  goal('64-byte round trip, p99', 'round-trips', p99, ' ms', 'node:tls', { most: 1.1 }),
  goal('64-byte messages, as many as will go', 'small-messages', messages, '/s', 'node:net', { least: 5 }),
  goal('Handshake, CPU of both sides', 'handshakes', cpuPerMessage, ' µs', 'node:tls', { most: 0.35 }),
  goal('Goodput without loss', 'loss-0', megabytes, ' MB/s', CUBIC, { least: 0.97 }),
  goal('Goodput at 1 % loss', 'loss-1', megabytes, ' MB/s', BBR, { least: 0.95 }),
  goal('Goodput at 3 % loss', 'loss-3', megabytes, ' MB/s', BBR, { least: 0.85 }),
  goal('Goodput at 1 % loss', 'loss-1', megabytes, ' MB/s', CUBIC, { least: 20 }),
  goal('Goodput at 3 % loss', 'loss-3', megabytes, ' MB/s', CUBIC, { least: 40 }),
  goal('64 bytes on ten streams, 2 % loss, p95', 'streams-2', p95, ' ms', CUBIC, { most: 0.37 }),
  goal('64 bytes on ten streams, 2 % loss, p99', 'streams-2', p99, ' ms', CUBIC, { most: 0.45 }),
  goal('Goodput under 50,000 forged datagrams/s', 'flooded', megabytes, ' MB/s', 'UDPack in calm', { least: 0.6 }),
  goal('Longest pause of a sender behind a NAT that forgets', 'rebinding', longest, ' ms', undefined, { most: 160 }),
  goal('Longest pause of a receiver behind it', 'rebinding-fetch', longest, ' ms', undefined, { most: 160 }),
  goal('Bytes on the link for that redundancy', 'streams-2', wire, ' KB/s', CUBIC, { most: 2 }),
];

function goal(
  what: string,
  result: string,
  figure: Figure,
  unit: string,
  to: string | undefined,
  bound: { readonly least?: number; readonly most?: number },
): Goal {
  return { what, result, figure, unit, to, ...bound };
}

/** The aims of UDPack for which there is a figure. */
export function udpOutcomes(find: (name: string) => Result | undefined): Outcome[] {
  return GOALS.flatMap((one) => {
    const result = find(`udp-${one.result}`);
    return result === undefined ? [] : outcomeOf(one, result);
  });
}

function outcomeOf({ what, figure, unit, to, least, most }: Goal, result: Result): Outcome[] {
  const shown = (variant: string): string => {
    const value = median(valuesOf(result, variant, figure));
    return value === undefined ? '–' : `${rounded(value)}${unit}`;
  };
  const value = to === undefined ? median(valuesOf(result, OURS, figure)) : ratio(result, figure, OURS, to);
  if (value === undefined) return [];
  const beside = { peer: to ?? '', theirs: to === undefined ? '' : shown(to), unit: to === undefined ? unit : ' ×' };
  return [{ what, ours: shown(OURS), ...beside, value, least, most, commit: result.commit }];
}
