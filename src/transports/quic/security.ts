import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, rootCertificates } from 'node:tls';
import { HawserError } from '../../core/index.ts';
import type { Endpoint, PeerCertificate, TlsDialOptions, TlsListenOptions, TlsOptions } from '../../transport/index.ts';
import { secureOptionsOf } from '../tls.ts';
import type { Machine, MachineConfig, Quiche } from './quiche.ts';

/** What of TLS the machine can't be told. */
const UNKNOWN = ['pfx', 'minVersion', 'maxVersion', 'ciphers', 'alpn'] as const;

/** @throws HawserError ERR_OPTION for what can't be, or files that can't be read. */
export async function listenSecurity(
  quiche: Quiche,
  endpoint: Endpoint,
  tls: TlsListenOptions,
): Promise<MachineConfig> {
  const secure = await materialOf(endpoint, tls);
  if (secure.cert === undefined) throw new HawserError('ERR_OPTION', 'quic: a listener needs `cert` and `key`');
  const { requestCert = false } = tls;
  if (requestCert === 'optional')
    throw new HawserError('ERR_OPTION', "quic: requestCert is true or false: a certificate can't be left to the peer");
  return configOf(quiche, requestCert, secure);
}

/** @throws HawserError ERR_OPTION for what can't be, or files that can't be read. */
export async function dialSecurity(quiche: Quiche, endpoint: Endpoint, tls: TlsDialOptions): Promise<MachineConfig> {
  return configOf(quiche, tls.rejectUnauthorized ?? true, await materialOf(endpoint, tls));
}

interface Material {
  readonly cert: Uint8Array | undefined;
  readonly key: Uint8Array | undefined;
  readonly ca: Uint8Array;
}

async function materialOf(endpoint: Endpoint, tls: TlsOptions): Promise<Material> {
  for (const name of UNKNOWN)
    if (tls[name] !== undefined) throw new HawserError('ERR_OPTION', `quic: tls: '${name}' is no option here`);
  const { cert, key, ca, passphrase } = await secureOptionsOf(endpoint, tls);
  if ((cert === undefined) !== (key === undefined))
    throw new HawserError('ERR_OPTION', 'quic: `cert` and `key` go together');
  return {
    cert: cert === undefined ? undefined : bytesOf(cert),
    key: key === undefined ? undefined : openKey(bytesOf(key), passphrase),
    ca: ca === undefined ? Buffer.from(rootCertificates.join('\n')) : bytesOf(ca),
  };
}

/** The machine takes a key as it is, not one that a passphrase locks. */
function openKey(key: Uint8Array, passphrase: string | undefined): Uint8Array {
  if (passphrase === undefined) return key;
  const opened = createPrivateKey({ key: Buffer.from(key), passphrase });
  return Buffer.from(opened.export({ type: 'pkcs8', format: 'pem' }));
}

function configOf(quiche: Quiche, verify: boolean, { cert, key, ca }: Material): MachineConfig {
  try {
    return quiche.Config.withBoringSslCtx(verify, false, verify ? ca : null, key && [key], cert && [cert], null);
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `certificate, key or authorities can't be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function bytesOf(pem: unknown): Uint8Array {
  const texts = Array.isArray(pem) ? (pem as unknown[]) : [pem];
  return Buffer.concat(texts.map((one) => (typeof one === 'string' ? Buffer.from(one) : (one as Uint8Array))));
}

/** The name that a server is to be asked for, and its certificate for. @throws HawserError ERR_OPTION. */
export function nameOf(endpoint: Endpoint, { servername }: TlsDialOptions): string {
  const name = servername ?? endpoint.reserved.servername;
  if (name !== undefined && isIP(name) > 0) throw new HawserError('ERR_OPTION', 'servername is a name, no address');
  return name ?? endpoint.host;
}

/** The first certificate that the peer has shown. */
export function shownBy(machine: Machine): X509Certificate | undefined {
  try {
    const [first] = machine.peerCertChain() ?? [];
    return first === undefined ? undefined : new X509Certificate(first);
  } catch {
    return undefined;
  }
}

/** Why a server's certificate is not good for this name; the chain up to the authority is the machine's to judge. Undefined when nothing is wrong with it. */
export function faultOf(
  certificate: X509Certificate | undefined,
  name: string,
  at: Date,
): { readonly reason: string; readonly words: string } | undefined {
  if (certificate === undefined) return { reason: 'NO_CERTIFICATE', words: 'it has shown no certificate' };
  if (new Date(certificate.validTo) < at) return { reason: 'CERT_HAS_EXPIRED', words: 'its certificate has expired' };
  if (new Date(certificate.validFrom) > at)
    return { reason: 'CERT_NOT_YET_VALID', words: 'its certificate is not valid yet' };
  if (checkServerIdentity(name, certificate.toLegacyObject()) !== undefined)
    return { reason: 'ERR_TLS_CERT_ALTNAME_INVALID', words: 'its certificate is for other names' };
  return undefined;
}

/** What to say of a certificate that the machine refused and that is good for the name. */
export function distrustOf(certificate: X509Certificate | undefined): {
  readonly reason: string;
  readonly words: string;
} {
  if (certificate?.checkIssued(certificate))
    return {
      reason: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      words: 'its certificate is self-signed: pass it as `ca` to trust it',
    };
  return {
    reason: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    words: 'its certificate comes from an authority that is not trusted here: pass that one as `ca`',
  };
}

/** What the peer has shown and an authority vouches for, as Hawser tells it. */
export function certificateOf(machine: Machine): PeerCertificate | undefined {
  const shown = shownBy(machine);
  if (shown === undefined) return undefined;
  const { subject, issuer } = shown.toLegacyObject();
  return {
    subject: { ...subject } as unknown as Record<string, string>,
    issuer: { ...issuer } as unknown as Record<string, string>,
    subjectAltName: shown.subjectAltName,
    fingerprint256: shown.fingerprint256,
    serialNumber: shown.serialNumber,
    validFrom: new Date(shown.validFrom),
    validTo: new Date(shown.validTo),
  };
}
