// The mock client: logs in, says hello now and then, and shows what comes back.
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { connect } from 'hawser/client';
import { urlOf } from './endpoint.js';

/** @import { ClientSocket, CloseReason } from 'hawser/client' */
/** @import { MockApi } from './api.ts' */

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values } = parseArgs({
  options: {
    protocol: { type: 'string', short: 'p', default: 'ws' },
    address: { type: 'string', short: 'a' },
    name: { type: 'string', short: 'n', default: 'ada' },
    count: { type: 'string', short: 'c', default: '10' },
    every: { type: 'string', default: '1000' },
  },
});

/** Threads are of one process, so that here the client brings its server along. */
function serveInThread() {
  new Worker(new URL('./server.js', import.meta.url), { argv: ['-p', 'worker'] }).unref();
}

async function main() {
  if (values.protocol === 'worker') serveInThread();
  const options = {
    user: values.name,
    reconnect: /** @type {const} */ (false),
    times: { heartbeat: 55_000, readWait: 180_000 },
  };
  /** @type {ClientSocket<MockApi>} */
  const socket = await connect(urlOf(values.protocol, values.address), options);
  socket.on('message', (text) => console.log(`${values.name} receives [${text}]`));
  console.log(`${values.name} is in, over ${socket.transport}`);

  /** @type {CloseReason | undefined} */
  let broken;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  socket.on('down', (reason) => {
    broken = reason;
    stop.abort();
  });
  for (let i = 0; i < Number(values.count) && !stop.signal.aborted; i++) {
    socket.send('message', `hello ${i + 1}`);
    await wait(Number(values.every), undefined, { signal: stop.signal }).catch(() => {});
  }
  await socket.close();
  const { code, reason } = broken ?? (await socket.closed);
  console.log(`${values.name} is out (${code} ${reason})`);
  if (code !== 1000) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error('client:', error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
