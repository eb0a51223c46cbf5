import type { Forgery } from './orders.ts';

/** What a protocol must do to be measured; each file in peers/ does it for one. */
export interface Peer {
  /** Listens. Every stream that a dialler opens is told. */
  serve(place: Place, onChannel: (channel: Channel) => void): Promise<Target>;
  dial(target: Target, place: Place): Promise<Connection>;
  /** Datagrams that the server of this process got so far, where that is known. */
  datagrams?(): number;
  /** Makes datagrams of `size` bytes that nobody with a key has made, one each time it is called; they are valid until the next. */
  forge?(target: Target, place: Place, wanted: Forged): Promise<() => Uint8Array>;
}

export interface Forged {
  readonly forgery: Forgery;
  readonly size: number;
}

/** Where a process runs. */
export interface Place {
  readonly host: string;
  /** A folder with `cert.pem` and `key.pem` (ECDSA P-256, self-signed, for 127.0.0.1, 10.77.0.2 and localhost). */
  readonly keys: string;
  /** Bytes of UDP payload that a datagram may have; 0: what the protocol chooses by itself. */
  readonly datagram: number;
  /** Whether small messages are to be measured, and not bulk. */
  readonly small: boolean;
}

/** How a server is reached. It crosses a process boundary as JSON. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** The public key, where the dialler must know it. */
  readonly key?: string;
}

export interface Connection {
  /** A new stream; where there are none, the one and only channel, each time. */
  open(): Promise<Channel>;
  /** Runs several sends that may leave together. */
  batch(run: () => void): void;
  close(): Promise<void>;
  /** Bytes of UDP payload sent so far, where that is known. */
  bytesSent?(): number;
  /** The id in hex that its datagrams go to, where there is such a thing. */
  id?(): string | undefined;
}

/** One ordered stream. Whether it keeps the boundaries of messages is the protocol's affair. */
export abstract class Channel {
  /** Set by whoever uses the channel, before it returns to the event loop. `bytes` are valid during the call. */
  onData: (bytes: Uint8Array) => void = () => {};
  /** After a `send` that said false. */
  onDrain: () => void = () => {};
  /** False: wait for `onDrain`. The bytes must not change afterwards. */
  abstract send(bytes: Uint8Array): boolean;
}
