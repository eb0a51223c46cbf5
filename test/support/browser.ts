import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { chromium as programPath } from './programs.ts';

/** Nothing that isn't the test's: no updates, no background traffic, no QUIC, no sandbox that a container forbids. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A Chromium without a window, with a profile of its own that goes when it closes. */
export function openBrowser(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: programPath(), headless: true, args: [...FLAGS, ...flags] });
}

/** A page, and what it complained of: errors, console errors and warnings, refusals by its Content-Security-Policy. */
export interface WatchedPage {
  readonly page: Page;
  readonly complaints: string[];
}

/** A new page of a context of its own. A dropped connection is the test's doing and no complaint. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    const cut = /WebSocket connection to '[^']*' failed/.test(text);
    if (['error', 'warning'].includes(message.type()) && !cut) complaints.push(`${message.type()}: ${text}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`refused by ${violatedDirective}: ${blockedURI}`),
    );
  });
  return { page, complaints };
}
