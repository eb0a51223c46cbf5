import { realpathSync } from 'node:fs';
import { isAbsolute, relative, sep } from 'node:path';
import { UsageError } from './output.ts';

/** What `hawser serve` is told of files. */
export interface Exposure {
  /** The folder whose files everybody may have. */
  readonly static: string | undefined;
  readonly secret: string | undefined;
  readonly apiKeyFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** Nobody wants to serve the keys of his own server. @throws UsageError for a secret file that the folder would serve. */
export function refuseExposed({ static: folder, ...files }: Exposure, urls: readonly string[]): void {
  const root = folder === undefined ? undefined : realPathOf(folder);
  if (root === undefined) return;
  const { secret, apiKeyFile, keyFile } = files;
  for (const file of [secret, apiKeyFile, keyFile, ...urls.map(keyIn)]) {
    if (file === undefined || !isServed(root, file)) continue;
    throw new UsageError(`--static ${folder} would serve ${file}, which is secret: keep it outside of that folder`);
  }
}

/** The file of the private key; what is no endpoint is told of when it is listened on. */
function keyIn(url: string): string | undefined {
  try {
    return new URL(url).searchParams.get('key') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Links that lead out of the folder are not followed, and names that begin with a dot not served. */
function isServed(root: string, file: string): boolean {
  const real = realPathOf(file);
  if (real === undefined) return false;
  const path = relative(root, real);
  const names = path.split(sep);
  return !isAbsolute(path) && !names.some((name) => name.startsWith('.') && name !== '.well-known');
}

/** Undefined for what isn't there. */
function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
