import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Channel, connect } from '../client/index.ts';
import { createServer } from '../index.ts';
import { type FileReceiver, type ReceiveEvent, type ReceiveOptions, receiveFiles, sendFiles } from './index.ts';

const MIB = 1 << 20;
let folder = '';
let from = '';
let into = '';
const open: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-files-'));
  [from, into] = [join(folder, 'from'), join(folder, 'into')];
  mkdirSync(from);
  mkdirSync(into);
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function receiver(options: Partial<ReceiveOptions> = {}, url = 'tcp://127.0.0.1:0'): Promise<FileReceiver> {
  const made = await receiveFiles(url, { dir: into, ...options });
  open.push(made);
  return made;
}

function put(name: string, bytes: string | Uint8Array): string {
  const path = join(from, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

function noise(bytes: number, seed = 1): Buffer {
  const key = createHash('sha256').update(`${seed}`).digest();
  return Buffer.concat(
    Array.from({ length: Math.ceil(bytes / 32) }, (_, i) => Buffer.from(key.map((b) => b ^ (i * 31)))),
  ).subarray(0, bytes);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All that is in the receiver's folder, by name. */
function arrived(): string[] {
  return readdirSync(into, { recursive: true, encoding: 'utf8' }).toSorted();
}

/** A sender that may lie: the channel of one offer. */
async function liar(to: FileReceiver, offer: object): Promise<Channel> {
  const url = new URL(to.endpoints[0] ?? '');
  url.pathname = '/hawser/files';
  const socket = await connect(url.href);
  open.push(socket);
  await socket.request('begin', { version: 1, files: 1, bytes: 1 });
  return socket.openChannel('file', { bytes: 0, mtime: 0, executable: false, ...offer });
}

test.each([['tcp://127.0.0.1:0'], ['ws://127.0.0.1:0'], ['ipc'], ['worker:files-test'], ['inproc:files-test']])(
  'over %s a folder arrives as it is: empty, odd, small and large',
  async (url) => {
    const files: Record<string, Buffer> = {
      'tree/empty': Buffer.alloc(0),
      'tree/with blanks/naïve 文件 🎈.txt': Buffer.from('text'),
      'tree/line\nbreak': Buffer.from('odd'),
      'tree/edge': noise(256 * 1024),
      'tree/edge+1': noise(256 * 1024 + 1),
      'tree/large': noise(5 * MIB + 7),
    };
    for (const [name, bytes] of Object.entries(files)) put(name, bytes);
    mkdirSync(join(from, 'tree/nothing/in it'), { recursive: true });
    chmodSync(join(from, 'tree/edge'), 0o755);
    utimesSync(join(from, 'tree/large'), 1000, 1000);
    const heard: string[] = [];
    const to = await receiver({ onFile: ({ name }) => heard.push(name) }, url === 'ipc' ? `ipc://${folder}/s` : url);
    const summary = await sendFiles(join(from, 'tree'), to.endpoints);
    expect(summary.failures).toEqual([]);
    expect(heard.toSorted()).toEqual(Object.keys(files).toSorted());
    for (const [name, bytes] of Object.entries(files)) {
      expect(readFileSync(join(into, name)).equals(bytes)).toBe(true);
      expect(summary.files.find((file) => file.name === name)).toMatchObject({ sha256: sha256(bytes), resumed: 0 });
    }
    expect(statSync(join(into, 'tree/nothing/in it')).isDirectory()).toBe(true);
    expect(statSync(join(into, 'tree/edge')).mode & 0o100).toBe(0o100);
    expect(statSync(join(into, 'tree/large')).mode & 0o100).toBe(0);
    expect(statSync(join(into, 'tree/large')).mtimeMs).toBe(1_000_000);
    expect(arrived().filter((name) => name.includes('.hawser-'))).toEqual([]);
  },
);

test('thousands of small files, and what is there already is not sent again', { timeout: 120_000 }, async () => {
  for (let i = 0; i < 2000; i++) put(`many/${i % 20}/${i}`, `file ${i}`);
  const to = await receiver();
  const first = await sendFiles(join(from, 'many'), to.endpoints);
  expect(first.failures).toEqual([]);
  expect(first.files).toHaveLength(2000);
  expect(readFileSync(join(into, 'many/19/1999'), 'utf8')).toBe('file 1999');
  for (let i = 0; i < 2000; i++) if (i % 20 !== 7) rmSync(join(from, `many/${i % 20}/${i}`));
  const again = await sendFiles(join(from, 'many'), to.endpoints);
  expect(again.failures).toEqual([]);
  const unchanged = again.files.filter((file) => file.unchanged);
  expect(unchanged).toHaveLength(100);
  expect(again.resumed).toBe(again.bytes);
});

test('a name that is taken is kept, unless it may be replaced', async () => {
  writeFileSync(join(into, 'a'), 'old');
  writeFileSync(join(into, 'big'), noise(2 * MIB, 2));
  mkdirSync(join(into, 'folder'));
  const paths = [put('a', 'new'), put('big', noise(2 * MIB, 3)), put('folder', 'a file'), put('b', 'more')];
  const to = await receiver();
  const kept = await sendFiles(paths, to.endpoints);
  const codes = Object.fromEntries(kept.failures.map(({ name, error }) => [name, error.code]));
  expect(codes).toEqual({ a: 'ERR_FILE_EXISTS', big: 'ERR_FILE_EXISTS', folder: 'ERR_FILE_EXISTS' });
  expect(readFileSync(join(into, 'a'), 'utf8')).toBe('old');
  expect(readFileSync(join(into, 'b'), 'utf8')).toBe('more');
  await to.close();
  const over = await receiver({ overwrite: true });
  const replaced = await sendFiles(paths, over.endpoints);
  expect(replaced.failures.map(({ name }) => name)).toEqual(['folder']);
  expect(readFileSync(join(into, 'a'), 'utf8')).toBe('new');
  expect(readFileSync(join(into, 'big')).equals(noise(2 * MIB, 3))).toBe(true);
  expect(arrived()).toEqual(['a', 'b', 'big', 'folder']);
});

test('a name that is taken while the file is on its way is kept', async () => {
  const to = await receiver();
  const channel = await liar(to, { name: 'race', bytes: 300_000 });
  await channel.request('start');
  writeFileSync(join(into, 'race'), 'mine');
  const writer = channel.writable.getWriter();
  await writer.write(Buffer.alloc(300_000));
  const finish = channel.request('finish', { sha256: sha256(Buffer.alloc(300_000)) });
  await expect(finish).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' });
  expect(readFileSync(join(into, 'race'), 'utf8')).toBe('mine');
  expect(arrived()).toEqual(['race']);
});

test.each([
  ['../out', 'ERR_FILE_NAME'],
  ['/tmp/out', 'ERR_FILE_NAME'],
  ['a\\..\\out', 'ERR_FILE_NAME'],
  ['C:out', 'ERR_FILE_NAME'],
  ['NUL', 'ERR_FILE_NAME'],
  ['a\0', 'ERR_FILE_NAME'],
  ['x'.repeat(300), 'ERR_FILE_NAME'],
  [7, 'ERR_PROTOCOL'],
])('a sender who offers %j is refused with %s', async (name, code) => {
  const to = await receiver();
  const channel = await liar(to, { name });
  expect(await channel.closed).toMatchObject({ code });
  expect(readdirSync(folder).toSorted()).toEqual(['from', 'into']);
  expect(arrived()).toEqual([]);
});

test('a symbolic link leads nowhere: as a folder, as a file, as a temporary file', async () => {
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'victim'), 'untouched');
  symlinkSync(outside, join(into, 'link'));
  symlinkSync(join(outside, 'victim'), join(into, 'file'));
  symlinkSync(join(outside, 'fresh'), join(into, 'dangling'));
  const stem = `.hawser-${sha256(Buffer.from('large')).slice(0, 24)}`;
  symlinkSync(join(outside, 'victim'), join(into, `${stem}.part`));
  symlinkSync(join(outside, 'victim'), join(into, `${stem}.json`));
  mkdirSync(join(from, 'link'));
  const paths = [join(from, 'link'), put('file', 'new'), put('dangling', 'new'), put('large', noise(2 * MIB))];
  put('link/a', 'evil');
  put('link/deeper/a', 'evil');
  const to = await receiver();
  const { failures, files } = await sendFiles(paths, to.endpoints);
  const codes = Object.fromEntries(failures.map(({ name, error }) => [name, error.code]));
  expect(codes).toEqual({
    'link/a': 'ERR_FILE_NAME',
    'link/deeper/a': 'ERR_FILE_NAME',
    file: 'ERR_FILE_EXISTS',
    dangling: 'ERR_FILE_EXISTS',
  });
  expect(files.map(({ name }) => name)).toEqual(['large']);
  await to.close();
  const over = await receiver({ overwrite: true });
  await sendFiles(paths, over.endpoints);
  expect(readFileSync(join(into, 'file'), 'utf8')).toBe('new');
  expect(readdirSync(outside)).toEqual(['victim']);
  expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('untouched');
});

test('links within a folder are left out, those that are named are followed', async () => {
  put('real', 'text');
  symlinkSync(join(from, 'real'), join(from, 'named'));
  mkdirSync(join(from, 'tree'));
  symlinkSync('/etc', join(from, 'tree/etc'));
  put('tree/file', 'x');
  const to = await receiver();
  const summary = await sendFiles([join(from, 'named'), join(from, 'tree')], to.endpoints);
  expect(summary.skipped).toEqual([{ name: 'tree/etc', reason: 'a symbolic link' }]);
  expect(arrived()).toEqual(['named', 'tree', 'tree/file']);
  expect(readFileSync(join(into, 'named'), 'utf8')).toBe('text');
});

test('what was broken off goes on where it was, and a file that was changed since begins anew', async () => {
  const bytes = noise(8 * MIB);
  const path = put('large', bytes);
  const to = await receiver();
  const stop = new AbortController();
  const broken = sendFiles(path, to.endpoints, {
    signal: stop.signal,
    onProgress: (progress) => {
      if (progress.bytes > 0 && progress.bytes < bytes.length) stop.abort();
    },
  });
  const first = await broken.then(
    () => undefined,
    (error: { code: string }) => error.code,
  );
  // Where the whole went through before it could be stopped, what is left of it is made by hand.
  if (first === undefined) rmSync(join(into, 'large'));
  else expect(first).toBe('ERR_ABORTED');
  const stem = join(into, `.hawser-${sha256(Buffer.from('large')).slice(0, 24)}`);
  const offer = { name: 'large', bytes: bytes.length, mtime: statSync(path).mtimeMs };
  await expect.poll(() => existsSync(`${stem}.part`) || first === undefined).toBe(true);
  writeFileSync(`${stem}.part`, bytes.subarray(0, 3 * MIB));
  writeFileSync(`${stem}.json`, JSON.stringify({ version: 1, ...offer, mtime: microseconds(path) }));
  const resumed = await sendFiles(path, to.endpoints);
  expect(resumed.failures).toEqual([]);
  expect(resumed.files[0]).toMatchObject({ resumed: 3 * MIB, sha256: sha256(bytes) });
  expect(readFileSync(join(into, 'large')).equals(bytes)).toBe(true);

  // Other bytes than those that are sent: both sides see it.
  rmSync(join(into, 'large'));
  writeFileSync(`${stem}.part`, noise(3 * MIB, 9));
  writeFileSync(`${stem}.json`, JSON.stringify({ version: 1, ...offer, mtime: microseconds(path) }));
  const other = await sendFiles(path, to.endpoints);
  expect(other.files[0]).toMatchObject({ resumed: 0, sha256: sha256(bytes) });

  // Another time of change: not even looked at.
  rmSync(join(into, 'large'));
  writeFileSync(`${stem}.part`, bytes.subarray(0, 3 * MIB));
  writeFileSync(`${stem}.json`, JSON.stringify({ version: 1, ...offer, mtime: 5 }));
  const changed = await sendFiles(path, to.endpoints);
  expect(changed.files[0]).toMatchObject({ resumed: 0, sha256: sha256(bytes) });
  expect(readFileSync(join(into, 'large')).equals(bytes)).toBe(true);
  expect(arrived()).toEqual(['large']);
});

/** The time of change as offers have it. */
function microseconds(path: string): number {
  return Number(statSync(path, { bigint: true }).mtimeNs / 1000n) / 1000;
}

test('a digest that is not that of the bytes, and nothing has the name', async () => {
  const to = await receiver();
  const channel = await liar(to, { name: 'lie', bytes: 3 });
  await channel.writable.getWriter().write(Buffer.from('abc'));
  const finish = channel.request('finish', { sha256: sha256(Buffer.from('xyz')) });
  await expect(finish).rejects.toMatchObject({ code: 'ERR_FILE_DIGEST' });
  expect(arrived()).toEqual([]);
});

test('a sender with more or fewer bytes than it said breaks the protocol', async () => {
  const to = await receiver();
  const more = await liar(to, { name: 'more', bytes: 3 });
  await more.writable.getWriter().write(Buffer.from('abcd'));
  expect(await more.closed).toMatchObject({ code: 'ERR_PROTOCOL' });
  const fewer = await liar(to, { name: 'fewer', bytes: 3 });
  const writer = fewer.writable.getWriter();
  await writer.write(Buffer.from('ab'));
  await writer.close();
  expect(await fewer.closed).toMatchObject({ code: 'ERR_PROTOCOL' });
  expect(arrived()).toEqual([]);
});

test('a file that grows, shrinks or is rewritten while it is sent is not taken', async () => {
  const to = await receiver();
  const changes: ((path: string) => void)[] = [
    (path) => appendFileSync(path, 'more'),
    (path) => truncateSync(path, 1),
    (path) => utimesSync(path, 5, 5),
  ];
  for (const [i, change] of changes.entries()) {
    const path = put(`changing-${i}`, noise(MIB, i));
    const receiving = await receiver({ accept: () => change(path) });
    const { failures } = await sendFiles(path, receiving.endpoints);
    expect(failures).toMatchObject([{ name: `changing-${i}`, error: { code: 'ERR_FILE_CHANGED' } }]);
  }
  expect(arrived()).toEqual([]);
  await to.close();
});

test('what can not be read is told, and holds up nothing else', async () => {
  const to = await receiver();
  const summary = await sendFiles([join(from, 'none'), put('good', 'x')], to.endpoints);
  expect(summary.failures).toMatchObject([{ name: 'none', error: { code: 'ERR_FILE_UNREADABLE' } }]);
  expect(summary.files.map(({ name }) => name)).toEqual(['good']);
  await expect(sendFiles([put('x/same', ''), put('y/same', '')], to.endpoints)).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
  });
  await expect(sendFiles([], to.endpoints)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
});

test('who has no token, or a wrong one, is refused; off loopback nobody listens without', async () => {
  const to = await receiver({ token: 'secret' });
  const path = put('a', 'x');
  await expect(sendFiles(path, to.endpoints)).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
  await expect(sendFiles(path, to.endpoints, { token: 'wrong' })).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
  expect((await sendFiles(path, to.endpoints, { token: 'secret' })).files).toHaveLength(1);
  const anybody = receiveFiles('tcp://0.0.0.0:0', { dir: into });
  await expect(anybody).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' });
  await expect(receiveFiles('tcp://127.0.0.1:0', { dir: join(into, 'none') })).rejects.toMatchObject({
    code: 'ERR_OPTION',
  });
});

test('each limit has its answer', async () => {
  const paths = [put('a', 'xx'), put('b', 'yyy'), put('deep/er/c', '')];
  const few = await receiver({ limits: { files: 2 } });
  await expect(sendFiles([...paths], few.endpoints)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_FILES' });
  const small = await receiver({ limits: { fileBytes: 2, nameBytes: 4, folders: 1 } });
  const { failures, files } = await sendFiles([paths[0] ?? '', paths[1] ?? '', join(from, 'deep')], small.endpoints);
  const codes = Object.fromEntries(failures.map(({ name, error }) => [name, error.code]));
  expect(codes).toEqual({ b: 'ERR_FILE_TOO_LARGE', 'deep/er/c': 'ERR_FILE_NAME' });
  expect(files.map(({ name }) => name)).toEqual(['a']);
  const none = await receiver({ limits: { transfers: 0 } });
  await expect(sendFiles(paths, none.endpoints)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_TRANSFERS' });
  const atOnce = await receiver({ limits: { filesAtOnce: 1 } });
  const first = await liar(atOnce, { name: 'first', bytes: 5 });
  expect(first.name).toBe('file');
  await expect(receiveFiles('tcp://127.0.0.1:0', { dir: into, limits: { files: -1 } })).rejects.toMatchObject({
    code: 'ERR_OPTION',
  });
});

test('more files at one time than were agreed on are refused', async () => {
  const to = await receiver({ limits: { filesAtOnce: 1 } });
  const url = new URL(to.endpoints[0] ?? '');
  url.pathname = '/hawser/files';
  const socket = await connect(url.href);
  open.push(socket);
  expect(await socket.request('begin', { version: 1, files: 2, bytes: 9 })).toEqual({ filesAtOnce: 1 });
  const first = socket.openChannel('file', { name: 'first', bytes: MIB });
  await first.request('start');
  const second = socket.openChannel('file', { name: 'second', bytes: MIB });
  expect(await second.closed).toMatchObject({ code: 'ERR_TOO_MANY_CHANNELS' });
  first.reset();
});

test('what is said before the transfer has begun, or in another version, is refused', async () => {
  const to = await receiver();
  const url = new URL(to.endpoints[0] ?? '');
  url.pathname = '/hawser/files';
  const socket = await connect(url.href);
  open.push(socket);
  expect(await socket.openChannel('file', { name: 'a', bytes: 1 }).closed).toMatchObject({ code: 'ERR_PROTOCOL' });
  await expect(socket.request('folder', 'x')).rejects.toMatchObject({ code: 'ERR_PROTOCOL' });
  await expect(socket.request('begin', { version: 2 })).rejects.toMatchObject({ code: 'ERR_VERSION' });
  await expect(socket.request('begin', { version: 1, files: -1 })).rejects.toMatchObject({ code: 'ERR_PROTOCOL' });
});

test('two transfers of one name take turns', async () => {
  const bytes = noise(2 * MIB);
  const path = put('same', bytes);
  const to = await receiver();
  const both = await Promise.all([sendFiles(path, to.endpoints), sendFiles(path, to.endpoints)]);
  expect(both.map(({ failures }) => failures)).toEqual([[], []]);
  expect(both.map(({ files }) => `${files[0]?.unchanged}`).toSorted()).toEqual(['false', 'true']);
  expect(readFileSync(join(into, 'same')).equals(bytes)).toBe(true);
});

test('on a server that there is: its own authentication, who sends, and what is accepted', async () => {
  const server = createServer({ authenticate: ({ token }) => ({ user: token ?? null }) });
  open.push(server);
  const [url = ''] = await server.listen('ws://127.0.0.1:0');
  const asked: string[] = [];
  const events: ReceiveEvent[] = [];
  const to = await receiveFiles(server, {
    dir: into,
    namespace: '/inbox',
    onEvent: (event) => events.push(event),
    accept: ({ name, user }) => {
      asked.push(`${name} ${user}`);
      if (name === 'no') throw new Error('not for the sender');
    },
  });
  const { failures } = await sendFiles([put('no', 'x'), put('yes', 'y')], url, { token: 'ada', namespace: '/inbox' });
  expect(failures).toMatchObject([{ name: 'no', error: { code: 'ERR_NOT_ALLOWED' } }]);
  expect(failures[0]?.error.message).not.toContain('not for the sender');
  expect(asked.toSorted()).toEqual(['no ada', 'yes ada']);
  await expect.poll(() => events.at(-1)).toMatchObject({ event: 'ended', received: 1, failed: 1, complete: true });
  expect(events[0]).toMatchObject({ event: 'begun', user: 'ada', files: 2, bytes: 2 });
  await to.close();
  expect(server.endpoints).toEqual([url]);
});

test('events can be iterated, and end with the receiver; a signal closes it', async () => {
  const stop = new AbortController();
  const to = await receiver({ signal: stop.signal });
  const heard: string[] = [];
  const iterated = (async () => {
    for await (const { event } of to) {
      heard.push(event);
      if (event === 'ended') stop.abort();
    }
  })();
  await sendFiles(put('a', 'x'), to.endpoints);
  await iterated;
  await to.closed;
  expect(heard).toEqual(['begun', 'received', 'ended']);
  await expect(sendFiles(join(from, 'a'), to.endpoints)).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
  await expect(receiver({ signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});

test('a receiver that closes breaks off, and another goes on', async () => {
  const bytes = noise(16 * MIB);
  const path = put('large', bytes);
  const first = await receiver({ onProgress: ({ bytes: now }) => void (now > 4 * MIB && first.close()) });
  const [url = ''] = first.endpoints;
  const sending = sendFiles(path, url, { reconnect: { first: 50, most: 200, attempts: 100 } });
  await first.closed;
  await receiver({}, url);
  const { files, failures } = await sending;
  expect(failures).toEqual([]);
  expect(files[0]?.resumed).toBeGreaterThan(MIB);
  expect(readFileSync(join(into, 'large')).equals(bytes)).toBe(true);
});

test('without a receiver to come back to, a sender ends', async () => {
  const path = put('large', noise(16 * MIB));
  const to = await receiver({ onProgress: () => void to.close() });
  const sending = sendFiles(path, to.endpoints, { reconnect: false });
  await expect(sending).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
  expect(existsSync(join(into, 'large'))).toBe(false);
});

test('what an application throws when it is told disturbs no transfer', async () => {
  const thrown: string[] = [];
  const shout = (): never => {
    throw new Error('mine');
  };
  const onError = (_error: unknown, during: string): void => void thrown.push(during);
  const to = await receiver({ onFile: shout, onEvent: shout, onProgress: shout, server: { onError } });
  const { files, failures } = await sendFiles([put('a', 'x'), join(from, 'none')], to.endpoints, {
    onFile: shout,
    onFailure: shout,
    onProgress: shout,
    connect: { onError },
  });
  expect([files.length, failures.length]).toEqual([1, 1]);
  expect(new Set(thrown)).toEqual(new Set(['onFile', 'onEvent', 'onProgress', 'onFailure']));
  expect(arrived()).toEqual(['a']);
});

test('progress grows up to the whole, and tells speed and time', async () => {
  const paths = [put('a', noise(6 * MIB)), put('b', noise(MIB, 2))];
  const to = await receiver();
  const seen: number[] = [];
  let last: object = {};
  await sendFiles(paths, to.endpoints, {
    onProgress: (progress) => {
      seen.push(progress.bytes);
      last = progress;
    },
  });
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(last).toMatchObject({ bytes: 7 * MIB, total: 7 * MIB, files: 2, filesDone: 2, resumed: 0 });
});
