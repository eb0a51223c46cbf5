import { RESET_TOKEN_BYTES } from './frames.ts';
import { Ranges } from './ranges.ts';

/** Ids that one side keeps of the other, at least and at most. */
export const IDS_LEAST = 2;
export const IDS_MOST = 8;
/** The nonce of a datagram has room for 32 bits of its id's sequence number. */
const SEQUENCE_MOST = 2 ** 32 - 1;
/** Holes in the sequence numbers of NEW_ID, which loss makes few of. */
const SEEN_MOST = 64;

/** Ids of ours that the peer has not retired yet; it sends to them. */
export class OwnIds {
  /** By sequence number. */
  readonly #ids = new Map<number, Uint8Array>();
  #next = 0;

  get count(): number {
    return this.#ids.size;
  }

  has(sequence: number): boolean {
    return this.#ids.has(sequence);
  }

  add(id: Uint8Array): number {
    this.#ids.set(this.#next, id);
    return this.#next++;
  }

  /** The sequence number of the id at `[from, from + 8)`; -1: it is none of ours. */
  sequenceOf(bytes: Uint8Array, from: number): number {
    for (const [sequence, id] of this.#ids) {
      let at = 0;
      while (at < id.length && bytes[from + at] === id[at]) at++;
      if (at === id.length) return sequence;
    }
    return -1;
  }

  /** Takes the id out and returns it. */
  retire(sequence: number): Uint8Array | undefined {
    const id = this.#ids.get(sequence);
    this.#ids.delete(sequence);
    return id;
  }

  all(): Iterable<Uint8Array> {
    return this.#ids.values();
  }
}

/** An id of the peer's, that we may send to. */
export interface RemoteId {
  readonly sequence: number;
  readonly id: Uint8Array;
  /** 16 bytes by which the peer can end the session without its keys; undefined: it told none. */
  readonly resetToken: Uint8Array | undefined;
}

/** Ids of the peer's: each is used on one path, and given back when the path is left. */
export class RemoteIds {
  /** Told and not used yet, the lowest sequence number first. */
  readonly #spare: RemoteId[] = [];
  readonly #known = new Map<number, RemoteId>();
  /** Sequence numbers that were ever told, so that none comes to life again. */
  readonly #seen = new Ranges();
  /** All below it are to be retired. */
  #prior = 0;
  /**
   * The highest sequence number that was in use. The owner takes what has the highest for the newest: it would not follow us to where
   * a lower one is used.
   */
  #taken = 0;

  get spare(): number {
    return this.#spare.length;
  }

  /** The first one, which the handshake told. It is in use at once. */
  first(remote: RemoteId): void {
    this.#taken = remote.sequence;
    this.#known.set(remote.sequence, remote);
    this.#seen.add(remote.sequence, remote.sequence + 1);
  }

  /** An unused one, which is used from now on. Its sequence number is above those of all that were. */
  take(): RemoteId | undefined {
    const remote = this.#spare.shift();
    if (remote !== undefined) this.#taken = remote.sequence;
    return remote;
  }

  /**
   * NEW_ID came. What is to be retired at once is put into `retire`; false: the peer is at fault.
   * @param most How many ids we said that we keep.
   */
  add(remote: RemoteId, retirePrior: number, most: number, retire: number[]): boolean {
    if (retirePrior > remote.sequence || remote.sequence > SEQUENCE_MOST) return false;
    const before = this.#known.get(remote.sequence);
    if (before !== undefined) return same(before.id, remote.id);
    if (this.#seen.has(remote.sequence)) return true;
    for (const known of this.#known.values()) {
      if (same(known.id, remote.id)) return false;
      if (
        known.resetToken !== undefined &&
        remote.resetToken !== undefined &&
        same(known.resetToken, remote.resetToken)
      )
        return false;
    }
    this.#seen.add(remote.sequence, remote.sequence + 1);
    if (this.#seen.count > SEEN_MOST) return false;
    if (remote.sequence < Math.max(this.#prior, this.#taken)) {
      retire.push(remote.sequence);
      return true;
    }
    this.#known.set(remote.sequence, remote);
    this.#spare.push(remote);
    // Nearly all come in order.
    if ((this.#spare.at(-2)?.sequence ?? -1) > remote.sequence) this.#spare.sort((a, b) => a.sequence - b.sequence);
    if (retirePrior > this.#prior) {
      this.#prior = retirePrior;
      for (const sequence of this.#known.keys()) if (sequence < retirePrior) retire.push(sequence);
    }
    return this.#known.size - retire.length <= most;
  }

  /** Gives an id back. */
  retire(sequence: number): RemoteId | undefined {
    const remote = this.#known.get(sequence);
    this.#known.delete(sequence);
    const at = this.#spare.findIndex((spare) => spare.sequence === sequence);
    if (at >= 0) this.#spare.splice(at, 1);
    return remote;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The last bytes of a datagram, where a stateless reset has its token. */
export function resetTokenOf(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(datagram.length - RESET_TOKEN_BYTES);
}
