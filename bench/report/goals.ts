import { FIGURES, type Figure, median, type Result, ratio, valuesOf } from './results.ts';
import { rounded } from './tables.ts';

const OURS = 'UDPack';

interface Goal {
  readonly what: string;
  readonly result: string;
  readonly figure: Figure;
  /** Whom it is compared with; undefined: the figure itself counts. */
  readonly to: string | undefined;
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
}

const { megabytes, p50, p95, p99, messages, cpuPerMessage } = FIGURES;
const CUBIC = 'node:tls, CUBIC';
const BBR = 'node:tls, BBR';

const GOALS: readonly Goal[] = [
  goal('Bulk, 1,452-byte datagrams', 'udp-bulk-1452', megabytes, '@matrixai/quic', { least: 20 }),
  goal('Bulk, 1,452-byte datagrams', 'udp-bulk-1452', megabytes, undefined, { least: 60, unit: ' MB/s' }),
  goal('Goodput at 1 % loss', 'udp-loss-1', megabytes, CUBIC, { least: 15 }),
  goal('Goodput at 3 % loss', 'udp-loss-3', megabytes, CUBIC, { least: 15 }),
  goal('64 bytes on ten streams, 2 % loss, p95', 'udp-streams-2', p95, CUBIC, { most: 0.5 }),
  goal('Bulk, 1,452-byte datagrams', 'udp-bulk-1452', megabytes, 'bare path', { least: 0.75 }),
  goal('Bulk, free choice', 'udp-bulk-free', megabytes, 'node:tls', { least: 0.75 }),
  goal('64-byte messages', 'udp-small-messages', messages, 'node:net', { least: 5 }),
  goal('64-byte round trip, p50', 'udp-round-trips', p50, 'node:tls', { most: 1 }),
  goal('64-byte round trip, p99', 'udp-round-trips', p99, 'node:tls', { most: 1.1 }),
  goal('Goodput without loss', 'udp-loss-0', megabytes, CUBIC, { least: 0.97 }),
  goal('Goodput at 1 % loss', 'udp-loss-1', megabytes, BBR, { least: 0.95 }),
  goal('Goodput at 3 % loss', 'udp-loss-3', megabytes, BBR, { least: 0.85 }),
  goal('64 bytes on ten streams, 2 % loss, p99', 'udp-streams-2', p99, CUBIC, { most: 0.45 }),
  goal('CPU of a handshake', 'udp-handshakes', cpuPerMessage, 'node:tls', { most: 0.35 }),
];

function goal(
  what: string,
  result: string,
  figure: Figure,
  to: string | undefined,
  bound: { readonly least?: number; readonly most?: number; readonly unit?: string },
): Goal {
  return { what, result, figure, to, unit: ' ×', ...bound };
}

/** What was aimed at, and what came of it. */
export function goalsTable(find: (name: string) => Result | undefined): string {
  const lines = GOALS.flatMap((one) => {
    const result = find(one.result);
    return result === undefined ? [] : [lineOf(one, result)];
  });
  return ['| | Beside | Aim | Measured | |', '| --- | --- | ---: | ---: | --- |', ...lines].join('\n');
}

function lineOf({ what, figure, to, least, most, unit }: Goal, result: Result): string {
  const value = to === undefined ? median(valuesOf(result, OURS, figure)) : ratio(result, figure, OURS, to);
  const aim = least === undefined ? `≤ ${most}${unit}` : `≥ ${least}${unit}`;
  if (value === undefined) return `| ${what} | ${to ?? ''} | ${aim} | – | |`;
  const met = value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY);
  return `| ${what} | ${to ?? ''} | ${aim} | ${rounded(value)}${unit} | ${met ? 'reached' : '**not reached**'} |`;
}
