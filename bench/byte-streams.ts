/**
 * 32 byte streams at one time, from a client to a server that reads them: channels of one socket of Hawser's, over WebSocket and over TCP;
 * beside them what others have that comes nearest. Socket.IO has no streams: 32 sockets, on each of which a chunk is sent when the one
 * before the last was acknowledged. Bare node:net: 32 sockets. Server and client are fresh processes on a core each; repetitions are
 * interleaved; each stream's bytes are compared with what they must be at both ends of every chunk.
 *
 *   npm run bench:byte-streams -- [--only channels-ws,net] [--repetitions 5] [--seconds 2] [--out bench/results]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createNet, connect as dialNet } from 'node:net';
import { cpus, loadavg, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { connect } from 'hawser/client';
import { Server as SocketIo } from 'socket.io';
import { WebSocket } from 'ws';
import { commitOf } from './commit.ts';
import { pattern } from './udp/tally.ts';
import { machineCpuUs } from './udp/worlds.ts';

const WAYS = ['channels-ws', 'channels-tcp', 'socket.io', 'net'] as const;
type Way = (typeof WAYS)[number];

const STREAMS = 32;
const CHUNK = 64 * 1024;
const AHEAD = 2;
const WARMUP_MS = 1500;
const OTHERS_MOST = 0.15;
const TRIES = 3;

/** What a server says of itself. */
interface Mark {
  readonly bytes: number;
  readonly cpuUs: number;
}

interface Row {
  readonly way: Way;
  readonly repetition: number;
  readonly mbPerSecond: number;
  /** CPU time of the server per GB, s. */
  readonly cpuPerGb: number;
  readonly othersCores: number;
  readonly loadAverage: number;
}

interface Api {
  readonly toServer: { readonly channels: { readonly sink: undefined } };
}

const chunk = pattern(CHUNK);
let bytes = 0;

/** One of these for each stream: what comes is the chunk again and again. */
function reader(): (part: Uint8Array) => void {
  let at = 0;
  return (part) => {
    const last = (at + part.length - 1) % CHUNK;
    if (part[0] !== chunk[at % CHUNK] || part[part.length - 1] !== chunk[last]) throw new Error('other bytes came');
    at = (at + part.length) % CHUNK;
    bytes += part.length;
  };
}

async function drain(readable: ReadableStream<Uint8Array>): Promise<void> {
  const read = reader();
  for await (const part of readable) read(part);
}

async function serveHawser(url: string): Promise<string> {
  const server = createServer<Api>();
  server.on('connection', (socket) => socket.on('channel', (channel) => drain(channel.readable)));
  const [endpoint = ''] = await server.listen(url);
  return endpoint;
}

async function serveSocketIo(): Promise<string> {
  const http = createHttp().listen(0, '127.0.0.1');
  await once(http, 'listening');
  new SocketIo(http).on('connection', (socket) => {
    const read = reader();
    socket.on('chunk', (part: Uint8Array, acknowledge: () => void) => {
      read(part);
      acknowledge();
    });
  });
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}/socket.io/?EIO=4&transport=websocket`;
}

async function serveNet(): Promise<string> {
  const server = createNet((socket) => {
    socket.on('data', reader()).on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return String((server.address() as AddressInfo).port);
}

const SERVERS: Readonly<Record<Way, () => Promise<string>>> = {
  'channels-ws': () => serveHawser('ws://127.0.0.1:0'),
  'channels-tcp': () => serveHawser('tcp://127.0.0.1:0'),
  'socket.io': serveSocketIo,
  net: serveNet,
};

async function feedHawser(url: string): Promise<void> {
  const socket = await connect<Api>(url);
  const feed = async (): Promise<never> => {
    const writer = socket.openChannel('sink').writable.getWriter();
    for (;;) await writer.write(chunk);
  };
  await Promise.race(Array.from({ length: STREAMS }, feed));
}

/** What Socket.IO 5 on Engine.IO 4 has on the wire for an event with bytes and an acknowledgement. */
async function feedSocketIo(url: string): Promise<void> {
  for (let i = 0; i < STREAMS; i++) {
    const socket = new WebSocket(url);
    let id = 0;
    const next = (): void => {
      socket.send(`451-${id++}["chunk",{"_placeholder":true,"num":0}]`);
      socket.send(chunk);
    };
    socket.on('message', (data) => {
      const text = (data as Buffer).toString();
      if (text.startsWith('0')) socket.send('40');
      else if (text === '2') socket.send('3');
      else if (text.startsWith('40')) for (let ahead = 0; ahead < AHEAD; ahead++) next();
      else if (text.startsWith('43')) next();
      else throw new Error(`Socket.IO said ${text.slice(0, 40)}`);
    });
    await once(socket, 'open');
  }
}

async function feedNet(port: string): Promise<void> {
  for (let i = 0; i < STREAMS; i++) {
    const socket = dialNet({ host: '127.0.0.1', port: Number(port) });
    await once(socket, 'connect');
    const fill = (): void => {
      while (socket.write(chunk));
    };
    socket.on('drain', fill);
    fill();
  }
}

const FEEDS: Readonly<Record<Way, (target: string) => Promise<void>>> = {
  'channels-ws': feedHawser,
  'channels-tcp': feedHawser,
  'socket.io': feedSocketIo,
  net: feedNet,
};

/** A role in a process of its own, on a core of its own. */
function start(core: number, words: readonly string[]): ChildProcess {
  const program = [process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url), ...words];
  return spawn('taskset', ['-c', String(core), ...program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function markOf(server: ChildProcess): Promise<Mark> {
  server.send('mark');
  const [mark] = (await once(server, 'message')) as [Mark];
  return mark;
}

async function measure(way: Way, repetition: number, ms: number): Promise<Row> {
  const loadAverage = loadavg()[0] ?? 0;
  const server = start(1, ['--serve', way]);
  const [target] = (await once(server, 'message')) as [string];
  const client = start(0, ['--feed', way, '--target', target]);
  try {
    await once(client, 'message');
    await sleep(WARMUP_MS);
    const clientCpu = await markOf(client);
    const [before, machine, began] = [await markOf(server), machineCpuUs(), performance.now()];
    await sleep(ms);
    const [after, passed] = [await markOf(server), performance.now() - began];
    const used = after.cpuUs - before.cpuUs + (await markOf(client)).cpuUs - clientCpu.cpuUs;
    const [got, cpuUs] = [after.bytes - before.bytes, after.cpuUs - before.cpuUs];
    if (got === 0) throw new Error(`${way}: nothing came`);
    return {
      way,
      repetition,
      mbPerSecond: got / passed / 1e3,
      cpuPerGb: (cpuUs * 1e3) / got,
      othersCores: Math.max(0, (machineCpuUs() - machine - used) / passed / 1e3),
      loadAverage,
    };
  } finally {
    client.kill();
    server.kill();
  }
}

/** A run that others disturbed is done again; the calmest counts. */
async function calm(way: Way, repetition: number, ms: number): Promise<Row> {
  let best = await measure(way, repetition, ms);
  for (let tries = 1; tries < TRIES && best.othersCores > OTHERS_MOST; tries++) {
    const again = await measure(way, repetition, ms);
    if (again.othersCores < best.othersCores) best = again;
  }
  return best;
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  const ways = WAYS.filter((way) => values.only?.split(',').includes(way) ?? true);
  for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
    for (const way of [...ways.slice(repetition % ways.length), ...ways.slice(0, repetition % ways.length)]) {
      const row = await calm(way, repetition, Number(values.seconds) * 1e3);
      rows.push(row);
      const { mbPerSecond, cpuPerGb, othersCores } = row;
      const figures = `${mbPerSecond.toFixed(0)} MB/s; ${cpuPerGb.toFixed(2)} s/GB`;
      console.log(`byte-streams #${repetition} ${way}: ${figures}; others ${othersCores.toFixed(2)}`);
    }
  }
  if (values.out === undefined) return;
  const page = {
    command: `npm run bench:byte-streams -- --repetitions ${values.repetitions} --seconds ${values.seconds}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.versions.node },
    streams: STREAMS,
    chunk: CHUNK,
    rows,
  };
  writeFileSync(`${values.out}/byte-streams.json`, `${JSON.stringify(page, null, 1)}\n`);
}

const { values } = parseArgs({
  options: {
    serve: { type: 'string' },
    feed: { type: 'string' },
    target: { type: 'string' },
    only: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});

function answerMarks(): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ bytes, cpuUs: user + system } satisfies Mark);
  });
}

if (values.serve !== undefined) {
  const target = await SERVERS[values.serve as Way]();
  answerMarks();
  process.send?.(target);
} else if (values.feed !== undefined) {
  answerMarks();
  const feeding = FEEDS[values.feed as Way](values.target ?? '');
  process.send?.('feeding');
  await feeding;
} else {
  await main();
}
