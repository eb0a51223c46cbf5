// The main program: it listens on one URL, has its parts join, and does what is typed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createServer, HawserError } from 'hawser';
import { run } from './commands.js';

/** @import { Server, ServerSocket } from 'hawser' */
/** @import { CacheApi } from './api.ts' */
/** @typedef {ServerSocket<CacheApi>} Part */

const PARTS = ['fetcher', 'cache'];
/** ms before a part that has ended is started again */
const PAUSE = 200;

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'max-bytes': { type: 'string' }, ttl: { type: 'string' } },
});
const [url = 'worker:cache-example'] = positionals;
const options = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);

/** @type {Map<string, Part>} */
const parts = new Map();
let stopping = false;

/** @type {Server<CacheApi>} */
const server = createServer({
  authenticate: ({ user }) => {
    if (user === undefined || !PARTS.includes(user))
      throw new HawserError('ERR_AUTH_FAILED', 'not a part of this program');
    return { user };
  },
  secondLogin: 'reject',
  times: { resumeWindow: 0 },
});

server.on('connection', (part) => {
  const name = `${part.user}`;
  parts.set(name, part);
  console.log(`${name} is here, over ${part.handshake.transport}`);
  part.on('dropped', ({ key, why }) => console.log(`${key} was dropped: ${why}`));
  part.on('close', ({ code, reason }) => {
    parts.delete(name);
    if (stopping) return;
    console.log(`${name} is gone (${code} ${reason})`);
    setTimeout(() => start(name), PAUSE);
  });
});

/**
 * Threads and processes are started here; a part that joins over TCP is started by whoever has the machine.
 * @param {string} name
 */
function start(name) {
  const program = new URL(`./${name}.js`, import.meta.url);
  const args = [url, '--once', ...options];
  if (url.startsWith('worker:')) {
    // How it ended is told over its link: nothing is to be done here, but the error must have a listener.
    new Worker(program, { argv: args }).on('error', () => {});
  } else if (url.startsWith('ipc:')) {
    spawn(process.execPath, [fileURLToPath(program), ...args], { stdio: ['ignore', 'inherit', 'ignore'] });
  } else {
    console.log(`waiting for: node examples/cache/${name}.js ${[server.endpoints[0], ...options].join(' ')}`);
  }
}

/** @param {string} name */
function partOf(name) {
  const found = parts.get(name);
  if (found === undefined) throw new HawserError('NO_PART', `there is no ${name} at the moment`);
  return found;
}

/** Takes no more commands. A pipe that stays open would keep the program alive. */
function hangUp() {
  input.close();
  process.stdin.destroy();
}

async function stop() {
  stopping = true;
  hangUp();
  for (const one of parts.values()) one.close(1000, 'stop');
  await server.close();
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (line.trim() === 'stop') void stop();
  else run(line, partOf).catch((error) => console.log(`${line.trim()} failed: ${error.message} (${error.code})`));
});
process.once('SIGINT', () => void stop());

try {
  const [endpoint] = await server.listen(url);
  console.log(`main listens on ${endpoint}`);
  PARTS.forEach(start);
} catch (error) {
  console.error('main:', error instanceof Error ? error.message : error);
  process.exitCode = 1;
  hangUp();
}
