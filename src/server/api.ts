import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { HawserError, type Timer } from '../core/index.ts';
import { realWorld } from '../runtime/index.ts';
import { answerOf, PUSH_BYTES, type Pushed, pushError, readPushJson } from './push.ts';
import type { Server } from './server.ts';

export interface ApiOptions {
  /** Who shows one of these may publish; each has 16 characters or more. Without any, `/api/publish` is 404. */
  readonly keys?: readonly string[];
  /** Messages a second that one key publishes in the long run. Default 1000. */
  readonly rate?: number;
  /** Messages that one key publishes at once after a calm. Default 2000. */
  readonly burst?: number;
  /** How long the engine's server may be out of reach before the node is not ready, ms. Default 30,000. */
  readonly engineWait?: number;
  /** Answers requests for other paths. Default: 404. */
  readonly otherwise?: RequestListener;
}

/** What the API needs of a server. */
export type ApiServer = Pick<Server, 'push' | 'readiness'>;

const KEY_LETTERS = 16;
/** ID of the request by its header; a list adds a slash and two digits. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,120}$/;
/** ms from the head of a request to the end of its body. */
const BODY_WAIT = 10_000;
/** Requests that are being read or published, of all keys. */
const REQUESTS = 64;

/**
 * Answers `POST /api/publish`, `GET /healthz` and `GET /readyz`: an `onRequest` of this server, or of a server of node:http. docs/guides/operations.md
 * has what is sent and answered.
 * @throws HawserError ERR_OPTION for a key that is too short to be secret.
 */
export function createApi(server: ApiServer, options: ApiOptions = {}): RequestListener {
  const { otherwise = notFound, engineWait = 30_000 } = options;
  const publisher = new Publisher(server, options);
  return (request, response) => {
    switch (request.url?.split('?', 1)[0]) {
      case '/healthz':
        return tellHealth(request, response, undefined);
      case '/readyz':
        return tellHealth(request, response, server.readiness(engineWait));
      case '/api/publish':
        return publisher.isOff ? notFound(request, response) : publisher.take(request, response);
      default:
        return otherwise(request, response);
    }
  };
}

/** Publishes for who has a key. */
class Publisher {
  readonly #server: ApiServer;
  readonly #keys: readonly { readonly digest: Uint8Array; readonly bucket: Bucket }[];
  #requests = 0;

  constructor(server: ApiServer, { keys = [], rate = 1000, burst = 2000 }: ApiOptions) {
    this.#server = server;
    if (!(rate > 0 && burst >= 1)) throw new HawserError('ERR_OPTION', "the API's rate and burst are over 0");
    this.#keys = keys.map((key) => {
      if (key.length < KEY_LETTERS) {
        throw new HawserError('ERR_OPTION', `a key of the API has at least ${KEY_LETTERS} characters`);
      }
      return { digest: digestOf(key), bucket: new Bucket(rate, burst) };
    });
  }

  get isOff(): boolean {
    return this.#keys.length === 0;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    this.#requests += 1;
    this.#publish(request, response)
      .catch((error: unknown) => refuse(request, response, error))
      .finally(() => {
        this.#requests -= 1;
      });
  }

  async #publish(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new Refusal(405, 'ERR_UNSUPPORTED', 'POST only', { Allow: 'POST' });
    const bucket = this.#bucketOf(keyOf(request));
    if (this.#requests > REQUESTS) throw new Refusal(503, 'ERR_TOO_MANY_REQUESTS', 'too many at once', RETRY);
    const id = idOf(request);
    const body = readPushJson(await bodyOf(request));
    bucket.take(Array.isArray(body) ? body.length : 1);
    const pushed = await this.#server.push(body, id === undefined ? {} : { id });
    answerPushed(response, body, pushed);
  }

  /** Compares with every key, whatever is found. */
  #bucketOf(shown: string): Bucket {
    const digest = digestOf(shown);
    let bucket: Bucket | undefined;
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) bucket = key.bucket;
    if (bucket === undefined) throw new Refusal(401, 'ERR_AUTH_FAILED', 'the key is wrong', CHALLENGE);
    return bucket;
  }
}

const RETRY = { 'Retry-After': '1' } as const;
const CHALLENGE = { 'WWW-Authenticate': 'Bearer' } as const;

/** An answer that is no. */
class Refusal extends HawserError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.status = status;
    this.headers = headers;
  }
}

/** Messages that a key may publish: `burst` after a calm, `rate` a second in the long run. */
class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  readonly #world = realWorld();
  #left: number;
  #at: number;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#left = burst;
    this.#at = this.#world.now();
  }

  /** @throws Refusal */
  take(count: number): void {
    const now = this.#world.now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#left < count) {
      const seconds = `${Math.ceil((count - this.#left) / this.#rate)}`;
      throw new Refusal(429, 'ERR_RATE_LIMITED', 'more messages than this key may publish', { 'Retry-After': seconds });
    }
    this.#left -= count;
  }
}

function digestOf(key: string): Uint8Array {
  return createHash('sha256').update(key).digest();
}

function keyOf({ headers }: IncomingMessage): string {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  const shown = bearer ?? headers['x-api-key'];
  if (typeof shown === 'string') return shown;
  throw new Refusal(401, 'ERR_AUTH_REQUIRED', 'Authorization: Bearer, or X-API-Key, has the key', CHALLENGE);
}

function idOf({ headers }: IncomingMessage): string | undefined {
  const id = headers['idempotency-key'];
  if (id === undefined) return undefined;
  if (typeof id === 'string' && IDEMPOTENCY_KEY.test(id)) return id;
  throw new Refusal(400, 'ERR_ARGUMENT', 'an Idempotency-Key has 1 to 120 printable characters');
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const isUtf8 = parameters.every((one) => !one.includes('charset') || /charset="?utf-8"?/.test(one));
  if (type.trim() !== 'application/json' || !isUtf8) {
    throw new Refusal(415, 'ERR_UNSUPPORTED', 'Content-Type: application/json, in UTF-8');
  }
  if (request.headers['content-encoding'] !== undefined) {
    throw new Refusal(415, 'ERR_UNSUPPORTED', 'no Content-Encoding is taken');
  }
  if (Number(request.headers['content-length'] ?? 0) > PUSH_BYTES) throw tooLarge();
  return readBody(request);
}

function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const body = new Promise<Uint8Array>((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    request.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > PUSH_BYTES) reject(tooLarge());
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new HawserError('ERR_CLOSED', 'the request broke off')));
  });
  return inTime(body);
}

/** What came in time is not held for as long as it might have taken. */
async function inTime(body: Promise<Uint8Array>): Promise<Uint8Array> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    const world = realWorld();
    const end = (): void => reject(new Refusal(408, 'ERR_TIMEOUT', 'the body did not come in time'));
    timer = world.timer(world.now() + BODY_WAIT, end);
  });
  try {
    return await Promise.race([body, late]);
  } finally {
    timer?.cancel();
  }
}

function tooLarge(): Refusal {
  return new Refusal(413, 'ERR_MESSAGE_TOO_LARGE', `a push has at most ${PUSH_BYTES} bytes`);
}

const STATUS: Readonly<Record<string, number>> = {
  ERR_ARGUMENT: 400,
  ERR_EVENT_RESERVED: 400,
  ERR_MESSAGE_MALFORMED: 400,
  ERR_UNENCODABLE: 400,
  ERR_NO_SUCH_NAMESPACE: 404,
  ERR_MESSAGE_TOO_LARGE: 413,
  ERR_BACKLOG_FULL: 503,
  ERR_CLOSED: 503,
  ERR_ENGINE_DOWN: 503,
  ERR_SERVER_CLOSING: 503,
  ERR_TIMEOUT: 504,
};

function statusOf(pushed: Pushed): number {
  return pushed.ok ? 200 : (STATUS[pushed.error.code] ?? 500);
}

/** Of a list 200 when all are published, otherwise 207 (RFC 4918 13), with a status for each. */
function answerPushed(response: ServerResponse, body: unknown, pushed: readonly Pushed[]): void {
  const told = answerOf(body, pushed);
  if ('results' in told) {
    const results = told.results.map((one) => ({ status: statusOf(one), ...one }));
    answer(response, told.ok ? 200 : 207, { ok: told.ok, results });
  } else {
    answer(response, statusOf(told), told);
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const told = pushError(error);
  const [status, headers] = error instanceof Refusal ? [error.status, error.headers] : [STATUS[told.code] ?? 500, {}];
  // What is left of the body is not waited for; HTTP/2 breaks off one stream for that, and has no such header.
  const last = request.httpVersionMajor < 2 ? { Connection: 'close' } : {};
  answer(response, status, { ok: false, error: told }, { ...headers, ...last });
}

function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const retry = status === 503 ? RETRY : {};
  response.writeHead(status, { ...COMMON, 'Content-Type': 'application/json; charset=utf-8', ...retry, ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

const COMMON = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;

function tellHealth(request: IncomingMessage, response: ServerResponse, trouble: string | undefined): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...COMMON, Allow: 'GET, HEAD' }).end();
    return;
  }
  response.writeHead(trouble === undefined ? 200 : 503, { ...COMMON, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(request.method === 'HEAD' ? undefined : `${trouble ?? 'ok'}\n`);
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { ...COMMON, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end('not found\n');
}
