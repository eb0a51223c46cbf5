import type { IncomingMessage } from 'node:http';
import { HEADER } from './protocol.ts';

/** How long a browser may remember that it may ask, in seconds. */
const MAX_AGE = 600;

/** Whether a browser asks whether a page of another origin may send a request of the fallback. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  const asked = headers['access-control-request-headers'] ?? '';
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    asked
      .toLowerCase()
      .split(/[\s,]+/)
      .includes(HEADER.link)
  );
}

/** What a page of this origin is allowed, once it is known that it may connect. */
export function preflightHeaders(origin: string): Record<string, string> {
  return {
    ...corsHeaders(origin),
    'Access-Control-Allow-Methods': 'GET, POST',
    'Access-Control-Allow-Headers': [...Object.values(HEADER), 'content-type'].join(', '),
    'Access-Control-Max-Age': String(MAX_AGE),
  };
}

/** Lets a page of this origin read an answer; nothing where no page asks. Cookies go with its requests, as with a WebSocket's. */
export function corsHeaders(origin: string | undefined): Record<string, string> {
  if (origin === undefined) return {};
  return { 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true', Vary: 'Origin' };
}
