import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { bundleClient } from '../../scripts/client-bundle.mjs';
import type * as Client from '../../src/client/browser.ts';
import { type CloseReason, createServer, HawserError, type Server, type ServerSocket } from '../../src/index.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { CuttingProxy } from '../support/proxy.ts';

const SOON = { timeout: 20_000, interval: 20 };

const PAGE = `<!doctype html>
<title>client</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as client from '/client.js';
  globalThis.kept = { client, heard: [] };
</script>`;

/** What the page of this test keeps between two evaluations. */
interface Kept {
  client: typeof Client;
  socket: Client.ClientSocket;
  heard: unknown[];
}
declare const kept: Kept;

describe('hawser/client in Chromium', () => {
  let browser: Browser;
  let bundle: string;
  let server: Server;
  let proxy: CuttingProxy;
  let page: Page;
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
      authenticate: ({ token, user }) => {
        if (token === 'wrong') throw new HawserError('ERR_AUTH_FAILED', 'this token is not known');
        return { user: user ?? null };
      },
      onRequest: (request: IncomingMessage, response: ServerResponse) => {
        const script = request.url === '/client.js';
        response.writeHead(200, { 'Content-Type': script ? 'text/javascript' : 'text/html' });
        response.end(script ? bundle : PAGE);
      },
    });
    const [endpoint = ''] = await server.listen('ws://127.0.0.1:0');
    proxy = await CuttingProxy.open({ target: { port: Number(new URL(endpoint).port) } });
    ({ page, complaints } = await openPage(browser));
    await page.goto(`http://127.0.0.1:${proxy.port}/`);
    await page.waitForFunction(() => 'kept' in globalThis);
  });

  afterEach(async () => {
    await page.context().close();
    await proxy.close();
    await server.close({ drain: 0 });
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join(', ')}`);
  });

  /** Connects the page, and gives the server's end of it. */
  async function connect(options: Client.ConnectOptions = {}): Promise<ServerSocket> {
    const arrived = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    await page.evaluate(async (given) => {
      kept.socket = await kept.client.connect(location.origin.replace('http', 'ws'), given);
    }, options);
    return arrived;
  }

  function heard(): Promise<unknown[]> {
    return page.evaluate(() => kept.heard);
  }

  test('carries bytes, big integers, dates and what else JSON loses, both ways', async () => {
    const socket = await connect();
    const arrived: unknown[] = [];
    socket.handle('echo', (data: unknown) => {
      arrived.push(data);
      return data;
    });
    const kinds = await page.evaluate(async () => {
      const values = [
        new Uint8Array([0, 1, 254, 255]),
        2n ** 60n,
        -(2n ** 63n),
        new Date('2026-02-03T04:05:06.789Z'),
        ['ünïcödé 🪢', 1.5, -0, true, null],
        { bytes: new Uint8Array(70_000).fill(7), deep: { at: new Date(0), count: 9_007_199_254_740_993n } },
      ];
      const words = (value: unknown): string =>
        JSON.stringify(value, function (this: Record<string, unknown>, key: string, plain: unknown) {
          const item = this[key];
          if (item instanceof Date) return `date ${item.getTime()}`;
          if (item instanceof Uint8Array) return `bytes ${item.length} ${item[0]} ${item.at(-1)}`;
          return typeof item === 'bigint' ? `bigint ${item}` : plain;
        });
      const answers = await Promise.all(values.map((value) => kept.socket.request('echo', value)));
      return values.map((value, at) => [words(value), words(answers[at])]);
    });
    for (const [sent, answered] of kinds) expect(answered).toBe(sent);
    expect(arrived[0]).toEqual(expect.objectContaining({ length: 4, 0: 0, 3: 255 }));
    expect(arrived[0]).toBeInstanceOf(Uint8Array);
    expect(arrived.slice(1, 4)).toEqual([2n ** 60n, -(2n ** 63n), new Date('2026-02-03T04:05:06.789Z')]);
    expect(arrived[5]).toMatchObject({ deep: { at: new Date(0), count: 9_007_199_254_740_993n } });
  });

  test('uploads a Blob over a channel and reads the answer, while its link is cut', async () => {
    const socket = await connect({ reconnect: { first: 10, most: 50 } });
    let got = 0;
    socket.on('channel', async (channel) => {
      const writer = channel.writable.getWriter();
      for await (const chunk of channel.readable) {
        if (got < 1_000_000 && got + chunk.length >= 1_000_000) proxy.cut();
        got += chunk.length;
        await writer.write(chunk);
      }
      await writer.close();
    });
    const answer = await page.evaluate(async () => {
      const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 10)) % 256);
      const channel = kept.socket.openChannel('upload', { size: bytes.length });
      const back = new Response(channel.readable as ReadableStream).arrayBuffer();
      await new Blob([bytes]).stream().pipeTo(channel.writable);
      const echoed = new Uint8Array(await back);
      const error = await channel.closed;
      return [echoed.length, echoed.every((byte, i) => byte === bytes[i]), error?.code];
    });
    expect(answer).toEqual([3_000_000, true, undefined]);
    expect(got).toBe(3_000_000);
  });

  test('asks and answers, and refusals keep their code', async () => {
    const socket = await connect({ user: 'ada' });
    expect(socket.user).toBe('ada');
    socket.handle('sum', (numbers) => (numbers as number[]).reduce((sum, number) => sum + number, 0));
    socket.handle('refuse', () => {
      throw new HawserError('ERR_NOT_ALLOWED', 'not today', { data: { until: 'noon' } });
    });
    socket.handle('wait', () => new Promise(() => {}));
    const answers = await page.evaluate(async () => {
      const { socket: own } = kept;
      own.handle('name', (prefix: unknown) => `${String(prefix)} ${own.user}`);
      const told = (error: unknown): unknown => {
        const { code, data, delivered } = error as Client.HawserError;
        return { code, data, delivered };
      };
      return [
        await own.request('sum', [1, 2, 3]),
        await own.request('refuse').catch(told),
        await own.request('nothing').catch(told),
        await own.request('wait', undefined, { timeout: 50 }).catch(told),
        await own.request('wait', undefined, { signal: AbortSignal.abort() }).catch(told),
      ];
    });
    expect(answers).toMatchObject([
      6,
      { code: 'ERR_NOT_ALLOWED', data: { until: 'noon' } },
      { code: 'ERR_NO_SUCH_REQUEST' },
      { code: 'ERR_TIMEOUT', delivered: 'unknown' },
      { code: 'ERR_ABORTED', delivered: 'no' },
    ]);
    expect(await socket.request('name', 'I am')).toBe('I am ada');
  });

  test('is told when it sends faster than the line takes, and when it may go on', async () => {
    const socket = await connect();
    const numbers: number[] = [];
    socket.on('chunk', (data) => numbers.push((data as { number: number }).number));
    proxy.hold();
    const sent = await page.evaluate(() => {
      const bytes = new Uint8Array(64 * 1024);
      kept.socket.on('drain', () => kept.heard.push('drain'));
      let number = 0;
      while (number < 1000 && kept.socket.send('chunk', { number, bytes })) number += 1;
      return number + 1;
    });
    expect(sent).toBeLessThan(1000);
    // The system's own buffers may grow meanwhile, and then there is room before the line is free.
    proxy.release();
    await expect.poll(() => numbers.length, SOON).toBe(sent);
    expect(numbers).toEqual(Array.from({ length: sent }, (_, at) => at));
    await expect.poll(heard, SOON).toEqual(['drain']);
  });

  test('hears events in a loop, waits for room, and sends no more than the newest meanwhile', async () => {
    const socket = await connect();
    const numbers: unknown[] = [];
    socket.on('state', (data) => numbers.push((data as { number: number }).number));
    await page.evaluate(() => {
      void (async () => {
        for await (const data of kept.socket.events('word', { limit: 5 })) kept.heard.push(data);
        kept.heard.push('done');
      })();
    });
    for (const word of ['one', 'two', 'three']) socket.send('word', word);
    await expect.poll(heard, SOON).toEqual(['one', 'two', 'three']);
    proxy.hold();
    await page.evaluate(() => {
      const bytes = new Uint8Array(64 * 1024);
      for (let number = 0; number < 1000; number += 1) {
        kept.socket.send('state', { number, bytes }, { overflow: 'latest' });
      }
      void kept.socket.drained().then(() => kept.heard.push(`dropped ${kept.socket.dropped}`));
    });
    proxy.release();
    await expect.poll(() => numbers.at(-1), SOON).toBe(999);
    expect(numbers.length).toBeLessThan(100);
    await expect.poll(heard, SOON).toContain(`dropped ${1000 - numbers.length}`);
    socket.close(1000, 'enough');
    await expect.poll(async () => (await heard()).at(-1), SOON).toBe('done');
  });

  test('comes back when the line breaks, and nothing is lost or told twice', async () => {
    const socket = await connect();
    const numbers: unknown[] = [];
    socket.on('number', (number) => numbers.push(number));
    await page.evaluate(() => {
      kept.socket.on('number', (number) => kept.heard.push(number));
      kept.socket.on('up', ({ recovered }) => kept.heard.push(`recovered: ${recovered}`));
    });
    const sendFrom = (from: number): Promise<void> =>
      page.evaluate((first) => {
        for (let number = first; number < first + 10; number += 1) kept.socket.send('number', number);
      }, from);
    const cut = proxy.cutInMidFrame('up');
    await sendFrom(0);
    await cut;
    for (let number = 0; number < 10; number += 1) socket.send('number', number);
    await sendFrom(10);
    await expect.poll(() => numbers.length, SOON).toBe(20);
    await expect.poll(async () => (await heard()).length, SOON).toBe(11);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, at) => at));
    expect(await heard()).toEqual(['recovered: true', ...Array(10).keys()]);
  });

  test('hears the code and the reason of its end, and stays away when told so', async () => {
    const socket = await connect();
    await page.evaluate(() => {
      kept.socket.on('close', (reason, error) => kept.heard.push(reason, error?.code));
      kept.socket.on('reconnecting', () => kept.heard.push('reconnecting'));
    });
    socket.close(4507, 'out you go');
    await expect.poll(heard, SOON).toEqual([{ code: 4507, reason: 'out you go' }, 'ERR_CLOSED']);
    expect(await page.evaluate(() => kept.socket.state)).toBe('ended');
    expect(await page.evaluate(() => kept.socket.closed)).toEqual({ code: 4507, reason: 'out you go' });
  });

  test('comes back after a code that invites it to', async () => {
    const socket = await connect();
    await page.evaluate(() => kept.socket.on('up', ({ recovered }) => kept.heard.push(recovered)));
    const again = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    socket.close(4006, 'soon back');
    expect((await again).id).not.toBe(socket.id);
    await expect.poll(heard, SOON).toEqual([false]);
  });

  test('is given what it missed in a room with history when its session is lost, and keeps its place', async () => {
    server.history('room');
    server.on('connection', (socket) => {
      socket.join('room');
    });
    const socket = await connect({ reconnect: { first: 200, most: 300 } });
    await page.evaluate(() => {
      kept.socket.onAny((event, data, { offset }) =>
        kept.heard.push([event, event === 'say' ? data : undefined, offset]),
      );
    });
    const { positions } = await server.to('room').publish('say', 'one');
    await vi.waitFor(async () => expect(await heard()).toContainEqual(['say', 'one', 1]), SOON);
    const gone = new Promise((resolve) => socket.on('close', resolve));
    socket.close(4100, 'come back');
    await gone;
    for (const text of ['two', 'three']) await server.to('room').publish('say', text);
    await vi.waitFor(async () => expect(JSON.stringify(await heard())).toContain('recovered'), SOON);
    server.to('room').send('say', 'four');
    await vi.waitFor(async () => expect(await heard()).toContainEqual(['say', 'four', 4]), SOON);
    expect((await heard()).slice(-5)).toEqual([
      ['say', 'one', 1],
      ['say', 'two', 2],
      ['say', 'three', 3],
      ['recovered', undefined, undefined],
      ['say', 'four', 4],
    ]);
    const place = { offset: 4, epoch: positions[0]?.epoch };
    expect(await page.evaluate(() => kept.socket.position('room'))).toEqual(place);
  });

  test('says goodbye', async () => {
    const socket = await connect();
    const closed = new Promise<CloseReason>((resolve) => socket.on('close', resolve));
    await page.evaluate(() => kept.socket.close('that is all'));
    expect(await closed).toEqual({ code: 1000, reason: 'that is all' });
    expect(await page.evaluate(() => kept.socket.state)).toBe('ended');
  });

  test('is refused with a wrong token, and told so', async () => {
    const refusal = await page.evaluate(() =>
      kept.client
        .connect(location.origin.replace('http', 'ws'), { token: 'wrong', persistent: true })
        .catch((error: Client.HawserError) => ({ name: error.name, code: error.code, message: error.message })),
    );
    expect(refusal).toEqual({ name: 'HawserError', code: 'ERR_AUTH_FAILED', message: 'this token is not known' });
    expect(server.stats.sockets).toBe(0);
  });

  test('says when there is nobody to connect to', async () => {
    const gone = await CuttingProxy.open({ target: { port: 1 } });
    const { port } = gone;
    await gone.close();
    const code = await page.evaluate(
      (nowhere) => kept.client.connect(`ws://127.0.0.1:${nowhere}`).catch((error: Client.HawserError) => error.code),
      port,
    );
    expect(code).toBe('ERR_CONNECT_FAILED');
  });
});
