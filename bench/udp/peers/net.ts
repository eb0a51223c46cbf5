import { readFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
} from 'node:tls';
import { Channel, type Connection, type Peer, type Place, type Target } from '../peer.ts';

class SocketChannel extends Channel {
  readonly socket: Socket;

  constructor(socket: Socket, { small }: Place) {
    super();
    this.socket = socket;
    socket.setNoDelay(small);
    socket.on('data', (bytes: Buffer) => this.onData(bytes));
    socket.on('drain', () => this.onDrain());
    socket.on('error', () => socket.destroy());
  }

  send(bytes: Uint8Array): boolean {
    return this.socket.write(bytes);
  }
}

class SocketConnection implements Connection {
  readonly #channel: SocketChannel;

  constructor(socket: Socket, place: Place) {
    this.#channel = new SocketChannel(socket, place);
  }

  open(): Promise<Channel> {
    return Promise.resolve(this.#channel);
  }

  batch(run: () => void): void {
    const { socket } = this.#channel;
    socket.cork();
    run();
    socket.uncork();
  }

  async close(): Promise<void> {
    this.#channel.socket.destroy();
  }
}

async function listening(server: Server, { host }: Place): Promise<Target> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return { host, port: (server.address() as AddressInfo).port };
}

function connected(make: (done: () => void) => Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = make(() => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Bytes over TCP: no security at all. */
export const tcp: Peer = {
  serve: (place, onChannel) =>
    listening(
      createServer((socket) => onChannel(new SocketChannel(socket, place))),
      place,
    ),
  dial: async ({ host, port }, place) =>
    new SocketConnection(await connected((done) => createConnection({ host, port }, done)), place),
};

/** TLS 1.3 as Node has it, with its own choice of cipher; the dialler verifies the certificate. */
export const tls: Peer = {
  serve(place, onChannel) {
    const pem = (name: string): Buffer => readFileSync(join(place.keys, name));
    const options = { cert: pem('cert.pem'), key: pem('key.pem'), minVersion: 'TLSv1.3' as const };
    return listening(
      createTlsServer(options, (socket) => onChannel(new SocketChannel(socket, place))),
      place,
    );
  },
  async dial({ host, port }, place) {
    context ??= createSecureContext({ ca: readFileSync(join(place.keys, 'cert.pem')), minVersion: 'TLSv1.3' });
    const options = { host, port, secureContext: context, servername: 'localhost' };
    return new SocketConnection(await connected((done) => connectTls(options, done)), place);
  },
};

/** Made once: a certificate is not read anew for each connection. */
let context: SecureContext | undefined;
