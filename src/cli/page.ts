import { existsSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { serveFiles } from '../index.ts';

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
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Serves the files of the built page at `/`; everything else is 404. */
export function servePage(folder: string): RequestListener {
  if (existsSync(join(folder, 'index.html'))) return serveFiles(folder, { headers: HEADERS, cacheControl });
  return (_, response) => {
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end('Hawser runs here. Its page is not built: npm run build\n');
  };
}

/** What is under assets/ has a digest of its bytes in its name. */
function cacheControl(path: string): string {
  return path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
}
