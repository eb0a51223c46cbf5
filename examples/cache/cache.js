// The part that keeps bodies: the least recently used go when there are too many bytes, and each goes when its time is over.
import { HawserError } from 'hawser/client';
import { LRUCache } from 'lru-cache';
import { join, settings } from './part.js';

/** @import { Channel, ClientSocket } from 'hawser/client' */
/** @import { CacheApi, Head } from './api.ts' */

/** @type {ClientSocket<CacheApi> | undefined} */
let main;
let keys = 0;

/** @type {LRUCache<number, Head & { bytes: Buffer }>} */
const bodies = new LRUCache({
  maxSize: settings.maxBytes,
  sizeCalculation: ({ bytes }) => bytes.length + 1,
  ttl: settings.ttl,
  ttlAutopurge: true,
  dispose: (_, key, why) => {
    if (why === 'evict' || why === 'expire')
      main?.send('dropped', { key, why: why === 'evict' ? 'no room' : 'too old' });
  },
});

/** @param {Channel<Head>} channel */
async function put(channel) {
  const chunks = [];
  let size = 0;
  for await (const chunk of channel.readable) {
    size += chunk.length;
    if (size >= settings.maxBytes) throw new HawserError('TOO_LARGE', `a body may have ${settings.maxBytes} bytes`);
    chunks.push(chunk);
  }
  keys += 1;
  bodies.set(keys, { ...channel.data, bytes: Buffer.concat(chunks) });
  channel.send('stored', { key: keys, size });
}

/** @param {Channel<{ key: number }>} channel */
async function get(channel) {
  const body = bodies.get(channel.data.key);
  if (body === undefined) throw new HawserError('NO_SUCH_KEY', `nothing is kept under ${channel.data.key}`);
  const { bytes, ...head } = body;
  channel.send('head', head);
  const writer = channel.writable.getWriter();
  await writer.write(bytes);
  await writer.close();
}

/** @param {number | undefined} key */
function drop(key) {
  if (key !== undefined) return Number(bodies.delete(key));
  const { size } = bodies;
  bodies.clear();
  return size;
}

await join('cache', (socket) => {
  main = socket;
  socket.handle('delete', drop);
  socket.on('channel', (channel) => {
    if (channel.name === 'put') return put(channel);
    if (channel.name === 'get') return get(channel);
    throw new HawserError('ERR_NO_SUCH_CHANNEL', 'the cache puts and gets');
  });
});
// Timers of what is kept don't matter any more.
bodies.clear();
