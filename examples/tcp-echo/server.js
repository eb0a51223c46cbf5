// Sends back every byte that it gets, and counts. What a server of node:net can be told, this one is told beside its URL.
//   node examples/tcp-echo/server.js [--port 7000] [--idle 60000] [--most 100] [--wait 0] [--save FOLDER] [--unref]

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createServer, duplexOf } from 'hawser';

/** @import { ServerSocket } from 'hawser' */

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '7000' },
    idle: { type: 'string', default: '60000' },
    most: { type: 'string', default: '100' },
    wait: { type: 'string', default: '0' },
    save: { type: 'string' },
    unref: { type: 'boolean', default: false },
  },
});

const server = createServer();
let clients = 0;

server.on('connection', (socket) => {
  clients += 1;
  const name = `client ${clients}`;
  console.log(`${name} comes from ${socket.handshake.remote}; ${connections()} connected`);
  socket.on('close', ({ code, reason }) => {
    const { bytesRead, bytesWritten } = socket.traffic;
    console.log(`${name} is gone (${code} ${reason}): ${bytesRead} bytes read, ${bytesWritten} written`);
  });
  if (values.save !== undefined) void save(socket, join(values.save, `${name}.bin`));
  else echo(socket, Number(values.wait));
});

/**
 * What comes goes back. A client that has ended its direction still gets all of it. Nothing is read for `wait` ms: what the client sends
 * meanwhile waits in the operating system, and then in the client.
 * @param {ServerSocket} socket @param {number} wait
 */
function echo(socket, wait) {
  const duplex = duplexOf(socket);
  const begin = () => pipeline(duplex, duplex).catch(() => {});
  if (wait === 0) void begin();
  else {
    socket.pause();
    setTimeout(() => {
      socket.resume();
      void begin();
    }, wait);
  }
}

/** @param {ServerSocket} socket @param {string} path */
async function save(socket, path) {
  try {
    await pipeline(duplexOf(socket), createWriteStream(path));
    console.log(`saved ${path}`);
  } catch (error) {
    console.error(`server: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function connections() {
  return server.listeners[0]?.stats?.connections ?? 0;
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => void server.close());

try {
  const [endpoint] = await server.listen({
    url: `tcp://127.0.0.1:${values.port}?dialect=raw`,
    halfOpen: true,
    idleTimeout: Number(values.idle),
    maxConnections: Number(values.most),
    backlog: 511,
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: 30_000,
    unref: values.unref,
  });
  console.log(`listening on ${endpoint}`);
} catch (error) {
  console.error(`server: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
