import { getEventListeners } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createServer, type Server } from '../index.ts';
import { generateKeys } from '../udpack-endpoint/parts.ts';
import { receiveFiles, sendFiles } from './index.ts';

let folder = '';
let into = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-receive-'));
  into = join(folder, 'into');
  mkdirSync(into);
});

afterEach(() => rmSync(folder, { recursive: true }));

test('over udpack a folder arrives as it is, and is not sent twice', async () => {
  const { privateKey, publicKey } = generateKeys();
  const [key, pub] = [join(folder, 'server.key'), join(folder, 'server.pub')];
  writeFileSync(key, privateKey);
  writeFileSync(pub, publicKey);
  mkdirSync(join(folder, 'tree'));
  const files = new Map(
    [0, 1, 1200, 3_000_001].map((bytes) => [`tree/${bytes}`, Buffer.alloc(bytes, `${bytes} bytes `)] as const),
  );
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);

  await using receiver = await receiveFiles(`udpack://127.0.0.1:0?key=${key}`, { dir: into });
  const url = new URL(receiver.endpoints[0] ?? '');
  url.searchParams.set('key', pub);
  const first = await sendFiles(join(folder, 'tree'), url.href);
  expect(first.failures).toEqual([]);
  for (const [name, bytes] of files) expect(readFileSync(join(into, name)).equals(bytes)).toBe(true);
  const again = await sendFiles(join(folder, 'tree'), url.href);
  expect(again.files.map(({ unchanged }) => unchanged)).toEqual([true, true, true, true]);
});

test('of a receiver that can not listen everywhere nothing is left', async () => {
  const taken = createNetServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { readonly port: number };
  const { signal } = new AbortController();
  const urls = ['inproc:receive-test', `tcp://127.0.0.1:${port}`];
  await expect(receiveFiles(urls, { dir: into, signal })).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  taken.close();
  await using receiver = await receiveFiles('inproc:receive-test', { dir: into });
  expect(receiver.endpoints).toHaveLength(1);
});

test('a server that is given outlives its receiver, whose signal has fired', async () => {
  await using server: Server = createServer();
  await server.listen('inproc:receive-given');
  const stop = new AbortController();
  const receiver = await receiveFiles(server, { dir: into, signal: stop.signal });
  stop.abort();
  await receiver.closed;
  expect(server.endpoints).toHaveLength(1);
});
