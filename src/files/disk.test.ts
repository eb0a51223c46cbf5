import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connect } from '../client/index.ts';
import { type FileReceiver, receiveFiles, sendFiles } from './index.ts';

type FileSystem = typeof import('node:fs/promises');

/** What `link` says instead of working; undefined lets it work. */
const broken = vi.hoisted(() => ({ link: undefined as string | undefined }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<FileSystem>();
  const link: FileSystem['link'] = (from, to) =>
    broken.link === undefined ? real.link(from, to) : Promise.reject(systemError(broken.link));
  return { ...real, link };
});

let folder = '';
let into = '';
let to: FileReceiver;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-files-'));
  into = join(folder, 'into');
  mkdirSync(into);
  to = await receiveFiles('tcp://127.0.0.1:0', { dir: into });
});

afterEach(async () => {
  vi.restoreAllMocks();
  broken.link = undefined;
  await to.close();
  rmSync(folder, { recursive: true, force: true });
});

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the system says it, ${folder}`), { code });
}

async function handles(): Promise<FileHandle> {
  const handle = await open(folder);
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
}

function put(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(bytes, 7));
  return path;
}

test.each([
  ['ENOSPC', 'ERR_NO_SPACE'],
  ['EDQUOT', 'ERR_NO_SPACE'],
  ['EFBIG', 'ERR_NO_SPACE'],
  ['EIO', 'ERR_FILE_UNWRITABLE'],
])('the disk says %s in the midst of a file: %s, and nothing is left', async (system, code) => {
  const path = put('large', 4 << 20);
  const prototype = await handles();
  const real = prototype.writev;
  let writes = 0;
  vi.spyOn(prototype, 'writev').mockImplementation(function write(this: FileHandle, ...args) {
    writes += 1;
    return writes > 1 ? Promise.reject(systemError(system)) : real.apply(this, args);
  });
  const { failures } = await sendFiles([path, put('small', 0)], to.endpoints);
  expect(failures).toMatchObject([{ name: 'large', error: { code } }]);
  expect(failures[0]?.error.message).not.toContain(folder);
  expect(readdirSync(into)).toEqual(['small']);
});

test.each([['utimes'], ['sync']] as const)('where %s fails at the very end', async (method) => {
  const path = put('file', 100);
  vi.spyOn(await handles(), method).mockRejectedValue(systemError('EIO'));
  const { failures } = await sendFiles(path, to.endpoints);
  // A time that can't be set is no reason to refuse a file; bytes that are not on the disk are.
  expect(failures.map(({ error }) => error.code)).toEqual(method === 'sync' ? ['ERR_FILE_UNWRITABLE'] : []);
  expect(readdirSync(into)).toEqual(method === 'sync' ? [] : ['file']);
});

test('a file larger than what is free is refused before its first byte', async () => {
  const url = new URL(to.endpoints[0] ?? '');
  url.pathname = '/hawser/files';
  await using socket = await connect(url.href);
  await socket.request('begin', { version: 1, files: 1, bytes: 2 ** 52 });
  const channel = socket.openChannel('file', { name: 'huge', bytes: 2 ** 52 });
  await expect(channel.request('start')).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
  expect((await channel.closed)?.message).toContain('are free');
  expect(readdirSync(into)).toEqual([]);
});

test('without hard links a name is taken by an empty file, and one that is there is kept', async () => {
  broken.link = 'EPERM';
  const path = put('file', 300_000);
  expect((await sendFiles(path, to.endpoints)).failures).toEqual([]);
  expect(readFileSync(join(into, 'file')).equals(readFileSync(path))).toBe(true);
  expect(readdirSync(into)).toEqual(['file']);

  const url = new URL(to.endpoints[0] ?? '');
  url.pathname = '/hawser/files';
  await using socket = await connect(url.href);
  await socket.request('begin', { version: 1, files: 1, bytes: 3 });
  const channel = socket.openChannel('file', { name: 'late', bytes: 3 });
  await channel.request('start');
  writeFileSync(join(into, 'late'), 'mine');
  await channel.writable.getWriter().write(Buffer.from('abc'));
  const finish = channel.request('finish', { sha256: createHash('sha256').update('abc').digest('hex') });
  await expect(finish).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' });
  expect(readFileSync(join(into, 'late'), 'utf8')).toBe('mine');
  expect(readdirSync(into).toSorted()).toEqual(['file', 'late']);
});

test('a name that can not be taken for another reason is told, and nothing is left', async () => {
  broken.link = 'EIO';
  const { failures } = await sendFiles(put('file', 10), to.endpoints);
  expect(failures).toMatchObject([{ error: { code: 'ERR_FILE_UNWRITABLE' } }]);
  expect(readdirSync(into)).toEqual([]);
});
