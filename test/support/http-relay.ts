import { once } from 'node:events';
import { request as ask, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface RelayOptions {
  /** The port of the server on this machine. */
  readonly target: number;
  /**
   * What it holds back of each answer: all until it ends; what comes after the first piece, until it ends; or a beginning of so many bytes, until
   * there are more.
   */
  hold?: 'all' | 'rest' | number;
  /** Cuts each answer that has not ended after so many ms. */
  cutAfter?: number;
  /** Whether upgrades are let through. Default false: they are answered with 403. */
  upgrades?: boolean;
  /** Answers all but upgrades so, and asks nobody. */
  refuse?: number | undefined;
  /** How often each POST is sent on: the answer to the last goes back. Default 1. */
  posts?: number;
}

/** What went through, of one request. */
export interface Passed {
  readonly method: string;
  readonly mode: string | undefined;
  readonly batch: string | undefined;
}

/** An HTTP proxy that does to what passes what proxies do. Its options may be changed while it runs. */
export class HttpRelay implements AsyncDisposable {
  readonly options: RelayOptions;
  readonly passed: Passed[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: RelayOptions) {
    this.options = options;
    this.#server = createServer((request, response) => this.#pass(request, response));
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
  }

  static async open(options: RelayOptions): Promise<HttpRelay> {
    const relay = new HttpRelay(options);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How the GETs that passed were to be answered, each way once. */
  get modes(): string[] {
    return [...new Set(this.passed.flatMap(({ mode }) => mode ?? []))];
  }

  /** Cuts every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', headers } = request;
    const header = (name: string): string | undefined => headers[name] as string | undefined;
    if (this.options.refuse !== undefined) {
      response.writeHead(this.options.refuse).end();
      return;
    }
    this.passed.push({ method, mode: header('hawser-mode'), batch: header('hawser-batch') });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void this.#send(request, Buffer.concat(chunks), response));
    request.on('error', () => undefined);
  }

  /** Sends a request on; all but the last answer are thrown away. */
  async #send(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const times = request.method === 'POST' ? (this.options.posts ?? 1) : 1;
    try {
      for (let time = 1; time < times; time++) {
        const answer = await this.#ask(request, body, response);
        for await (const _ of answer);
      }
      this.#answer(await this.#ask(request, body, response), response);
    } catch {
      response.destroy();
    }
  }

  async #ask(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<IncomingMessage> {
    const { method, url, headers } = request;
    const asked = ask({ port: this.options.target, host: '127.0.0.1', path: url, method, headers });
    asked.on('error', () => response.destroy());
    response.on('close', () => asked.destroy());
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }

  #answer(answer: IncomingMessage, response: ServerResponse): void {
    const { hold, cutAfter } = this.options;
    const timer = cutAfter === undefined ? undefined : setTimeout(() => response.destroy(), cutAfter);
    response.on('close', () => clearTimeout(timer));
    let held: Buffer[] = [];
    let first = true;
    let length = 0;
    const pass = (): void => {
      if (!response.headersSent) response.writeHead(answer.statusCode ?? 502, answer.headers);
      for (const chunk of held) response.write(chunk);
      held = [];
    };
    answer.on('data', (chunk: Buffer) => {
      held.push(chunk);
      length += chunk.length;
      if (hold === undefined || (hold === 'rest' && first) || (typeof hold === 'number' && length >= hold)) pass();
      first = false;
    });
    answer.on('end', () => {
      pass();
      response.end();
    });
    answer.on('error', () => response.destroy());
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.options.upgrades !== true) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const server = connect(this.options.target, '127.0.0.1');
    this.#keep(server);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    const { rawHeaders } = request;
    for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    server.write(`${lines.join('\r\n')}\r\n\r\n`);
    server.write(head);
    server.pipe(socket);
    socket.pipe(server);
    server.on('close', () => socket.destroy());
    socket.on('close', () => server.destroy());
  }
}
