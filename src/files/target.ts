import { HawserError } from '../core/index.ts';

/** Where the path of a URL is an address, and the namespace a parameter. */
const PATH_IS_ADDRESS: ReadonlySet<string> = new Set(['ipc:', 'worker:', 'inproc:']);

/** The namespace that a URL names; undefined where it names none. @throws HawserError ERR_URL. */
export function namespaceOf(text: string): string | undefined {
  const url = parse(text);
  const named = url.searchParams.get('namespace');
  if (named !== null) return named;
  if (PATH_IS_ADDRESS.has(url.protocol) || url.pathname === '' || url.pathname === '/') return undefined;
  return decodeURIComponent(url.pathname);
}

/** The URL, with this namespace unless it names one itself. @throws HawserError ERR_URL. */
export function withNamespace(text: string, namespace: string): string {
  if (namespaceOf(text) !== undefined) return text;
  const url = parse(text);
  if (PATH_IS_ADDRESS.has(url.protocol)) {
    url.search += `${url.search === '' ? '?' : '&'}namespace=${encodeURIComponent(namespace)}`;
  } else url.pathname = namespace;
  return url.href;
}

function parse(text: string): URL {
  try {
    // A named pipe of Windows, as its own programs write it.
    return new URL(text.startsWith('\\\\') ? `ipc:${text}` : text);
  } catch (cause) {
    throw new HawserError('ERR_URL', 'not a URL of a receiver: one is like tcp://127.0.0.1:3010', { cause });
  }
}
