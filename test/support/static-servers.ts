import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createServer1, type IncomingHttpHeaders, request as request1, type Server } from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  createServer as createServer2,
  type Http2Server,
  type IncomingHttpHeaders as IncomingHttp2Headers,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { FileListener } from '../../src/static/index.ts';

export const VERSIONS = ['HTTP/1.1', 'HTTP/2'] as const;
export type Version = (typeof VERSIONS)[number];

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders & IncomingHttp2Headers;
  readonly body: Buffer;
  readonly text: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A folder under the system's temporary one, with files in it; beside it nothing. */
export class Tree implements Disposable {
  readonly outside: string;
  readonly root: string;

  /** Paths with their content; `../name` is beside the folder. */
  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    this.outside = mkdtempSync(join(tmpdir(), 'hawser-static-'));
    this.root = join(this.outside, 'files');
    mkdirSync(this.root);
    for (const [path, content] of Object.entries(files)) this.write(path, content);
  }

  path(path: string): string {
    return join(this.root, path);
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), content);
  }

  [Symbol.dispose](): void {
    rmSync(this.outside, { recursive: true, force: true });
  }
}

/** One listener on both versions of HTTP, in the clear, and a client of each that sends any path as it is. */
export class StaticServers implements AsyncDisposable {
  readonly http1: Server;
  readonly http2: Http2Server;
  #session: ClientHttp2Session | undefined;

  private constructor(listener: FileListener) {
    this.http1 = createServer1(listener);
    this.http2 = createServer2(listener);
  }

  static async open(listener: FileListener): Promise<StaticServers> {
    const servers = new StaticServers(listener);
    for (const server of [servers.http1, servers.http2]) await once(server.listen(0, '127.0.0.1'), 'listening');
    return servers;
  }

  port(version: Version): number {
    return ((version === 'HTTP/2' ? this.http2 : this.http1).address() as AddressInfo).port;
  }

  session(): ClientHttp2Session {
    this.#session ??= connect(`http://127.0.0.1:${this.port('HTTP/2')}`);
    return this.#session;
  }

  async ask(version: Version, path: string, { method = 'GET', headers = {} }: AskOptions = {}): Promise<Answer> {
    return version === 'HTTP/2' ? await this.#ask2(path, method, headers) : await this.#ask1(path, method, headers);
  }

  async #ask1(path: string, method: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
    const port = this.port('HTTP/1.1');
    const request = request1({ port, host: '127.0.0.1', path, method, headers, agent: false }).end();
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    return answerOf(response.statusCode ?? 0, response.headers, await buffer(response));
  }

  async #ask2(path: string, method: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
    const stream = this.session().request({ ':path': path, ':method': method, ...headers }, { endStream: true });
    const [head] = (await once(stream, 'response')) as [IncomingHttp2Headers];
    return answerOf(Number(head[':status']), head, await buffer(stream));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session?.destroy();
    this.http1.closeAllConnections();
    await Promise.all([this.http1, this.http2].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function answerOf(status: number, headers: Answer['headers'], body: Buffer): Answer {
  return { status, headers, body, text: body.toString() };
}
