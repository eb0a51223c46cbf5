import { existsSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import sirv from 'sirv';

/** The page may load from its own server and speak to it, nothing else. */
const POLICY = [
  "default-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Serves the files of the built page at `/`; everything else is 404. */
export function servePage(folder: string): RequestListener {
  const isBuilt = existsSync(join(folder, 'index.html'));
  const files = isBuilt ? sirv(folder, { dev: false, etag: true, dotfiles: false }) : undefined;
  return (request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(request, response, 405, 'GET and HEAD only');
    else if (files === undefined)
      answer(request, response, 404, 'Hawser runs here. Its page is not built: npm run build');
    else files(request, response, () => answer(request, response, 404, 'not found'));
  };
}

function answer(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  if (status === 405) response.setHeader('Allow', 'GET, HEAD');
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
}
