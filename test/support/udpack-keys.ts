import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeys } from '../../src/udpack-endpoint/parts.ts';

/** Files of one pair of keys, made on first use and gone with the process. */
export interface KeyFiles {
  readonly privateFile: string;
  readonly publicFile: string;
}

let made: KeyFiles | undefined;

export function keyFiles(): KeyFiles {
  made ??= make();
  return made;
}

function make(): KeyFiles {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-keys-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const files = { privateFile: join(folder, 'server.key'), publicFile: join(folder, 'server.pub') };
  const { privateKey, publicKey } = generateKeys();
  writeFileSync(files.privateFile, privateKey, { mode: 0o600 });
  writeFileSync(files.publicFile, publicKey);
  return files;
}
