import type { Bus, Subject } from '../bus.ts';
import { FRAME, type FrameKind, type Framer } from './frame.ts';
import { FRAGMENTED_BYTES, piecesOf } from './pieces.ts';
import type { Reports } from './reports.ts';

const ALL: Subject = { kind: 'all' };

/** Sends the frames of one node: whole, or in pieces where the bus takes no longer ones. Quiet while it is shut. */
export class Post {
  readonly framer: Framer;
  readonly #bus: Bus;
  readonly #reports: Reports;
  isOpen = false;

  constructor(bus: Bus, framer: Framer, reports: Reports) {
    this.#bus = bus;
    this.framer = framer;
    this.#reports = reports;
  }

  /** @throws HawserError ERR_UNENCODABLE. */
  toAll(kind: FrameKind, list: readonly unknown[]): void {
    this.send(ALL, this.framer.frame(kind, list));
  }

  /** @throws HawserError ERR_UNENCODABLE. */
  toNode(node: string, kind: FrameKind, list: readonly unknown[]): void {
    this.send({ kind: 'node', node }, this.framer.frame(kind, list));
  }

  sendAll(frame: Uint8Array): void {
    this.send(ALL, frame);
  }

  send(subject: Subject, frame: Uint8Array): void {
    if (!this.isOpen) return;
    const most = this.#bus.payloadBytes;
    if (frame.length <= most) this.#bus.publish(subject, frame);
    else if (frame.length > FRAGMENTED_BYTES) this.#refuse(frame);
    else for (const piece of piecesOf(frame, this.framer, most)) this.#bus.publish(subject, piece);
  }

  #refuse(frame: Uint8Array): void {
    const why = `${frame.length} bytes for other nodes are more than ${FRAGMENTED_BYTES}`;
    const what = frame[2] === FRAME.message ? 'publish' : 'talk of nodes';
    this.#reports.tell('too large', 'ERR_MESSAGE_TOO_LARGE', why, what);
  }
}
