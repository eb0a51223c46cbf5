import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../support/tree.ts';
import { Served } from './served.ts';

const MAIN = join(ROOT, 'dist/cli/main.js');
const run = promisify(execFile);
const hawser = (...args: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [MAIN, ...args], { cwd: folder });

let folder = '';
const open: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  await hawser('keygen', '--out', '.');
});

afterEach(async () => {
  for (const close of open.splice(0)) await close();
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  readonly lines: string[];
  /** Resolves with the first line. */
  readonly first: Promise<unknown>;
  stop(): Promise<number | null>;
}

/** A program that runs until the test is over, or until SIGTERM. */
function start(...args: readonly string[]): Program {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  const first = once(reader, 'line');
  reader.on('line', (line) => lines.push(line));
  const gone = once(child, 'exit') as Promise<[number | null]>;
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM');
    return (await gone)[0];
  };
  open.push(stop);
  return { lines, first: Promise.race([first, gone]), stop };
}

async function serve(): Promise<string> {
  const served = await Served.start([`udpack://127.0.0.1:0?key=${join(folder, 'server.key')}`]);
  open.push(() => served[Symbol.asyncDispose]());
  return served.endpoint('udpack').href;
}

/** What a command that fails prints, and its exit code. */
async function failure(...args: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> {
  return await hawser(...args).then(
    () => expect.fail('it ended well'),
    (error: { code: number; stderr: string }) => error,
  );
}

test('the relay is served over udpack, and talked to by a key in a file or in the URL', async () => {
  const url = await serve();
  const { key } = JSON.parse((await hawser('keygen', '--out', 'other', '--json')).stdout) as { key: string };
  const own = (await hawser('call', `${url}?key=server.pub`, 'join', '{"room":"lobby"}')).stdout;
  expect(own).toContain('lobby');
  const tail = start('tail', `${url}?key=server.pub`, '--room', 'lobby');
  const emit = (): Promise<{ stdout: string }> =>
    hawser('emit', `${url}?key=server.pub`, 'say', '"ahoy"', '--room', 'lobby');
  // Until the other one is in.
  while ((await emit()).stdout.includes('to 0 others'));
  await expect.poll(() => tail.lines.some((line) => line.includes('ahoy'))).toBe(true);
  expect(await failure('call', `${url}?key=${key}`, 'join', '{"room":"lobby"}')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^hawser: ERR_CONNECT_FAILED: .*public key.*\n$/),
  });
});

test('files go over udpack, and a receiver that is told to end does', async () => {
  mkdirSync(join(folder, 'inbox'));
  writeFileSync(join(folder, 'cargo.bin'), randomBytes(3_000_000));
  const listen = 'udpack://127.0.0.1:0?key=server.key';
  const receiver = start('receive', '--dir', 'inbox', '--listen', listen, '--json');
  await receiver.first;
  const { endpoints } = JSON.parse(receiver.lines[0] as string) as { endpoints: [string] };
  await hawser('send', 'cargo.bin', `${endpoints[0]}?key=server.pub`);
  expect(readFileSync(join(folder, 'inbox/cargo.bin')).equals(readFileSync(join(folder, 'cargo.bin')))).toBe(true);
  expect(await receiver.stop()).toBe(0);
});

test('what is wrong is one clear line', async () => {
  const url = await serve();
  const wrong: readonly (readonly [string, RegExp])[] = [
    [url, /^hawser: ERR_OPTION: .*public key.*keygen\n$/],
    [`${url}?key=server.key`, /^hawser: ERR_KEY: .*private.*\n$/],
    [`${url}?key=nothing.pub`, /^hawser: ERR_OPTION: .*can't be read.*\n$/],
    ['udpack://no-such-host.invalid:1?key=server.pub', /^hawser: ERR_CONNECT_FAILED: .*no-such-host.invalid\n$/],
  ];
  for (const [target, line] of wrong) {
    expect((await failure('emit', target, 'say', '1', '--room', 'lobby')).stderr).toMatch(line);
  }
  const taken = await failure('serve', '--listen', `${url}?key=server.key`);
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringMatching(/^hawser: ERR_ADDRESS_IN_USE: .*\n$/)]);
});
