// What the parts have in common: each connects to the main program, says which part it is, and serves until it is told to stop.
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { connect } from 'hawser/client';

/** @import { ClientSocket } from 'hawser/client' */
/** @import { CacheApi } from './api.ts' */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Ends with its first link: for parts that the main program started. */
    once: { type: 'boolean', default: false },
    'max-bytes': { type: 'string', default: '67108864' },
    ttl: { type: 'string', default: '600000' },
  },
});

export const settings = { maxBytes: Number(values['max-bytes']), ttl: Number(values.ttl) };

/**
 * Joins the main program as `name`. Resolves when the part is no longer needed.
 * @param {string} name
 * @param {(socket: ClientSocket<CacheApi>) => void} serve called before the first message
 */
export async function join(name, serve) {
  const [url = 'tcp://127.0.0.1:7000'] = positionals;
  /** @type {ClientSocket<CacheApi>} */
  const socket = await connect(url, {
    user: name,
    persistent: !values.once,
    timeout: values.once ? 20_000 : 0,
    ...(values.once && { reconnect: false }),
  });
  serve(socket);
  socket.on('crash', () => {
    setImmediate(() => {
      throw new Error(`${name} was told to crash`);
    });
  });
  socket.on('down', ({ code, reason }) => {
    if (code !== 1000 && !values.once)
      console.log(`${name}: the main program is gone (${code} ${reason}), looking for it`);
  });
  socket.on('up', () => say(name, 'the main program is back'));
  say(name, `joined over ${socket.transport}${isMainThread ? `, process ${process.pid}` : ''}`);
  process.once('SIGINT', () => void socket.close());
  const { code, reason } = await socket.closed;
  say(name, `ends (${code} ${reason})`);
}

/**
 * @param {string} name
 * @param {string} text
 */
function say(name, text) {
  console.log(`${name}: ${text}`);
}
