import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, rootCertificates } from 'node:tls';
import { HawserError } from '../../core/index.ts';
import type { Endpoint, PeerCertificate, TlsDialOptions, TlsListenOptions, TlsOptions } from '../../transport/index.ts';
import { secureOptionsOf } from '../tls.ts';
import type { Machine, MachineConfig, Quiche } from './quiche.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** What of TLS the machine can't be told. */
const UNKNOWN = ['pfx', 'minVersion', 'maxVersion', 'ciphers', 'alpn'] as const;

/** How a side proves who it is, and whom it believes. */
export interface Security {
  readonly config: MachineConfig;
  /** Whether the peer must show a certificate that is trusted. */
  readonly verifies: boolean;
  /** The certificates (DER) of which the peer must have one, where the ones that are trusted vouch for nobody but themselves. */
  readonly pins: readonly Uint8Array[] | undefined;
}

/** @throws HawserError ERR_OPTION for what can't be, or files that can't be read. */
export async function listenSecurity(quiche: Quiche, endpoint: Endpoint, tls: TlsListenOptions): Promise<Security> {
  const secure = await materialOf(endpoint, tls);
  if (secure.cert === undefined)
    throw new HawserError(
      'ERR_OPTION',
      'quic: a listener needs `cert` and `key`: ?cert=FILE&key=FILE, as hawser cert makes them',
    );
  const { requestCert = false } = tls;
  if (requestCert === 'optional')
    throw new HawserError('ERR_OPTION', "quic: requestCert is true or false: a certificate can't be left to the peer");
  return securityOf(quiche, requestCert, secure);
}

/** @throws HawserError ERR_OPTION for what can't be, or files that can't be read. */
export async function dialSecurity(quiche: Quiche, endpoint: Endpoint, tls: TlsDialOptions): Promise<Security> {
  return securityOf(quiche, tls.rejectUnauthorized ?? true, await materialOf(endpoint, tls));
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

function securityOf(quiche: Quiche, verifies: boolean, { cert, key, ca }: Material): Security {
  const pins = verifies ? pinsIn(ca) : undefined;
  try {
    // Where it is ours to judge, the machine only sees to it that a certificate is shown, and that its key is the peer's.
    const config = quiche.Config.withBoringSslCtx(
      verifies,
      pins !== undefined,
      verifies ? ca : null,
      key && [key],
      cert && [cert],
      null,
    );
    return { config, verifies, pins };
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `certificate, key or authorities can't be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * The certificates in a PEM text, if none of them is an authority's: the machine would believe nobody for their sake, not even who shows one of
 * them, as `hawser cert` makes them.
 */
function pinsIn(pem: Uint8Array): readonly Uint8Array[] | undefined {
  const blocks = Buffer.from(pem).toString('latin1').match(CERTIFICATE) ?? [];
  try {
    const certificates = blocks.map((block) => new X509Certificate(block));
    const leaves = certificates.length > 0 && certificates.every(({ ca }) => !ca);
    return leaves ? certificates.map(({ raw }) => raw) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is one of those. */
export function isPinned(certificate: X509Certificate | undefined, pins: readonly Uint8Array[]): boolean {
  return certificate !== undefined && pins.some((pin) => certificate.raw.equals(pin));
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

/** What is wrong with a certificate: the platform's code, and words. */
export interface Fault {
  readonly reason: string;
  readonly words: string;
}

/** Why a server's certificate is not good for this name; the chain up to the authority is the machine's to judge. Undefined when nothing is wrong with it. */
export function faultOf(certificate: X509Certificate | undefined, name: string, at: Date): Fault | undefined {
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
  // One that may not sign others has not issued itself by the book.
  if (
    certificate !== undefined &&
    certificate.subject === certificate.issuer &&
    certificate.verify(certificate.publicKey)
  )
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
