// The cache that all workers have together, in the primary: the least recently used goes when there are too many bytes, and each when its time is over.
import { HawserError } from 'hawser';
import { LRUCache } from 'lru-cache';

/** @import { Head } from './api.ts' */

/** ms until a body must be here */
const WAIT = 30_000;

export class Cache {
  #keys = 0;
  #maxBytes;
  /** @type {LRUCache<number, Head & { bytes: Buffer }>} */
  #bodies;

  /** @param {{ maxBytes: number, ttl: number }} bounds in bytes and ms */
  constructor({ maxBytes, ttl }) {
    this.#maxBytes = maxBytes;
    this.#bodies = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => bytes.length + 1, ttl });
  }

  /**
   * Fetches a body and keeps it.
   * @param {unknown} url
   * @returns {Promise<Head>}
   */
  async grab(url) {
    if (typeof url !== 'string' || !/^https?:\/\//i.test(url) || !URL.canParse(url))
      throw new HawserError('BAD_COMMAND', 'grab needs a URL of http or https');
    const { type, bytes } = await this.#fetch(url).catch((error) => {
      if (error instanceof HawserError) throw error;
      throw new HawserError('FETCH_FAILED', `${url}: ${error.cause?.message ?? error.message}`);
    });
    this.#keys += 1;
    const head = { key: this.#keys, url, type, size: bytes.length };
    this.#bodies.set(head.key, { ...head, bytes });
    return head;
  }

  /**
   * @param {unknown} key
   * @returns {{ head: Head, bytes: Buffer }}
   */
  get(key) {
    const body = this.#bodies.get(Number(key));
    if (body === undefined) throw new HawserError('NO_SUCH_KEY', `nothing is kept under ${String(key)}`);
    const { bytes, ...head } = body;
    return { head, bytes };
  }

  /** @param {number} [key] all of them without one */
  delete(key) {
    if (key !== undefined) return Number(this.#bodies.delete(key));
    const { size } = this.#bodies;
    this.#bodies.clear();
    return size;
  }

  /** @param {string} url */
  async #fetch(url) {
    const response = await fetch(url, { signal: AbortSignal.timeout(WAIT) });
    if (!response.ok) {
      await response.body?.cancel();
      throw new HawserError('FETCH_FAILED', `${url}: status ${response.status}`);
    }
    const chunks = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      // Leaving the loop ends the fetch.
      if (size >= this.#maxBytes) throw new HawserError('TOO_LARGE', `a body may have ${this.#maxBytes} bytes`);
      chunks.push(chunk);
    }
    return { type: response.headers.get('content-type') ?? 'application/octet-stream', bytes: Buffer.concat(chunks) };
  }
}
