import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPrivateKey, readPublicKey } from '../udpack-endpoint/parts.ts';
import { keygen } from './keygen.ts';
import type { Output } from './output.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-keygen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const quiet: Output = { json: true, tell: () => {}, remark: () => {}, error: () => {} };

function contentOf(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

test('the two files are halves of one pair', () => {
  expect(keygen(folder, undefined, quiet)).toBe(0);
  expect(readdirSync(folder).toSorted()).toEqual(['server.key', 'server.pub']);
  expect(readPublicKey(contentOf('server.pub'))).toEqual(readPrivateKey(contentOf('server.key')).publicKey);
});

test('with one of the names taken neither is written, and what has it stays', () => {
  for (const [taken, free] of [
    ['server.pub', 'server.key'],
    ['server.key', 'server.pub'],
  ] as const) {
    writeFileSync(join(folder, taken), 'mine');
    expect(() => keygen(folder, undefined, quiet)).toThrow(expect.objectContaining({ code: 'ERR_FILE_EXISTS' }));
    expect(readdirSync(folder)).toEqual([taken]);
    expect(contentOf(taken)).toBe('mine');
    rmSync(join(folder, taken));
    expect(keygen(folder, undefined, quiet)).toBe(0);
    rmSync(join(folder, taken));
    rmSync(join(folder, free));
  }
});

test('a folder that can not be made is told by its code', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => keygen(join(folder, 'file', 'keys'), undefined, quiet)).toThrow(
    expect.objectContaining({ code: 'ERR_FILE_UNWRITABLE' }),
  );
});

test('names that lead elsewhere, are one, or are not two are refused', () => {
  for (const names of ['a', 'a,a', 'a,b,c', '../a,b', 'a,', '']) {
    expect(() => keygen(folder, names, quiet)).toThrow('--names takes two file names');
  }
  expect(readdirSync(folder)).toEqual([]);
});
