// The part that fetches: one channel for each body, which flows through as fast as the reader takes it.
import { HawserError } from 'hawser/client';
import { join } from './part.js';

/** @import { Channel } from 'hawser/client' */

const WAIT = 30_000;

/** @param {Channel<{ url: string }>} channel */
async function grab(channel) {
  const { url } = channel.data;
  const response = await fetch(url, { signal: AbortSignal.timeout(WAIT) }).catch((error) => {
    throw new HawserError('FETCH_FAILED', `${url}: ${error.cause?.message ?? error.message}`);
  });
  if (!response.ok) throw new HawserError('FETCH_FAILED', `${url}: status ${response.status}`);
  channel.send('head', { url, type: response.headers.get('content-type') ?? 'application/octet-stream' });
  if (response.body === null) channel.end();
  else await response.body.pipeTo(channel.writable);
}

await join('fetcher', (socket) => {
  socket.on('channel', (channel) => {
    if (channel.name === 'grab') return grab(channel);
    throw new HawserError('ERR_NO_SUCH_CHANNEL', 'the fetcher only grabs');
  });
});
