// The page and all that it needs, from this folder and from the packages that are installed: nothing comes from elsewhere.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** @import { RequestListener } from 'node:http' */

const FILES = [
  { path: '/', type: 'text/html', at: new URL('page.html', import.meta.url) },
  ...['page.js', 'book.js', 'chart.js', 'trader.js', 'words.js'].map(script),
  { path: '/page.css', type: 'text/css', at: new URL('page.css', import.meta.url) },
  { path: '/hawser.js', type: 'text/javascript', at: new URL('browser.js', import.meta.resolve('hawser/client')) },
  { path: '/uplot.js', type: 'text/javascript', at: new URL('uPlot.esm.js', import.meta.resolve('uplot')) },
  { path: '/uplot.css', type: 'text/css', at: new URL('uPlot.min.css', import.meta.resolve('uplot')) },
];

/** @param {string} name */
function script(name) {
  return { path: `/${name}`, type: 'text/javascript', at: new URL(name, import.meta.url) };
}

/** @returns {Promise<RequestListener>} */
export async function makeSite() {
  const files = new Map(
    await Promise.all(FILES.map(async ({ path, type, at }) => /** @type {const} */ ([path, await load(type, at)]))),
  );
  const headers = {
    'Content-Security-Policy': policyFor(String(files.get('/')?.body)),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
  };
  return (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const file = files.get(request.url?.split('?')[0] ?? '');
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const status = !isRead
      ? 405
      : file === undefined
        ? 404
        : request.headers['if-none-match'] === file.etag
          ? 304
          : 200;
    if (status === 405) response.setHeader('Allow', 'GET, HEAD');
    if (file !== undefined && status < 400) response.setHeader('ETag', file.etag);
    response.writeHead(status, { 'Content-Type': `${status < 400 ? file?.type : 'text/plain'}; charset=utf-8` });
    if (request.method === 'HEAD' || status === 304) response.end();
    else response.end(status === 200 ? file?.body : `${status}\n`);
  };
}

/** @param {string} type @param {URL} at */
async function load(type, at) {
  const body = await readFile(at);
  return { type, body, etag: `"${hashOf(body)}"` };
}

/** The page's own files alone; of what stands in the page only its import map. @param {string} page */
function policyFor(page) {
  const [, map = ''] = /<script type="importmap">([\s\S]*?)<\/script>/.exec(page) ?? [];
  return [
    "default-src 'self'",
    `script-src 'self' 'sha256-${hashOf(map)}'`,
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
  ].join('; ');
}

/** @param {string | Uint8Array} data */
function hashOf(data) {
  return createHash('sha256').update(data).digest('base64');
}
