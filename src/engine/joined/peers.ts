import type { Instant } from '../../core/index.ts';
import type { NodeInfo } from '../nodes.ts';
import { Owner } from './directory.ts';
import { senderId, senderKey } from './frame.ts';
import type { Notice } from './notice.ts';
import { Pieces } from './pieces.ts';
import type { Transfer } from './replica.ts';

/** Other nodes that are known, at one time. */
export const NODES_MOST = 1024;
/** How long a node whose lease ran out is still listed, ms. */
export const DEAD_LISTED = 60_000;
/** Round trips of our own heartbeats without a word from a node, after which its lease may run out. */
export const LEASE_ROUNDS = 3;

/** Another node. */
export class Peer {
  readonly id: string;
  readonly key: number;
  readonly owner: Owner;
  readonly pieces: Pieces = new Pieces();
  isAlive = true;
  heardAt: Instant;
  /** Our round when it was last heard. */
  round: number;
  /** The latest turn of its messages. */
  turn = 0;
  /** The last of its changes that we have; -1: we don't know what it has. */
  applied = -1;
  /** The last of its changes that we know of. */
  last = 0;
  /** The number of our latest request for what we lack, and when it, or what came for it, was. */
  request = 0;
  askedAt: Instant | undefined;
  /** Its snapshot, which is on its way to us. */
  transfer: Transfer | undefined;
  notice: Notice | undefined;
  sockets = 0;

  constructor(frame: Uint8Array, now: Instant, round: number) {
    this.id = senderId(frame);
    this.key = senderKey(frame);
    this.owner = new Owner(this.id, false);
    this.heardAt = now;
    this.round = round;
  }

  info(now: Instant): NodeInfo {
    const { name = this.id, state = 'up', endpoints = [], metadata = {} } = this.notice ?? {};
    const heardAgo = Math.max(0, now - this.heardAt);
    const { id, sockets, isAlive } = this;
    return { id, name, state, endpoints, sockets, metadata, isSelf: false, heardAgo, isAlive };
  }
}

/** From so many times their distance on between two heartbeats there was a pause. */
const PAUSE = 1.5;
/** Heartbeats that have not come back, whose time is remembered. */
const SENT_KEPT = 64;

/**
 * The other nodes and their leases. A lease is counted in round trips of our own heartbeats through the bus, one after the other, and its time ends
 * when the last of them was sent: what others had said up to then would have come before its echo. One that comes after a pause, in which we or the
 * bus stood still, doesn't count: others get the chance to say something first. So a pause is nobody's death.
 */
export class Peers {
  readonly #byKey = new Map<number, Peer>();
  readonly #byId = new Map<string, Peer>();
  /** Those that ended for certain, the latest: what comes late from them brings nothing back. */
  readonly #ended = new Set<number>();
  readonly #lease: number;
  readonly #heartbeat: number;
  #round = 0;
  /** When the heartbeat of the last round was sent. */
  #roundAt: Instant | undefined;
  /** The last round didn't count. Then the next one does, or a node that is always late would give up nobody. */
  #isSkipped = false;
  #number = 0;
  /** When heartbeats were sent that can make a round: after the last round was over. */
  readonly #sent = new Map<number, Instant>();

  /** Both ms. */
  constructor(heartbeat: number, lease: number) {
    this.#heartbeat = heartbeat;
    this.#lease = lease;
  }

  /** Who sent a frame: new to us, back, or known as alive; undefined for one that has ended, or is one too many. */
  heard(frame: Uint8Array, now: Instant): Peer | 'ended' | 'many' {
    const key = senderKey(frame);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.heardAt = now;
      known.round = this.#round;
      return known;
    }
    if (this.#ended.has(key)) return 'ended';
    if (this.#byKey.size >= NODES_MOST) return 'many';
    const peer = new Peer(frame, now, this.#round);
    // Not alive until who asked has greeted it.
    peer.isAlive = false;
    this.#byKey.set(key, peer);
    this.#byId.set(peer.id, peer);
    return peer;
  }

  find(id: string): Peer | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Peer> {
    return this.#byKey.values();
  }

  alive(): Peer[] {
    return [...this.#byKey.values()].filter(({ isAlive }) => isAlive);
  }

  /** A node has ended for certain. */
  end(peer: Peer): void {
    this.#forget(peer);
    this.#ended.add(peer.key);
    if (this.#ended.size <= NODES_MOST) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      break;
    }
  }

  /** The number of the heartbeat that is about to be sent. */
  beat(now: Instant): number {
    for (const peer of this.#byKey.values()) {
      if (!peer.isAlive && now - peer.heardAt > this.#lease + DEAD_LISTED) this.#forget(peer);
    }
    this.#number += 1;
    this.#sent.set(this.#number, now);
    if (this.#sent.size > SENT_KEPT) this.#sent.delete(this.#number - SENT_KEPT);
    return this.#number;
  }

  /** Our own heartbeat came back. Returns those whose lease ran out by it. */
  echoed(number: number): Peer[] {
    const sentAt = this.#sent.get(number);
    if (sentAt === undefined) return [];
    this.#sent.clear();
    if (this.#isAfterPause(sentAt)) return [];
    this.#round += 1;
    const silent = [...this.#byKey.values()].filter((peer) => this.#isOver(peer, sentAt));
    for (const peer of silent) peer.isAlive = false;
    return silent;
  }

  clear(): void {
    this.#byKey.clear();
    this.#byId.clear();
  }

  #isAfterPause(sentAt: Instant): boolean {
    const before = this.#roundAt ?? sentAt;
    this.#roundAt = sentAt;
    this.#isSkipped = !this.#isSkipped && sentAt - before > PAUSE * this.#heartbeat;
    return this.#isSkipped;
  }

  #isOver(peer: Peer, at: Instant): boolean {
    return peer.isAlive && this.#round - peer.round >= LEASE_ROUNDS && at - peer.heardAt >= this.#lease;
  }

  #forget(peer: Peer): void {
    this.#byKey.delete(peer.key);
    this.#byId.delete(peer.id);
  }
}
