import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import { type CloseReason, Outbound } from '../../src/core/index.ts';
import { LengthFraming, MAGIC, parseEndpoint } from '../../src/transport/index.ts';
import { UDPack, type UdpackStream } from '../../src/udpack-endpoint/index.ts';
import { type Codec, hawserCodec, Incoming, jsonCodec, type WireFailure } from '../../src/wire/index.ts';

export type Dialect = 'hawser' | 'json';

/** A message as a peer means it: bytes in the Hawser dialect, an object or any text in JSON. */
export type Said = Uint8Array | string | object;

/** A peer that keeps no rules: it says what it is told to say, and remembers what it heard. */
export abstract class RawPeer implements AsyncDisposable {
  readonly codec: Codec;
  /** Everything that was heard, oldest first. */
  readonly heard: (Incoming | WireFailure)[] = [];
  readonly #wakes: (() => void)[] = [];
  #read = 0;
  #end: CloseReason | undefined;

  constructor(dialect: Dialect) {
    this.codec = dialect === 'hawser' ? hawserCodec : jsonCodec;
  }

  /** Dials; over tcp and ipc the Hawser dialect's magic is said at once. */
  static async open(url: string, dialect: Dialect, options: ClientOptions = {}): Promise<RawPeer> {
    const peer = RawPeer.#dial(url, dialect, options);
    await peer.opened;
    return peer;
  }

  static #dial(url: string, dialect: Dialect, options: ClientOptions): RawPeer {
    if (url.startsWith('ws:')) return new WebSocketPeer(url, dialect, options);
    return url.startsWith('udpack:') ? new UdpackPeer(url, dialect) : new StreamPeer(url, dialect);
  }

  abstract readonly opened: Promise<void>;
  /** The bytes of a message, framed. */
  abstract say(said: Said): void;
  /** Bytes as they are, beneath any framing. */
  abstract raw(bytes: Uint8Array | string): void;
  /** Stops and goes on reading: the operating system's buffers fill up. */
  abstract pause(): void;
  abstract resume(): void;
  abstract cut(): void;

  /** Says hello and waits for the welcome. */
  async enter(hello: Record<string, unknown> = {}): Promise<Incoming> {
    const { codec } = this;
    this.say(codec === hawserCodec ? codec.hello({ version: 1, ...hello }).bytes : { event: 'hello', ...hello });
    return await this.expect((message) => message.name === 'welcome' || message.kind === 2);
  }

  /** The next thing that is heard. */
  async next(): Promise<Incoming | WireFailure> {
    while (this.#read >= this.heard.length) {
      if (this.#end !== undefined) throw new Error(`the link ended (${this.#end.code} ${this.#end.reason})`);
      await new Promise<void>((resolve) => this.#wakes.push(resolve));
    }
    this.#read += 1;
    return this.heard[this.#read - 1] as Incoming | WireFailure;
  }

  /** The next message of a kind; what comes before it is passed over. */
  async expect(fits: (message: Incoming) => boolean): Promise<Incoming> {
    for (;;) {
      const message = await this.next();
      if (message.kind !== 0 && fits(message)) return message;
    }
  }

  /** The code of the next error that is told. */
  async error(): Promise<string> {
    return (await this.expect((message) => message.kind === 7)).name;
  }

  /** The codes of the errors that were told. */
  get errors(): string[] {
    return this.heard.flatMap((message) => (message.kind === 7 ? [message.name] : []));
  }

  /** How the link ended; the code is 1006 where nothing was said. */
  async end(): Promise<CloseReason> {
    while (this.#end === undefined) await new Promise<void>((resolve) => this.#wakes.push(resolve));
    return this.#end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.end();
  }

  protected hear(bytes: Uint8Array, text: boolean): void {
    this.heard.push(this.codec.decode(bytes.slice(), text));
    this.#wake();
  }

  protected ended(reason: CloseReason): void {
    this.#end ??= reason;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }
}

class StreamPeer extends RawPeer {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #framing = new LengthFraming(Number.MAX_SAFE_INTEGER);
  readonly #lines: boolean;
  #part = Buffer.alloc(0);
  #reason: CloseReason = { code: 1006, reason: 'nothing was said' };
  #magic = 0;

  constructor(url: string, dialect: Dialect) {
    super(dialect);
    this.#lines = dialect === 'json';
    const { scheme, path, host, port = 0 } = parseEndpoint(url);
    this.#socket = scheme === 'ipc' ? connect(path) : connect(port, host);
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => this.ended(this.#reason));
    if (!this.#lines) this.#socket.write(MAGIC);
  }

  say(said: Said): void {
    if (said instanceof Uint8Array) this.raw(this.#lines ? said : this.#framing.encode(new Outbound(said, false)));
    else this.raw(`${typeof said === 'string' ? said : JSON.stringify(said)}\n`);
  }

  raw(bytes: Uint8Array | string): void {
    if (!this.#socket.writableEnded) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  cut(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#lines) this.#receiveLines(chunk);
    else this.#receiveFrames(chunk);
  }

  #receiveLines(chunk: Buffer): void {
    const lines = Buffer.concat([this.#part, chunk]).toString().split('\n');
    this.#part = Buffer.from(lines.pop() ?? '');
    for (const line of lines) this.hear(Buffer.from(line), true);
  }

  /** A refusal before the magic is a line, whatever the dialect. */
  #receiveFrames(chunk: Buffer): void {
    if (this.#magic === 0 && chunk[0] === 0x7b) {
      const { code, message } = JSON.parse(chunk.toString()) as { code: string; message: string };
      this.heard.push(new Incoming(7, 0, 0, code, { message }));
      return;
    }
    const skipped = Math.min(MAGIC.length - this.#magic, chunk.length);
    this.#magic += skipped;
    this.#framing.receive(chunk.subarray(skipped), {
      onMessage: (bytes, text) => this.hear(bytes, text),
      onReply: () => undefined,
      onPong: () => undefined,
      onClose: (reason) => {
        this.#reason = reason;
      },
    });
  }
}

class WebSocketPeer extends RawPeer {
  readonly opened: Promise<void>;
  readonly #socket: WebSocket;
  readonly #binary: boolean;

  constructor(url: string, dialect: Dialect, options: ClientOptions) {
    super(dialect);
    this.#binary = dialect === 'hawser';
    this.#socket = new WebSocket(url, this.codec.protocol, { perMessageDeflate: false, ...options });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('open', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (data: Buffer, binary) => this.hear(data, !binary));
    this.#socket.on('close', (code, reason) => this.ended({ code, reason: reason.toString() }));
  }

  say(said: Said): void {
    const data = said instanceof Uint8Array || typeof said === 'string' ? said : JSON.stringify(said);
    this.#socket.send(data, { binary: this.#binary }, () => undefined);
  }

  raw(bytes: Uint8Array | string): void {
    if (this.#stream.writable) this.#stream.write(bytes);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cut(): void {
    this.#socket.terminate();
  }

  /** The library shows the connection beneath to nobody, but has always kept it here. */
  get #stream(): Socket {
    return (this.#socket as unknown as Record<'_socket', Socket>)['_socket'];
  }
}

/** Over a session of UDPack, on its main stream alone: docs/PROTOCOL.md 2.4. */
class UdpackPeer extends RawPeer {
  readonly opened: Promise<void>;
  readonly #endpoint: UDPack = new UDPack();
  #stream: UdpackStream | undefined;
  #isAnswered = false;
  #reason: CloseReason | undefined;

  constructor(url: string, dialect: Dialect) {
    super(dialect);
    this.opened = this.#open(url);
  }

  say(said: Said): void {
    if (said instanceof Uint8Array) this.raw(Buffer.from([0, ...said]));
    else
      this.raw(Buffer.concat([Uint8Array.of(1), Buffer.from(typeof said === 'string' ? said : JSON.stringify(said))]));
  }

  raw(bytes: Uint8Array | string): void {
    this.#stream?.send(bytes);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  cut(): void {
    void this.#stream?.session.abort();
    void this.#endpoint.close();
  }

  async #open(url: string): Promise<void> {
    const { host, port = 0, reserved } = parseEndpoint(url);
    const session = await this.#endpoint.connect({ host, port, key: readFileSync(reserved.key ?? '') });
    void session.closed.then(({ code, reason }) => this.ended(this.#reason ?? { code: code || 1006, reason }));
    // What comes by lanes is heard like all else.
    session.on('stream', (lane) => {
      lane.end();
      lane.on('data', (packet) => this.#receive(packet, () => undefined));
    });
    this.#stream = await session.openStream();
    this.#stream.send(Buffer.concat([MAGIC, Buffer.from(this.codec.protocol)]));
    const answered = new Promise<void>((resolve) => {
      this.#stream?.on('data', (packet) => this.#receive(packet, resolve));
    });
    await Promise.race([answered, session.closed]);
  }

  #receive(packet: Buffer, answered: () => void): void {
    if (!this.#isAnswered) {
      this.#isAnswered = true;
      answered();
    } else if (packet[0] === 2) {
      this.#reason = { code: packet.readUInt16BE(1), reason: packet.toString('utf8', 3) };
      void this.#stream?.session.abort(this.#reason.code);
    } else this.hear(packet.subarray(1), packet[0] === 1);
  }
}
