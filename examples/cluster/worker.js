// A worker: it shares the HTTP port with the others, does what the query says, and asks the primary for all that it doesn't know itself.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { HawserError, thisWorker } from 'hawser';
import { connect } from 'hawser/client';

/** @import { IncomingMessage, ServerResponse } from 'node:http' */
/** @import { AddressInfo } from 'node:net' */
/** @import { Channel, ClientSocket } from 'hawser/client' */
/** @import { CacheApi, Head } from './api.ts' */

/** What a command that failed is in HTTP. @type {Readonly<Record<string, number>>} */
const STATUS = { BAD_COMMAND: 400, FORBIDDEN: 403, NO_SUCH_KEY: 404, TOO_LARGE: 413, FETCH_FAILED: 502 };
/** ms that a grab may take */
const GRAB_WAIT = 35_000;
const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/** @param {number} port */
export async function runWorker(port) {
  /** @type {ClientSocket<CacheApi>} */
  const cache = await connect(process.env['CACHE_URL'] ?? '');
  const http = createServer((request, response) => {
    answer(cache, request, response).catch((error) => fail(response, error));
  });
  http.listen(port, '127.0.0.1');
  await once(http, 'listening');
  const worker = thisWorker();
  // A terminal tells all processes; the primary says when it is this one's turn.
  process.on('SIGINT', () => {});
  worker?.onStop(async () => {
    const closed = once(http, 'close');
    http.close();
    http.closeIdleConnections();
    await closed;
    await cache.close();
  });
  worker?.ready(`http://127.0.0.1:${/** @type {AddressInfo} */ (http.address()).port}/`);
}

/**
 * @param {ClientSocket<CacheApi>} cache
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 */
async function answer(cache, request, response) {
  guard(request);
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const options = searchParams.get('options') ?? undefined;
  response.setHeader('X-Worker', String(thisWorker()?.number));
  switch (searchParams.get('command')) {
    case 'grab':
      if (options === undefined) throw new HawserError('BAD_COMMAND', 'grab needs options=URL');
      return tell(response, 201, await cache.request('grab', options, { timeout: GRAB_WAIT }));
    case 'get':
      return get(cache, keyOf(options), response);
    case 'delete':
      return tell(response, 200, {
        deleted: await cache.request('delete', options === 'all' ? undefined : keyOf(options)),
      });
    case 'stop':
      await cache.request('stop', undefined);
      return tell(response, 202, { stopping: true });
    default:
      throw new HawserError('BAD_COMMAND', 'command is get, grab, delete or stop');
  }
}

/**
 * Commands change things, and no page of another site may give them: not by its requests, nor by a name of its own that leads here.
 * @param {IncomingMessage} request
 */
function guard({ method, headers }) {
  if (method !== 'GET') throw new HawserError('BAD_COMMAND', 'commands are given by GET');
  const site = headers['sec-fetch-site'] ?? 'none';
  if (!LOCAL.test(headers.host ?? '') || (site !== 'none' && site !== 'same-origin'))
    throw new HawserError('FORBIDDEN', 'commands come from this machine, and from no other site');
}

/**
 * @param {ClientSocket<CacheApi>} cache
 * @param {number} key
 * @param {ServerResponse} response
 */
async function get(cache, key, response) {
  const channel = cache.openChannel('get', { key });
  channel.end();
  const head = /** @type {Head} */ (await headOf(channel));
  response.writeHead(200, {
    'Content-Type': head.type,
    'Content-Length': head.size,
    // It is somebody else's page: shown, but without its scripts, which would be of our own site.
    'Content-Security-Policy': 'sandbox',
    'X-Content-Type-Options': 'nosniff',
  });
  await pipeline(channel.readable, response);
}

/**
 * What is told before the bytes; rejects with what ended the channel instead.
 * @param {Channel} channel
 */
function headOf(channel) {
  return new Promise((resolve, reject) => {
    channel.once('head', resolve);
    void channel.closed.then((error) => reject(error ?? new HawserError('ERR_CLOSED', 'ended without an answer')));
  });
}

/** @param {string | undefined} options */
function keyOf(options) {
  if (options !== undefined && /^[1-9]\d{0,15}$/.test(options)) return Number(options);
  throw new HawserError('BAD_COMMAND', 'options is the key of what was grabbed');
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {object} what
 */
function tell(response, status, what) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(what)}\n`);
}

/**
 * @param {ServerResponse} response
 * @param {Error & { code?: string }} error
 */
function fail(response, { message, code = 'ERR_INTERNAL' }) {
  if (response.headersSent) response.destroy();
  else tell(response, STATUS[code] ?? 500, { code, error: message });
}
