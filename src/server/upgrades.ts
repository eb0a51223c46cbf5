import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ListenOptions } from '../transport/index.ts';
import { isLoopbackAddress } from '../transport/index.ts';
import { UpgradeTaker } from '../transports/websocket/index.ts';

/** Upgrades that the application hands over one by one. */
export class Upgrades {
  readonly #taker: UpgradeTaker;
  /** Whether the one at hand came over loopback. */
  #isOnLoopback = false;

  constructor(makeOptions: (isOnLoopback: () => boolean) => ListenOptions) {
    this.#taker = new UpgradeTaker(
      'ws',
      makeOptions(() => this.#isOnLoopback),
    );
  }

  /** Takes one once `ready`; a socket that waits may break meanwhile. */
  async take(request: IncomingMessage, socket: Duplex, head: Uint8Array, ready: Promise<void>): Promise<void> {
    socket.on('error', ignore);
    try {
      await ready;
    } catch {
      socket.destroy();
      return;
    }
    this.#isOnLoopback = isLoopbackAddress((socket as Socket).localAddress ?? '');
    this.#taker.take(request, socket, head);
  }

  close(): void {
    this.#taker.close();
  }
}

/** What breaks a socket is heard by its link, once it has one. */
function ignore(): void {}
