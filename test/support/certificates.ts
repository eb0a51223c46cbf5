import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key: PEM texts, and the files that hold them. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of a test's own, made with openssl in a folder under the system's temporary one. */
export class Authority implements Disposable {
  readonly folder: string;
  readonly ca: string;
  readonly caFile: string;
  #serial = 1;

  constructor(name = 'Test Authority') {
    this.folder = mkdtempSync(join(tmpdir(), 'hawser-ca-'));
    this.caFile = join(this.folder, 'ca.pem');
    this.#openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-keyout', 'ca-key.pem', '-out', 'ca.pem'],
    );
    this.ca = readFileSync(this.caFile, 'utf8');
  }

  /** A certificate of this authority. `names` as openssl writes them: `DNS:a.example,IP:127.0.0.1`. */
  issue(cn: string, names: string, { days = 2 }: { readonly days?: number } = {}): Pair {
    const id = `${cn.replaceAll(/\W/g, '_')}-${this.#serial++}`;
    writeFileSync(join(this.folder, `${id}.ext`), `subjectAltName=${names}\n`);
    this.#openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', `/CN=${cn}`, '-keyout', `${id}-key.pem`, '-out', `${id}.csr`],
    );
    this.#openssl(
      ...[
        'x509',
        '-req',
        '-in',
        `${id}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca-key.pem',
        '-set_serial',
        `${this.#serial}`,
      ],
      ...['-days', `${days}`, '-extfile', `${id}.ext`, '-out', `${id}.pem`],
    );
    return this.#pair(id);
  }

  /** A certificate and its key in one, PKCS #12, behind a passphrase. */
  packed({ certFile, keyFile }: Pair, passphrase: string): Uint8Array {
    const file = join(this.folder, `packed-${this.#serial++}.p12`);
    const pair = ['-in', certFile, '-inkey', keyFile];
    this.#openssl('pkcs12', '-export', ...pair, '-passout', `pass:${passphrase}`, '-out', file);
    return readFileSync(file);
  }

  /** The key of a pair, PEM, encrypted with a passphrase. */
  locked({ keyFile }: Pair, passphrase: string): string {
    const file = join(this.folder, `locked-${this.#serial++}.pem`);
    this.#openssl('pkcs8', '-topk8', '-in', keyFile, '-passout', `pass:${passphrase}`, '-out', file);
    return readFileSync(file, 'utf8');
  }

  /** One that vouches for itself. */
  selfSigned(cn: string, names: string): Pair {
    const id = `self-${this.#serial++}`;
    this.#openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${cn}`, '-addext', `subjectAltName=${names}`],
      ...['-keyout', `${id}-key.pem`, '-out', `${id}.pem`],
    );
    return this.#pair(id);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #pair(id: string): Pair {
    const certFile = join(this.folder, `${id}.pem`);
    const keyFile = join(this.folder, `${id}-key.pem`);
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
