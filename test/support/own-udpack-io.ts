import { EventEmitter } from 'node:events';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { UDPack, type UdpackOptions, type UdpackSession, type UdpackStream } from '../../src/udpack-endpoint/index.ts';

type Done = (error: Error | null) => void;

const encoder = new Encoder();
const decoder = new Decoder();

/** A framework as an application would build it on `hawser/udpack` and somebody's MessagePack: sessions are sockets, streams are channels. */
class Socket extends EventEmitter {
  readonly #session: UdpackSession;

  constructor(session: UdpackSession) {
    super();
    this.#session = session;
  }

  close(): this {
    void this.#session.close();
    return this;
  }
}

class Channel extends EventEmitter {
  readonly #stream: UdpackStream;

  constructor(stream: UdpackStream) {
    super();
    this.#stream = stream;
    stream
      .on('data', (buffer) => {
        const [event, data] = decoder.decode(buffer) as [string, unknown];
        this.emit(event, data);
      })
      .on('close', () => this.close().emit('close'));
  }

  send(event: string, data?: unknown, done?: Done): void {
    const buffer = Buffer.from(encoder.encode([event, data]));
    if (done === undefined) this.#stream.send(buffer);
    else this.#stream.write(buffer, done);
  }

  close(): this {
    this.#stream.close();
    return this;
  }
}

export class Server extends EventEmitter {
  readonly udpack: UDPack;

  constructor({ port, host, pubkey, prikey, authToken }: Record<string, unknown>) {
    super();
    this.udpack = new UDPack({ port, host, pubkey, prikey, authToken } as UdpackOptions);
    this.udpack
      .on('listening', () => this.emit('listening'))
      .on('session', (session) => {
        const socket = new Socket(session);
        session.on('goaway', () => socket.close().emit('close'));
        this.emit('connection', socket);
      })
      .on('stream', (stream) => this.emit('channel', new Channel(stream)))
      .on('speed', (speed) => this.emit('speed', speed))
      .on('close', () => this.emit('close'));
  }

  close(): this {
    void this.udpack.close();
    return this;
  }
}

export class Client extends EventEmitter {
  readonly udpack: UDPack;

  constructor({ port, host, pubkey, token }: Record<string, unknown>) {
    super();
    this.udpack = new UDPack({ port, host, pubkey, token } as UdpackOptions);
    this.udpack.on('listening', () => this.emit('listening'));
  }

  connect(port: number, host: string, done: Done): this {
    this.udpack
      .on('session', (session) => {
        const socket = new Socket(session);
        session.on('goaway', () => {
          socket.close().emit('close');
          this.udpack.connect(port, host);
        });
        this.emit('connection', socket);
      })
      .on('connect_error', () => this.emit('connect_error'))
      .on('speed', (speed) => this.emit('speed', speed))
      .connect(port, host, done);
    return this;
  }

  openChannel(done: (error: Error | null, channel?: Channel) => void): void {
    this.udpack.openStream((error, stream) => {
      if (stream === undefined) done(error);
      else done(null, new Channel(stream));
    });
  }

  close(): this {
    void this.udpack.close();
    return this;
  }
}
