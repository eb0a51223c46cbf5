import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundleClient } from '../../scripts/client-bundle.mjs';
import type * as Client from '../../src/client/browser.ts';
import { createServer, type Server } from '../../src/index.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { CuttingProxy } from '../support/proxy.ts';

const SOON = { timeout: 20_000, interval: 20 };
const HOUR = 3_600_000;

/** Notes what its socket says, and the longest time in which nothing ran. */
const PAGE = `<!doctype html>
<title>tab</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as client from '/client.js';
  globalThis.kept = { client, heard: [], gap: 0 };
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    kept.gap = Math.max(kept.gap, now - last);
    last = now;
  }, 50);
</script>`;

interface Kept {
  client: typeof Client;
  socket: Client.ClientSocket;
  heard: unknown[];
  /** ms */
  gap: number;
}
declare const kept: Kept;

describe('a tab in Chromium', () => {
  let browser: Browser;
  let bundle: string;
  let server: Server;
  let proxy: CuttingProxy;
  let page: Page;
  let cdp: CDPSession;
  let complaints: string[];

  beforeAll(async () => {
    browser = await openBrowser();
    bundle = (await bundleClient()).code;
  });

  afterAll(async () => {
    await browser?.close();
  });

  beforeEach(async () => {
    server = createServer({
      // The server is patient: what is judged here is the page's judgement.
      times: { readWait: HOUR, heartbeat: HOUR },
      onRequest: (request: IncomingMessage, response: ServerResponse) => {
        const script = request.url === '/client.js';
        response.writeHead(200, { 'Content-Type': script ? 'text/javascript' : 'text/html' });
        response.end(script ? bundle : PAGE);
      },
    });
    server.on('connection', (socket) => socket.handle('echo', (data) => data));
    const [endpoint = ''] = await server.listen('ws://127.0.0.1:0');
    proxy = await CuttingProxy.open({ target: { port: Number(new URL(endpoint).port) } });
    ({ page, complaints } = await openPage(browser));
    await page.goto(`http://127.0.0.1:${proxy.port}/`);
    await page.waitForFunction(() => 'kept' in globalThis);
    cdp = await page.context().newCDPSession(page);
  });

  afterEach(async () => {
    await page.context().close();
    await proxy.close();
    await server.close({ drain: 0 });
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join(', ')}`);
  });

  async function connect(options: Client.ConnectOptions = {}): Promise<void> {
    await page.evaluate(async (given) => {
      kept.socket = await kept.client.connect(location.origin.replace('http', 'ws'), given);
      kept.socket.on('down', ({ code }) => kept.heard.push(`down ${code}`));
      kept.socket.on('up', ({ recovered }) => kept.heard.push(`recovered: ${recovered}`));
    }, options);
  }

  const heard = (): Promise<unknown[]> => page.evaluate(() => kept.heard);
  /** Stops all that runs in the page, timers and messages alike, for so many ms. */
  async function freezeFor(ms: number, meanwhile: () => void = () => {}): Promise<void> {
    await cdp.send('Debugger.enable');
    const paused = new Promise((resolve) => cdp.once('Debugger.paused', resolve));
    await cdp.send('Debugger.pause');
    await paused;
    meanwhile();
    await setTimeout(ms);
    await cdp.send('Debugger.resume');
    await cdp.send('Debugger.disable');
  }

  test('that was frozen for longer than readWait keeps a link that still carries', async () => {
    await connect({ times: { heartbeat: 200, readWait: 500 } });
    await freezeFor(3000);
    await expect.poll(() => page.evaluate(() => kept.gap), SOON).toBeGreaterThan(2000);
    expect(await page.evaluate(() => kept.socket.request('echo', 'still here'))).toBe('still here');
    // Longer than any answer may take that was asked for on waking.
    await setTimeout(1500);
    expect(await heard()).toEqual([]);
  });

  test('that wakes on a dead link finds out, and goes on over another', async () => {
    await connect({ times: { readWait: 1000, heartbeat: 400 }, reconnect: { first: 1, most: 5 } });
    await freezeFor(3000, () => proxy.hold());
    await expect.poll(heard, SOON).toEqual(['down 4000']);
    proxy.release();
    await expect.poll(heard, SOON).toEqual(['down 4000', 'recovered: true']);
  });

  test.each(['visibilitychange', 'pageshow', 'resume'])('that hears %s dials at once', async (event) => {
    await connect({ reconnect: { first: HOUR, most: HOUR } });
    proxy.cut();
    await expect.poll(heard, SOON).toEqual(['down 1006']);
    await page.evaluate((type) => {
      (type === 'pageshow' ? window : document).dispatchEvent(new Event(type));
    }, event);
    await expect.poll(heard, SOON).toEqual(['down 1006', 'recovered: true']);
  });

  test('that is online again dials at once, and its attempts without a network counted for nothing', async () => {
    await connect({ reconnect: { first: 10, most: 20, attempts: 3 } });
    await page.evaluate(() => kept.socket.on('reconnecting', ({ error }) => error && kept.heard.push(error.code)));
    await page.context().setOffline(true);
    proxy.cut();
    await expect.poll(async () => (await heard()).length, SOON).toBeGreaterThan(10);
    expect(await page.evaluate(() => kept.socket.state)).toBe('down');
    await page.context().setOffline(false);
    await expect.poll(async () => (await heard()).at(-1), SOON).toBe('recovered: true');
  });
});
