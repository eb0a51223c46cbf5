import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { Terminal } from '../support/example.ts';

const folder = mkdtempSync(join(tmpdir(), 'hawser-ticker-page-'));
let browser: Browser;
let market: Terminal;
let ws: string;
let page: Page;
let complaints: string[];

const origin = (): string => ws.replace('ws:', 'http:');

async function start(at: string): Promise<Terminal> {
  const doors = `--listen ${at} --plain none --quotes none`;
  const terminal = new Terminal(`node examples/ticker/market.js --ledger ${join(folder, 'ticker.db')} ${doors}`);
  [, ws = ''] = await terminal.shows(/listens on (ws:\/\/\S+)/);
  return terminal;
}

/** Somebody elsewhere trades. */
async function trade(side: 'BUY' | 'SELL', symbol: string, shares: number): Promise<void> {
  await using ben = await connect(ws, { user: 'ben' });
  await ben.request('order', { id: randomUUID(), side, symbol, shares });
}

/** What the page's list says of a symbol. */
const price = (symbol: string): Promise<string | null> => page.locator(`[data-symbol=${symbol}] .price`).textContent();

/** One test goes on where the one before has ended. */
describe('the page of the market in Chromium', () => {
  beforeAll(async () => {
    market = await start('ws://127.0.0.1:0');
    for (const line of ['ABC 100', 'ACME 1000 48.20']) {
      market.type(line);
      await market.shows(`${line.split(' ')[0]} is listed`);
    }
    browser = await openBrowser();
    ({ page, complaints } = await openPage(browser));
  });
  afterAll(async () => {
    await browser?.close();
    await market?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('shows what is listed, with a chart', async () => {
    await page.goto(`${origin()}/?user=ada`);
    await page.locator('#status[data-state=up]', { hasText: 'ada, over ws' }).waitFor();
    await expect.poll(() => price('ABC')).toBe('10.00');
    await expect.poll(() => price('ACME')).toBe('48.20');
    await page.locator('#symbol', { hasText: 'ABC' }).waitFor();
    const chart = page.locator('#chart canvas');
    await chart.waitFor();
    await expect.poll(async () => (await chart.boundingBox())?.height).toBeGreaterThan(200);
  });

  test('moves its prices when somebody else trades', async () => {
    await trade('BUY', 'ABC', 10);
    await expect.poll(() => price('ABC')).toBe('11.00');
    await page.locator('#price', { hasText: '11.00' }).waitFor();
    await page.locator('#change[data-direction=up]', { hasText: '+10.00 %' }).waitFor();
    await page.locator('#tape li').first().getByText('90 left').waitFor();
    await trade('SELL', 'ABC', 5);
    await page.locator('#price', { hasText: '10.50' }).waitFor();
    await trade('BUY', 'ACME', 100);
    await expect.poll(() => price('ACME')).toBe('53.02');
    await expect.poll(() => price('ABC')).toBe('10.50');
  });

  test('draws them', async () => {
    const drawn = (): Promise<string> =>
      page.locator('#chart canvas').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const before = await drawn();
    await trade('BUY', 'ABC', 20);
    await page.locator('#price', { hasText: '12.50' }).waitFor();
    await expect.poll(drawn).not.toBe(before);
  });

  test('trades, and says what became of it', async () => {
    await page.locator('#shares').fill('30');
    await page.getByRole('button', { name: 'Buy' }).click();
    await page.getByText('bought 30 ABC at 12.50, you now hold 30').waitFor();
    await page.locator('#holdings li', { hasText: 'ABC' }).getByText('30').waitFor();
    await page.getByRole('button', { name: 'Buy' }).click();
    await page.getByText('bought 30 ABC at 15.50, you now hold 60').waitFor();
    await page.getByRole('button', { name: 'Buy' }).click();
    await page.locator('#answer[data-state=refused]', { hasText: '15 of ABC are available, not 30' }).waitFor();
    for (const nonsense of ['', '-1', '1.5', 'x', '99999999999']) {
      await page.locator('#shares').fill(nonsense);
      await page.getByRole('button', { name: 'Sell' }).click();
      await page.getByText('How many shares?').waitFor();
    }
    await expect.poll(() => price('ABC')).toBe('18.50');
  });

  test('shows a symbol that is listed later, and another one when it is chosen', async () => {
    market.type('LATE 50 2');
    await page.locator('[data-symbol=LATE]').click();
    await page.locator('#symbol', { hasText: 'LATE' }).waitFor();
    await page.locator('#price', { hasText: '2.00' }).waitFor();
    expect(await page.locator('[aria-current=true]').count()).toBe(1);
  });

  test('comes back when the market was killed, and knows what it missed', async () => {
    market.signal('SIGKILL');
    await market.exit();
    await page.locator('#status[data-state=down]').waitFor();
    market = await start(ws);
    await trade('BUY', 'LATE', 25);
    await page.locator('#price', { hasText: '3.00' }).waitFor();
    await page.locator('#status[data-state=up]', { hasText: 'ada, over ws' }).waitFor();
    await page.locator('#shares').fill('1');
    await page.getByRole('button', { name: 'Buy' }).click();
    await page.getByText('bought 1 LATE at 3.00, you now hold 1').waitFor();
    await expect.poll(() => price('ABC')).toBe('18.50');
  });

  test('who comes later sees the past, and as nobody can only look', async () => {
    const { page: other, complaints: others } = await openPage(browser, { colorScheme: 'light' });
    await other.goto(origin());
    await other.locator('#status[data-state=up]', { hasText: 'just looking' }).waitFor();
    await other.locator('#change', { hasText: '+85.00 %' }).waitFor();
    const points = (): Promise<string | null> => other.locator('[data-symbol=ABC] polyline').getAttribute('points');
    await expect.poll(async () => (await points())?.split(' ').length).toBe(6);
    expect(await other.getByRole('button', { name: 'Buy' }).isDisabled()).toBe(true);
    expect(others).toEqual([]);
    await other.context().close();
  });

  test('answers HTTP as a page should, and complained of nothing', async () => {
    const first = await fetch(origin());
    const policy = first.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('unsafe');
    const again = await fetch(origin(), { headers: { 'If-None-Match': first.headers.get('etag') ?? '' } });
    expect(again.status).toBe(304);
    expect((await fetch(`${origin()}/ledger.js`)).status).toBe(404);
    expect((await fetch(`${origin()}/..%2fmarket.js`)).status).toBe(404);
    expect((await fetch(origin(), { method: 'POST' })).status).toBe(405);
    expect(complaints.filter((text) => !text.includes('net::ERR_CONNECTION_REFUSED'))).toEqual([]);
  });
});
