/**
 * Memory of idle connections: what a server's process takes for each, from 1,000 to 6,000 of them. Four servers are compared: bare
 * sockets of node:net that were sent the same bytes (`net`), WebSocket links without a session (`link`), sockets of a whole Hawser
 * server that speak JSON (`socket`), and those of the package `ws` (`ws`). Those who connect are a process of their own, and send the upgrade that a browser sends.
 *
 *   npm run bench:idle-memory -- [--from 1000] [--to 6000] [--out bench/results/idle-memory.json]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'hawser';
import { WebSocketServer } from 'ws';
import { realWorld } from '../src/runtime/index.ts';
import { parseEndpoint } from '../src/transport/index.ts';
import { websocketTransport } from '../src/transports/websocket/index.ts';

const KINDS = ['net', 'link', 'socket', 'ws'] as const;
type Kind = (typeof KINDS)[number];

interface Reading {
  readonly rss: number;
  /** The heap of JavaScript, and what it holds outside. */
  readonly heap: number;
}

const HELLO =
  'GET /chat HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n' +
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n' +
  'Upgrade: websocket\r\nOrigin: http://127.0.0.1:3000\r\nSec-WebSocket-Version: 13\r\n' +
  'Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n' +
  'Cookie: session=4f1c9e2ab7d0; theme=dark\r\nSec-WebSocket-Key: ';
const TAIL = '==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n';

async function serve(kind: Kind): Promise<void> {
  process.send?.(await listen(kind));
  process.on('message', () => void read().then((reading) => process.send?.(reading)));
  process.on('disconnect', () => process.exit());
}

async function listen(kind: Kind): Promise<number> {
  if (kind === 'net') {
    const kept = new Set<Socket>();
    const server = createNetServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
      kept.add(socket);
      socket.on('data', take);
      socket.on('drain', ignore);
      socket.on('end', ignore);
      socket.on('error', ignore);
      socket.on('close', ignore);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  if (kind === 'ws') {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
    server.on('connection', (socket) => socket.on('message', ignore));
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  if (kind === 'socket') {
    const server = createServer({ times: { loginWait: 1e9, heartbeat: 1e8, readWait: 1e9 } });
    server.of('/chat').on('connection', () => {});
    const [url] = await server.listen('ws://127.0.0.1:0');
    return Number(new URL(url ?? '').port);
  }
  const handler = { onMessage: ignore, onIdle: ignore, onDrain: ignore, onPong: ignore, onClosed: ignore };
  const kept = new Set<unknown>();
  const listener = await websocketTransport.listen?.(parseEndpoint('ws://127.0.0.1:0'), {
    world: realWorld(),
    messageBytes: 1 << 20,
    backlogMark: 1 << 18,
    closeWait: 5000,
    loginWait: 10_000,
    protocols: ['hawser.v1', 'hawser.v1.json'],
    admit: () => undefined,
    onLink: (link) => {
      kept.add(link);
      link.start(handler);
    },
  });
  return Number(new URL(listener?.endpoint ?? '').port);
}

function take(this: Socket): void {
  this.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
}

function ignore(): void {}

async function read(): Promise<Reading> {
  for (let i = 0; i < 5; i++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

/** Opens connections until there are as many as it is told. */
async function crowd(port: number): Promise<void> {
  const sockets: Socket[] = [];
  process.on('message', (wanted: number) => {
    void (async () => {
      while (sockets.length < wanted) {
        const batch = Array.from({ length: Math.min(50, wanted - sockets.length) }, (_, i) =>
          visit(port, sockets.length + i),
        );
        sockets.push(...(await Promise.all(batch)));
      }
      process.send?.(sockets.length);
    })();
  });
  process.on('disconnect', () => process.exit());
  process.send?.('ready');
}

async function visit(port: number, number: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', ignore);
  socket.write(`${HELLO}${Buffer.from(String(number).padStart(16)).toString('base64').slice(0, 22)}${TAIL}`);
  await once(socket, 'data');
  return socket;
}

const ask = async (child: ChildProcess, word: string | number): Promise<unknown> => {
  const answer = once(child, 'message');
  child.send(word);
  return ((await answer) as unknown[])[0];
};

async function measure(kind: Kind, from: number, to: number): Promise<object> {
  const file = fileURLToPath(import.meta.url);
  const server = fork(file, ['--serve', kind], { execArgv: [...process.execArgv, '--expose-gc'] });
  const [port] = (await once(server, 'message')) as [number];
  const people = fork(file, ['--crowd', String(port)]);
  await once(people, 'message');
  const readings: Reading[] = [];
  for (const count of [from, to]) {
    await ask(people, count);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    readings.push((await ask(server, 'read')) as Reading);
  }
  server.disconnect();
  people.disconnect();
  const [before, after] = readings as [Reading, Reading];
  const each = (name: keyof Reading): number => Math.round((after[name] - before[name]) / (to - from));
  return { kind, rssBytesEach: each('rss'), heapBytesEach: each('heap'), rssMb: Math.round(after.rss / (1 << 20)) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      from: { type: 'string', default: '1000' },
      to: { type: 'string', default: '6000' },
      out: { type: 'string' },
    },
  });
  const rows: object[] = [];
  for (const kind of KINDS) rows.push(await measure(kind, Number(values.from), Number(values.to)));
  const result = {
    command: `npm run bench:idle-memory -- ${process.argv.slice(2).join(' ')}`.trim(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}`,
    from: Number(values.from),
    to: Number(values.to),
    rows,
  };
  console.log(JSON.stringify(result, undefined, 2));
  if (values.out) writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
}

const [mode, argument = ''] = process.argv.slice(2);
if (mode === '--serve') await serve(argument as Kind);
else if (mode === '--crowd') await crowd(Number(argument));
else await main();
