import { HawserError } from '../../../core/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link, type Peer } from '../../../transport/index.ts';
import { targetOf } from '../../target.ts';
import { dialByRequests } from './dial.ts';
import type { Answer, Fetching, Hearer, Wire, WireHeaders } from './wire.ts';

/** Opens a link by `fetch`, for browsers. */
export function dial(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const wire = new PageWire(endpoint);
  return dialByRequests(endpoint, options, { wire, base64: { decode }, peer: SERVER, failure });
}

const SERVER: Peer = { address: '', port: 0, local: false, path: undefined, query: {}, headers: {} };

function failure(cause: unknown, endpoint: Endpoint): HawserError {
  if (cause instanceof HawserError) return cause;
  return new HawserError('ERR_CONNECT_FAILED', `${describeEndpoint(endpoint)} could not be reached`, { cause });
}

function decode(text: Uint8Array): Uint8Array {
  const characters = atob(new TextDecoder().decode(text));
  const bytes = new Uint8Array(characters.length);
  // `Uint8Array.from` goes by an iterator, which takes ten times as long and more.
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

class PageWire implements Wire {
  readonly #url: string;
  readonly #query: string;

  constructor(endpoint: Endpoint) {
    const [path = '', query] = targetOf(endpoint).split('?');
    this.#url = describeEndpoint({ ...endpoint, path: '/' }) + path;
    this.#query = query === undefined ? '' : `?${query}`;
  }

  async post(headers: WireHeaders, body: Uint8Array, signal: AbortSignal, withQuery = false): Promise<Answer> {
    const url = withQuery ? this.#url + this.#query : this.#url;
    // What is said last is said although the page goes.
    const keepalive = body.length === 0;
    const response = await ask(url, {
      method: 'POST',
      headers,
      body: body as Uint8Array<ArrayBuffer>,
      signal,
      keepalive,
    });
    return { status: response.status, body: await response.text() };
  }

  get(headers: WireHeaders, hearer: Hearer): Fetching {
    const fetching = new PageFetching(hearer);
    void fetching.run(this.#url, headers);
    return fetching;
  }

  close(): void {}
}

/** As a WebSocket would: with cookies, and never from a cache. */
function ask(url: string, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, credentials: 'include', cache: 'no-store', redirect: 'error' });
}

class PageFetching implements Fetching {
  readonly #hearer: Hearer;
  readonly #stop: AbortController = new AbortController();
  /** Resolves when reading goes on. */
  #pause: Promise<void> | undefined;
  #goOn: () => void = () => {};

  constructor(hearer: Hearer) {
    this.#hearer = hearer;
  }

  async run(url: string, headers: WireHeaders): Promise<void> {
    const { signal } = this.#stop;
    let failed: unknown;
    try {
      const response = await ask(url, { headers, signal });
      this.#hearer.begun(response.status);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      for (;;) {
        await this.#pause;
        const { done, value } = await reader.read();
        if (done) break;
        await this.#pause;
        if (!signal.aborted) this.#hearer.receive(value);
      }
    } catch (error) {
      failed = error ?? new Error('it broke');
    }
    if (!signal.aborted) this.#hearer.over(failed);
  }

  pause(): void {
    this.#pause ??= new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  resume(): void {
    this.#pause = undefined;
    this.#goOn();
  }

  cancel(): void {
    this.#stop.abort();
    this.resume();
  }
}
