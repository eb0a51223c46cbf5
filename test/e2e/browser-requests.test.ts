import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { bundleClient, bundleLater } from '../../scripts/client-bundle.mjs';
import type * as Client from '../../src/client/browser.ts';
import { createServer, type Server, type ServerSocket } from '../../src/index.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { HttpRelay } from '../support/http-relay.ts';

const SOON = { timeout: 20_000, interval: 20 };

const PAGE = `<!doctype html>
<title>client</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as client from '/client.js';
  globalThis.kept = { client, heard: [], ups: [] };
</script>`;

/** What the page of this test keeps between two evaluations. */
interface Kept {
  client: typeof Client;
  socket: Client.ClientSocket;
  heard: unknown[];
  ups: unknown[];
}
declare const kept: Kept;

describe('hawser/client in Chromium, where a proxy breaks WebSocket', () => {
  const open: (() => Promise<unknown>)[] = [];
  const files: Record<string, string> = {};
  let browser: Browser;

  beforeAll(async () => {
    browser = await openBrowser();
    files['/client.js'] = (await bundleClient()).code;
    files['/fallback.js'] = (await bundleLater()).code;
  });

  afterAll(async () => {
    await browser?.close();
  });

  afterEach(async () => {
    for (const close of open.splice(0).toReversed()) await close();
  });

  const answerFile = (request: IncomingMessage, response: ServerResponse): void => {
    const script = files[request.url ?? ''];
    response.writeHead(200, { 'Content-Type': script === undefined ? 'text/html' : 'text/javascript' });
    response.end(script ?? PAGE);
  };

  async function serve(origins: string[] = []): Promise<{ readonly server: Server; readonly port: number }> {
    const server = createServer({ onRequest: answerFile, origins, times: { closeWait: 200 } });
    open.push(() => server.close({ drain: 0 }));
    const [url = ''] = await server.listen('http://127.0.0.1:0');
    return { server, port: Number(new URL(url).port) };
  }

  async function relayTo(target: number): Promise<HttpRelay> {
    const relay = await HttpRelay.open({ target });
    open.push(() => relay[Symbol.asyncDispose]());
    return relay;
  }

  async function visit(url: string): Promise<Page> {
    const { page } = await openPage(browser);
    open.push(() => page.context().close());
    await page.goto(url);
    await page.waitForFunction(() => 'kept' in globalThis);
    return page;
  }

  /** The page's client; resolves with what it came over. */
  function enter(page: Page, url: string): Promise<string> {
    return page.evaluate(async (address) => {
      kept.socket = await kept.client.connect(address, { reconnect: { first: 10, most: 50 } });
      kept.socket.on('number', (data) => kept.heard.push(data));
      kept.socket.on('up', ({ transport, recovered }) => kept.ups.push([transport, recovered]));
      return kept.socket.transport;
    }, url);
  }

  test('a page comes through by requests, and its session moves to a WebSocket and back when the proxy changes its mind', async () => {
    const { server, port } = await serve();
    const relay = await relayTo(port);
    const arrived = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    const page = await visit(relay.url);
    expect(await enter(page, relay.url)).toBe('http');
    const socket = await arrived;
    const heard: unknown[] = [];
    socket.on('number', (data) => heard.push(data));
    socket.handle('echo', (data) => data);
    const bytes = await page.evaluate(async () => {
      const echoed = await kept.socket.request('echo', new Uint8Array(100_000).fill(7));
      return (echoed as Uint8Array).reduce((sum, byte) => sum + byte, 0);
    });
    expect(bytes).toBe(700_000);
    let number = 0;
    const say = async (count: number): Promise<void> => {
      for (let end = number + count; number < end; number++) {
        socket.send('number', number);
        await page.evaluate((data) => kept.socket.send('number', data), number);
      }
    };
    await say(10);
    for (const [upgrades, ups] of [
      [true, [['ws', true]]],
      [
        false,
        [
          ['ws', true],
          ['http', true],
        ],
      ],
    ] as const) {
      Object.assign(relay.options, { upgrades, refuse: upgrades ? 404 : undefined });
      relay.cut();
      await say(10);
      await vi.waitFor(async () => expect(await page.evaluate(() => kept.ups)).toEqual(ups), SOON);
      relay.options.refuse = undefined;
      await say(10);
    }
    const all = Array.from({ length: number }, (_, at) => at);
    await vi.waitFor(async () => {
      expect(await page.evaluate(() => kept.heard)).toEqual(all);
      expect(heard).toEqual(all);
    }, SOON);
  });

  test('answers that are held back until they end are polled', async () => {
    const { port } = await serve();
    const relay = await relayTo(port);
    const page = await visit(relay.url);
    relay.options.hold = 'all';
    expect(await enter(page, relay.url)).toBe('http');
    expect(relay.modes.at(-1)).toBe('poll');
  });

  test('a page of another origin comes through where it may, and not where it may not', async () => {
    const { port: home } = await serve();
    const origin = `http://127.0.0.1:${home}`;
    const [ours, theirs] = [await serve([origin]), await serve()];
    const page = await visit(origin);
    expect(await enter(page, (await relayTo(ours.port)).url)).toBe('http');
    const refused = enter(page, (await relayTo(theirs.port)).url).catch((error: Error) => error.message);
    expect(await refused).toContain('could not be reached');
  });

  test('the file of the fallback is not loaded where WebSocket comes through', async () => {
    const { port } = await serve();
    const { page } = await openPage(browser);
    open.push(() => page.context().close());
    const loaded: string[] = [];
    page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(() => 'kept' in globalThis);
    expect(await enter(page, `http://127.0.0.1:${port}`)).toBe('ws');
    expect(loaded).toEqual(['/', '/client.js']);
  });
});
