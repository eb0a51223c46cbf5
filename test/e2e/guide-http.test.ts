import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { run } from '../interop/http-site.ts';
import { Terminal } from '../support/example.ts';
import { curl } from '../support/programs.ts';
import { ROOT, textOf } from '../support/tree.ts';

/** The programs of docs/guides/http.md by the name in their first line, and the commands of its first block. */
const guide = textOf('docs/guides/http.md');
const programs = new Map(
  [...guide.matchAll(/^```js\n(\/\/ (\S+)\n[\s\S]*?)^```$/gm)].map(([, text = '', name = '']) => [name, text]),
);
const [makeCert = '', serve = '', fetch = ''] = /^```sh\n([\s\S]*?)^```$/m.exec(guide)?.[1]?.split('\n') ?? [];

const open: AsyncDisposable[] = [];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-guide-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/hawser'), 'dir');
  mkdirSync(join(folder, 'public/assets'), { recursive: true });
  writeFileSync(join(folder, 'public/index.html'), 'the page');
  writeFileSync(join(folder, 'public/assets/a.js'), 'script');
  execFileSync('sh', ['-c', makeCert.replace('hawser', `'${process.execPath}' '${ROOT}/dist/cli/main.js'`)], {
    cwd: folder,
  });
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a line in the folder of the guide. */
function start(line: string): Terminal {
  const terminal = new Terminal(`sh -c "cd '${folder}' && exec ${line}"`);
  open.push(terminal);
  return terminal;
}

/** Runs a program of the guide, with another port. */
function startProgram(name: string, port = '0'): Terminal {
  const program = programs.get(name);
  if (program === undefined) throw new Error(`the guide has no ${name}`);
  writeFileSync(join(folder, name), program.replaceAll('8443', port));
  return start(`node ${name}`);
}

async function portOf(terminal: Terminal): Promise<string> {
  const [, port = ''] = await terminal.shows(/listening on (\d+)/);
  return port;
}

async function get(url: string, ...args: readonly string[]): Promise<string> {
  return (await run(curl(), '--silent', '--show-error', '--cacert', join(folder, 'certs/cert.pem'), ...args, url)).text;
}

test('the guide has as many programs as this file runs', () => {
  expect([...programs.keys()]).toEqual(['server.mjs', 'client.mjs', 'api.mjs', 'plain-node.mjs', 'assets.mjs']);
});

test('its commands make a certificate, and serve a folder by it', async () => {
  const serving = start(
    serve.replace('hawser', `'${process.execPath}' '${ROOT}/dist/cli/main.js'`).replace('8443', '0'),
  );
  const [, port = ''] = await serving.shows(/https:\/\/127\.0\.0\.1:(\d+)/);
  expect(fetch).toContain('curl --cacert certs/cert.pem https://localhost:8443/');
  expect(await get(`https://localhost:${port}/`, '--write-out', ' %{http_version}')).toBe('the page 2');
  // What isn't in the folder is answered by hawser serve as ever.
  expect(await get(`https://localhost:${port}/healthz`, '--write-out', ' %{http_code}')).toMatch(/ 200$/);
});

test('its server answers a browser’s requests and its client’s', async () => {
  const port = await portOf(startProgram('server.mjs'));
  expect(await get(`https://localhost:${port}/`, '--http2', '--write-out', ' %{http_version}')).toBe('the page 2');
  expect(await get(`https://localhost:${port}/`, '--http1.1', '--write-out', ' %{http_version}')).toBe('the page 1.1');
  const client = startProgram('client.mjs', port);
  await client.shows('6');
  expect(await client.exit()).toBe(0);
});

test('its API and files share a port', async () => {
  const port = await portOf(startProgram('api.mjs'));
  expect(await get(`https://localhost:${port}/`)).toBe('the page');
  expect(await get(`https://localhost:${port}/healthz`, '--write-out', ' %{http_code}')).toMatch(/ 200$/);
});

test('its files are served by a server of node:http2, too', async () => {
  const port = await portOf(startProgram('plain-node.mjs'));
  expect(await get(`https://localhost:${port}/assets/a.js`, '--write-out', ' %{http_version}')).toBe('script 2');
});

test('its options do as they say', async () => {
  const port = await portOf(startProgram('assets.mjs'));
  const head = await get(`http://127.0.0.1:${port}/assets/a.js`, '--head');
  expect(head).toContain('immutable');
  expect(head).toContain("default-src 'self'");
  expect(await get(`http://127.0.0.1:${port}/none`, '--write-out', ' %{http_code}')).toBe('<h1>Not here</h1> 404');
});
