import { CLOSE, type CloseReason } from '../../core/index.ts';
import type { Peer } from '../../transport/index.ts';
import { type UdpLobby, UdpVisitor } from '../udp-visitor.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import type { Hub } from './hub.ts';
import { peerOf, QuicLink } from './link.ts';
import { ALPN } from './options.ts';
import { PrefaceReader, prefaceOf } from './preface.ts';
import { certificateOf, isPinned, type Security, shownBy } from './security.ts';
import { MAIN } from './streams.ts';

/** What the visitors of one listener share. */
export interface Lobby extends UdpLobby {
  /** How who comes now is judged. */
  readonly security: Security;
}

/** A connection that has no link yet: what it says first on its main stream is what it speaks. */
export class Visitor extends UdpVisitor implements ConnectionUser {
  /** Where it came from. */
  readonly address: string;
  readonly #lobby: Lobby;
  readonly #hub: Hub;
  readonly #connection: Connection;
  readonly #preface: PrefaceReader;
  /** That of the handshake: the listener may have another by the time it is done. */
  readonly #security: Security;
  #peer: Peer | undefined;

  constructor(lobby: Lobby, hub: Hub, connection: Connection) {
    super(lobby);
    this.#lobby = lobby;
    this.#hub = hub;
    this.#connection = connection;
    this.#preface = new PrefaceReader(connection, MAIN);
    this.#security = lobby.security;
    this.address = connection.remote.host;
  }

  onEstablished(): void {
    const { machine } = this.#connection;
    if (new TextDecoder().decode(machine.applicationProto()) !== ALPN) {
      this.refuse({ code: CLOSE.protocol, reason: `spoken here: ${ALPN}` });
      return;
    }
    const { verifies, pins } = this.#security;
    if (pins !== undefined && !isPinned(shownBy(machine), pins)) {
      this.refuse(UNTRUSTED);
      return;
    }
    this.#peer = peerOf(this.#connection, verifies ? certificateOf(machine) : undefined);
    const refusal = this.#lobby.admit(this.#peer);
    if (refusal !== undefined) this.refuse(refusal.reason);
  }

  onReadable(stream: number): void {
    if (stream !== MAIN || this.#peer === undefined) return;
    const offered = this.#preface.read();
    if (offered === false) this.refuse(UNKNOWN);
    else if (offered !== undefined) this.#greeted(offered, this.#peer);
  }

  onDatagram(): void {}

  onBroken(stream: number): void {
    if (stream === MAIN) this.refuse(UNKNOWN);
  }

  onBatch(): void {}

  onClosed(): void {
    this.forget();
  }

  refuse({ code, reason }: CloseReason): void {
    this.#peer = undefined;
    this.#connection.close(code, reason);
  }

  #greeted(offered: readonly string[], peer: Peer): void {
    const protocol = this.protocolOf(offered, peer);
    if (protocol !== undefined) this.#up(protocol, peer);
  }

  #up(protocol: string, peer: Peer): void {
    this.forget();
    const connection = this.#connection;
    connection.write(MAIN, prefaceOf([protocol]));
    this.#lobby.onLink(new QuicLink({ group: this.#lobby.group, hub: this.#hub, connection, protocol, peer }));
  }
}

const UNKNOWN: CloseReason = { code: CLOSE.protocol, reason: 'what came first is not that of a link' };
const UNTRUSTED: CloseReason = {
  code: CLOSE.authFailed,
  reason: 'the certificate is not one that is trusted here',
};
