import type { HawserError, ListenTarget, Server } from '../index.ts';
import type { Output } from './output.ts';

/** The endpoint with its certificate read anew when its files change, where it has one. */
export function watched(url: string): string | ListenTarget {
  return hasCertificate(url) ? { url, tls: { watch: true } } : url;
}

/**
 * Reads certificates anew at each SIGHUP; what can't be used is told, and the old ones stay. Where there are none, SIGHUP means what it always does: the
 * terminal is gone.
 */
export function reloadOnHangup(
  server: Pick<Server, 'reloadCertificates'>,
  urls: readonly string[],
  output: Output,
): void {
  if (urls.some(hasCertificate)) process.on('SIGHUP', () => void reload(server, output));
}

function hasCertificate(url: string): boolean {
  return /^(?:tls|wss|https|quic):/i.test(url);
}

async function reload(server: Pick<Server, 'reloadCertificates'>, output: Output): Promise<void> {
  try {
    await server.reloadCertificates();
    output.tell({ event: 'reloaded' }, 'SIGHUP: certificates are read anew');
  } catch (error) {
    const { code, message } = error as HawserError;
    output.error(`SIGHUP: ${code}: ${message}: the old certificate stays`);
    if (output.json) output.tell({ event: 'reload-failed', error: message }, '');
  }
}
