import { CLOSE, type CloseReason } from '../../core/index.ts';
import { Deadline, type DeadlineOwner, type LinkGroup } from '../../runtime/index.ts';
import type { ListenOptions, Peer, Refusal } from '../../transport/index.ts';
import { kindOf, type Session, type SessionEvent } from '../../udpack/index.ts';
import { now } from '../../udpack-endpoint/parts.ts';
import type { Hub, SessionUser } from './hub.ts';
import { peerOf, UdpackLink } from './link.ts';
import { prefaceOf, protocolsOf } from './packets.ts';

/** What the visitors of one listener share. */
export interface Lobby {
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly visitors: Set<Visitor>;
  /** Asked for each peer that has shown its address to be its own. */
  admit(peer: Peer): Refusal | undefined;
  /** The session has become a link. */
  onLink(link: UdpackLink): void;
}

/** A session that has no link yet: its first packet says what it speaks. */
export class Visitor implements SessionUser, DeadlineOwner {
  readonly #lobby: Lobby;
  readonly #hub: Hub;
  readonly #session: Session;
  readonly #deadline: Deadline = new Deadline(this);
  #main: number | undefined;

  constructor(lobby: Lobby, hub: Hub, session: Session) {
    this.#lobby = lobby;
    this.#hub = hub;
    this.#session = session;
    lobby.visitors.add(this);
    lobby.group.wheel.schedule(this.#deadline, lobby.group.world.now() + lobby.options.loginWait);
  }

  onEvent(event: SessionEvent): void {
    if (event.type === 'auth') this.#enter();
    else if (event.type === 'stream') this.#opened(event.stream);
    else if (event.type === 'packet') this.#greeted(event.bytes);
    else if (event.type === 'closed') this.#forget();
  }

  onBatch(): void {}

  onDeadline(): void {
    this.refuse({ code: CLOSE.loginTimeout, reason: 'nothing was said in time' });
  }

  refuse({ code, reason }: CloseReason): void {
    this.#forget();
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
    const { options } = this.#lobby;
    const offered = protocolsOf(preface);
    if (offered === undefined || this.#main === undefined) {
      this.refuse(UNKNOWN);
      return;
    }
    const peer = peerOf(this.#session);
    const protocol = offered.find((one) => options.protocols.includes(one)) ?? options.dialectOf?.(peer)?.protocol;
    if (protocol === undefined)
      this.refuse({ code: CLOSE.protocol, reason: `spoken here: ${options.protocols.join(', ')}` });
    else this.#up(this.#main, protocol, peer);
  }

  #up(main: number, protocol: string, peer: Peer): void {
    this.#forget();
    const preface = prefaceOf([protocol]);
    const { group } = this.#lobby;
    const session = this.#session;
    session.streams.write(main, preface, {}, now());
    const link = new UdpackLink({ group, hub: this.#hub, session, main, preface, protocol, peer });
    this.#hub.hand(session, link);
    this.#lobby.onLink(link);
  }

  #forget(): void {
    this.#lobby.visitors.delete(this);
    this.#lobby.group.wheel.cancel(this.#deadline);
  }
}

const UNKNOWN: CloseReason = { code: CLOSE.protocol, reason: 'the first packet is not that of a link' };
