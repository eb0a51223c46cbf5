import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Terminal } from '../support/example.ts';
import { ROOT, textOf } from '../support/tree.ts';

/** The programs of docs/guides/udpack.md, in its order. */
const samples = [...textOf('docs/guides/udpack.md').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
const [server = '', client = '', streams = '', file = '', aging = '', datagrams = '', figures = '', io = ''] = samples;

const open: AsyncDisposable[] = [];
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-guide-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/hawser'), 'dir');
  await run(`node dist/cli/main.js keygen --out ${join(folder, 'keys')}`).exit();
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string): Terminal {
  const terminal = new Terminal(command);
  open.push(terminal);
  return terminal;
}

/** Runs a program of the guide, with other keys and ports. */
function start(name: string, program: string, port: string): Terminal {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, program.replaceAll("'keys/", `'${join(folder, 'keys')}/`).replaceAll('4433', port));
  return run(`node ${path}`);
}

test('the guide has as many programs as this file runs', () => {
  expect(samples).toHaveLength(8);
});

test('its server and its client talk', async () => {
  const serving = start('server', server, '0');
  const [, port = ''] = await serving.shows(/listening on (\d+)/);
  const dialling = start('client', client, port);
  await dialling.shows('you said good morning');
  expect(await dialling.exit()).toBe(0);
  await serving.shows('hello');
  await serving.shows('bye 0');
  // Who breaks off breaks nothing else.
  const breaking = start(
    'broken',
    client.replace(/await client\.close\(\);/, '').replace('stream.end();', 'await session.abort(3);'),
    port,
  );
  await serving.shows('a stream broke');
  await serving.shows('bye 3');
  breaking.signal('SIGKILL');
  await start('client', client, port).shows('you said good morning');
});

test('its lines about streams, datagrams and figures do what they say', async () => {
  const serving = start('server', server, '0');
  const [, port = ''] = await serving.shows(/listening on (\d+)/);
  const before = client.slice(0, client.indexOf('const stream ='));
  const imports = file.match(/^import .*$/gm)?.join('\n') ?? '';
  const program = [
    imports,
    before,
    streams,
    'const stream = packets, server = client;',
    "const position = 'here', entry = 'an entry';",
    file.replace(/^import .*$/gm, '').replace('package.json', join(ROOT, 'package.json')),
    aging,
    datagrams,
    figures,
    'console.log(taken, datagramSize >= 1200, packets.kind, bytes.kind);',
    'await client.close();',
  ];
  const talking = start('lines', program.join('\n'), port);
  await talking.shows(/true true packets bytes/);
  expect(await talking.exit()).toBe(0);
});

test('its program for udpack.io greets', async () => {
  const program = io
    .replace('port: 45456', 'port: 0')
    .replace('client.connect(45456', 'await server.udpack.ready();\nclient.connect(server.udpack.endpoint.port');
  const greeting = start('io', program, '');
  await greeting.shows('hello you');
  expect(await greeting.exit()).toBe(0);
});
