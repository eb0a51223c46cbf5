import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../../../core/index.ts';
import { answer, headerOf, numberIn, turnDown } from './answers.ts';
import { readBody } from './body.ts';
import { corsHeaders } from './cors.ts';
import { readCloseText } from './event-text.ts';
import { frameOfClose, framesOfLines } from './lines.ts';
import { BATCH_BYTES, FRAMES_TYPE, HEADER, isMode, MODES } from './protocol.ts';
import type { ServerPort } from './server-port.ts';

export interface EntryParts {
  readonly world: World;
  readonly port: ServerPort;
  /** What requests must show. */
  readonly secret: string;
  /** The web origin whose page opened the link; undefined for other programs. */
  readonly origin: string | undefined;
  readonly bodyWait: number;
}

/** A link that is open, and the requests that are its own. */
export class Entry {
  readonly port: ServerPort;
  readonly #parts: EntryParts;
  /** Stops the reading of the batch that is under way. */
  #stopReading: (() => void) | undefined;

  constructor(parts: EntryParts) {
    this.port = parts.port;
    this.#parts = parts;
  }

  /** Takes as long for a wrong secret as for the right one. */
  hasSecret(secret: string): boolean {
    const [ours, shown] = [Buffer.from(this.#parts.secret), Buffer.from(secret)];
    return ours.length === shown.length && timingSafeEqual(ours, shown);
  }

  /** A request that has shown the secret. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    const headers = corsHeaders(origin);
    // A page of the same origin says where it is from in POSTs alone.
    if (origin !== undefined && origin !== this.#parts.origin) {
      answer(response, 403, 'pages of this origin have not opened the link');
    } else if (request.method === 'GET') {
      this.#fetch(request, response, headers);
    } else if (request.method === 'POST') {
      this.#post(request, response, headers);
    } else {
      answer(response, 405, 'links take GET and POST', { ...headers, Allow: 'GET, POST' });
    }
  }

  #fetch(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): void {
    const mode = headerOf(request, HEADER.mode) ?? 'stream';
    const last = numberIn(request, HEADER.last, 0);
    if (!isMode(mode)) answer(response, 400, `${HEADER.mode} is ${MODES.join(', ')}`, headers);
    // An answer that waits for others on HTTP/1.1 hears nothing of its connection's end: the link would live for good.
    else if (response.socket === null) answer(response, 400, 'events are not sent behind other answers', headers);
    else if (last === undefined || !this.port.fetch(response, mode, last, headers)) {
      answer(response, 400, `${HEADER.last} is no event that was sent`, headers);
    }
  }

  #post(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): void {
    const batch = numberIn(request, HEADER.batch, 0);
    const heard = numberIn(request, HEADER.ack, 0);
    const closing = headerOf(request, HEADER.close);
    const reason = closing === undefined ? undefined : readCloseText(closing);
    if (batch === undefined || (closing !== undefined && reason === undefined)) {
      answer(response, 400, `${HEADER.batch} or ${HEADER.close} is malformed`, headers);
    } else if (heard === undefined || !this.port.acknowledge(heard)) {
      answer(response, 400, `${HEADER.ack} is no event that was sent`, headers);
    } else if (batch > 0) {
      this.#receive(request, response, batch, headers, reason && frameOfClose(reason));
    } else {
      request.resume();
      if (reason !== undefined) this.port.cut(reason);
      answer(response, 204, '', headers);
    }
  }

  /** A batch is taken in when it is whole: of one that is sent again the last counts. */
  #receive(
    request: IncomingMessage,
    response: ServerResponse,
    batch: number,
    headers: Record<string, string>,
    goodbye: Uint8Array | undefined,
  ): void {
    const { port } = this;
    const done = (): void => answer(response, port.isGone && goodbye === undefined ? 404 : 204, '', headers);
    const verdict = port.judge(batch);
    if (verdict.kind !== 'new') {
      request.resume();
      if (verdict.kind === 'again') port.takeAgain(done);
      else answer(response, 409, `batch ${verdict.expected} is awaited`, headers);
      return;
    }
    this.#stopReading?.();
    const limits = { most: BATCH_BYTES, wait: this.#parts.bodyWait };
    let isRead = false;
    const stop = readBody(request, this.#parts.world, limits, (body) => {
      isRead = true;
      this.#stopReading = undefined;
      if (typeof body === 'number') {
        if (body > 0) turnDown(request, response, body, headers);
        return;
      }
      const frames = request.headers['content-type'] === FRAMES_TYPE ? body : framesOfLines(body);
      port.take(goodbye === undefined ? frames : Buffer.concat([frames, goodbye]), done);
    });
    if (isRead) return;
    this.#stopReading = () => {
      stop();
      response.destroy();
    };
  }
}
