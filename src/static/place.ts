/** Where a request target leads in the folder. */
export interface Place {
  /** Names of folders, and of the file at the end; none for the folder itself. */
  readonly names: readonly string[];
  /** Whether the path ends in a slash. */
  readonly endsInSlash: boolean;
  /** With its question mark; empty without. */
  readonly query: string;
}

/** Cannot lead out of the folder, whatever the client sent: see `isName`. Undefined for what is no path of files. */
export function placeOf(target: string): Place | undefined {
  const rest = target.startsWith('/') ? target : target.replace(ABSOLUTE_FORM, '');
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  if (path === '/') return { names: [], endsInSlash: true, query: rest.slice(1) };
  const parts = path.split('/');
  // What is before the first slash.
  if (parts.shift() !== '' || parts.length === 0) return undefined;
  const endsInSlash = parts.at(-1) === '';
  if (endsInSlash) parts.pop();
  const names: string[] = [];
  for (const part of parts) {
    const name = decode(part);
    if (name === undefined || !isName(name)) return undefined;
    names.push(name);
  }
  return { names, endsInSlash, query: mark < 0 ? '' : rest.slice(mark) };
}

/** RFC 9112 3.2.2: what a client says to a proxy, and a server must understand. */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*(?=[/?])/i;

/** Undefined where what is encoded is no UTF-8: overlong forms, half a character. */
function decode(part: string): string | undefined {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Whether it names one thing in one folder, on any system. It is decoded once, and nothing decodes it again. */
function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  if (name.includes('/') || name.includes('\\') || name.includes('\0')) return false;
  return process.platform !== 'win32' || !UNFIT_ON_WINDOWS.test(name);
}

/** Drives, streams of a file, and names that Windows takes for others. */
const UNFIT_ON_WINDOWS = /[:*?"<>|]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** Whether a name of the path begins with a dot. `.well-known` at the root is nothing hidden (RFC 8615). */
export function isHidden(names: readonly string[]): boolean {
  return names.some((name, at) => name.startsWith('.') && !(at === 0 && name === '.well-known'));
}
