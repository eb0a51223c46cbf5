import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../client/index.ts';
import { BusyNames } from './busy.ts';
import { Deferred } from './deferred.ts';
import { EventQueue } from './event-queue.ts';
import { Folder } from './folder.ts';
import type { Incoming } from './incoming.ts';
import { receiveFiles, sendFiles } from './index.ts';
import { Meter } from './meter.ts';
import { Partial } from './partial.ts';
import { namespaceOf, withNamespace } from './target.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('URLs', () => {
  test.each([
    ['tcp://h:1', 'tcp://h:1/hawser/files'],
    ['tcp://h:1/', 'tcp://h:1/hawser/files'],
    ['wss://h', 'wss://h/hawser/files'],
    ['ws://h/else?x=1', 'ws://h/else?x=1'],
    ['tcp://h:1?namespace=/else', 'tcp://h:1?namespace=/else'],
    ['udpack://h:1?key=/k/server.pub', 'udpack://h:1/hawser/files?key=/k/server.pub'],
    ['worker:name', 'worker:name?namespace=%2Fhawser%2Ffiles'],
    ['ipc:///run/h.sock?x=1', 'ipc:///run/h.sock?x=1&namespace=%2Fhawser%2Ffiles'],
  ])('%s is dialled as %s', (url, dialled) => {
    expect(withNamespace(url, '/hawser/files')).toBe(dialled);
    expect(namespaceOf(dialled)).toBeDefined();
  });

  test('what is no URL is said to be none', () => {
    expect(() => withNamespace('nonsense', '/x')).toThrow(expect.objectContaining({ code: 'ERR_URL' }));
  });
});

describe('the meter', () => {
  test('tells the speed over the last seconds', () => {
    const meter = new Meter();
    expect(meter.speed(0, 0)).toBe(0);
    for (let at = 0; at <= 20_000; at += 50) meter.mark(at < 10_000 ? at : 10_000 + (at - 10_000) * 4, at);
    expect(meter.speed(50_000, 20_000)).toBeCloseTo(4000, -1);
    expect(meter.speed(50_000, 25_000)).toBeLessThan(4000);
  });
});

describe('names in use', () => {
  const file = (name: string, onReset = (): void => {}): Incoming =>
    ({ offer: { name }, done: new Deferred<void>(), channel: { reset: onReset }, left: 5 }) as unknown as Incoming;

  test('one that stays is busy in the end; its name in other letters too', async () => {
    const busy = new BusyNames(10);
    await busy.enter(file('a'), () => true);
    expect(busy.promised).toBe(5);
    await expect(busy.enter(file('A'), () => true)).rejects.toMatchObject({ code: 'ERR_FILE_BUSY' });
    await busy.enter(file('b'), () => true);
  });

  test('one whose sender is gone gives way, and who waits for it must be there', async () => {
    const busy = new BusyNames();
    const first = file('a', () => {
      busy.leave(first);
      first.done.resolve();
    });
    await busy.enter(first, () => false);
    await busy.enter(file('a'), () => true);
    await expect(busy.enter(file('a'), () => false)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('events', () => {
  test('more than can wait end the iteration with an error, behind those that wait', async () => {
    const queue = new EventQueue<number>(() => {});
    for (let i = 0; i <= 10_000; i++) queue.push(i);
    for (let i = 0; i < 10_000; i++) expect(await queue.next()).toEqual({ value: i, done: false });
    await expect(queue.next()).rejects.toMatchObject({ code: 'ERR_BACKLOG_FULL' });
  });

  test('leaving the loop ends it', async () => {
    let left = 0;
    const queue = new EventQueue<number>(() => {
      left += 1;
    });
    queue.push(1);
    for await (const one of queue) if (one === 1) break;
    expect([left, await queue.next()]).toEqual([1, { value: undefined, done: true }]);
  });
});

describe('a folder', () => {
  test('stays the one that was opened when a link takes its place', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    mkdirSync(join(folder, 'root'));
    await using root = await Folder.root(join(folder, 'root'));
    await using inner = await root.down(['a', 'b'], 'a/b/file');
    renameSync(join(folder, 'root/a/b'), join(folder, 'root/a/c'));
    symlinkSync(outside, join(folder, 'root/a/b'));
    if (process.platform === 'linux') {
      writeFileSync(inner.at('file'), 'x');
      expect(readdirSync(outside)).toEqual([]);
      expect(readdirSync(join(folder, 'root/a/c'))).toEqual(['file']);
    }
    await expect(root.down(['a', 'b'], 'a/b/file')).rejects.toMatchObject({ code: 'ERR_FILE_NAME' });
    writeFileSync(join(folder, 'root/file'), 'x');
    await expect(root.down(['file'], 'file/x')).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' });
    await expect(Folder.root(join(folder, 'root/file'))).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  test('bytes that have another name elsewhere are not gone on with, nor written to', async () => {
    const offer = { name: 'a', bytes: 2 << 20, mtime: 5, executable: false };
    await using root = await Folder.root(folder);
    const first = new Partial(root, 'a', offer);
    expect(await first.open()).toBe(0);
    await first.write([Buffer.alloc(100, 1)], 0);
    await first.close();
    const kept = new Partial(root, 'a', offer);
    expect(await kept.open()).toBe(100);
    await kept.close();
    const [part = ''] = readdirSync(folder).filter((name) => name.endsWith('.part'));
    linkSync(join(folder, part), join(folder, 'elsewhere'));
    const linked = new Partial(root, 'a', offer);
    expect(await linked.open()).toBe(0);
    await linked.write([Buffer.alloc(200, 2)], 0);
    await linked.discard();
    expect(readFileSync(join(folder, 'elsewhere')).equals(Buffer.alloc(100, 1))).toBe(true);
    expect(readdirSync(folder)).toEqual(['elsewhere']);
  });
});

test('whatever a sender says, nothing is put anywhere else, and others are served', async () => {
  const into = join(folder, 'into');
  mkdirSync(into);
  writeFileSync(join(folder, 'good'), 'good');
  await using to = await receiveFiles('inproc:files-hostile', { dir: into });
  const word = fc.oneof(fc.string(), fc.constantFrom('a', '../x', 'a/../../x', '/x', 'a/b', 'a\0'), fc.anything());
  const offer = fc.record({ name: word, bytes: fc.oneof(fc.nat(50), fc.anything()), mtime: fc.anything() });
  const step = fc.record({
    offer: fc.oneof(offer, fc.anything()),
    ask: fc.constantFrom('start', 'check', 'finish', 'else'),
    data: fc.oneof(fc.record({ sha256: fc.string() }), fc.anything()),
    bytes: fc.uint8Array({ maxLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), word, async (steps, name) => {
      await using socket = await connect('inproc:files-hostile?namespace=/hawser/files', { onError: () => {} });
      await socket.request('begin', { version: 1, files: 9, bytes: 9 });
      for (const { offer: data, ask, data: asked, bytes } of steps) {
        try {
          const channel = socket.openChannel('file', data);
          channel.request(ask, asked).catch(() => {});
          channel.writable
            .getWriter()
            .write(bytes)
            .catch(() => {});
        } catch {
          // What can't be said at all.
        }
      }
      await Promise.resolve()
        .then(() => socket.request('folder', name))
        .catch(() => {});
    }),
    { numRuns: 150 },
  );
  expect((await sendFiles(join(folder, 'good'), to.endpoints[0] ?? '')).failures).toEqual([]);
  expect(readdirSync(folder).toSorted()).toEqual(['good', 'into']);
});
