import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { realWorld } from '../runtime/index.ts';
import { Memory } from './memory.ts';
import { type OpenFile, OpenFiles } from './open-files.ts';
import { StoredFile } from './stored-file.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hawser-memory-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LATER = Date.now() + 60_000;
let opened: string[] = [];
beforeEach(() => (opened = []));

class CountedFiles extends OpenFiles {
  override open(one: StoredFile): Promise<OpenFile | 'changed' | 'busy'> {
    opened.push(one.path.slice(folder.length + 1));
    return super.open(one);
  }
}

function memory(most: number, fileMost = most): Memory {
  return new Memory(most, fileMost, new CountedFiles(10, 1000, realWorld()));
}

function file(name: string, content: string, now = LATER): StoredFile {
  const path = join(folder, name);
  writeFileSync(path, content);
  return new StoredFile(path, `${folder}/`, statSync(path), now);
}

test('a file is read once, by however many at one time, and then kept', async () => {
  const [kept, one] = [memory(100), file('one', 'first')];
  const all = await Promise.all(Array.from({ length: 5 }, () => kept.read(one)));
  expect(all.every((bytes) => Buffer.from(bytes as Uint8Array).toString() === 'first')).toBe(true);
  expect(kept.get(one)).toBe(all[0]);
  expect(opened).toEqual(['one']);
});

test('what was asked for longest ago gives way', async () => {
  const kept = memory(10);
  const [a, b, c] = [file('a', '1234'), file('b', '1234'), file('c', '1234')];
  await kept.read(a);
  await kept.read(b);
  kept.get(a);
  await kept.read(c);
  expect([a, b, c].map((one) => kept.get(one)?.length)).toEqual([4, undefined, 4]);
});

test('a file that is too long is not for it', () => {
  const [kept, long] = [memory(100, 5), file('long', '123456')];
  expect([kept.takes(long), kept.takes(file('short', '12345'))]).toEqual([false, true]);
  expect(memory(4, 100).takes(long)).toBe(false);
});

test('a file that has just been changed is read each time: a change in the same moment could not be seen', async () => {
  const [kept, young] = [memory(100), file('young', 'one', Date.now())];
  await kept.read(young);
  expect(kept.get(young)).toBeUndefined();
  writeFileSync(young.path, 'two');
  expect(['changed', 'two']).toContain(textOf(await kept.read(young)));
});

test('a file that is another by now is told', async () => {
  const kept = memory(100);
  const [longer, gone] = [file('longer', 'one'), file('gone', 'one')];
  writeFileSync(longer.path, 'longer');
  rmSync(gone.path);
  expect([await kept.read(longer), await kept.read(gone)]).toEqual(['changed', 'changed']);
});

function textOf(bytes: Uint8Array | string): string {
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString();
}

test('what was looked at through a folder that had become a link to elsewhere is not opened', async () => {
  const inside = join(folder, 'inside');
  mkdirSync(join(folder, 'elsewhere'));
  mkdirSync(inside);
  writeFileSync(join(folder, 'elsewhere/secret'), 'secret');
  symlinkSync('../elsewhere', join(inside, 'sub'));
  const path = join(inside, 'sub/secret');
  const files = new OpenFiles(10, 1000, realWorld());
  expect(await files.open(new StoredFile(path, `${inside}/`, statSync(path), LATER))).toBe('changed');
  const anywhere = (await files.open(new StoredFile(path, '', statSync(path), LATER))) as OpenFile;
  expect(await anywhere.isUnchanged()).toBe(true);
  anywhere.release();
});
