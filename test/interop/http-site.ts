import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { createServer, type Server, type StaticOptions, serveFiles } from '../../src/index.ts';
import { Authority } from '../support/certificates.ts';
import { Tree } from '../support/static-servers.ts';

export const LONG: Buffer = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => at % 251));
export const CANARY = 'nobody may read this';
const SCRIPT = `${'// a line of script\n'.repeat(200)}document.title = 'it runs';\n`;

/** Files behind `https:` and `http:`, and what nobody may read beside them. */
export class HttpSite implements AsyncDisposable {
  readonly tree: Tree;
  readonly authority: Authority = new Authority();
  readonly #server: Server;
  #urls: readonly string[] = [];

  private constructor(options: StaticOptions) {
    this.tree = new Tree({
      'index.html': '<!doctype html><link rel="stylesheet" href="style.css"><script src="script.js"></script><p>here',
      'style.css': 'p { color: rgb(1, 2, 3) }',
      'script.js': SCRIPT,
      'script.js.gz': gzipSync(SCRIPT),
      'sub dir/index.html': '<p>below',
      'long.bin': LONG,
      '../canary': CANARY,
      '.hidden': CANARY,
    });
    this.#server = createServer({ insecure: true, onRequest: serveFiles(this.tree.root, options) });
  }

  static async open(options: StaticOptions = {}): Promise<HttpSite> {
    const site = new HttpSite(options);
    const { certFile, keyFile } = site.authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
    const query = `cert=${encodeURIComponent(certFile)}&key=${encodeURIComponent(keyFile)}`;
    site.#urls = await site.#server.listen(`https://127.0.0.1:0?${query}`, 'http://127.0.0.1:0');
    return site;
  }

  /** The address of a path; `path` goes as it is. */
  url(path: string, scheme: 'http' | 'https' = 'https'): string {
    return `${scheme}://127.0.0.1:${this.port(scheme)}${path}`;
  }

  port(scheme: 'http' | 'https'): number {
    return Number(new URL(this.#urls.find((url) => url.startsWith(`${scheme}:`)) ?? '').port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close({ drain: 0 });
    this.authority[Symbol.dispose]();
    this.tree[Symbol.dispose]();
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly text: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export function run(program: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { encoding: 'buffer', maxBuffer: 64 << 20, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1);
      resolve({ code, stdout, text: stdout.toString(), stderr: stderr.toString() });
    });
  });
}

/** The last head in what `curl --dump-header` or `--include` wrote: its status, and fields in lower case. */
export function headOf(text: string): { readonly status: number; readonly fields: Readonly<Record<string, string>> } {
  const heads = text.split(/\r\n\r\n/).filter((part) => part.startsWith('HTTP/'));
  const [first = '', ...lines] = (heads.at(-1) ?? '').split('\r\n');
  const fields = lines.map((line) => /^([^:]+): ?(.*)$/.exec(line)?.slice(1) ?? ['', '']);
  return {
    status: Number(first.split(' ')[1]),
    fields: Object.fromEntries(fields.map(([name = '', value = '']) => [name.toLowerCase(), value])),
  };
}

export const contentOf = (path: string): Buffer => readFileSync(path);
