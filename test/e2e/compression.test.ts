import type { ServerResponse } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CompressionOptions, createServer } from '../../src/index.ts';
import { openBrowser, openPage } from '../support/browser.ts';

const PAGE = '<!doctype html><title>compression</title><link rel="icon" href="data:,">';

let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
});

const agreements: [string, CompressionOptions, string][] = [
  ['nothing taken over', {}, 'server_no_context_takeover; client_no_context_takeover'],
  ['contexts taken over', { serverContextTakeover: true, clientContextTakeover: true }, 'permessage-deflate'],
  [
    'small windows',
    { serverContextTakeover: true, clientContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    'server_max_window_bits=9; client_max_window_bits=9',
  ],
];

test.each(agreements)(
  'a plain WebSocket of Chromium and a server that compresses, with %s',
  async (_, options, agreed) => {
    await using server = createServer({
      compression: { threshold: 0, ...options },
      onRequest: (_request: unknown, response: ServerResponse) =>
        response.setHeader('content-type', 'text/html; charset=utf-8').end(PAGE),
    });
    server.on('connection', (socket) => socket.handle('echo', (value) => value));
    const [url = ''] = await server.listen('ws://127.0.0.1:0');
    const { page, complaints } = await openPage(browser);
    await page.goto(url.replace('ws', 'http'));
    const { extensions, same } = await page.evaluate(async (address) => {
      const socket = new WebSocket(address);
      await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
      const next = async (): Promise<string> =>
        await new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(data), { once: true }));
      let right = 0;
      for (let i = 0; i < 40; i++) {
        const data = `${i} grüße, `.repeat(2 ** (i % 14));
        const answer = next();
        socket.send(JSON.stringify({ event: 'echo', id: i + 1, data }));
        if (JSON.parse(await answer).data === data) right++;
      }
      socket.close();
      return { extensions: socket.extensions, same: right };
    }, url);
    expect(extensions).toContain(agreed);
    expect(same).toBe(40);
    expect(server.stats.bytesRead).toBeLessThan(60_000);
    expect(complaints).toEqual([]);
    await page.context().close();
  },
);
