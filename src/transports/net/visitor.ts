import type { Socket } from 'node:net';
import { CLOSE, type CloseReason, type Instant } from '../../core/index.ts';
import { byteStreamLink, Deadline, type DeadlineOwner, type PortUser } from '../../runtime/index.ts';
import {
  errorLine,
  type Framing,
  LengthFraming,
  LineFraming,
  MAGIC,
  type Peer,
  plainFraming,
  Sniffer,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import type { Guest, Reception } from '../guest.ts';
import { attach, halfCloses, Parting, peerOf } from '../sockets.ts';

/** A connection that has no link yet: its first bytes choose the framing. */
export class Visitor implements PortUser, DeadlineOwner, Guest {
  readonly #reception: Reception;
  readonly #socket: Socket;
  readonly #peer: Peer;
  readonly #sniffer: Sniffer = new Sniffer();
  readonly #deadline: Deadline = new Deadline(this);

  constructor(reception: Reception, socket: Socket) {
    this.#reception = reception;
    this.#socket = socket;
    this.#peer = peerOf(socket);
  }

  /** Admits the peer, or says why not; it has until `by` to say what it speaks. */
  enter(by: Instant): void {
    const { group, options, guests } = this.#reception;
    guests.add(this);
    group.wheel.schedule(this.#deadline, by);
    attach(this.#socket, this);
    const refusal = options.admit(this.#peer);
    const plain = options.dialectOf?.(this.#peer);
    if (refusal !== undefined) this.#refuse(refusal.reason, plain !== undefined);
    else if (plain !== undefined) this.#up(plain.protocol, plainFraming(plain.framing, options.messageBytes));
  }

  receive(chunk: Uint8Array): void {
    switch (this.#sniffer.receive(chunk)) {
      case 'more':
        return;
      case 'magic':
        this.#open(STREAM_PROTOCOL.length);
        return;
      case 'line':
        this.#open(STREAM_PROTOCOL.line);
        return;
      case 'unknown':
        this.#refuse(UNKNOWN);
    }
  }

  writable(): void {}

  /** It left before it had said what it speaks. */
  ended(): void {
    this.leave();
  }

  gone(): void {
    this.#forget();
  }

  onDeadline(): void {
    this.#refuse(SILENT);
  }

  leave(): void {
    this.#socket.destroy();
  }

  #open(protocol: string): void {
    const { options } = this.#reception;
    if (!options.protocols.includes(protocol)) {
      this.#refuse(UNKNOWN);
      return;
    }
    if (protocol === STREAM_PROTOCOL.length) this.#socket.write(MAGIC);
    this.#up(protocol, streamFraming(protocol, options.messageBytes));
  }

  #up(protocol: string, framing: Framing): void {
    const { group, options } = this.#reception;
    this.#forget();
    const socket = this.#socket;
    const parts = { group, port: socket, framing, protocol, peer: this.#peer, halfCloses: halfCloses(socket) };
    const link = byteStreamLink(parts);
    attach(this.#socket, link);
    options.onLink(link);
    if (this.#sniffer.rest.length > 0) link.receive(this.#sniffer.rest);
  }

  /** Where the dialect is unknown yet, a line of JSON is what most peers, and people, can read. */
  #refuse(reason: CloseReason, silently = false): void {
    this.#forget();
    new Parting(this.#reception, this.#socket).begin(silently ? NOTHING : errorLine(reason));
  }

  #forget(): void {
    this.#reception.guests.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }
}

const NOTHING = new Uint8Array(0);
const UNKNOWN: CloseReason = { code: CLOSE.protocol, reason: 'neither the magic of hawser.v1 nor a JSON object' };
const SILENT: CloseReason = { code: CLOSE.loginTimeout, reason: 'nothing was said in time' };

/** The framing of a protocol on a byte stream, after the magic. */
export function streamFraming(protocol: string, messageBytes: number): Framing {
  return protocol === STREAM_PROTOCOL.line ? new LineFraming(messageBytes) : new LengthFraming(messageBytes);
}
