import type { AuthToken, UdpackOptions, UdpackSpeed } from '../../udpack-endpoint/index.ts';
import type { Channel } from './channel.ts';
import type { Socket } from './socket.ts';

/** What server and client have in common. Whatever else `hawser/udpack` takes may stand here too. */
interface Options extends Omit<UdpackOptions, 'authToken' | 'token'> {
  /** The UDP port. Default 0: the system chooses. */
  readonly port?: number;
  /** The address to bind. Default 127.0.0.1. */
  readonly host?: string;
}

export interface ServerOptions extends Options {
  /** Whether a token is good; it may take its time. */
  readonly authToken?: AuthToken;
}

export interface ClientOptions extends Options {
  /** What is shown to the server. */
  readonly token?: string | Uint8Array;
}

/** What both tell; `speed` every second. */
export interface CommonEvents {
  listening: [];
  connection: [socket: Socket];
  speed: [speed: UdpackSpeed];
  error: [error: Error];
  close: [];
}

export interface ServerEvents extends CommonEvents {
  /** A client has opened a channel. */
  channel: [channel: Channel];
}

export interface ClientEvents extends CommonEvents {
  /** The server could not be reached, or has refused the token. */
  connect_error: [error: Error];
}
