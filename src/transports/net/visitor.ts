import type { Socket } from 'node:net';
import { CLOSE, type CloseReason } from '../../core/index.ts';
import { byteStreamLink, Deadline, type DeadlineOwner, type LinkGroup, type PortUser } from '../../runtime/index.ts';
import {
  errorLine,
  type Framing,
  LengthFraming,
  LineFraming,
  type ListenOptions,
  MAGIC,
  type Peer,
  Sniffer,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import { attach, peerOf } from '../sockets.ts';

/** What the visitors of one listener share. */
export interface Reception {
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  /** Those who haven't shown yet what they speak, or are being turned away. */
  readonly visitors: Set<Visitor>;
}

/** A connection that has no link yet: its first bytes choose the framing. */
export class Visitor implements PortUser, DeadlineOwner {
  readonly #reception: Reception;
  readonly #socket: Socket;
  readonly #peer: Peer;
  readonly #sniffer: Sniffer = new Sniffer();
  readonly #deadline: Deadline = new Deadline(this);
  #refused = false;

  constructor(reception: Reception, socket: Socket) {
    this.#reception = reception;
    this.#socket = socket;
    this.#peer = peerOf(socket);
  }

  /** Admits the peer, or says why not. */
  enter(): void {
    const { options, visitors } = this.#reception;
    visitors.add(this);
    this.#wait(options.loginWait);
    attach(this.#socket, this);
    const refusal = options.admit(this.#peer);
    if (refusal !== undefined) this.#refuse(refusal.reason);
  }

  receive(chunk: Uint8Array): void {
    if (this.#refused) return;
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

  ended(): void {
    this.#socket.end();
  }

  gone(): void {
    this.#leave();
  }

  onDeadline(): void {
    if (this.#refused) this.leave();
    else this.#refuse(SILENT);
  }

  /** Cuts the connection. */
  leave(): void {
    this.#leave();
    this.#socket.destroy();
  }

  #open(protocol: string): void {
    const { group, options } = this.#reception;
    if (!options.protocols.includes(protocol)) {
      this.#refuse(UNKNOWN);
      return;
    }
    this.#leave();
    if (protocol === STREAM_PROTOCOL.length) this.#socket.write(MAGIC);
    const framing = streamFraming(protocol, options.messageBytes);
    const link = byteStreamLink({ group, port: this.#socket, framing, protocol, peer: this.#peer });
    attach(this.#socket, link);
    options.onLink(link);
    if (this.#sniffer.rest.length > 0) link.receive(this.#sniffer.rest);
  }

  /** The dialect is unknown yet: a line of JSON is what most peers, and people, can read. */
  #refuse(reason: CloseReason): void {
    this.#refused = true;
    this.#wait(this.#reception.options.closeWait);
    this.#socket.end(errorLine(reason));
  }

  #wait(ms: number): void {
    const { group } = this.#reception;
    group.wheel.schedule(this.#deadline, group.world.now() + ms);
  }

  #leave(): void {
    this.#reception.visitors.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }
}

const UNKNOWN: CloseReason = { code: CLOSE.protocol, reason: 'neither the magic of hawser.v1 nor a JSON object' };
const SILENT: CloseReason = { code: CLOSE.loginTimeout, reason: 'nothing was said in time' };

/** The framing of a protocol on a byte stream, after the magic. */
export function streamFraming(protocol: string, messageBytes: number): Framing {
  return protocol === STREAM_PROTOCOL.line ? new LineFraming(messageBytes) : new LengthFraming(messageBytes);
}
