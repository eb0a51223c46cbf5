/** Sends, asks and dials, and tells how that went. Its words: the transport, the folder of the keys, the world, the port, seconds of bulk. */
import { type ClientSocket, connect } from 'hawser/client';
import { createQuicTransport } from 'hawser/transports/quic';
import { INTERNET } from './settings.ts';

export interface Api {
  readonly toServer: {
    readonly events: { readonly bulk: Uint8Array };
    readonly requests: {
      readonly echo: (data: string) => string;
      readonly mark: () => { readonly bytes: number; readonly cpuUs: number };
    };
  };
}

export interface Figures {
  readonly mbPerSecond: number;
  /** CPU time of both sides, s. */
  readonly cpuPerGb: number;
  /** One request at a time. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** 16 requests under way. */
  readonly requestsPerSecond: number;
  /** CPU time of both sides for one of them. */
  readonly cpuPerRequestUs: number;
  /** From `connect` to a socket. */
  readonly dialMs: number;
}

const PIECE = new Uint8Array(64 * 1024).fill(7);
const WARMUP_MS = 1000;
const ALONE = 3000;
const TOGETHER = 20_000;
const IN_FLIGHT = 16;
const DIALS = 30;
const QUESTION = 'x'.repeat(64);

const [way = '', folder = '', world = '', port = '', seconds = '2'] = process.argv.slice(2);
const target = `${way}://127.0.0.1:${port}?${way === 'udpack' ? `key=${folder}/server.pub` : `ca=${folder}/cert.pem`}`;

const options = world === 'internet' ? { transports: [createQuicTransport(INTERNET)] } : {};

const median = (of: readonly number[], share = 0.5): number =>
  of.toSorted((a, b) => a - b)[Math.floor(of.length * share)] ?? Number.NaN;

/** CPU time of both sides, and bytes that came. */
async function lookAt(
  socket: ClientSocket<Api>,
): Promise<{ readonly cpuUs: number; readonly bytes: number; readonly at: number }> {
  const { bytes, cpuUs } = await socket.request('mark', undefined, { timeout: 30_000 });
  const { user, system } = process.cpuUsage();
  return { bytes, cpuUs: cpuUs + user + system, at: performance.now() };
}

async function sendFor(socket: ClientSocket<Api>, ms: number): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until; )
    if (!socket.send('bulk', PIECE)) await new Promise<void>((resolve) => socket.once('drain', resolve));
}

async function bulk(socket: ClientSocket<Api>): Promise<Pick<Figures, 'mbPerSecond' | 'cpuPerGb'>> {
  await sendFor(socket, WARMUP_MS);
  const before = await lookAt(socket);
  await sendFor(socket, Number(seconds) * 1e3);
  // The answer comes behind all that was sent.
  const after = await lookAt(socket);
  const bytes = after.bytes - before.bytes;
  return {
    mbPerSecond: bytes / (after.at - before.at) / 1e3,
    cpuPerGb: ((after.cpuUs - before.cpuUs) * 1e3) / bytes,
  };
}

async function asking(
  socket: ClientSocket<Api>,
): Promise<Pick<Figures, 'p50Us' | 'p99Us' | 'requestsPerSecond' | 'cpuPerRequestUs'>> {
  const times: number[] = [];
  for (let i = 0; i < ALONE; i++) {
    const began = performance.now();
    await socket.request('echo', QUESTION);
    if (i >= ALONE / 10) times.push((performance.now() - began) * 1e3);
  }
  const before = await lookAt(socket);
  let left = TOGETHER;
  const row = async (): Promise<void> => {
    while (left-- > 0) await socket.request('echo', QUESTION);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, row));
  const after = await lookAt(socket);
  return {
    p50Us: median(times),
    p99Us: median(times, 0.99),
    requestsPerSecond: (TOGETHER * 1e3) / (after.at - before.at),
    cpuPerRequestUs: (after.cpuUs - before.cpuUs) / TOGETHER,
  };
}

async function dialling(): Promise<Pick<Figures, 'dialMs'>> {
  const times: number[] = [];
  for (let i = 0; i < DIALS; i++) {
    const began = performance.now();
    const socket = await connect<Api>(target, options);
    times.push(performance.now() - began);
    await socket.close();
  }
  return { dialMs: median(times) };
}

const socket = await connect<Api>(target, options);
const figures: Figures = { ...(await bulk(socket)), ...(await asking(socket)), ...(await dialling()) };
const { cpuUs: usedUs } = await lookAt(socket);
process.send?.({ ...figures, usedUs });
