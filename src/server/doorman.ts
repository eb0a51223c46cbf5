import { aborted, CLOSE, closeReason, HawserError } from '../core/index.ts';
import {
  type Endpoint,
  type Link,
  type Listener,
  type ListenOptions,
  type Peer,
  parseEndpoint,
  type Receiver,
  type Refusal,
  type Transport,
} from '../transport/index.ts';
import { type Admission, STRANGER } from './admission.ts';
import { isInherited, isLoopback, type Listening } from './listening.ts';
import type { ResolvedServerOptions } from './options.ts';
import type { Places } from './places.ts';

export interface DoormanParts {
  readonly options: ResolvedServerOptions;
  readonly admission: Admission;
  readonly places: Places;
  /** Nobody new is let in. */
  isShut(): boolean;
  /** A peer that was let in has a link; `namespace` is that of one who can't say another. */
  onLink(link: Link, namespace: string): void;
}

/** Has transports listen, and stands at each door that they open: who comes in over loopback, who from elsewhere, to which namespace. */
export class Doorman {
  readonly #parts: DoormanParts;

  constructor(parts: DoormanParts) {
    this.#parts = parts;
  }

  /** @throws HawserError ERR_URL, ERR_OPTION, ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_ABORTED. */
  async listen(listening: Listening): Promise<Listener> {
    const { endpoint, signal } = listening;
    const transport = this.#transportOf(endpoint);
    if (transport.listen === undefined)
      throw new HawserError('ERR_URL', `no transport listens on '${endpoint.scheme}:'`);
    // Where it really is: what was inherited may be anywhere, and is nobody's until that is known.
    let where = isInherited(listening) ? undefined : endpoint;
    const options = this.#options(() => where !== undefined && isLoopback(where), listening);
    const admit = (peer: Peer): Refusal | undefined => (where === undefined ? STRANGER : options.admit(peer));
    const listener = await transport.listen(endpoint, { ...options, admit });
    if (signal?.aborted) {
      await listener.close();
      throw aborted(signal);
    }
    if (where !== undefined) return listener;
    try {
      const found = parseEndpoint(listener.endpoint);
      this.#parts.admission.refuseAnonymous(found);
      where = found;
      return listener;
    } catch (error) {
      await listener.close();
      throw error;
    }
  }

  /** Takes what another process has accepted, from this machine alone where the endpoint is on loopback. @throws HawserError ERR_URL, ERR_OPTION. */
  async receive(listening: Listening): Promise<Receiver> {
    const { endpoint } = listening;
    const transport = this.#transportOf(endpoint);
    if (transport.receive === undefined) throw new HawserError('ERR_URL', `'${endpoint.scheme}:' takes no sockets`);
    const loopback = isLoopback(endpoint);
    const options = this.#options(() => loopback, listening);
    const admit = (peer: Peer): Refusal | undefined => (loopback && !peer.local ? STRANGER : options.admit(peer));
    return transport.receive(endpoint, { ...options, admit });
  }

  /** For an HTTP server of the application, which may listen anywhere. */
  attachOptions(isOnLoopback: () => boolean): ListenOptions {
    const options = this.#options(isOnLoopback);
    const admit = (peer: Peer): Refusal | undefined =>
      this.#parts.admission.mayBeAnybody || isOnLoopback() ? options.admit(peer) : STRANGER;
    return { ...options, admit };
  }

  #transportOf({ scheme }: Endpoint): Transport {
    const transport = this.#parts.options.transports.find((one) => one.schemes.includes(scheme));
    if (transport === undefined) throw new HawserError('ERR_URL', `no transport for '${scheme}:'`);
    return transport;
  }

  /** @throws HawserError ERR_OPTION for a dialect that is unknown. */
  #options(isOnLoopback: () => boolean, listening?: Listening): ListenOptions {
    const { options, admission } = this.#parts;
    const { world, limits, times, compression, onRequest, onError, dialects, trusts } = options;
    const { endpoint, halfOpen, net } = listening ?? {};
    const namespace = endpoint?.namespace ?? '/';
    const dialect = endpoint?.reserved.dialect;
    dialects.plain(dialect);
    return {
      world,
      messageBytes: limits.messageBytes,
      backlogMark: Math.max(1, Math.floor(limits.backlogBytes / 4)),
      closeWait: times.closeWait,
      lanes: limits.channels * 2,
      loginWait: times.loginWait,
      writeWait: times.writeWait,
      report: onError,
      protocols: dialects.offered,
      ...(trusts && { trusts }),
      distrusted: () => admission.distrusted(),
      dialectOf: (peer) => dialects.plain(this.#dialectAt(peer.path ?? namespace) ?? dialect),
      admit: (peer) => this.#admit(peer, isOnLoopback()),
      onLink: (link) => this.#parts.onLink(link, link.peer.path ?? namespace),
      compression,
      onRequest,
      ...(halfOpen === undefined ? {} : { halfOpen }),
      ...(net === undefined ? {} : { net }),
    };
  }

  #admit(peer: Peer, loopback: boolean): Refusal | undefined {
    const { admission, places } = this.#parts;
    if (this.#parts.isShut()) return refusal(CLOSE.serverClosing, 'the server is closing', 503);
    const { kind } = places.look(peer.path ?? '/');
    if (kind === 'unknown') return refusal(CLOSE.noSuchNamespace, 'there is no such namespace here', 404);
    if (kind === 'full') return refusal(CLOSE.tooManyNamespaces, 'no further namespace can be made now', 503);
    return admission.refuse(peer, loopback);
  }

  #dialectAt(path: string): string | undefined {
    const standing = this.#parts.places.look(path);
    return standing.kind === 'open' ? standing.setup.options.dialect : undefined;
  }
}

function refusal(code: number, reason: string, status: number): Refusal {
  return { reason: closeReason(code, reason), status };
}
