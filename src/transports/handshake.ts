import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { CLOSE } from '../core/index.ts';
import { Deadline, type DeadlineOwner, type PortUser } from '../runtime/index.ts';
import type { Refusal, TlsListenOptions } from '../transport/index.ts';
import type { Arrival, Guest, Manners, Reception } from './guest.ts';
import { wholeMs } from './settings.ts';
import { attach, detach, Parting } from './sockets.ts';
import { known, type SecureOptions } from './tls.ts';

/** The first byte of every TLS connection: a record of the kind `handshake` (RFC 8446 5.1). */
const HANDSHAKE_RECORD = 0x16;
/** Node's own deadline stays behind ours. */
const MARGIN = 1000;

/** Makes plain connections safe: a TLS server that listens on nothing itself. */
export class TlsGate {
  readonly #reception: Reception;
  readonly #manners: Manners;
  readonly #server: Server;
  readonly #guests = new Map<string, Handshake>();
  readonly #requestCert: boolean | 'optional';

  constructor(
    reception: Reception,
    manners: Manners,
    secure: SecureOptions,
    { requestCert, alpn = [] }: TlsListenOptions,
  ) {
    this.#reception = reception;
    this.#manners = manners;
    this.#requestCert = requestCert ?? false;
    this.#server = createServer(
      known({
        ...secure,
        requestCert: this.#requestCert !== false,
        // We judge, so that the peer can be told in words.
        rejectUnauthorized: false,
        handshakeTimeout: wholeMs(reception.options.loginWait + MARGIN),
        ALPNProtocols: alpn.length > 0 ? [...alpn] : undefined,
      }),
      (socket) => this.#secured(socket),
    );
    this.#server.on('tlsClientError', (_, socket) => socket.destroy());
  }

  /** Who connects from now on is shown this, and held to it. */
  renew(secure: SecureOptions): void {
    this.#server.setSecureContext(secure);
  }

  /** Takes a connection whose first bytes may be a TLS handshake. */
  enter(arrival: Arrival): void {
    new Handshake(this.#reception, this, arrival).begin();
  }

  /** The bytes are TLS: Node takes over until the handshake is done. */
  secure(guest: Handshake, socket: Socket): void {
    const id = idOf(socket);
    this.#guests.set(id, guest);
    socket.once('close', () => this.#guests.delete(id));
    this.#server.emit('connection', socket);
  }

  refuse(socket: Socket, refusal: Refusal): void {
    new Parting(this.#reception, socket).begin(this.#manners.words(refusal));
  }

  #secured(socket: TLSSocket): void {
    const guest = this.#guests.get(idOf(socket));
    if (guest === undefined) {
      socket.destroy();
      return;
    }
    this.#guests.delete(idOf(socket));
    socket.allowHalfOpen = true;
    guest.forget();
    const refusal = this.#judge(socket);
    if (refusal === undefined) this.#manners.welcome({ ...guest.arrival, socket });
    else this.refuse(socket, refusal);
  }

  #judge(socket: TLSSocket): Refusal | undefined {
    if (this.#requestCert === false || socket.authorized) return undefined;
    const shown = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
    if (shown) return UNTRUSTED;
    return this.#requestCert === true ? MISSING : undefined;
  }
}

/** A connection that has yet to prove that it is safe. */
export class Handshake implements PortUser, DeadlineOwner, Guest {
  readonly arrival: Arrival;
  readonly #reception: Reception;
  readonly #gate: TlsGate;
  readonly #deadline: Deadline = new Deadline(this);

  constructor(reception: Reception, gate: TlsGate, arrival: Arrival) {
    this.#reception = reception;
    this.#gate = gate;
    this.arrival = arrival;
  }

  begin(): void {
    const { guests, group } = this.#reception;
    const { socket, by } = this.arrival;
    guests.add(this);
    group.wheel.schedule(this.#deadline, by);
    attach(socket, this);
  }

  receive(chunk: Uint8Array): void {
    const { socket } = this.arrival;
    if (chunk[0] !== HANDSHAKE_RECORD) {
      this.forget();
      this.#gate.refuse(socket, PLAIN);
      return;
    }
    socket.pause();
    detach(socket);
    socket.once('close', () => this.forget());
    // Who ends its stream in mid-handshake is gone.
    socket.allowHalfOpen = false;
    socket.unshift(chunk);
    this.#gate.secure(this, socket);
  }

  writable(): void {}

  ended(): void {
    this.leave();
  }

  gone(): void {
    this.forget();
  }

  /** There is no safe way to say why. */
  onDeadline(): void {
    this.forget();
    this.leave();
  }

  leave(): void {
    this.arrival.socket.destroy();
  }

  forget(): void {
    this.#reception.guests.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }
}

const PLAIN: Refusal = { reason: { code: CLOSE.protocol, reason: 'TLS is spoken here' }, status: 400 };
const MISSING: Refusal = { reason: { code: CLOSE.authRequired, reason: 'a certificate is needed' }, status: 401 };
const UNTRUSTED: Refusal = {
  reason: { code: CLOSE.authFailed, reason: 'the certificate is not one that is trusted here' },
  status: 403,
};

/** What the raw and the safe face of one connection have in common. */
function idOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
