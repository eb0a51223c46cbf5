import type { IncomingMessage, ServerResponse } from 'node:http';

type Headers = Readonly<Record<string, string>>;

/** Answers with a body that ends. */
export function respond(response: ServerResponse, status: number, body: string, headers: Headers): void {
  if (response.headersSent || response.destroyed) return;
  const length: Headers = status === 204 ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  response.writeHead(status, { 'Cache-Control': 'no-store', ...length, ...headers });
  response.end(body);
}

/** Says no, or a plain yes where there is nothing to say. */
export function answer(response: ServerResponse, status: number, why = '', headers: Headers = {}): void {
  const type: Headers = why === '' ? {} : { 'Content-Type': 'text/plain; charset=utf-8' };
  respond(response, status, why === '' || why.endsWith('\n') ? why : `${why}\n`, { ...type, ...headers });
}

/** Says no to a request whose body is not read: on HTTP/1 the connection ends with it. */
export function turnDown(request: IncomingMessage, response: ServerResponse, status: number, headers: Headers): void {
  answer(response, status, WHY[status] ?? '', { ...headers, ...(request.httpVersionMajor === 1 && CLOSES) });
}

const CLOSES: Headers = { Connection: 'close' };

const WHY: Readonly<Record<number, string>> = {
  408: 'the body did not come in time',
  413: 'the body is too long',
};

/** The value of a header of ours, where it is there once. */
export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** A number that a header says; `absent` where it is not there, undefined when it is none. */
export function numberIn(request: IncomingMessage, name: string, absent: number): number | undefined {
  const text = headerOf(request, name);
  if (text === undefined) return absent;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
