import { existsSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { curl } from '../support/programs.ts';
import { CANARY, contentOf, HttpSite, headOf, LONG, type Ran, run } from './http-site.ts';

let site: HttpSite;
let downloads = '';

beforeAll(async () => {
  site = await HttpSite.open();
  downloads = join(site.tree.outside, 'downloads');
  mkdirSync(downloads);
});
afterAll(() => site?.[Symbol.asyncDispose]());

describe.each([
  ['--http1.1', '1.1', 'https'],
  ['--http2', '2', 'https'],
  ['--http1.1', '1.1', 'http'],
  ['--http2-prior-knowledge', '2', 'http'],
] as const)('curl %s, which is HTTP/%s over %s:', (flag, version, scheme) => {
  const get = (path: string, ...args: readonly string[]): Promise<Ran> =>
    run(curl(), '--silent', '--show-error', flag, '--cacert', site.authority.caFile, ...args, site.url(path, scheme));
  const head = async (path: string, ...args: readonly string[]): Promise<ReturnType<typeof headOf>> =>
    headOf((await get(path, '--output', join(downloads, 'body'), '--dump-header', '-', ...args)).text);

  test('gets files whole, by this version', async () => {
    const { text } = await get('/', '--write-out', '\n%{http_version} %{content_type}');
    expect(text).toContain('<p>here');
    expect(text.split('\n').at(-1)).toBe(`${version} text/html; charset=utf-8`);
    expect((await get('/long.bin')).stdout.equals(LONG)).toBe(true);
  });

  test('HEAD, and other methods', async () => {
    const { text } = await get('/long.bin', '--head');
    expect(headOf(text)).toMatchObject({ status: 200, fields: { 'content-length': String(LONG.length) } });
    expect(await head('/long.bin', '--data', 'x=1')).toMatchObject({ status: 405, fields: { allow: 'GET, HEAD' } });
    expect(await head('/long.bin', '--request', 'BREW')).toMatchObject({ status: version === '2' ? 405 : 400 });
  });

  test('ranges, and a download that is gone on with', async () => {
    expect((await get('/long.bin', '--range', '100-199')).stdout.equals(LONG.subarray(100, 200))).toBe(true);
    expect((await get('/long.bin', '--range', '-5')).stdout.equals(LONG.subarray(-5))).toBe(true);
    expect(await head('/long.bin', '--range', `${LONG.length}-`)).toMatchObject({
      status: 416,
      fields: { 'content-range': `bytes */${LONG.length}` },
    });
    const file = join(downloads, 'resumed');
    writeFileSync(file, LONG.subarray(0, 1_234_567));
    const { code, stderr } = await get('/long.bin', '--continue-at', '-', '--output', file);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(contentOf(file).equals(LONG)).toBe(true);
    rmSync(file);
  });

  test('what is unchanged is not sent again', async () => {
    const tag = join(downloads, 'tag');
    const { fields } = await head('/style.css', '--etag-save', tag);
    expect(await head('/style.css', '--etag-compare', tag)).toMatchObject({ status: 304 });
    expect(await head('/style.css', '--time-cond', fields['last-modified'] ?? '')).toMatchObject({ status: 304 });
    expect(await head('/style.css', '--time-cond', '-Mon, 01 Jan 2001 00:00:00 GMT')).toMatchObject({ status: 412 });
    rmSync(tag);
  });

  test('the compressed file is taken, and is the same', async () => {
    const [plain, compressed] = [await get('/script.js'), await get('/script.js', '--compressed')];
    expect(compressed.text).toBe(plain.text);
    const { fields } = await head('/script.js', '--header', 'Accept-Encoding: gzip');
    expect(fields).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
  });

  test('a folder redirects to itself with a slash, and no further', async () => {
    const { text } = await get('/sub%20dir', '--write-out', '\n%{http_code} %{redirect_url}');
    const [code, url] = text.split('\n').at(-1)?.split(' ') ?? [];
    expect([code, url]).toEqual(['301', site.url('/sub%20dir/', scheme)]);
    expect((await get('/sub%20dir/')).text).toBe('<p>below');
  });

  test('no path leads out of the folder', async () => {
    symlinkSync('../canary', site.tree.path(`link-${version}-${scheme}`));
    const hostile = ['/../canary', '/sub%20dir/../../canary', '/%2e%2e/canary', '/%2e%2e%2fcanary', '/..%5ccanary'];
    hostile.push('/..\\canary', '/%c0%ae%c0%ae/canary', '/%252e%252e/canary', '/.hidden', '/%2ehidden', '//../canary');
    hostile.push(`/link-${version}-${scheme}`, '/index.html%00', '/canary', `${site.tree.outside}/canary`);
    for (const path of hostile) {
      const { text } = await get(path, '--path-as-is', '--write-out', '\n%{http_code}');
      expect({ path, text }).not.toMatchObject({ text: expect.stringContaining(CANARY) });
      expect({ path, status: text.split('\n').at(-1) }).toMatchObject({ status: expect.stringMatching(/^40[04]$/) });
    }
  });

  test('hostile heads get an answer or the end of the connection, and the next client its file', async () => {
    const long = 'x'.repeat(20_000);
    const many = Array.from({ length: 3000 }, (_, at) => ['--header', `x-${at}: y`]).flat();
    const hostile = [['--header', `x-long: ${long}`], many, ['--header', `Range: bytes=${'0-1,'.repeat(2000)}`]];
    hostile.push(['--header', `If-None-Match: ${'"a",'.repeat(2000)}`], ['--header', 'Accept-Encoding: ;q=,;;=,q']);
    hostile.push(['--header', 'Range: bytes=-'], ['--header', 'If-Range: "'], ['--header', 'If-Modified-Since: 0']);
    hostile.push(['--header', 'Content-Length: 5'], ['--header', 'Expect: 100-continue'], ['--header', 'If-Match: W/']);
    for (const args of hostile) {
      const { code, text } = await get('/style.css', '--max-time', '20', ...args, '--write-out', '\n%{http_code}');
      // Not that it is out of time (28).
      expect({ args: args.slice(0, 2), code }).not.toMatchObject({ code: 28 });
      expect(text).not.toContain(CANARY);
      expect((await get('/style.css')).text).toBe('p { color: rgb(1, 2, 3) }');
    }
  });

  test('a file that becomes shorter while it is sent is an error to the client', async () => {
    site.tree.write('shrinks', Buffer.alloc(64 << 20));
    const file = join(downloads, 'shrunk');
    const getting = get('/shrinks', '--limit-rate', '8M', '--output', file);
    await expect.poll(() => existsSync(file), { timeout: 10_000 }).toBe(true);
    truncateSync(site.tree.path('shrinks'), 1 << 20);
    expect((await getting).code).not.toBe(0);
    rmSync(file);
  });
});
