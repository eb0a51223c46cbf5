import { ID_BYTES } from '../../../src/udpack/frames.ts';
import type { Endpoint } from '../../../src/udpack/index.ts';
import { looksSealed, SEALED_OVERHEAD } from '../../../src/udpack/protection.ts';
import type { Flight, Host, Observer } from './network.ts';
import type { Process } from './process.ts';

/** Keeps the ids under which sessions were spoken to, and looks at the end whether any is still known. */
export class IdWatch implements Observer {
  readonly #fail: (what: string) => void;
  readonly #ids = new Map<Host, Map<number, Uint8Array>>();

  constructor(fail: (what: string) => void) {
    this.#fail = fail;
  }

  arrived({ bytes, sender, corrupted }: Flight, host: Host): void {
    if (sender === undefined || corrupted || !looksSealed(bytes[0] ?? 0)) return;
    const ids = this.#ids.get(host) ?? new Map<number, Uint8Array>();
    this.#ids.set(host, ids);
    const name = Buffer.from(bytes.buffer, bytes.byteOffset).readUIntBE(1, 6);
    if (!ids.has(name)) ids.set(name, bytes.slice(0, 1 + ID_BYTES));
  }

  /** Nobody has sessions any more: what comes to their ids must belong to nothing. */
  checkForgotten(endpoint: Endpoint, process: Process, socket: Host = process): void {
    for (const start of this.#ids.get(socket)?.values() ?? []) {
      const datagram = new Uint8Array(SEALED_OVERHEAD);
      datagram.set(start);
      const { stray } = endpoint.stats;
      // As if it had been handed on: otherwise it could be.
      endpoint.receive(datagram, process.address, process.now, true);
      if (endpoint.stats.stray === stray) this.#fail(`${process.name} knows an id of a session that is over`);
    }
  }
}
