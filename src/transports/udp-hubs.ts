import { HawserError } from '../core/index.ts';

const LOOPBACK = '127.0.0.1';

/** One UDP socket with its links: it lives while somebody listens on it or a link lives. */
export interface UdpHub<Host = unknown> {
  readonly address: { readonly address: string; readonly port: number };
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Links that are up. */
  readonly links: number;
  /** Nobody listens, and no link is up. */
  readonly isLeft: boolean;
  /** It is over, or about to be. */
  readonly stopping: boolean;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  /** Who listens now; undefined: nobody is let in, and it ends with its last link. */
  host: Host | undefined;
  /** Keeps the process alive until `release` was called as often. */
  hold(): void;
  release(): void;
  /** Ends what is left at once, and gives the port back. */
  stop(): Promise<void>;
}

/** A listener that is wanted, and on what. */
export interface Wanted<Hub, Listener> {
  readonly host: string;
  readonly port: number;
  /** What a socket was opened with, where one that was opened otherwise is of no use. */
  readonly like?: string;
  open(): Promise<Hub>;
  listener(hub: Hub): Listener;
}

/**
 * Sockets of this process by address and port. UDP has one socket for a listener and all its links, and links outlive their listener: who listens on the
 * port again goes on with that socket.
 */
export class UdpHubs<Host, Hub extends UdpHub<Host>> {
  readonly #all: Map<string, { readonly hub: Hub; readonly like: string | undefined }> = new Map();

  /**
   * Makes a listener, on a socket that was left by another and still has links, or on a new one.
   * @throws HawserError ERR_ADDRESS_IN_USE; what `open` throws.
   */
  async listen<Listener extends Host>(wanted: Wanted<Hub, Listener>): Promise<Listener> {
    const { host, port, like } = wanted;
    const left = this.#all.get(nameOf({ address: host === 'localhost' ? LOOPBACK : host, port }));
    if (left?.hub.stopping) await left.hub.closed;
    else if (left !== undefined && left.hub.host === undefined) {
      if (left.like === like) return claim(left.hub, wanted);
      if (left.hub.links > 0) {
        throw new HawserError(
          'ERR_ADDRESS_IN_USE',
          `links of a listener before, with another key or limits, are on UDP port ${port}`,
        );
      }
      await left.hub.stop();
    }
    const hub = await wanted.open();
    this.#keep(hub, like);
    return claim(hub, wanted);
  }

  #keep(hub: Hub, like: string | undefined): void {
    const name = nameOf(hub.address);
    this.#all.set(name, { hub, like });
    void hub.closed.then(() => this.#all.get(name)?.hub === hub && this.#all.delete(name));
  }
}

/** In the turn in which the hub was found: whoever comes next finds that somebody listens. */
function claim<Host, Hub extends UdpHub<Host>, Listener extends Host>(
  hub: Hub,
  wanted: Wanted<Hub, Listener>,
): Listener {
  const listener = wanted.listener(hub);
  hub.host = listener;
  return listener;
}

function nameOf({ address, port }: UdpHub['address']): string {
  return `${address} ${port}`;
}
