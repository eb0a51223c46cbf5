import { CLOSE, type CloseReason } from '../core/index.ts';
import { Deadline, type DeadlineOwner, type LinkGroup } from '../runtime/index.ts';
import type { Link, ListenOptions, Peer, Refusal } from '../transport/index.ts';

/** What the visitors of one listener share. */
export interface UdpLobby {
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly visitors: Set<UdpVisitor>;
  /** Asked for each peer that has shown its address to be its own, and proved what it must. */
  admit(peer: Peer): Refusal | undefined;
  /** A visitor has become a link. */
  onLink(link: Link): void;
}

/** Who has no link yet, and so long to say what it speaks as a login may take. */
export abstract class UdpVisitor implements DeadlineOwner {
  readonly #lobby: UdpLobby;
  readonly #deadline: Deadline = new Deadline(this);

  constructor(lobby: UdpLobby) {
    this.#lobby = lobby;
    const { visitors, group, options } = lobby;
    visitors.add(this);
    group.wheel.schedule(this.#deadline, group.world.now() + options.loginWait);
  }

  /** Sends it away. */
  abstract refuse(reason: CloseReason): void;

  onDeadline(): void {
    this.refuse({ code: CLOSE.loginTimeout, reason: 'nothing was said in time' });
  }

  /** What is to be spoken of what it offers; who offers nothing that is known here is sent away. */
  protected protocolOf(offered: readonly string[], peer: Peer): string | undefined {
    const { options } = this.#lobby;
    const protocol = offered.find((one) => options.protocols.includes(one)) ?? options.dialectOf?.(peer)?.protocol;
    if (protocol === undefined)
      this.refuse({ code: CLOSE.protocol, reason: `spoken here: ${options.protocols.join(', ')}` });
    return protocol;
  }

  /** It is gone, or a link. */
  protected forget(): void {
    this.#lobby.visitors.delete(this);
    this.#lobby.group.wheel.cancel(this.#deadline);
  }
}
