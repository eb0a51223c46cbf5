import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { Browser, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { enterRoom, presentOn } from './members.ts';
import { Served, socketFolder } from './served.ts';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const SOON = { timeout: 20_000, interval: 50 };

let server: Served;
let browser: Browser;
let url: string;

beforeAll(async () => {
  server = await Served.start(['ws://127.0.0.1:0']);
  url = `http://127.0.0.1:${server.port('ws')}/`;
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

async function open(options: Parameters<typeof openPage>[1] = {}): Promise<WatchedPage> {
  const watched = await openPage(browser, options);
  await watched.page.goto(url);
  return watched;
}

async function close({ page, complaints }: WatchedPage): Promise<void> {
  await page.context().close();
  expect(complaints).toEqual([]);
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('text').fill(text);
  await page.getByTestId('text').press('Enter');
}

describe('the page', () => {
  test('comes from this server alone, under a policy that allows nothing else', async () => {
    const watched = await openPage(browser);
    const answers: Response[] = [];
    watched.page.on('response', (response) => answers.push(response));
    await watched.page.goto(url);
    await enterRoom(watched.page, 'policy', 'ann');
    expect(answers.length).toBeGreaterThan(2);
    for (const answer of answers) {
      expect(answer.url().startsWith(url), answer.url()).toBe(true);
      expect(answer.status(), answer.url()).toBe(200);
    }
    const policy = await (answers[0] as Response).headerValue('content-security-policy');
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('unsafe');
    await close(watched);
  });

  test('shows who is here, what is said, to all and to one alone', async () => {
    const [ann, ben] = [await open(), await open()];
    await enterRoom(ann.page, 'talk', 'ann');
    await enterRoom(ben.page, 'talk', 'ben');
    for (const { page } of [ann, ben]) await expect.poll(() => presentOn(page), SOON).toEqual(['ann', 'ben']);

    await say(ann.page, 'good morning');
    await ben.page.locator('[data-testid=message][data-from=ann]', { hasText: 'good morning' }).waitFor();
    await ann.page.locator('[data-testid=own][data-progress=there]', { hasText: 'sent to 1 other' }).waitFor();

    await ben.page.locator('[data-testid=member][data-user=ann]').getByTestId('write-to').click();
    await say(ben.page, 'for you alone');
    await ann.page.locator('[data-testid=message][data-direct=true]', { hasText: 'for you alone' }).waitFor();
    await ben.page.getByTestId('to-all').click();
    await ben.page.getByTestId('to').waitFor({ state: 'hidden' });

    await ben.page.getByTestId('leave').click();
    await ben.page.getByTestId('join-form').waitFor();
    await expect.poll(() => presentOn(ann.page), SOON).toEqual(['ann']);
    await close(ann);
    await close(ben);
  });

  test('shows markup as the text that it is', async () => {
    const [ann, ben] = [await open(), await open()];
    const markup = '<img src="x" onerror="alert(1)"><b>bold</b>';
    await enterRoom(ann.page, 'markup', '<i>ann</i>');
    await enterRoom(ben.page, 'markup', 'ben');
    await say(ann.page, markup);
    await expect.poll(() => ben.page.getByTestId('message-text').textContent(), SOON).toBe(markup);
    await expect.poll(() => presentOn(ben.page), SOON).toEqual(['<i>ann</i>', 'ben']);
    expect(await ben.page.locator('[data-testid=inside] :is(img, i)').count()).toBe(0);
    await close(ann);
    await close(ben);
  });

  test('shows transport, round trip and the figures of the server', async () => {
    const watched = await open();
    const { page } = watched;
    await enterRoom(page, 'figures', 'ann');
    const textOf = async (part: string): Promise<string> => (await page.getByTestId(part).textContent()) ?? '';
    await expect.poll(() => textOf('transport'), SOON).toBe('ws');
    await expect.poll(() => textOf('rtt'), SOON).toMatch(/^[\d.]+ ms$/);
    await expect.poll(() => textOf('rate-in'), SOON).toMatch(/^[\d.,]+$/);
    await expect.poll(async () => Number(await textOf('sockets')), SOON).toBeGreaterThanOrEqual(1);
    await expect.poll(async () => Number(await textOf('links')), SOON).toBeGreaterThanOrEqual(1);
    for (const chart of ['rate-chart', 'connection-chart']) {
      const inks = await page.getByTestId(chart).evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const pixels = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data ?? [];
        return new Set(Array.from({ length: pixels.length / 4 }, (_, at) => pixels.slice(at * 4, at * 4 + 4).join()))
          .size;
      });
      expect(inks, chart).toBeGreaterThan(3);
    }
    await close(watched);
  });

  test('says what is wrong with what one wrote', async () => {
    const watched = await open();
    const { page } = watched;
    await page.getByTestId('join').click();
    await expect.poll(() => page.getByTestId('problem').textContent()).toMatch(/name/);
    await enterRoom(page, 'refusals', 'ann');
    await say(page, 'to a full room');
    await page.locator('[data-testid=own][data-progress=there]', { hasText: 'sent to 0 others' }).waitFor();
    await close(watched);
  });
});

describe('the page of a server with a secret', () => {
  const folder = socketFolder();
  const file = join(folder.path, 'secret');
  const secret = 'a secret of at least 32 bytes, for this test alone';
  let guarded: Served;

  beforeAll(async () => {
    writeFileSync(file, secret);
    guarded = await Served.start(['ws://127.0.0.1:0'], ['--secret', file]);
  });

  afterAll(async () => {
    await guarded?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('asks for a token, says when it is wrong, and lets in who has one under its name', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`http://127.0.0.1:${guarded.port('ws')}/#harbour`);
    const problem = page.getByTestId('problem');
    await page.getByTestId('name').fill('somebody');
    await page.getByTestId('join').click();
    await problem.filter({ hasText: 'ERR_AUTH_REQUIRED' }).waitFor();

    await page.getByTestId('token').fill('not a token');
    await page.getByTestId('join').click();
    await problem.filter({ hasText: 'ERR_AUTH_FAILED' }).waitFor();
    expect(await page.getByTestId('inside').isVisible()).toBe(false);

    const claims = new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject('ada').setExpirationTime('1h');
    await page.getByTestId('token').fill(await claims.sign(new TextEncoder().encode(secret)));
    await page.getByTestId('join').click();
    await page.getByTestId('composer').waitFor();
    await problem.waitFor({ state: 'hidden' });
    await expect.poll(() => page.getByTestId('where').textContent(), SOON).toBe('harbour');
    await expect.poll(() => presentOn(page), SOON).toEqual(['ada']);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

describe('the page and a plain WebSocket that speaks JSON', () => {
  test('are in one room', async () => {
    const [ann, plain] = [await open(), await open()];
    await enterRoom(ann.page, 'mixed', 'ann');
    await plain.page.evaluate(
      async (address) => {
        const socket = new WebSocket(address);
        const heard: unknown[] = [];
        Object.assign(globalThis, { heard, socket });
        socket.onmessage = ({ data }) => heard.push(JSON.parse(data as string));
        await new Promise((resolve) => {
          socket.onopen = resolve;
        });
        const tell = (message: object): void => socket.send(JSON.stringify(message));
        tell({ event: 'hello', user: 'plain' });
        tell({ event: 'join', id: 'j', data: { room: 'mixed' } });
        tell({ event: 'publish', id: 2, data: { room: 'mixed', event: 'say', data: { text: 'from a plain socket' } } });
      },
      url.replace('http', 'ws'),
    );
    const heard = (): Promise<unknown[]> =>
      plain.page.evaluate(() => (globalThis as unknown as { heard: unknown[] }).heard);

    await ann.page.locator('[data-testid=message][data-from=plain]', { hasText: 'from a plain socket' }).waitFor();
    await expect.poll(() => presentOn(ann.page), SOON).toEqual(['ann', 'plain']);
    await say(ann.page, 'to a plain socket');
    await ann.page.locator('[data-testid=member][data-user=plain]').getByTestId('write-to').click();
    await say(ann.page, 'and to it alone');
    await expect.poll(async () => (await heard()).length, SOON).toBe(5);

    const from = { id: expect.any(String), user: 'ann' };
    const members = expect.arrayContaining([from, { id: expect.any(String), user: 'plain' }]);
    expect(await heard()).toEqual([
      { event: 'welcome', data: expect.objectContaining({ id: expect.any(String), user: 'plain' }) },
      { event: 'join', id: 'j', data: { room: 'mixed', members, total: 2 } },
      { event: 'publish', id: 2, data: { members: 1 } },
      { event: 'say', room: 'mixed', from, data: { text: 'to a plain socket' } },
      { event: 'say', from, data: { text: 'and to it alone' } },
    ]);

    await plain.page.evaluate(() => (globalThis as unknown as { socket: WebSocket }).socket.close());
    await expect.poll(() => presentOn(ann.page), SOON).toEqual(['ann']);
    await close(ann);
    await close(plain);
  });
});

describe('the page on a phone', () => {
  test.each(['light', 'dark'] as const)('fits, and shows something (%s)', async (colorScheme) => {
    const watched = await open({ ...PHONE, colorScheme });
    const { page } = watched;
    const expectFits = async (where: string): Promise<void> => {
      const { scrollWidth, clientWidth } = await page.evaluate(() => document.documentElement);
      expect(scrollWidth, where).toBe(clientWidth);
      expect(await coloursOf(await page.screenshot()), where).toBeGreaterThan(20);
    };
    await expectFits('the form');
    await enterRoom(page, `phone-${colorScheme}-${'a-very-long-name-'.repeat(8)}`, `ann${'n'.repeat(60)}`);
    await say(page, `${'unbroken'.repeat(60)} and some words`);
    await page.locator('[data-testid=own][data-progress=there]').waitFor();
    await expectFits('the conversation');
    expect(await page.getByTestId('people').isVisible()).toBe(false);
    await page.getByTestId('panel-switch').tap();
    await page.getByTestId('people').waitFor();
    await expectFits('the panel');
    await page.getByTestId('panel-switch').tap();
    await page.getByTestId('text').waitFor();
    await close(watched);
  });

  test('every control can be hit with a finger and has a name', async () => {
    const watched = await open(PHONE);
    const { page } = watched;
    await enterRoom(page, 'fingers', 'ann');
    for (const control of await page.locator(':is(button, input):visible').all()) {
      const box = await control.boundingBox();
      const hook = (await control.getAttribute('data-testid')) ?? '';
      expect(box?.height, hook).toBeGreaterThanOrEqual(32);
      const named = await control.evaluate(
        (element) => element.getAttribute('aria-label') ?? element.closest('label')?.textContent ?? element.textContent,
      );
      expect(named?.trim(), hook).not.toBe('');
    }
    await close(watched);
  });
});

/** How many colours a picture has. */
async function coloursOf(png: Buffer): Promise<number> {
  const { page } = await openPage(browser);
  const colours = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    context?.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context?.getImageData(0, 0, picture.width, picture.height).data.buffer ?? []);
    return new Set(pixels).size;
  }, png.toString('base64'));
  await page.context().close();
  return colours;
}
