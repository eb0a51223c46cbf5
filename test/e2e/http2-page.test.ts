import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleClient } from '../../scripts/client-bundle.mjs';
import type * as Client from '../../src/client/browser.ts';
import { createServer, type Server, type ServerSocket } from '../../src/index.ts';
import { openBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { Authority } from '../support/certificates.ts';

const PAGE = `<!doctype html>
<title>client</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as client from '/client.js';
  globalThis.kept = { client, sockets: [] };
</script>`;

/** What the page keeps between two evaluations. */
interface Kept {
  client: typeof Client;
  sockets: Client.ClientSocket[];
}
declare const kept: Kept;

/** One line of Chromium's log of its network (--log-net-log). */
interface LogEvent {
  readonly type: number;
  readonly source: { readonly id: number };
  readonly params?: { readonly headers?: readonly string[] };
}

/** The headers of all requests by HTTP/2 in the log, and the connection of each. */
function requestsIn(file: string): { readonly connection: number; readonly headers: readonly string[] }[] {
  const { constants, events } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly constants: { readonly logEventTypes: Readonly<Record<string, number>> };
    readonly events: readonly LogEvent[];
  };
  const type = constants.logEventTypes['HTTP2_SESSION_SEND_HEADERS'];
  return events
    .filter((event) => event.type === type)
    .map(({ source, params }) => ({ connection: source.id, headers: params?.headers ?? [] }));
}

describe('a page that came by HTTP/2, in Chromium', () => {
  const authority = new Authority();
  const { certFile, keyFile } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
  const folder = mkdtempSync(join(tmpdir(), 'hawser-net-log-'));
  const log = join(folder, 'net-log.json');
  const versions: string[] = [];
  const joined: ServerSocket[] = [];
  let browser: Browser;
  let server: Server;
  let url: string;
  let watched: WatchedPage;

  beforeAll(async () => {
    browser = await openBrowser([`--log-net-log=${log}`, '--net-log-capture-mode=Everything']);
    const bundle = (await bundleClient()).code;
    server = createServer({
      compression: { threshold: 0 },
      onRequest: (request: IncomingMessage, response: ServerResponse) => {
        versions.push(request.httpVersion);
        const isScript = request.url === '/client.js';
        response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
        response.end(isScript ? bundle : PAGE);
      },
    });
    server.on('connection', (socket) => {
      joined.push(socket);
      socket.handle('echo', (data) => data);
    });
    [url = ''] = await server.listen(`https://127.0.0.1:0?cert=${certFile}&key=${keyFile}`);
    watched = await openPage(browser, { ignoreHTTPSErrors: true });
    await watched.page.goto(url);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close({ drain: 0 });
    authority[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  test('has its WebSockets on that same connection, many at a time, and each ends by itself', async () => {
    const { page } = watched;
    const address = url.replace('https', 'wss');
    const said = await page.evaluate(async (to) => {
      for (let i = 0; i < 3; i++) kept.sockets.push(await kept.client.connect(`${to}/`));
      const long = 'long '.repeat(100_000);
      const answers = await Promise.all(kept.sockets.map(async (socket, i) => await socket.request('echo', [i, long])));
      await kept.sockets[1]?.close();
      return {
        answers: answers.map((answer) => JSON.stringify(answer).length),
        after: await kept.sockets[2]?.request('echo', 'on'),
      };
    }, address);
    expect(said).toEqual({ answers: [500_006, 500_006, 500_006], after: 'on' });
    expect(versions).toEqual(['2.0', '2.0']);
    expect(joined.map(({ handshake }) => handshake.transport)).toEqual(['wss', 'wss', 'wss']);
    expect(joined[0]?.handshake.headers['origin']).toBe(url);
    expect(server.stats).toMatchObject({ connections: 1, sockets: 2 });
  });

  test('hears the server close, after which the connection is gone', async () => {
    const { page, complaints } = watched;
    const ended = page.evaluate(
      async () => await new Promise((resolve) => kept.sockets[2]?.on('down', ({ code }) => resolve(code))),
    );
    await page.evaluate(() => 0);
    await server.close({ drain: 2000 });
    expect(await ended).toBe(4006);
    await expect.poll(() => server.stats.connections).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('asked for them by extended CONNECT, as its log of the protocol shows', async () => {
    await browser.close();
    const requests = requestsIn(log);
    const connects = requests.filter(({ headers }) => headers.includes(':protocol: websocket'));
    expect(connects).toHaveLength(3);
    for (const { headers } of connects) {
      expect(headers).toContain(':method: CONNECT');
      expect(headers).toContain('sec-websocket-version: 13');
      expect(headers.some((header) => header.startsWith('sec-websocket-key'))).toBe(false);
    }
    // The page, its script and the sockets: one connection.
    expect(new Set(requests.map(({ connection }) => connection)).size).toBe(1);
  });
});
