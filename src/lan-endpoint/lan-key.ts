import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HawserError } from '../core/index.ts';
import { type LanKey, lanKey, type Mac } from '../lan/index.ts';

/** A pre-shared key: its bytes, a text, or a file that holds it (white space around it counts for nothing). At least 16 bytes; better 32 random ones. */
export type LanKeySource = string | Uint8Array | { readonly file: string };

const KEY_BYTES_LEAST = 16;

/** One key, or several: the first one signs, any of them is taken. @throws HawserError ERR_KEY. */
export function readLanKeys(sources: LanKeySource | readonly LanKeySource[] | undefined): readonly LanKey[] {
  if (sources === undefined) return [];
  const list = isList(sources) ? sources : [sources];
  if (list.length === 0) throw new HawserError('ERR_KEY', 'an empty list of keys is no key');
  return list.map((source) => lanKey(macUnder(bytesOf(source))));
}

function isList(sources: LanKeySource | readonly LanKeySource[]): sources is readonly LanKeySource[] {
  return Array.isArray(sources);
}

function bytesOf(source: LanKeySource): Uint8Array {
  const bytes = typeof source === 'string' ? Buffer.from(source) : source instanceof Uint8Array ? source : read(source);
  if (bytes.length >= KEY_BYTES_LEAST) return bytes;
  throw new HawserError('ERR_KEY', `a key has at least ${KEY_BYTES_LEAST} bytes, not ${bytes.length}`);
}

function read({ file }: { readonly file: string }): Uint8Array {
  try {
    return Buffer.from(readFileSync(file, 'latin1').trim(), 'latin1');
  } catch (cause) {
    throw new HawserError('ERR_KEY', `the key file ${file} can't be read: ${(cause as Error).message}`, { cause });
  }
}

/** HMAC-SHA-256 under these bytes. */
function macUnder(bytes: Uint8Array): Mac {
  const key = createSecretKey(bytes);
  return (text) => createHmac('sha256', key).update(text).digest();
}

/** A MAC that nobody else can make. */
export function ownMac(): Mac {
  return macUnder(randomBytes(32));
}
