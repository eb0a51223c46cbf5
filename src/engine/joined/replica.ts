import type { Instant, Timer, World } from '../../core/index.ts';
import { CHANGE, type Change, holdingsOf, Packer, unpack } from './changes.ts';
import type { Directory, Owner } from './directory.ts';
import { FRAME, isCount } from './frame.ts';
import type { OwnLog } from './own-log.ts';
import type { Peer } from './peers.ts';
import type { Post } from './post.ts';
import { Remainder } from './remainder.ts';

/** Chunks of snapshots that leave at once, and how long the next ones wait, ms: who asks for much must not fill the way of all others. */
const CHUNKS_A_TURN = 4;
const TURN_PAUSE = 10;
/** So much longer the next chunk is waited for than the first one. */
const PATIENT = 5;
/** In the place of a number: all that you have. */
const ALL_OF_IT = -1;
/** In the place of a number: only what you say of yourself. */
export const NOTICE_ALONE = -2;

/** A snapshot that is on its way to us. */
export interface Transfer {
  readonly remainder: Remainder;
  /** The change that it comes after. */
  readonly number: number;
  /** The chunk that comes next. */
  next: number;
}

/** A snapshot that is on its way to a peer. */
interface Outgoing {
  readonly node: string;
  request: number;
  readonly number: number;
  readonly holdings: Iterator<Change>;
  index: number;
}

export interface ReplicaParts {
  readonly world: World;
  readonly post: Post;
  readonly directory: Directory;
  readonly log: OwnLog;
  readonly self: Owner;
  /** About how much of a snapshot goes into one frame. */
  readonly chunkBytes: number;
  /** Who waits for what it lacks asks again after so many ms. */
  readonly patience: number;
  /** The clock that the nodes share has come to here. */
  readonly stamped: (stamp: number) => void;
  readonly stamp: () => number;
  /** Sends the changes that wait: a snapshot has them. */
  readonly flush: () => void;
}

/** Keeps a copy of what each peer has, by its changes and snapshots, and gives peers what they lack of ours. */
export class Replica {
  readonly #parts: ReplicaParts;
  /** By the node that asked. */
  readonly #outgoing = new Map<string, Outgoing>();
  #turnAsked: Timer | undefined;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
  }

  /** A peer says how far its changes have come. */
  cameTo(peer: Peer, last: number): void {
    if (last > peer.last) peer.last = last;
    if (peer.applied < 0 && last === 0 && peer.transfer === undefined) peer.applied = 0;
    if (peer.applied < peer.last) this.#want(peer);
  }

  /** False for what is malformed, here and below. */
  changes(peer: Peer, [first, stamp, flat]: readonly unknown[]): boolean {
    const changes = unpack(flat);
    if (changes === undefined || !isCount(first) || first === 0 || !isCount(stamp)) return false;
    this.#parts.stamped(stamp);
    const last = first + changes.length - 1;
    if (last > peer.last) peer.last = last;
    if (first === 1 && peer.applied < 0 && peer.transfer === undefined) peer.applied = 0;
    if (peer.applied < first - 1) this.#want(peer);
    else if (peer.applied < last) {
      const known = peer.applied - first + 1;
      peer.applied = last;
      for (let at = known; at < changes.length; at++) this.#apply(peer.owner, changes[at] as Change);
    }
    return true;
  }

  /** A peer wants what it lacks of ours. */
  wanted(peer: Peer, [request, from]: readonly unknown[]): boolean {
    if (!isCount(request) || typeof from !== 'number') return false;
    const waiting = this.#outgoing.get(peer.id);
    if (waiting?.index === 0) {
      // It is in the row already, and only lost its patience.
      waiting.request = request;
      return true;
    }
    this.#outgoing.delete(peer.id);
    const { post, log, self, flush } = this.#parts;
    flush();
    const frames = from >= 0 ? log.since(from) : undefined;
    if (frames !== undefined) {
      for (const frame of frames) post.send({ kind: 'node', node: peer.id }, frame);
      return true;
    }
    this.#outgoing.set(peer.id, { node: peer.id, request, number: log.last, holdings: holdingsOf(self), index: 0 });
    this.#askTurn(0);
    return true;
  }

  snapshot(peer: Peer, [request, index, isLast, number, stamp, flat]: readonly unknown[]): boolean {
    const changes = unpack(flat);
    if (changes === undefined || !isCount(number) || !isCount(stamp) || !isCount(index)) return false;
    this.#parts.stamped(stamp);
    if (request !== peer.request) return true;
    if (index === 0 && number >= peer.applied) this.#begin(peer, number);
    const { transfer } = peer;
    if (transfer === undefined) return true;
    if (index !== transfer.next) peer.transfer = undefined;
    else this.#show(peer, transfer, changes, isLast === true);
    return true;
  }

  /** A node is gone, or given up: what it had is dropped. */
  drop(peer: Peer): void {
    peer.transfer = undefined;
    peer.applied = -1;
    peer.askedAt = undefined;
    this.#outgoing.delete(peer.id);
    this.#parts.directory.drop(peer.owner);
  }

  close(): void {
    this.#outgoing.clear();
    this.#turnAsked?.cancel();
  }

  #begin(peer: Peer, number: number): void {
    peer.applied = -1;
    if (number > peer.last) peer.last = number;
    peer.transfer = { remainder: new Remainder(this.#parts.directory, peer.owner), number, next: 0 };
  }

  #show(peer: Peer, transfer: Transfer, changes: readonly Change[], isLast: boolean): void {
    transfer.next += 1;
    peer.askedAt = this.#now();
    for (const change of changes) {
      this.#parts.stamped(change.stamp);
      transfer.remainder.show(change);
    }
    if (!isLast) return;
    peer.transfer = undefined;
    peer.askedAt = undefined;
    peer.applied = transfer.number;
    transfer.remainder.finish();
    if (peer.last > peer.applied) this.#want(peer);
  }

  #apply(owner: Owner, { code, namespace, name, socket, user, stamp }: Change): void {
    const { directory, stamped } = this.#parts;
    switch (code) {
      case CHANGE.enter:
        directory.enter(owner, namespace, name, { id: socket, user });
        break;
      case CHANGE.leave:
        directory.leave(owner, namespace, name, socket);
        break;
      case CHANGE.arrive:
        stamped(stamp);
        directory.arrive(owner, namespace, name, socket, stamp);
        break;
      default:
        directory.depart(owner, namespace, name, socket);
    }
  }

  /** Asks for what we lack, unless it was asked for a moment ago. */
  #want(peer: Peer): void {
    const now = this.#now();
    const patience = this.#parts.patience * (peer.transfer === undefined ? 1 : PATIENT);
    if (peer.askedAt !== undefined && now - peer.askedAt < patience) return;
    peer.transfer = undefined;
    peer.askedAt = now;
    peer.request += 1;
    const from = peer.applied < 0 ? ALL_OF_IT : peer.applied;
    this.#parts.post.toNode(peer.id, FRAME.want, [peer.request, from]);
  }

  #askTurn(wait: number): void {
    this.#turnAsked ??= this.#parts.world.timer(this.#now() + wait, () => this.#turn());
  }

  /** Sends some chunks, to each who waits in turn. */
  #turn(): void {
    this.#turnAsked = undefined;
    let sent = 0;
    for (const outgoing of this.#outgoing.values()) {
      if (sent === CHUNKS_A_TURN) break;
      sent += 1;
      // Who gets more goes to the end of the row.
      this.#outgoing.delete(outgoing.node);
      if (this.#sendChunk(outgoing)) this.#outgoing.set(outgoing.node, outgoing);
    }
    if (this.#outgoing.size > 0) this.#askTurn(TURN_PAUSE);
  }

  /** Whether there is more. */
  #sendChunk(outgoing: Outgoing): boolean {
    const { post, stamp, chunkBytes } = this.#parts;
    const packer = new Packer();
    let next = outgoing.holdings.next();
    while (!next.done) {
      packer.add(next.value);
      if (packer.bytes >= chunkBytes) break;
      next = outgoing.holdings.next();
    }
    const { node, request, index, number } = outgoing;
    const isLast = next.done === true;
    post.toNode(node, FRAME.snapshot, [request, index, isLast, number, stamp(), packer.flat]);
    outgoing.index += 1;
    return !isLast;
  }

  #now(): Instant {
    return this.#parts.world.now();
  }
}
