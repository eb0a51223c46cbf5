import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HawserError } from '../index.ts';
import { EXIT, type Output, UsageError } from './output.ts';
import { type PairFiles, pairFiles, writePair } from './pairs.ts';

export interface CertOptions {
  readonly out: string;
  /** Two file names, the certificate's first. */
  readonly names: string | undefined;
  readonly days: string | undefined;
  /** Names and addresses beside those of this machine itself. */
  readonly hosts: readonly string[];
}

const NAMES = 'cert.pem,key.pem';
const DAYS = 365;
const DAYS_MOST = 3650;
const OWN_HOSTS = ['localhost', '127.0.0.1', '::1'];

/** Makes a certificate that vouches for itself, and its key: for development. Either both are written, or none. */
export async function cert({ out, names, days, hosts }: CertOptions, output: Output): Promise<number> {
  const files = pairFiles(out, names ?? NAMES, NAMES, 'open');
  const all = [...new Set([...OWN_HOSTS, ...hosts.map(hostOf)])];
  const made = await selfSigned(all, daysOf(days));
  writePair(files, made, out);
  const { fingerprint256: fingerprint, validTo } = new X509Certificate(made.open);
  const endpoint = `https://127.0.0.1:8443?cert=${inUrl(files.open)}&key=${inUrl(files.secret)}`;
  const event = { event: 'cert', cert: files.open, key: files.secret, hosts: all, fingerprint, validTo, endpoint };
  output.tell(event, textOf(files, all, fingerprint, validTo, endpoint));
  return EXIT.ended;
}

function textOf(files: PairFiles, hosts: readonly string[], print: string, until: string, endpoint: string): string {
  return [
    files.open,
    files.secret,
    `for ${hosts.join(', ')}, until ${until}`,
    `SHA-256 ${print}`,
    `try: hawser serve --listen '${endpoint}'`,
    `and: curl --cacert ${files.open} https://localhost:8443/`,
  ].join('\n');
}

/** PEM. @throws HawserError ERR_UNSUPPORTED without an openssl that can do it. */
async function selfSigned(hosts: readonly string[], days: number): Promise<PairFiles> {
  // Only its owner can look into it.
  const folder = mkdtempSync(join(tmpdir(), 'hawser-cert-'));
  try {
    writeFileSync(join(folder, 'request.cnf'), requestOf(hosts));
    await openssl(folder, days);
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
    return { secret: read('key.pem'), open: read('cert.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openssl(cwd: string, days: number): Promise<void> {
  const args = ['req', '-x509', '-batch', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-sha256'];
  args.push('-config', 'request.cnf', '-days', `${days}`, '-keyout', 'key.pem', '-out', 'cert.pem');
  try {
    await promisify(execFile)('openssl', args, { cwd, timeout: PATIENCE });
  } catch (cause) {
    const { code, stderr = '', message } = cause as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') throw new HawserError('ERR_UNSUPPORTED', MISSING, { cause });
    const said = stderr.trim().split('\n').at(-1) || message;
    throw new HawserError('ERR_UNSUPPORTED', `openssl can't make the certificate: ${said}`, { cause });
  }
}

/** ms */
const PATIENCE = 30_000;
const MISSING =
  'openssl is not installed, which makes the certificate: apt-get install openssl, brew install openssl or winget install openssl';

/** A certificate of a server that can't vouch for others: who trusts it trusts nothing else by it. */
function requestOf(hosts: readonly string[]): string {
  const names = hosts.map((host) => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`);
  return `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = Hawser development
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = ${names.join(', ')}
`;
}

/** An address, or a name, perhaps with `*.` before it. */
function hostOf(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (isIP(bare) !== 0 && !bare.includes('%')) return bare;
  if (bare.length > 253 || !HOST.test(bare)) throw new UsageError(`--host takes a name or an address, not ${text}`);
  return bare;
}

const HOST = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;

function daysOf(text: string | undefined): number {
  const days = Number(text ?? DAYS);
  if (Number.isInteger(days) && days >= 1 && days <= DAYS_MOST) return days;
  throw new UsageError(`--days takes a number from 1 to ${DAYS_MOST}, not ${text}`);
}

/** A path as part of a URL's query, as readable as can be. */
function inUrl(path: string): string {
  return encodeURIComponent(path).replaceAll('%2F', '/');
}
