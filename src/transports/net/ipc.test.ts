import { spawnSync } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, numbered, numberOf } from '../../testing/link-bench.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import type { Listener, Transport } from '../../transport/index.ts';
import { ipcTransport } from './index.ts';
import type { NetListener } from './listener.ts';

const sockets: Socket[] = [];
let folder = '';
let names = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hawser-ipc-'));
});
afterAll(() => rm(folder, { recursive: true }));

const transport: Transport = {
  ...ipcTransport,
  async listen(endpoint, options): Promise<Listener> {
    const listener = (await ipcTransport.listen?.(endpoint, options)) as NetListener;
    listener.server.on('connection', (socket) => sockets.push(socket));
    return listener;
  },
};

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport,
  world: realWorld(),
  halfCloses: true,
  listenUrl: () => `ipc://${folder}/${names++}.sock`,
  deadUrl: () => `ipc://${folder}/nobody.sock`,
  cut: () => sockets.at(-1)?.destroy(),
};

linkSuite('ipc', suite);

describe('the file of a Unix socket', () => {
  const path = (): string => join(folder, `${names++}.sock`);
  const listen = async (url: string): Promise<Bench> => await Bench.open({ ...suite, listenUrl: () => url });

  test('what it takes to make it happens in its own folder, also where that is the root of a file system', async () => {
    const file = `/dev/shm/hawser-${process.pid}.sock`;
    await using bench = await listen(`ipc://${file}`);
    expect((await lstat(file)).isSocket()).toBe(true);
    await bench.listener.close();
  });

  test('belongs to its owner alone, is removed on close, and nothing is left beside it', async () => {
    const file = path();
    await using bench = await listen(`ipc://${file}`);
    const found = await lstat(file);
    expect([found.isSocket(), found.mode & 0o777]).toEqual([true, 0o600]);
    const { client, server } = await bench.pair();
    expect([server.link.peer.local, server.link.peer.address]).toEqual([true, '']);
    await bench.listener.close();
    expect(await readdir(folder)).toEqual([]);
    client.link.send(numbered(1, 10));
    expect(numberOf(await server.bytes())).toBe(1);
  });

  test('has the mode that the URL asks for', async () => {
    const file = path();
    await using bench = await listen(`ipc://${file}?mode=0660`);
    expect((await lstat(file)).mode & 0o777).toBe(0o660);
    expect(bench.url).toBe(`ipc://${file}`);
    expect(await codeOf(listen(`ipc://${path()}?mode=rw`))).toBe('ERR_URL');
  });

  test('is replaced when its server is dead', async () => {
    const file = path();
    leaveStale(file);
    expect((await lstat(file)).isSocket()).toBe(true);
    await using bench = await listen(`ipc://${file}`);
    await bench.pair();
  });

  test('is left alone while its server lives, also when that is not ours', async () => {
    const file = path();
    const other = createServer().listen(file);
    await new Promise((resolve) => other.once('listening', resolve));
    expect(await codeOf(listen(`ipc://${file}`))).toBe('ERR_ADDRESS_IN_USE');
    expect((await lstat(file)).isSocket()).toBe(true);
    await new Promise((resolve) => other.close(resolve));
  });

  test('never replaces a file that is no socket', async () => {
    const file = path();
    await writeFile(file, 'precious');
    expect(await codeOf(listen(`ipc://${file}`))).toBe('ERR_ADDRESS_IN_USE');
    expect(await readFile(file, 'utf8')).toBe('precious');
    await rm(file);
  });

  test('goes to one of many that start at once over a stale one', async () => {
    const file = path();
    leaveStale(file);
    const started = await Promise.allSettled(Array.from({ length: 8 }, () => listen(`ipc://${file}`)));
    const up = started.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    expect(up).toHaveLength(1);
    for (const one of started) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    }
    for (const bench of up) {
      await bench.pair();
      await bench[Symbol.asyncDispose]();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test('of a successor is not removed by a late close', async () => {
    const file = path();
    await using first = await listen(`ipc://${file}`);
    await rm(file);
    await using second = await listen(`ipc://${file}`);
    await first.listener.close();
    expect((await lstat(file)).isSocket()).toBe(true);
    await second.pair();
  });

  test.each([
    ['a path that is too long', () => `ipc://${folder}/${'x'.repeat(108 - folder.length)}`, 'ERR_URL'],
    ['a folder that is missing', () => `ipc://${folder}/missing/a.sock`, 'ERR_URL'],
    ['no path', () => 'ipc://', 'ERR_URL'],
  ])('%s is refused', async (_, url, code) => {
    expect(await codeOf(listen(url()))).toBe(code);
  });
});

/** Leaves the socket file of a server that was killed. */
function leaveStale(file: string): void {
  const program = `require('node:net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
}
