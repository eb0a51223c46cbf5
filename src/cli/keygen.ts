import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HawserError } from '../index.ts';
import { generateKeys, publicKeyText, readPublicKey } from '../udpack-endpoint/index.ts';
import { EXIT, type Output, UsageError } from './output.ts';

const NAMES = 'server.key,server.pub';

/** Makes a pair of keys for UDPack in a folder: the private one for its owner's eyes alone. Keys that are there already stay. */
export function keygen(out: string, names: string = NAMES, output: Output): number {
  const [secret = '', open = '', ...more] = names.split(',').map((name) => name.trim());
  if (more.length > 0 || secret === open || [secret, open].some((name) => name === '' || name !== basename(name))) {
    throw new UsageError(`--names takes two file names with a comma between, as in ${NAMES}`);
  }
  const { privateKey, publicKey } = generateKeys();
  const [key, pub] = [join(out, secret), join(out, open)];
  try {
    mkdirSync(out, { recursive: true });
    writeFileSync(key, privateKey, { mode: 0o600, flag: 'wx' });
    writeFileSync(pub, publicKey, { flag: 'wx' });
  } catch (cause) {
    throw notWritten(cause as NodeJS.ErrnoException);
  }
  const text = publicKeyText(readPublicKey(publicKey));
  output.tell({ event: 'keys', private: key, public: pub, key: text }, `${key}\n${pub}\nfor URLs: ?key=${text}`);
  return EXIT.ended;
}

function notWritten(cause: NodeJS.ErrnoException): HawserError {
  const exists = cause.code === 'EEXIST';
  const why = exists ? `${cause.path} is there already; a key is never overwritten` : cause.message;
  return new HawserError('ERR_KEY', why, { cause });
}
