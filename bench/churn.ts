/**
 * Growth of a server that people come to and leave: waves of WebSocket clients say hello in Hawser's dialect, join a room, open a
 * channel and go, half of them politely. After the first tenth, and then after each further tenth, it tells what the server's process holds.
 *
 *   npm run bench:churn -- [--connects 100000] [--wave 500] [--out bench/results/churn.json]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { WebSocket } from 'ws';
import { type ChannelCodec, hawserCodec } from '../src/wire/index.ts';

interface Reading {
  readonly connects: number;
  readonly rssMb: number;
  readonly heapMb: number;
  /** Sockets, rooms and handles that are left when everybody has gone. */
  readonly sockets: number;
  readonly rooms: number;
  readonly handles: number;
}

async function serve(): Promise<void> {
  const server = createServer({ times: { resumeWindow: 0 } });
  server.on('connection', (socket) => {
    socket.join('all');
    socket.join(`own ${socket.id}`);
    socket.on('channel', () => {});
  });
  let connects = 0;
  server.on('connection', () => {
    connects += 1;
  });
  const [url] = await server.listen('ws://127.0.0.1:0');
  process.on('message', () => {
    void (async () => {
      while (server.stats.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      for (let i = 0; i < 5; i++) {
        global.gc?.();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { rss, heapUsed } = process.memoryUsage();
      const mb = (bytes: number): number => Number((bytes / (1 << 20)).toFixed(1));
      const rooms = (await server.rooms()).size;
      const handles = process.getActiveResourcesInfo().length;
      process.send?.({
        connects,
        rssMb: mb(rss),
        heapMb: mb(heapUsed),
        sockets: server.stats.sockets,
        rooms,
        handles,
      } satisfies Reading);
    })();
  });
  process.on('disconnect', () => process.exit());
  process.send?.(url);
}

const HELLO = hawserCodec.hello({
  version: 1,
  namespace: '/',
  channels: { most: 10, bytes: 1000, message: 1000 },
}).bytes;
const OPEN = (hawserCodec.channels as ChannelCodec).open(1, 'x', undefined).bytes;

/** Comes, says hello, waits for the welcome, opens a channel, and goes. */
function visit(url: string, politely: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'hawser.v1', { perMessageDeflate: false });
    socket.on('open', () => socket.send(HELLO));
    socket.on('message', () => {
      socket.send(OPEN, () => (politely ? socket.close(1000) : socket.terminate()));
    });
    socket.on('close', () => resolve());
    socket.on('error', reject);
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connects: { type: 'string', default: '100000' },
      wave: { type: 'string', default: '500' },
      out: { type: 'string' },
    },
  });
  const [connects, wave] = [Number(values.connects), Number(values.wave)];
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['--serve'], {
    execArgv: [...process.execArgv, '--expose-gc'],
  });
  const [url] = (await once(child, 'message')) as [string];
  const readings: Reading[] = [];
  for (let done = 0; done < connects; ) {
    const count = Math.min(wave, connects - done);
    await Promise.all(Array.from({ length: count }, (_, i) => visit(url, i % 2 === 0)));
    const before = Math.floor((done * 10) / connects);
    done += count;
    if (Math.floor((done * 10) / connects) === before) continue;
    child.send('read');
    readings.push(((await once(child, 'message')) as [Reading])[0]);
    console.log(JSON.stringify(readings.at(-1)));
  }
  child.disconnect();
  const result = {
    command: `npm run bench:churn -- ${process.argv.slice(2).join(' ')}`.trim(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}`,
    readings,
  };
  if (values.out) writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
}

const [mode] = process.argv.slice(2);
if (mode === '--serve') await serve();
else await main();
