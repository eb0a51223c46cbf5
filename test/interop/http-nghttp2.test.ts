import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser, openPage } from '../support/browser.ts';
import { h2load, nghttp } from '../support/programs.ts';
import { CANARY, HttpSite, LONG, run } from './http-site.ts';

let site: HttpSite;
beforeAll(async () => {
  site = await HttpSite.open();
});
afterAll(() => site?.[Symbol.asyncDispose]());

describe('nghttp', () => {
  const get = async (...args: readonly string[]): Promise<string> =>
    (await run(nghttp(), '--no-verify-peer', '--verbose', ...args)).text;

  test('gets files over one connection, and is told all about them', async () => {
    const text = await get('--null-out', site.url('/'), site.url('/style.css'), site.url('/long.bin'));
    expect(text).toContain('The negotiated protocol: h2');
    expect(text.match(/:status: 200/g)).toHaveLength(3);
    expect(text).toContain('content-type: text/css; charset=utf-8');
    expect(text).toContain(`content-length: ${LONG.length}`);
    expect(text).not.toMatch(/recv (?:RST_STREAM|GOAWAY)/);
  });

  test('a range, and what it has', async () => {
    const part = await get('--header=range: bytes=10-19', site.url('/long.bin'));
    expect(part).toContain(':status: 206');
    expect(part).toContain(`content-range: bytes 10-19/${LONG.length}`);
    const [, tag = ''] = /etag: (.*)/.exec(await get(site.url('/style.css'))) ?? [];
    expect(await get(`--header=if-none-match: ${tag}`, site.url('/style.css'))).toContain(':status: 304');
  });

  test('header sets that are not allowed end the stream, and nothing else', async () => {
    const hostile = ['--header=connection: close', '--header=transfer-encoding: chunked', '--header=:status: 200'];
    hostile.push('--header=:path: /../canary', '--header=te: gzip', '--header=Upper-Case: x');
    for (const header of hostile) {
      expect(await get(header, site.url('/style.css')), header).not.toContain(CANARY);
      expect(await get('--null-out', site.url('/style.css')), header).toContain(':status: 200');
    }
  });

  test('a client that lets data come drop by drop gets all of it', async () => {
    const text = await get('--null-out', '--window-bits=10', '--connection-window-bits=10', site.url('/long.bin'));
    expect(text).toContain(':status: 200');
    expect(text).toContain('END_STREAM');
  });
});

describe('h2load', () => {
  test.each([
    ['HTTP/2', 'https', ['--clients=4', '--max-concurrent-streams=100']],
    ['HTTP/2 in the clear', 'http', ['--clients=2', '--max-concurrent-streams=50']],
    ['HTTP/1.1', 'https', ['--h1', '--clients=16']],
  ] as const)('10,000 requests over %s are all answered, with all of the file', async (_, scheme, how) => {
    const paths = ['/', '/style.css', '/script.js'].map((path) => site.url(path, scheme));
    const { text } = await run(h2load(), '--requests=10000', '--threads=1', ...how, ...paths);
    expect(text).toContain('10000 total, 10000 started, 10000 done, 10000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(text).toContain('10000 2xx, 0 3xx, 0 4xx, 0 5xx');
  });

  test('500 long files at once are all sent', async () => {
    const how = ['--clients=5', '--max-concurrent-streams=100', '--threads=1'];
    const { text } = await run(h2load(), '--requests=500', ...how, site.url('/long.bin'));
    expect(text).toContain('500 2xx');
    expect(text).toContain(`(${500 * LONG.length}) data`);
  });
});

test('Chromium loads a page with its parts over HTTP/2, and the compressed file', async () => {
  const browser = await openBrowser();
  try {
    const { page, complaints } = await openPage(browser, { ignoreHTTPSErrors: true });
    await page.goto(site.url('/'));
    await expect.poll(() => page.title()).toBe('it runs');
    expect(await page.evaluate(() => getComputedStyle(document.querySelector('p') as Element).color)).toBe(
      'rgb(1, 2, 3)',
    );
    const loaded = await page.evaluate(() =>
      (['navigation', 'resource'] as const)
        .flatMap((kind) => performance.getEntriesByType(kind) as PerformanceResourceTiming[])
        .map(({ name, nextHopProtocol }) => [new URL(name).pathname, nextHopProtocol]),
    );
    for (const path of ['/', '/style.css', '/script.js']) expect(loaded).toContainEqual([path, 'h2']);
    const script = await page.evaluate(async () => {
      const answer = await fetch('/script.js', { cache: 'reload' });
      return [answer.headers.get('content-encoding'), (await answer.text()).includes('it runs')];
    });
    expect(script).toEqual(['gzip', true]);
    // The icon that browsers ask for.
    expect(complaints.filter((one) => !one.includes('404'))).toEqual([]);
  } finally {
    await browser.close();
  }
});
