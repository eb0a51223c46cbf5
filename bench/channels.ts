/**
 * Byte streams over many channels of one socket, with and without one among them whose reader is stalled. Server and client are
 * processes of their own. What is told is the throughput of the channels that are read, and the server's memory.
 *
 *   npm run bench:channels -- [--transport tcp] [--channels 32] [--megabytes 8] [--rounds 5] [--out bench/results/channels.json]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { connect } from 'hawser/client';

interface Api {
  readonly toServer: {
    readonly requests: { readonly rss: () => number };
    readonly channels: { readonly sink: undefined; readonly stalled: undefined };
  };
}

interface Round {
  readonly stalled: boolean;
  readonly mbPerSecond: number;
  readonly serverRssMb: number;
}

async function serve(url: string): Promise<void> {
  const server = createServer<Api>();
  server.on('connection', (socket) => {
    socket.handle('rss', () => process.memoryUsage().rss);
    socket.on('channel', (channel) => (channel.name === 'sink' ? drain(channel.readable) : undefined));
  });
  process.send?.(await server.listen(url));
  process.on('disconnect', () => void server.close());
}

async function drain(readable: ReadableStream<Uint8Array>): Promise<void> {
  for await (const chunk of readable) if (chunk.length === 0) throw new Error('an empty chunk');
}

async function measure(url: string, channels: number, bytes: number, stalled: boolean): Promise<Round> {
  await using socket = await connect<Api>(url);
  const chunk = new Uint8Array(64 * 1024);
  if (stalled) {
    const writer = socket.openChannel('stalled').writable.getWriter();
    void (async () => {
      for (;;) await writer.write(chunk);
    })().catch(() => {});
  }
  const feed = async (): Promise<void> => {
    const channel = socket.openChannel('sink');
    const writer = channel.writable.getWriter();
    for (let sent = 0; sent < bytes; sent += chunk.length) await writer.write(chunk);
    await writer.close();
    const error = await channel.closed;
    if (error) throw error;
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: channels - 1 }, feed));
  const seconds = (performance.now() - started) / 1000;
  const serverRssMb = Math.round((await socket.request('rss')) / (1 << 20));
  return { stalled, mbPerSecond: Math.round(((channels - 1) * bytes) / seconds / 1e6), serverRssMb };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      transport: { type: 'string', default: 'tcp' },
      channels: { type: 'string', default: '32' },
      megabytes: { type: 'string', default: '8' },
      rounds: { type: 'string', default: '5' },
      out: { type: 'string' },
    },
  });
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['--serve', `${values.transport}://127.0.0.1:0`]);
  const [[url]] = (await once(child, 'message')) as [[string]];
  const [channels, bytes] = [Number(values.channels), Number(values.megabytes) * 1e6];
  await measure(url, channels, bytes, false);
  const rounds: Round[] = [];
  const ratios: number[] = [];
  for (let i = 0; i < Number(values.rounds); i++) {
    const order = i % 2 === 0 ? [false, true] : [true, false];
    const pair: Round[] = [];
    for (const stalled of order) pair.push(await measure(url, channels, bytes, stalled));
    rounds.push(...pair);
    const speed = (stalled: boolean): number => pair.find((round) => round.stalled === stalled)?.mbPerSecond ?? 0;
    ratios.push(speed(true) / speed(false));
  }
  child.disconnect();
  const result = {
    command: `npm run bench:channels -- ${process.argv.slice(2).join(' ')}`.trim(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}`,
    channels,
    bytesEach: bytes,
    ratioWithOneStalled: Number(median(ratios).toFixed(3)),
    rounds,
  };
  console.log(JSON.stringify(result, undefined, 2));
  if (values.out) writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
}

const [mode, url] = process.argv.slice(2);
if (mode === '--serve' && url !== undefined) await serve(url);
else await main();
