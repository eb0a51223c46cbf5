import type { Instant } from '../core/index.ts';
import { type Address, sameAddress } from './address.ts';
import type { Control } from './control.ts';
import type { Crypto } from './crypto.ts';
import type { Fault } from './faults.ts';
import { CHALLENGE_BYTES, FRAME, type FrameWriter } from './frames.ts';
import { IDS_MOST, OwnIds, type RemoteId, RemoteIds } from './ids.ts';
import type { Path, SendSpace } from './path.ts';

/** Ids that the peer is kept supplied with, where it keeps so many. */
const IDS_OFFERED = 5;
/**
 * An address that doesn't answer is left after so many probe time-outs (RFC 9000 8.2.4), of at least so many ms each: how far it is
 * nobody knows.
 */
const PROVE_TIMEOUTS = 3;
const PROVE_TIMEOUT_LEAST = 1000;
/** A CHALLENGE is not repeated sooner than after so many ms. */
const CHALLENGE_AGAIN_LEAST = 300;
/** Number spaces that are remembered for late acks; a peer that changes its ids more quickly goes without. */
const SPACES_MOST = 16;
/** Ways that were left, remembered for the same. */
const LEFT_MOST = 16;
/** Ids that are given back and whose RETIRE_ID is not acknowledged (RFC 9000 5.1.2): more are the peer's fault. */
const RETIRING_MOST = 64;

export interface PathsInit {
  readonly crypto: Crypto;
  readonly control: Control;
  readonly first: Path;
  newId(): Uint8Array;
  dropId(id: Uint8Array): void;
  resetToken(id: Uint8Array): Uint8Array;
  /** A new way to the peer. */
  makePath(address: Address, remote: RemoteId): Path;
  /** An id of the peer's is in use from now on, or no longer. */
  using(remote: RemoteId): void;
  left(remote: RemoteId): void;
}

interface UsedSpace {
  readonly path: Path;
  readonly space: SendSpace;
  /** How many numbers of it were used; undefined while it is in use. */
  end: number | undefined;
}

/** The ways to the peer: one that is used, one to go back to while that is not proved, and those left whose acks may yet come. */
export class Paths {
  current: Path;
  readonly own: OwnIds = new OwnIds();
  migrations = 0;

  readonly #init: PathsInit;
  readonly #remote: RemoteIds = new RemoteIds();
  readonly #spaces = new Map<number, UsedSpace>();
  #fallback: Path | undefined;
  #left: Path[] = [];
  #answer: Uint8Array | undefined;
  /** The highest sequence number of ours that NEW_ID, or the handshake, has said. */
  #told = 0;
  #retiring = 0;
  #newestSequence = 0;
  #newestNumber = -1;

  constructor(init: PathsInit) {
    this.#init = init;
    this.current = init.first;
    const { remote } = init.first.space;
    this.#remote.first(remote);
    this.#spaces.set(remote.sequence, { path: init.first, space: init.first.space, end: undefined });
    init.using(remote);
  }

  /** Tells the peer ids of ours until it has as many as it keeps. */
  supply(peerKeeps: number): void {
    const { control } = this.#init;
    while (this.own.count < Math.min(peerKeeps, IDS_OFFERED)) {
      const id = this.#init.newId();
      const token = this.#init.resetToken(id);
      const sequence = this.own.add(id);
      control.push({
        write: (writer) => {
          if (!writer.newId(sequence, 0, id, token)) return false;
          this.#told = Math.max(this.#told, sequence);
          return true;
        },
        stale: () => !this.own.has(sequence),
      });
    }
  }

  /** The path whose datagrams the numbers of this space are; undefined: there is none, or it is long left. */
  spaceOf(sequence: number): { readonly path: Path; readonly base: number; readonly end: number } | undefined {
    const used = this.#spaces.get(sequence);
    if (used === undefined) return undefined;
    return { path: used.path, base: used.space.base, end: used.end ?? used.path.nextNumber };
  }

  onNewId(remote: RemoteId, retirePrior: number): Fault | undefined {
    const retire: number[] = [];
    if (!this.#remote.add(remote, retirePrior, IDS_MOST, retire)) return 'id-limit';
    for (const sequence of retire) {
      if (!this.#retire(sequence)) this.#giveBack(sequence);
    }
    return this.#retiring <= RETIRING_MOST && this.#replace(retire) ? undefined : 'id-limit';
  }

  /**
   * The peer gives an id of ours back. One that it was never told is none that it could.
   * @param usedNow The sequence number of the id that the frame came to: the peer must not retire that one.
   */
  onRetireId(sequence: number, usedNow: number, peerKeeps: number): Fault | undefined {
    if (sequence > this.#told || sequence === usedNow) return 'id-limit';
    const id = this.own.retire(sequence);
    if (id === undefined) return undefined;
    this.#init.dropId(id);
    this.supply(peerKeeps);
    return undefined;
  }

  /** Only the address that is in use is answered, and only the last CHALLENGE. */
  onChallenge(data: Uint8Array, from: Address): void {
    if (sameAddress(from, this.current.address)) this.#answer = new Uint8Array(data);
  }

  onAnswer(data: Uint8Array): void {
    const path = this.current;
    if (path.challenge === undefined || !this.#init.crypto.equal(path.challenge, data)) return;
    path.challenge = undefined;
    path.proved = true;
    if (this.#fallback !== undefined) this.#leave(this.#fallback);
    this.#fallback = undefined;
  }

  /**
   * A datagram was opened that came from `from`. Returns whether the session goes another way now.
   * @param moved Whether it had other frames than those that probe a path.
   */
  onDatagram(from: Address, size: number, sequence: number, number: number, moved: boolean, now: Instant): boolean {
    const newest =
      sequence > this.#newestSequence || (sequence === this.#newestSequence && number > this.#newestNumber);
    if (newest) {
      this.#newestSequence = sequence;
      this.#newestNumber = number;
    }
    const path = this.current;
    if (sameAddress(from, path.address)) {
      path.receivedBytes += size;
      return false;
    }
    return newest && moved && this.#moveTo(from, size, now);
  }

  /**
   * Our own address has changed, or is to be changed: an id is used that nobody has seen. False: there is none to spare, or the peer
   * has yet to prove where it is.
   */
  rebind(now: Instant): boolean {
    const before = this.current;
    const remote = before.proved ? this.#remote.take() : undefined;
    if (remote === undefined) return false;
    const path = this.#init.makePath(before.address, remote);
    path.proved = true;
    this.#switchTo(path, now);
    this.#leave(before);
    return true;
  }

  get pending(): boolean {
    return this.#answer !== undefined || this.#challengeDue;
  }

  get #challengeDue(): boolean {
    return this.current.challenge !== undefined && this.current.challengeSentAt === Number.NEGATIVE_INFINITY;
  }

  /** Writes what proves addresses; whether it wrote a CHALLENGE or an ANSWER. */
  fill(writer: FrameWriter, now: Instant): boolean {
    let written = false;
    const path = this.current;
    if (this.#challengeDue && path.challenge !== undefined && writer.fixed(FRAME.challenge, path.challenge)) {
      path.challengeSentAt = now;
      written = true;
    }
    if (this.#answer !== undefined && writer.fixed(FRAME.answer, this.#answer)) {
      this.#answer = undefined;
      written = true;
    }
    return written;
  }

  deadline(ackDelay: number): Instant | undefined {
    const path = this.current;
    if (path.challenge === undefined) return undefined;
    const wait = path.recovery.trips.probeTimeout(ackDelay);
    if (path.challengeSentAt > Number.NEGATIVE_INFINITY) {
      return path.challengeSentAt + Math.max(wait, CHALLENGE_AGAIN_LEAST);
    }
    // Too little came from there for a CHALLENGE to go out: it is left all the same.
    return this.#fallback === undefined ? undefined : path.challengedAt + patienceOf(wait);
  }

  tick(now: Instant, ackDelay: number): void {
    this.#forget(now, ackDelay);
    const due = this.deadline(ackDelay);
    if (due === undefined || now < due) return;
    const path = this.current;
    const patience = patienceOf(path.recovery.trips.probeTimeout(ackDelay));
    if (now < path.challengedAt + patience || this.#fallback === undefined) {
      path.challengeSentAt = Number.NEGATIVE_INFINITY;
      return;
    }
    // Nobody is there: what came from it was not the peer's doing.
    const back = this.#fallback;
    this.#fallback = undefined;
    this.current = back;
    path.abandon(now);
    this.#leave(path);
  }

  /** Ids of ours are given back to the endpoint, and the peer's no longer watched. */
  close(): void {
    for (const id of this.own.all()) this.#init.dropId(id);
    this.#init.left(this.current.space.remote);
    if (this.#fallback !== undefined) this.#init.left(this.#fallback.space.remote);
  }

  #moveTo(from: Address, size: number, now: Instant): boolean {
    const back = this.#fallback;
    if (back !== undefined && sameAddress(back.address, from)) {
      const left = this.current;
      this.#fallback = undefined;
      left.abandon(now);
      this.#leave(left);
      this.current = back;
      return true;
    }
    const remote = this.#remote.take();
    if (remote === undefined) {
      // To stay would be to wait for ids that can't be asked for where nobody is.
      this.current.moveTo(from, size, this.#init.crypto.random(CHALLENGE_BYTES), now);
      return true;
    }
    const before = this.current;
    const path = this.#init.makePath(from, remote);
    if (from.address === before.address.address) path.learnFrom(before);
    path.receivedBytes = size;
    path.challenge = this.#init.crypto.random(CHALLENGE_BYTES);
    path.challengedAt = now;
    path.recovery.trips.guess(before.recovery.trips.smoothed);
    this.#switchTo(path, now);
    if (before.proved) this.#fallback = before;
    else this.#leave(before);
    return true;
  }

  #switchTo(path: Path, now: Instant): void {
    this.migrations++;
    this.current.abandon(now);
    this.current = path;
    this.#spaces.set(path.space.remote.sequence, { path, space: path.space, end: undefined });
    this.#init.using(path.space.remote);
  }

  /** The same way, under another id. */
  #change(path: Path, remote: RemoteId): void {
    const before = this.#spaces.get(path.space.remote.sequence);
    if (before !== undefined) before.end = path.nextNumber;
    path.use(remote);
    this.#spaces.set(remote.sequence, { path, space: path.space, end: undefined });
    this.#init.using(remote);
    if (this.#spaces.size <= SPACES_MOST) return;
    for (const [sequence, { end }] of this.#spaces) {
      if (end === undefined) continue;
      this.#spaces.delete(sequence);
      break;
    }
  }

  /** The ids of `retired` that are in use make room for others; false: there is none for the way that is used. */
  #replace(retired: readonly number[]): boolean {
    if (retired.includes(this.current.space.remote.sequence)) {
      const next = this.#remote.take();
      if (next === undefined) return false;
      this.#change(this.current, next);
    }
    const back = this.#fallback;
    if (back === undefined || !retired.includes(back.space.remote.sequence)) return true;
    const next = this.#remote.take();
    if (next !== undefined) this.#change(back, next);
    else {
      this.#fallback = undefined;
      this.#leave(back);
    }
    return true;
  }

  #leave(path: Path): void {
    const { sequence } = path.space.remote;
    const used = this.#spaces.get(sequence);
    if (used !== undefined) used.end = path.nextNumber;
    this.#left.push(path);
    this.#retire(sequence);
    const oldest = this.#left.length > LEFT_MOST ? this.#left.shift() : undefined;
    if (oldest !== undefined) this.#forgetPath(oldest);
  }

  /** Gives an id of the peer's back; false: we don't have it. */
  #retire(sequence: number): boolean {
    const remote = this.#remote.retire(sequence);
    if (remote === undefined) return false;
    this.#init.left(remote);
    this.#giveBack(sequence);
    return true;
  }

  #giveBack(sequence: number): void {
    this.#retiring++;
    this.#init.control.push({
      write: (writer) => writer.numbers(FRAME.retireId, sequence),
      onAcked: () => void this.#retiring--,
    });
  }

  /** Forgets paths whose datagrams are all accounted for. */
  #forget(now: Instant, ackDelay: number): void {
    this.current.recovery.forget(now, ackDelay);
    if (this.#left.length === 0) return;
    for (const path of this.#left) path.recovery.forget(now, ackDelay);
    for (const path of this.#left) if (path.recovery.quiet) this.#forgetPath(path);
    this.#left = this.#left.filter(({ recovery }) => !recovery.quiet);
  }

  #forgetPath(path: Path): void {
    for (const [sequence, used] of this.#spaces) if (used.path === path) this.#spaces.delete(sequence);
  }
}

function patienceOf(probeTimeout: number): number {
  return Math.max(probeTimeout, PROVE_TIMEOUT_LEAST) * PROVE_TIMEOUTS;
}
