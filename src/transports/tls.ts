import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  type PeerCertificate as NodeCertificate,
  type SecureContextOptions,
  TLSSocket,
} from 'node:tls';
import { HawserError } from '../core/index.ts';
import type { Endpoint, PeerCertificate, TlsOptions } from '../transport/index.ts';

const MIN_VERSION = 'TLSv1.2';
/** Parameters of a URL that name files. */
const FILES = ['cert', 'key', 'ca'] as const;

export type SecureOptions = Pick<SecureContextOptions, 'cert' | 'key' | 'ca' | 'pfx' | 'passphrase' | 'ciphers'> &
  Required<Pick<SecureContextOptions, 'minVersion'>> &
  Pick<SecureContextOptions, 'maxVersion'>;

/**
 * What a side shows and trusts, in Node's terms: its options, and what the URL's parameters name files for. The files are read at each
 * call.
 * @throws HawserError ERR_OPTION for a file that can't be read, or a certificate and a key that don't fit each other.
 */
export async function secureOptionsOf(endpoint: Endpoint, options: TlsOptions = {}): Promise<SecureOptions> {
  const { cert, key, ca, pfx, passphrase, minVersion = MIN_VERSION, maxVersion, ciphers } = options;
  const files = await Promise.all(FILES.map(async (name) => [name, await fileOf(endpoint, name)] as const));
  const given = { cert, key, ca, pfx, passphrase, minVersion, maxVersion, ciphers };
  const secure = { ...known(given), ...known(Object.fromEntries(files)) } as SecureOptions;
  try {
    createSecureContext(secure);
    return secure;
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `certificate, key or authorities can't be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The files that the parameters of a URL name. */
export function filesOf({ reserved }: Endpoint): readonly string[] {
  return FILES.flatMap((name) => reserved[name] ?? []);
}

async function fileOf(endpoint: Endpoint, name: (typeof FILES)[number]): Promise<Buffer | undefined> {
  const path = endpoint.reserved[name];
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `the file of '${name}' can't be read: ${(cause as Error).message}`, { cause });
  }
}

/** The same without what is undefined: Node takes a missing option otherwise than an undefined one. */
export function known<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** What the peer has shown and an authority vouches for; undefined for all else, also on a connection without TLS. */
export function certificateOf(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const shown: NodeCertificate | null = socket.getPeerCertificate();
  if (shown?.fingerprint256 === undefined) return undefined;
  return {
    subject: { ...shown.subject } as unknown as Record<string, string>,
    issuer: { ...shown.issuer } as unknown as Record<string, string>,
    subjectAltName: shown.subjectaltname,
    fingerprint256: shown.fingerprint256,
    serialNumber: shown.serialNumber,
    validFrom: new Date(shown.valid_from),
    validTo: new Date(shown.valid_to),
  };
}

/** What is wrong, by the platform's codes. */
const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: pass it as `ca` to trust it',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted here: pass that one as `ca`',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate comes from an authority that is not trusted here: pass that one as `ca`',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate comes from an authority that is not trusted here: pass that one as `ca`',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate comes from an authority that is not trusted here: pass that one as `ca`',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it has no version of TLS in common with us',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it has no version of TLS in common with us',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'it speaks none of the protocols that were offered by ALPN',
};

/** What made a connection unsafe, as `data.reason` and in words; undefined when TLS has nothing to do with the failure. */
export function tlsFailure(error: Error): { readonly reason: string; readonly words: string } | undefined {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  const reason = code === 'EPROTO' ? (/ssl3?_[a-z_]*:([a-z ]+):/.exec(error.message)?.[1] ?? code) : code;
  if (reason.includes('wrong version number')) return { reason, words: 'it does not speak TLS' };
  if (code !== 'EPROTO' && (code === '' || code === 'ECONNRESET' || syscall !== undefined)) return undefined;
  return { reason, words: REASONS[code] ?? `TLS failed: ${(error as { reason?: string }).reason ?? error.message}` };
}
