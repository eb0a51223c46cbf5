import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HawserError } from '../index.ts';
import { generateKeys, publicKeyText, readPublicKey } from '../udpack-endpoint/index.ts';
import { EXIT, type Output, UsageError } from './output.ts';

const NAMES = 'server.key,server.pub';

/** Makes a pair of keys for UDPack in a folder: the private one for its owner's eyes alone. Either both are written, or none. */
export function keygen(out: string, names: string | undefined, output: Output): number {
  const [secret = '', open = '', ...more] = (names ?? NAMES).split(',').map((name) => name.trim());
  if (more.length > 0 || secret === open || [secret, open].some((name) => name === '' || name !== basename(name))) {
    throw new UsageError(`--names takes two file names with a comma between, as in ${NAMES}`);
  }
  const { privateKey, publicKey } = generateKeys();
  const [key, pub] = [join(out, secret), join(out, open)];
  try {
    mkdirSync(out, { recursive: true });
    create(key, privateKey, 0o600);
    createBeside(key, pub, publicKey);
  } catch (cause) {
    throw notWritten(cause as NodeJS.ErrnoException);
  }
  const text = publicKeyText(readPublicKey(publicKey));
  output.tell({ event: 'keys', private: key, public: pub, key: text }, `${key}\n${pub}\nfor URLs: ?key=${text}`);
  return EXIT.ended;
}

/** Without the public half the private key is of no use, and would be in the way of the next try. */
function createBeside(key: string, pub: string, text: string): void {
  try {
    create(pub, text, 0o666);
  } catch (cause) {
    rmSync(key, { force: true });
    throw cause;
  }
}

/** Creates a file, whole or not at all; one that is there already stays. */
function create(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(path, { force: true });
    throw cause;
  }
}

function notWritten(cause: NodeJS.ErrnoException): HawserError {
  switch (cause.code) {
    case 'EEXIST':
      return new HawserError('ERR_FILE_EXISTS', `${cause.path} is there already; a key is never overwritten`, {
        cause,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new HawserError('ERR_NO_SPACE', `no space is left for the keys: ${cause.message}`, { cause });
    default:
      return new HawserError('ERR_FILE_UNWRITABLE', `the keys can't be written: ${cause.message}`, { cause });
  }
}
