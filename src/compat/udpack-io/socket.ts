import { EventEmitter } from 'node:events';
import type { UdpackSession } from '../../udpack-endpoint/index.ts';

/** A peer. `close` is emitted when its session is over, however it ended. */
export class Socket extends EventEmitter {
  readonly #session: UdpackSession;

  /** @internal */
  constructor(session: UdpackSession) {
    super();
    this.#session = session;
    session.on('close', () => void this.emit('close'));
  }

  /** Where the peer is. */
  get remote(): { readonly address: string; readonly port: number } {
    return this.#session.remote;
  }

  /** Ends the session when what was sent has arrived. */
  close(): this {
    void this.#session.close();
    return this;
  }
}
