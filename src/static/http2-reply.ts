import type { Http2ServerResponse, ServerHttp2Stream } from 'node:http2';
import type { OpenFile } from './open-files.ts';
import type { Span } from './ranges.ts';
import type { Fields, Reply } from './reply.ts';

export type Http2Response = Http2ServerResponse;

/** Past the response, to its stream: that is how Node sends a file without a piece of it in JavaScript. */
export class Http2Reply implements Reply {
  readonly turn: undefined;
  readonly #response: Http2Response;
  readonly #stream: ServerHttp2Stream;

  constructor(response: Http2Response) {
    this.#response = response;
    this.#stream = response.stream;
  }

  get isOver(): boolean {
    const { destroyed, closed, headersSent } = this.#stream;
    return destroyed || closed || headersSent || this.#response.writableEnded;
  }

  head(status: number, fields: Fields): 'sent' {
    if (!this.isOver) this.#stream.respond(this.#headers(status, fields), { endStream: true });
    return 'sent';
  }

  bytes(status: number, fields: Fields, bytes: Uint8Array): 'sent' {
    if (this.isOver) return 'sent';
    this.#stream.respond(this.#headers(status, fields));
    this.#stream.end(bytes);
    return 'sent';
  }

  file(status: number, fields: Fields, file: OpenFile, { start, end }: Span): 'sent' {
    if (this.isOver || start === end) {
      file.release();
      return this.head(status, fields);
    }
    this.#stream.once('close', () => file.release());
    // Not respondWithFile: that counts in 32 bits.
    this.#stream.respondWithFD(file.fd, this.#headers(status, fields), { offset: start, length: end - start });
    return 'sent';
  }

  /** What was set on the response comes along. Node copies what it is given. */
  #headers(status: number, fields: Fields): Fields {
    this.#response.statusCode = status;
    if (this.#response.getHeaderNames().length > 0) {
      return { ...(this.#response.getHeaders() as Fields), ...fields, ':status': status };
    }
    if (status !== 200) return { ...fields, ':status': status };
    let known = wholes.get(fields);
    if (known === undefined) {
      known = { ...fields, ':status': status };
      wholes.set(fields, known);
    }
    return known;
  }
}

/** Fields of whole files, which go out again and again. */
const wholes: WeakMap<Fields, Fields> = new WeakMap();
