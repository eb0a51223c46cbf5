import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { CLOSE, type CloseReason } from '../../src/core/index.ts';
import { createServer, HawserError } from '../../src/index.ts';
import { endAll } from '../support/children.ts';
import { startRedis } from '../support/redis-server.ts';
import { ROOT } from '../support/tree.ts';
import { Served } from './served.ts';

const children: ChildProcess[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
});

afterEach(async () => {
  await endAll(children);
  rmSync(folder, { recursive: true, force: true });
});

function hawser(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { stdio: 'pipe' });
  children.push(child);
  return child;
}

/** How it ends by itself, and what it said of that. */
async function ended(child: ChildProcess): Promise<{ code: number | null; said: string; errors: string }> {
  let [said, errors] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said, errors };
}

describe('a command that fails halfway ends', () => {
  test.each(['chat', 'tail'])('%s, whose room is refused', async (command) => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'x'.repeat(40));
    await using served = await Served.start(['tcp://127.0.0.1:0'], ['--secret', secret]);
    const maker = hawser('token', '--secret', secret, '--user', 'ada', '--room', 'team-*');
    const [token] = (await once(createInterface(maker.stdout as NodeJS.ReadableStream), 'line')) as [string];
    const url = served.endpoint('tcp').href;
    const { code, errors } = await ended(hawser(command, url, '--room', 'lobby', '--token', token));
    expect([code, errors]).toEqual([1, 'hawser: ERR_NOT_ALLOWED: your token does not cover this room\n']);
  });

  test('serve, whose port is taken, and with it the engine that has started', async () => {
    await using redis = await startRedis();
    await using other = createServer();
    const [url = ''] = await other.listen('tcp://127.0.0.1:0');
    const { code, errors } = await ended(hawser('serve', '--listen', url, '--engine', redis.url));
    expect([code, errors]).toEqual([1, `hawser: ERR_ADDRESS_IN_USE: ${url} is in use\n`]);
  });

  test('serve, which can not be announced', async () => {
    const serving = hawser(
      'serve',
      '--listen',
      'tcp://127.0.0.1:0',
      '--announce',
      'shop',
      '--group',
      'udp://10.0.0.1:1',
    );
    expect(await ended(serving)).toMatchObject({ code: 2, errors: expect.stringContaining('ERR_OPTION') });
  });
});

test('what a server says moves no cursor', async () => {
  await using server = createServer();
  const said = 'red \u001b[31m, up \u009b1A, bell \u0007';
  server.on('connection', (socket) => {
    socket.handle('say', () => said);
    socket.handle('fail', () => {
      throw new HawserError('ERR_ODD', said);
    });
  });
  const [url = ''] = await server.listen('tcp://127.0.0.1:0');
  const safe = 'red \\u001b[31m, up \\u009b1A, bell \\u0007';
  expect(await ended(hawser('call', url, 'say'))).toEqual({ code: 0, said: `"${safe}"\n`, errors: '' });
  expect(await ended(hawser('call', url, 'fail'))).toMatchObject({ code: 1, errors: `hawser: ERR_ODD: ${safe}\n` });
});

test('--help, which nobody reads to its end, ends quietly', async () => {
  const child = hawser('--help');
  const ending = ended(child);
  child.stdout?.destroy();
  expect(await ending).toEqual({ code: 0, said: '', errors: '' });
});

test('serve goes on when nobody reads what it prints any more, and sends its clients away in peace', async () => {
  const serving = hawser('serve', '--listen', 'tcp://127.0.0.1:0', '--json');
  const [line] = (await once(createInterface(serving.stdout as NodeJS.ReadableStream), 'line')) as [string];
  const { endpoints } = JSON.parse(line) as { endpoints: readonly [string] };
  await using socket = await connect(endpoints[0]);
  const down = new Promise<CloseReason>((resolve) => socket.once('down', resolve));
  serving.stdout?.destroy();
  serving.stderr?.destroy();
  serving.kill('SIGTERM');
  const [code] = (await once(serving, 'exit')) as [number | null];
  expect([code, (await down).code]).toEqual([0, CLOSE.serverClosing]);
});

describe('serve --static with a secret file in the folder', () => {
  const page = (): string => {
    const site = join(folder, 'site');
    mkdirSync(join(site, '.hidden'), { recursive: true });
    for (const name of ['key.pem', '.hidden/key.pem']) writeFileSync(join(site, name), 'x'.repeat(40));
    writeFileSync(join(folder, 'key.pem'), 'y'.repeat(40));
    symlinkSync(join(folder, 'key.pem'), join(site, 'link.pem'));
    symlinkSync(site, join(folder, 'shortcut'));
    return site;
  };

  test.each([
    ['the key of a certificate', (file: string) => ['--listen', `https://127.0.0.1:0?cert=${file}&key=${file}`]],
    ['the secret of tokens', (file: string) => ['--secret', file]],
    ['keys of the API', (file: string) => ['--api-key-file', file]],
    ['the key of announcements', (file: string) => ['--announce', 'shop', '--key-file', file]],
  ])('is refused: %s', async (_, options) => {
    const site = page();
    const file = join(folder, 'shortcut', 'key.pem');
    const { code, errors } = await ended(hawser('serve', '--static', site, ...options(file)));
    expect([code, errors]).toEqual([2, expect.stringContaining(`would serve ${file}, which is secret`)]);
  });

  test.each(['.hidden/key.pem', 'link.pem'])('is no matter where the folder does not serve it: %s', async (name) => {
    const site = page();
    const options = ['--static', site, '--secret', join(site, name)];
    await using served = await Served.start(['http://127.0.0.1:0'], options);
    expect((await fetch(new URL(name, served.endpoint('http')))).status).toBe(404);
  });
});
