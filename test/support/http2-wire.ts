import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Endpoint } from '../../src/transport/index.ts';
import type { Answer, Fetching, Hearer, Wire, WireHeaders } from '../../src/transports/http/fallback/wire.ts';
import { targetOf } from '../../src/transports/target.ts';

/** Requests of one link over one connection of HTTP/2, as a browser sends them. */
export class Http2Wire implements Wire {
  readonly #session: ClientHttp2Session;
  readonly #endpoint: Endpoint;
  #streams = 0;
  #isClosed = false;

  constructor(endpoint: Endpoint, ca?: string) {
    const { scheme, host, port } = endpoint;
    this.#endpoint = endpoint;
    this.#session = connect(`${scheme}://${host}:${port}`, ca === undefined ? {} : { ca });
    this.#session.on('error', () => undefined);
  }

  async post(headers: WireHeaders, body: Uint8Array, signal: AbortSignal, withQuery = false): Promise<Answer> {
    const stream = this.#ask('POST', headers, withQuery);
    const abort = (): void => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    else stream.end(body);
    try {
      const status = await statusOf(stream);
      let text = '';
      for await (const chunk of stream.setEncoding('utf8')) text += chunk;
      return { status, body: text };
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  get(headers: WireHeaders, hearer: Hearer): Fetching {
    const stream = this.#ask('GET', headers, false);
    let isOver = false;
    const over = (error?: unknown): void => {
      if (!isOver) hearer.over(error);
      isOver = true;
    };
    stream.on('response', ({ ':status': status = 0 }) => hearer.begun(status));
    stream.on('data', (chunk: Uint8Array) => hearer.receive(chunk));
    stream.on('end', () => over(stream.rstCode === 0 && !stream.aborted ? undefined : new Error('reset')));
    stream.on('error', over);
    stream.on('close', () => over(new Error('closed')));
    return {
      pause: () => void stream.pause(),
      resume: () => void stream.resume(),
      cancel: () => {
        isOver = true;
        stream.close(constants.NGHTTP2_CANCEL);
      },
    };
  }

  /** A GOAWAY would overtake requests that were just begun. */
  close(): void {
    this.#isClosed = true;
    if (this.#streams === 0) this.#session.close();
  }

  #ask(method: string, headers: WireHeaders, withQuery: boolean): ClientHttp2Stream {
    const path = targetOf(withQuery ? this.#endpoint : { ...this.#endpoint, query: {} });
    const stream = this.#session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: method === 'GET' },
    );
    stream.on('error', () => undefined);
    this.#streams += 1;
    stream.on('close', () => {
      this.#streams -= 1;
      if (this.#isClosed) this.close();
    });
    return stream;
  }
}

function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.on('response', ({ ':status': status = 0 }) => resolve(status));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('closed without an answer')));
  });
}
