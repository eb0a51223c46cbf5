import { isLoopback } from './interfaces.ts';

/** What leads from one machine to another. */
const SCHEMES: ReadonlySet<string> = new Set(['ws:', 'wss:', 'tcp:', 'tls:', 'udpack:', 'http:', 'https:', 'quic:']);
const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '[::]', '']);

/** The URLs that may be announced: without parameters, which are a server's own business, but for the public key of udpack. */
export function announcedUrls(endpoints: readonly string[]): readonly string[] {
  return endpoints.flatMap((text) => {
    const url = urlOf(text);
    if (url === undefined) return [];
    return [written(url, url.hostname, publicKeyOf(url))];
  });
}

/**
 * The URLs of an announcement that can be dialled from here: where a server listens on all its addresses it is the one that it spoke from.
 * Public keys are worth something only when somebody who is trusted has signed for them, and loopback is only good for who is there.
 */
export function dialableUrls(
  endpoints: readonly string[],
  from: string,
  isTrusted: boolean,
  isHere: boolean,
): readonly string[] {
  return endpoints.flatMap((text) => {
    const url = urlOf(text);
    if (url === undefined) return [];
    if (isHome(url.hostname) && !isHere) return [];
    const host = UNSPECIFIED.has(url.hostname) ? bracketed(from) : url.hostname;
    return [written(url, host, isTrusted ? publicKeyOf(url) : undefined)];
  });
}

/** Whether it leads to the very machine that dials it, however it is written: `127.1`, `0`, `[::ffff:127.0.0.1]`, `localhost`. */
function isHome(hostname: string): boolean {
  if (UNSPECIFIED.has(hostname) || !URL.canParse(`http://${hostname}`)) return false;
  const host = new URL(`http://${hostname}`).hostname.replace(/^\[(.*)\]$/, '$1');
  return isLoopback(host) || /^(?:0\.0\.0\.0$|::ffff:7f|(?:.*\.)?localhost\.?$)/.test(host);
}

/** Zones mean something to the sender's machine alone, and URLs have none. */
function bracketed(ip: string): string {
  const [plain = ''] = ip.split('%');
  return plain.includes(':') ? `[${plain}]` : plain;
}

function urlOf(text: string): URL | undefined {
  try {
    const url = new URL(text);
    const isPlain = url.username === '' && url.password === '' && url.port !== '0';
    return SCHEMES.has(url.protocol) && isPlain ? url : undefined;
  } catch {
    return undefined;
  }
}

function publicKeyOf(url: URL): string | undefined {
  const key = url.searchParams.get('key');
  return url.protocol === 'udpack:' && key !== null && /^[\w-]{43}$/.test(key) ? key : undefined;
}

function written({ protocol, port, pathname }: URL, host: string, key: string | undefined): string {
  const path = pathname === '/' ? '' : pathname;
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}${path}${key === undefined ? '' : `?key=${key}`}`;
}
