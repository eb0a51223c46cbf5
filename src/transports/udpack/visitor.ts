import { CLOSE, type CloseReason } from '../../core/index.ts';
import type { Peer } from '../../transport/index.ts';
import { kindOf, type Session, type SessionEvent } from '../../udpack/index.ts';
import { now } from '../../udpack-endpoint/parts.ts';
import { type UdpLobby, UdpVisitor } from '../udp-visitor.ts';
import type { Hub, SessionUser } from './hub.ts';
import { peerOf, UdpackLink } from './link.ts';
import { prefaceOf, protocolsOf } from './packets.ts';

/** A session that has no link yet: its first packet says what it speaks. */
export class Visitor extends UdpVisitor implements SessionUser {
  readonly #lobby: UdpLobby;
  readonly #hub: Hub;
  readonly #session: Session;
  #main: number | undefined;

  constructor(lobby: UdpLobby, hub: Hub, session: Session) {
    super(lobby);
    this.#lobby = lobby;
    this.#hub = hub;
    this.#session = session;
  }

  onEvent(event: SessionEvent): void {
    if (event.type === 'auth') this.#enter();
    else if (event.type === 'stream') this.#opened(event.stream);
    else if (event.type === 'packet') this.#greeted(event.bytes);
    else if (event.type === 'closed') this.forget();
  }

  onBatch(): void {}

  refuse({ code, reason }: CloseReason): void {
    this.forget();
    this.#session.close(code, reason, now());
    this.#hub.kick();
  }

  /** Its token means nothing here: the server judges the one in HELLO. */
  #enter(): void {
    const refusal = this.#lobby.admit(peerOf(this.#session));
    if (refusal !== undefined) this.refuse(refusal.reason);
    else this.#session.accept();
  }

  #opened(stream: number): void {
    if (this.#main === undefined && kindOf(stream) === 'packets') this.#main = stream;
    else this.refuse(UNKNOWN);
  }

  #greeted(preface: Uint8Array): void {
    const offered = protocolsOf(preface);
    if (offered === undefined || this.#main === undefined) {
      this.refuse(UNKNOWN);
      return;
    }
    const peer = peerOf(this.#session);
    const protocol = this.protocolOf(offered, peer);
    if (protocol !== undefined) this.#up(this.#main, protocol, peer);
  }

  #up(main: number, protocol: string, peer: Peer): void {
    this.forget();
    const preface = prefaceOf([protocol]);
    const { group } = this.#lobby;
    const session = this.#session;
    session.streams.write(main, preface, {}, now());
    const link = new UdpackLink({ group, hub: this.#hub, session, main, preface, protocol, peer });
    this.#hub.hand(session, link);
    this.#lobby.onLink(link);
  }
}

const UNKNOWN: CloseReason = { code: CLOSE.protocol, reason: 'the first packet is not that of a link' };
