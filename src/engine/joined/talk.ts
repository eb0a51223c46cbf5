import { HawserError, type Timer, type World } from '../../core/index.ts';
import type { Bus } from '../bus.ts';
import type { EngineHost } from '../engine.ts';
import type { AskOptions, NodeInfo, NodeNotice, Polled } from '../nodes.ts';
import type { Change } from './changes.ts';
import { Directory, isLater, Owner, type Present } from './directory.ts';
import { sizeOf } from './few.ts';
import { bodyOf, FRAME, Framer, HEAD_BYTES, isCount, kindOf, NODE_PROTOCOL, senderId, senderKey } from './frame.ts';
import { turnIn } from './message-frame.ts';
import { OwnNotice, readNotice } from './notice.ts';
import { CHUNK_BYTES, OwnLog } from './own-log.ts';
import { NODES_MOST, type Peer, Peers } from './peers.ts';
import { Post } from './post.ts';
import { Questions } from './questions.ts';
import { NOTICE_ALONE, Replica } from './replica.ts';
import { Reports } from './reports.ts';

export interface JoinedTimes {
  /** How often a node says that it lives, ms. Default 2000. */
  readonly heartbeat: number;
  /** The least time without a word after which a node is given up, ms. Default 6000. */
  readonly lease: number;
}

export const JOINED_TIMES: JoinedTimes = { heartbeat: 2000, lease: 6000 };

/** Nodes of other versions, each of which is reported once. */
const STRANGERS_MOST = 100;

export interface TalkOptions {
  readonly world: World;
  readonly times: JoinedTimes;
  /** A message for sockets came, or what should be one. False for what is malformed. */
  readonly deliver: (body: readonly unknown[]) => boolean;
}

/** What nodes say to each other, beside messages: who they are, that they live, what their sockets do, questions and answers. */
export class Talk {
  readonly framer: Framer;
  /** This node, as the one whose sockets they are. */
  readonly self: Owner;
  readonly directory: Directory;
  readonly post: Post;
  readonly reports: Reports;
  readonly #options: TalkOptions;
  readonly #log: OwnLog;
  readonly #peers: Peers;
  readonly #replica: Replica;
  readonly #questions: Questions;
  readonly #notice: OwnNotice;
  /** Ids of nodes that speak another version. */
  readonly #strangers = new Set<string>();
  #host: EngineHost | undefined;
  #timer: Timer | undefined;
  /** The clock that the nodes share: as large as all that was heard of. */
  #stamp = 0;
  /** Errors that came up before there was anybody to tell. */
  #early: (readonly [unknown, string])[] = [];
  /** Rivals that an own arrival of this turn met. */
  #met: (readonly [Present, Present])[] = [];

  constructor(bus: Bus, options: TalkOptions) {
    const { world, times } = options;
    this.#options = options;
    const report = (error: unknown, during: string): void => this.report(error, during);
    this.reports = new Reports(() => world.now(), report);
    this.framer = new Framer(world.random.bytes(8));
    this.self = new Owner(this.framer.id, true);
    this.directory = new Directory({
      changed: (hall, room, member, change) =>
        this.#host?.presence(hall.name, room.name, member, change, sizeOf(room.members)),
      met: (mine, theirs, isMineNew) => this.#meet(mine, theirs, isMineNew),
    });
    const chunkBytes = Math.min(CHUNK_BYTES, bus.payloadBytes / 2);
    this.#log = new OwnLog(this.framer, chunkBytes);
    this.post = new Post(bus, this.framer, this.reports);
    this.#peers = new Peers(times.heartbeat, times.lease);
    this.#notice = new OwnNotice(this.framer.id, this.reports);
    this.#replica = new Replica({
      world,
      post: this.post,
      directory: this.directory,
      log: this.#log,
      self: this.self,
      chunkBytes,
      patience: times.heartbeat,
      stamped: (stamp) => this.#stamped(stamp),
      stamp: () => this.#stamp,
      flush: () => this.flush(),
    });
    const answer = (question: unknown, node: string): unknown => this.#host?.answer(question, node);
    this.#questions = new Questions({ world, post: this.post, peers: this.#peers, answer, report });
  }

  set host(host: EngineHost) {
    this.#host = host;
    for (const [error, during] of this.#early.splice(0)) host.report(error, during);
  }

  /** The bus is there, and this node has subscribed. */
  open(): void {
    this.post.isOpen = true;
    this.flush();
    this.beat();
  }

  /** The next stamp of the clock that the nodes share. */
  tick(): number {
    // At the end, where only a broken node can bring it, it stands still: ids of nodes decide then.
    this.#stamp = Math.min(this.#stamp + 1, Number.MAX_SAFE_INTEGER);
    return this.#stamp;
  }

  /** A socket of this node did something: the others are told in the next turn. */
  add(change: Change): void {
    if (this.#log.add(change)) this.#options.world.soon(() => this.flush());
  }

  flush(): void {
    for (const frame of this.#log.pack(this.#stamp)) this.post.sendAll(frame);
  }

  beat(): void {
    if (!this.post.isOpen) return;
    const { world, times } = this.#options;
    this.#timer?.cancel();
    const now = world.now();
    this.#timer = world.timer(now + times.heartbeat, () => this.beat());
    this.post.toAll(FRAME.heartbeat, this.#heartbeatList(this.#peers.beat(now)));
  }

  announce(notice: NodeNotice): void {
    if (this.#notice.change(notice) && this.post.isOpen) this.post.toAll(FRAME.notice, this.#notice.list);
  }

  nodes(): readonly NodeInfo[] {
    const { id } = this.framer;
    const { name, state, endpoints, metadata } = this.#notice.notice;
    const { sockets } = this.#notice;
    const self = { id, name, state, endpoints, sockets, metadata, isSelf: true, heardAgo: 0, isAlive: true };
    const now = this.#options.world.now();
    return [self, ...[...this.#peers.all()].map((peer) => peer.info(now))];
  }

  ask(question: unknown, options: AskOptions): Promise<Polled> {
    return this.#questions.ask(question, options);
  }

  received(frame: Uint8Array): void {
    const kind = kindOf(frame);
    if (typeof kind === 'string') {
      this.#refuse(kind, frame);
      return;
    }
    if (senderKey(frame) === this.framer.key) {
      if (kind === FRAME.heartbeat) this.#echoed(frame);
      return;
    }
    const peer = this.#peers.heard(frame, this.#options.world.now());
    if (peer === 'ended') return;
    if (peer === 'many') {
      const why = `more than ${NODES_MOST} other nodes: some are not heard`;
      this.reports.tell('many', 'ERR_TOO_MANY_NODES', why, 'engine');
      return;
    }
    if (!peer.isAlive && kind !== FRAME.goodbye) this.#greet(peer);
    this.#take(peer, kind, frame);
  }

  ended(node: string): void {
    const peer = this.#peers.find(node);
    if (peer !== undefined) this.#end(peer);
  }

  report(error: unknown, during: string): void {
    if (this.#host === undefined) this.#early.push([error, during]);
    else this.#host.report(error, during);
  }

  /** Says goodbye, and forgets everything. */
  close(): void {
    this.flush();
    if (this.post.isOpen) this.post.toAll(FRAME.goodbye, []);
    this.post.isOpen = false;
    this.#timer?.cancel();
    this.#met = [];
    this.#questions.close();
    this.#replica.close();
    this.#peers.clear();
    this.directory.clear();
  }

  #take(peer: Peer, kind: number, frame: Uint8Array): void {
    if (kind === FRAME.message) {
      if (!this.#message(peer, bodyOf(frame))) this.#refuse('malformed', frame);
    } else if (kind === FRAME.fragment) this.#addPiece(peer, frame);
    else if (kind === FRAME.goodbye) this.#end(peer);
    else {
      const body = bodyOf(frame);
      if (body === undefined || !this.#heard(peer, kind, body)) this.#refuse('malformed', frame);
    }
  }

  /**
   * False for what is malformed. A server that stood still while its nodes went to another one sends what it had of them when it goes on: that
   * comes behind what is newer, and is left out.
   */
  #message(peer: Peer, body: readonly unknown[] | undefined): boolean {
    if (body === undefined) return false;
    const turn = turnIn(body);
    if (turn < peer.turn) return true;
    peer.turn = turn;
    return this.#options.deliver(body);
  }

  /** False for what is malformed. */
  #heard(peer: Peer, kind: number, body: readonly unknown[]): boolean {
    switch (kind) {
      case FRAME.heartbeat:
        return this.#heartbeat(peer, body);
      case FRAME.changes:
        return this.#replica.changes(peer, body);
      case FRAME.snapshot:
        return this.#replica.snapshot(peer, body);
      case FRAME.want:
        return this.#wanted(peer, body);
      case FRAME.notice:
        return noticed(peer, body);
      case FRAME.question:
        return this.#questions.asked(peer, body);
      case FRAME.answer:
        return this.#questions.answered(peer, body);
      default:
        return false;
    }
  }

  #addPiece(peer: Peer, frame: Uint8Array): void {
    const whole = peer.pieces.add(frame);
    if (whole === undefined) return;
    const isGood = whole !== false && whole.length >= HEAD_BYTES && senderKey(whole) === peer.key;
    const kind = isGood ? kindOf(whole) : 'foreign';
    if (!isGood || typeof kind === 'string' || kind === FRAME.fragment) this.#refuse('malformed', frame);
    else this.#take(peer, kind, whole);
  }

  #heartbeat(peer: Peer, [, stamp, last, version, sockets]: readonly unknown[]): boolean {
    if (!isCount(stamp) || !isCount(last) || !isCount(version) || !isCount(sockets)) return false;
    this.#stamped(stamp);
    peer.sockets = sockets;
    if (version !== (peer.notice?.version ?? 0)) this.post.toNode(peer.id, FRAME.want, [0, NOTICE_ALONE]);
    this.#replica.cameTo(peer, last);
    return true;
  }

  #wanted(peer: Peer, body: readonly unknown[]): boolean {
    if (body[1] !== NOTICE_ALONE) return this.#replica.wanted(peer, body);
    this.post.toNode(peer.id, FRAME.notice, this.#notice.list);
    return true;
  }

  /** A node is new, or back. */
  #greet(peer: Peer): void {
    peer.isAlive = true;
    this.post.toNode(peer.id, FRAME.heartbeat, this.#heartbeatList(0));
  }

  /** A node has ended for certain. */
  #end(peer: Peer): void {
    this.#peers.end(peer);
    this.#giveUp(peer);
  }

  #giveUp(peer: Peer): void {
    this.#questions.gone(peer.id);
    this.#replica.drop(peer);
  }

  #heartbeatList(number: number): readonly unknown[] {
    return [number, this.#stamp, this.#log.last, this.#notice.notice.version, this.#notice.sockets];
  }

  #echoed(frame: Uint8Array): void {
    const number = bodyOf(frame)?.[0];
    if (!isCount(number)) return;
    for (const peer of this.#peers.echoed(number)) this.#giveUp(peer);
  }

  #stamped(stamp: number): void {
    if (stamp > this.#stamp) this.#stamp = stamp;
  }

  /** Where the own one is new it is told in the next turn: it may be in the middle of its arrival. */
  #meet(mine: Present, theirs: Present, isMineNew: boolean): void {
    if (!isMineNew) this.#tellRival(mine, theirs);
    if (!isMineNew || this.#met.push([mine, theirs]) > 1) return;
    this.#options.world.soon(() => {
      for (const pair of this.#met.splice(0)) this.#tellRival(...pair);
    });
  }

  #tellRival(mine: Present, theirs: Present): void {
    if (mine.stamp === 0 || theirs.stamp === 0) return;
    const later = isLater(mine, theirs) ? 'mine' : 'theirs';
    this.#host?.rival(mine.hall.name, mine.user ?? '', mine.id, theirs.id, later);
  }

  #refuse(why: 'foreign' | 'version' | 'malformed', frame: Uint8Array): void {
    if (why === 'version') this.#refuseVersion(frame);
    else if (why === 'foreign') {
      const what = `${frame.length} bytes that are no message of a node`;
      this.reports.tell(why, 'ERR_MESSAGE_MALFORMED', what, 'engine');
    } else {
      const what = `node ${senderId(frame)} said what can't be read`;
      this.reports.tell(why, 'ERR_MESSAGE_MALFORMED', what, 'engine');
    }
  }

  #refuseVersion(frame: Uint8Array): void {
    const id = senderId(frame);
    if (this.#strangers.has(id) || this.#strangers.size >= STRANGERS_MOST) return;
    this.#strangers.add(id);
    const why = `node ${id} speaks version ${frame[1]}, this one ${NODE_PROTOCOL}: they don't hear each other`;
    this.report(new HawserError('ERR_VERSION', why), 'engine');
  }
}

function noticed(peer: Peer, body: readonly unknown[]): boolean {
  const notice = readNotice(body);
  if (notice === undefined) return false;
  peer.notice = notice;
  peer.sockets = notice.sockets;
  return true;
}
