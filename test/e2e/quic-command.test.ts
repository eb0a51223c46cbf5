import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/tree.ts';
import { Served } from './served.ts';

const MAIN = join(ROOT, 'dist/cli/main.js');
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'hawser-quic-command-'));
const hawser = (...args: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [MAIN, ...args], { cwd: folder });
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  await hawser('cert', '--out', '.');
});
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the relay is served over quic, and talked to by who trusts its certificate', async () => {
  const served = await Served.start([`quic://127.0.0.1:0?cert=${folder}/cert.pem&key=${folder}/key.pem`]);
  open.push(() => served[Symbol.asyncDispose]());
  const url = served.endpoint('quic').href;
  const own = (await hawser('call', `${url}?ca=cert.pem`, 'join', '{"room":"lobby"}')).stdout;
  expect(own).toContain('lobby');
  const tail = spawn(process.execPath, [MAIN, 'tail', `${url}?ca=cert.pem`, '--room', 'lobby'], { cwd: folder });
  open.push(async () => tail.kill() && (await once(tail, 'exit')));
  const heard = createInterface(tail.stdout);
  const lines: string[] = [];
  heard.on('line', (line) => lines.push(line));
  const emit = (): Promise<{ stdout: string }> =>
    hawser('emit', `${url}?ca=cert.pem`, 'say', '"ahoy"', '--room', 'lobby');
  // Until the other one is in.
  while ((await emit()).stdout.includes('to 0 others'));
  await expect.poll(() => lines.join('\n'), { timeout: 15_000 }).toContain('ahoy');
  const refused = await hawser('call', url, 'join', '{"room":"lobby"}').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('self-signed') as string });
});

test('without the package all else works, and quic: says what to install, to both sides', async () => {
  const elsewhere = join(folder, 'elsewhere');
  const own = join(elsewhere, 'node_modules/hawser');
  mkdirSync(own, { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(own, 'package.json'));
  cpSync(join(ROOT, 'dist'), join(own, 'dist'), { recursive: true });
  for (const name of ['jose', 'mrmime'])
    symlinkSync(join(ROOT, 'node_modules', name), join(elsewhere, 'node_modules', name));
  writeFileSync(
    join(elsewhere, 'program.mjs'),
    `
      import { createServer } from 'hawser';
      import { connect } from 'hawser/client';
      import { quicTransport } from 'hawser/transports/quic';
      const server = createServer();
      server.on('connection', (socket) => socket.handle('echo', (data) => data));
      const [url] = await server.listen('tcp://127.0.0.1:0');
      const socket = await connect(url);
      console.log(await socket.request('echo', quicTransport.schemes[0]));
      const say = (error) => console.log(error.code, error.message);
      await connect('quic://127.0.0.1:1').catch(say);
      await server.listen('quic://127.0.0.1:0?cert=${folder}/cert.pem&key=${folder}/key.pem').catch(say);
      // Another way is taken where there is one.
      const other = await connect(['quic://127.0.0.1:1', url]);
      console.log(other.transport);
      await Promise.all([socket.close(), other.close()]);
      await server.close();
    `,
  );
  const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: elsewhere });
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toEqual([
    'quic',
    expect.stringMatching(/^ERR_UNSUPPORTED .*npm install @matrixai\/quic/),
    expect.stringMatching(/^ERR_UNSUPPORTED .*npm install @matrixai\/quic/),
    'tcp',
  ]);
});
