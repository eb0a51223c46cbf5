import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Terminal } from '../support/example.ts';
import { ROOT, textOf } from '../support/tree.ts';

/** The programs of docs/guides/history.md, in its order. */
const samples = [...textOf('docs/guides/history.md').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(
  ([, text = '']) => text,
);
const [server = '', client = '', publish = ''] = samples;

const open: AsyncDisposable[] = [];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-guide-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/hawser'), 'dir');
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of the guide, with another port. */
function start(name: string, program: string, port = '0'): Terminal {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, program.replaceAll('4434', port));
  const terminal = new Terminal(`node ${path}`);
  open.push(terminal);
  return terminal;
}

test('the guide has as many programs as this file runs', () => {
  expect(samples).toHaveLength(3);
});

test('its client hears, and is told when the server has lost its log', async () => {
  const first = start('server', server);
  const [, port = ''] = await first.shows(/listening on (\d+)/);
  const reader = start('client', client, port);
  await reader.shows('3 headline 3');
  await first[Symbol.asyncDispose]();
  const second = start('server', server, port);
  await second.shows(`listening on ${port}`);
  const [, told] = await reader.shows(/(news-world: something is missing here .*)/);
  expect(told).toBe('news-world: something is missing here (epoch), fetch it anew');
});

test('it publishes once what it publishes twice', async () => {
  const publishing = start('publish', publish);
  await publishing.shows('1 false 1 true');
  await publishing.shows('ERR_UNENCODABLE');
  expect(await publishing.exit()).toBe(0);
});
