import { once } from 'node:events';
import {
  generateKeys,
  UDPack,
  type UdpackOptions,
  type UdpackSession,
  type UdpackStream,
} from '../../src/udpack-endpoint/index.ts';

/** The server's keys in all tests. */
export const KEYS: { readonly privateKey: string; readonly publicKey: string } = generateKeys();

/** A session as both of its ends see it. */
export interface Pair {
  readonly server: UDPack;
  readonly client: UDPack;
  /** The client's end, and the server's. */
  readonly near: UdpackSession;
  readonly far: UdpackSession;
}

/** Endpoints of one test; all of them end with it. */
export class Docks implements AsyncDisposable {
  /** What went to `onError`, as `during: message`. */
  readonly reported: string[] = [];
  readonly #end = new AbortController();
  readonly #open: UDPack[] = [];

  /** An endpoint that is bound. */
  open(options: UdpackOptions = {}): Promise<UDPack> {
    return this.make(options).ready();
  }

  make(options: UdpackOptions = {}): UDPack {
    const udpack = new UDPack({
      onError: (error, during) =>
        this.reported.push(`${during}: ${error instanceof Error ? error.message : String(error)}`),
      signal: this.#end.signal,
      ...options,
    });
    this.#open.push(udpack);
    return udpack;
  }

  /** An endpoint that takes sessions in. */
  server(options: UdpackOptions = {}): Promise<UDPack> {
    return this.open({ prikey: KEYS.privateKey, ...options });
  }

  /** An endpoint that knows the key of servers. */
  client(options: UdpackOptions = {}): Promise<UDPack> {
    return this.open({ pubkey: KEYS.publicKey, ...options });
  }

  /** Two endpoints, and a session between them. */
  async pair(ofServer: UdpackOptions = {}, ofClient: UdpackOptions = {}, via?: { port: number }): Promise<Pair> {
    const server = await this.server(ofServer);
    const client = await this.client(ofClient);
    return this.join(server, client, via);
  }

  /** One more session. */
  async join(server: UDPack, client: UDPack, via: { port: number } = { port: portOf(server) }): Promise<Pair> {
    const arrived = next(server, 'session');
    const near = await client.connect(via);
    const [far] = await arrived;
    return { server, client, near, far };
  }

  /** Aborts all: nobody waits for what is still on its way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#open.map((one) => one.close()));
  }
}

export function portOf(udpack: UDPack): number {
  const { endpoint } = udpack;
  if (endpoint === undefined) throw new Error('the endpoint is not bound');
  return endpoint.port;
}

interface Told {
  session: [session: UdpackSession];
  stream: [stream: UdpackStream];
}

/** The next event of an endpoint. */
export function next<Name extends keyof Told>(of: UDPack, name: Name): Promise<Told[Name]> {
  return once(of, name) as Promise<Told[Name]>;
}

/** A stream that the client has opened, and that the server has got with its first packet. */
export async function streamOf(
  { near, far }: Pair,
  options: Parameters<UdpackSession['openStream']>[0] & object = {},
): Promise<{ out: UdpackStream; into: UdpackStream }> {
  const out = await near.openStream(options);
  const arrived = once(far, 'stream') as Promise<[UdpackStream]>;
  out.send('first');
  const [into] = await arrived;
  return { out, into };
}

/** The next packets of a stream, as text. It is paused when they have come, with nothing lost of what follows. */
export function read(stream: UdpackStream, packets: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const heard: string[] = [];
    const done = (): void => {
      stream.pause().off('data', onData).off('close', onClose);
      resolve(heard);
    };
    const onData = (bytes: Buffer): void => {
      heard.push(bytes.toString());
      if (heard.length === packets) done();
    };
    const onClose = (): void => reject(new Error(`the stream was closed after ${heard.length} of ${packets} packets`));
    stream.on('data', onData).on('close', onClose).resume();
  });
}

/** All bytes of a stream until its end. */
export async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** The code of what a promise rejects with; 'nothing' when it doesn't. */
export async function codeOf(outcome: Promise<unknown>): Promise<unknown> {
  try {
    await outcome;
    return 'nothing';
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}
