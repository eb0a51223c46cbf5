// The primary process: it has the cache, and starts the workers anew when they die.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, HawserError, startWorkers } from 'hawser';
import { Cache } from './cache.js';

/** @import { WorkerEvent, Workers } from 'hawser' */
/** @import { CacheApi } from './api.ts' */

/**
 * Resolves when all is over.
 * @param {{ workers: number | 'auto', maxBytes: number, ttl: number }} options
 */
export async function runPrimary({ workers, ...bounds }) {
  const cache = new Cache(bounds);
  /** @type {() => void} */
  let stop = () => {};
  const stopped = /** @type {Promise<void>} */ (new Promise((resolve) => (stop = resolve)));
  // A folder that this user alone can open.
  const folder = mkdtempSync(join(tmpdir(), 'hawser-cluster-'));
  /** @type {import('hawser').Server<CacheApi>} */
  const server = createServer();
  /** @type {Workers | undefined} */
  let crew;
  server.on('connection', (worker) => {
    worker.handle('grab', (url) => cache.grab(url));
    worker.handle('delete', (key) => cache.delete(key));
    worker.handle('stop', () => {
      // The answer goes out first.
      setTimeout(stop, 100);
      return null;
    });
    worker.on('channel', async (channel) => {
      if (channel.name !== 'get') throw new HawserError('ERR_NO_SUCH_CHANNEL', 'bodies are got');
      const { head, bytes } = cache.get(channel.data.key);
      channel.send('head', head);
      const writer = channel.writable.getWriter();
      await writer.write(bytes);
      await writer.close();
    });
  });
  try {
    const url = `ipc://${join(folder, 'cache.sock')}`;
    await server.listen(url);
    crew = await startWorkers({ workers, env: { CACHE_URL: url }, ready: 'told', onEvent: tell });
    console.log(`${crew.workers.length} workers serve`);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop());
    const error = await Promise.race([stopped, crew.closed]);
    if (error) throw error;
    console.log('stopping');
  } finally {
    await crew?.stop();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {WorkerEvent} happened */
function tell(happened) {
  if (happened.event === 'ready')
    console.log(`worker ${happened.worker} is process ${happened.pid}: ${String(happened.data)}`);
  if (happened.event === 'died') console.log(`worker ${happened.worker} died: ${happened.signal ?? happened.code}`);
}
