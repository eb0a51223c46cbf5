import { createServer, type ListenOptions as NodeListenOptions, type Server, type Socket } from 'node:net';
import { CLOSE, HawserError } from '../core/index.ts';
import { LinkGroup } from '../runtime/index.ts';
import {
  describeEndpoint,
  type Endpoint,
  type ListenAddress,
  type ListenerStats,
  type ListenOptions,
  type NetListenOptions,
  type Refusal,
  type TlsListenOptions,
  type TlsOptions,
} from '../transport/index.ts';
import { type CertificateWatch, reloadOnChange } from './certificate-watch.ts';
import type { Arrival, Guest, Manners, Reception } from './guest.ts';
import { TlsGate } from './handshake.ts';
import { Reloads } from './reloads.ts';
import { alpnOf, checkListening, isSecure, listenedAt, servedAs } from './settings.ts';
import {
  addressOf,
  giveAway,
  lodge,
  Parting,
  type SocketHouse,
  speaksFor,
  startListening,
  stopListening,
  watchIdle,
} from './sockets.ts';
import { Spokesman } from './spokesman.ts';
import { type SecureOptions, secureOptionsOf } from './tls.ts';

/** What the links are called that an endpoint of another name brings about. */
const LINK_SCHEMES: Readonly<Record<string, string>> = { http: 'ws', https: 'wss' };

/** So many connections over the bound are told why; those beyond are cut without a word. */
const TOLD_MAX = 100;

/** A server of node:net, and the steps that its connections go through before they have a link. */
export class Doorway implements SocketHouse {
  readonly server: Server;
  readonly reception: Reception;
  readonly #scheme: string;
  readonly #net: NetListenOptions;
  readonly #manners: Manners;
  readonly #reloads: Reloads = new Reloads();
  readonly #open = new Set<Socket>();
  #gate: TlsGate | undefined;
  /** What TLS is spoken at. */
  #endpoint: Endpoint | undefined;
  #tls: TlsListenOptions;
  #watch: CertificateWatch | undefined;
  #accepted = 0;
  #refused = 0;
  /** Of connections that are gone. */
  #bytesRead = 0;
  #bytesWritten = 0;

  /** @throws HawserError ERR_OPTION. */
  constructor(scheme: string, options: ListenOptions, manners: (reception: Reception) => Manners) {
    this.#scheme = scheme;
    this.#net = checkListening(scheme, options.net);
    this.#tls = this.#net.tls ?? {};
    this.reception = receptionOf(scheme, options);
    this.#manners = manners(this.reception);
    this.server = createServer(servedAs(scheme, this.#net), (socket) => this.#accept(socket));
  }

  get stats(): ListenerStats {
    let bytesRead = this.#bytesRead;
    let bytesWritten = this.#bytesWritten;
    for (const socket of this.#open) {
      bytesRead += socket.bytesRead;
      bytesWritten += socket.bytesWritten;
    }
    return { connections: this.#open.size, accepted: this.#accepted, refused: this.#refused, bytesRead, bytesWritten };
  }

  address(): ListenAddress | string | null {
    return this.server.address();
  }

  /** Reads what TLS needs, where it is spoken. @throws HawserError ERR_OPTION. */
  async prepare(endpoint: Endpoint): Promise<void> {
    if (!isSecure(this.#scheme)) return;
    this.#endpoint = endpoint;
    const secure = await this.#secureOptions(endpoint, this.#tls);
    const alpn = alpnOf(this.#scheme, this.#net);
    const manners: Manners = { ...this.#manners, welcome: (arrival) => this.#welcome(arrival) };
    this.#gate = new TlsGate(this.reception, manners, secure, { ...this.#tls, alpn });
  }

  /** As `Listener.reload`. */
  reload(given: TlsOptions = {}): Promise<void> {
    return this.#reloads.inTurn(async () => {
      if (this.#endpoint === undefined) return;
      const tls = { ...this.#tls, ...given };
      this.#gate?.renew(await this.#secureOptions(this.#endpoint, tls));
      this.#tls = tls;
    });
  }

  /** Reads the files anew whenever they change, where that was asked for. @throws HawserError ERR_OPTION. */
  watch(): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined || this.#net.tls?.watch !== true) return;
    this.#watch = reloadOnChange(endpoint, this.reception.options, () => this.reload());
  }

  async #secureOptions(endpoint: Endpoint, tls: TlsOptions): Promise<SecureOptions> {
    const secure = await secureOptionsOf(endpoint, tls);
    if (secure.pfx !== undefined || (secure.cert !== undefined && secure.key !== undefined)) return secure;
    throw new HawserError(
      'ERR_OPTION',
      `${this.#scheme}: a listener needs \`cert\` and \`key\`, or \`pfx\`: ?cert=FILE&key=FILE, as hawser cert makes them`,
    );
  }

  /** Listens at `where`, or on what was inherited. @throws HawserError as `Transport.listen` does. */
  async listen(endpoint: Endpoint, where: NodeListenOptions): Promise<void> {
    const at = listenedAt(endpoint, where, this.#net);
    await startListening(this.server, at, describeEndpoint(endpoint));
    if (this.#net.unref === true) this.server.unref();
    this.watch();
  }

  /**
   * A connection begins its way to a link: whoever sends it, it goes through all steps. They are, in this order: whom it speaks for, when it
   * comes from a proxy that is believed; whether it is safe (tls); what it speaks.
   */
  take(socket: Socket): void {
    socket.allowHalfOpen = true;
    if (!this.#open.has(socket)) this.#count(socket);
    const { group, options } = this.reception;
    const arrival: Arrival = { socket, by: group.world.now() + options.loginWait };
    if (options.trusts?.(addressOf(socket))) {
      new Spokesman(this.reception, arrival, (known) => this.#secure(known)).begin();
    } else {
      this.#secure(arrival);
    }
    socket.resume();
  }

  #secure(arrival: Arrival): void {
    if (this.#gate === undefined) this.#welcome(arrival);
    else this.#gate.enter(arrival);
  }

  close(): void {
    this.#watch?.[Symbol.dispose]();
    stopListening(this.server);
    for (const guest of this.reception.guests) guest.leave();
  }

  #accept(socket: Socket): void {
    this.#count(socket);
    const { maxConnections = Infinity } = this.#net;
    if (this.#open.size > maxConnections) this.#turnAway(socket, maxConnections);
    else if (this.#net.onSocket?.(socket) === true) this.#giveAway(socket);
    else this.take(socket);
  }

  #giveAway(socket: Socket): void {
    giveAway(socket);
    this.left(socket);
  }

  #turnAway(socket: Socket, most: number): void {
    this.#refused++;
    if (this.#gate !== undefined || this.#open.size > most + TOLD_MAX) socket.destroy();
    else new Parting(this.reception, socket).begin(this.#manners.words(FULL));
  }

  #welcome(arrival: Arrival): void {
    speaksFor(arrival);
    watchIdle(arrival.socket, this.#net.idleTimeout ?? 0);
    this.#manners.welcome(arrival);
  }

  #count(socket: Socket): void {
    this.#accepted++;
    this.#open.add(socket);
    lodge(socket, this);
  }

  left(socket: Socket): void {
    this.#open.delete(socket);
    this.#bytesRead += socket.bytesRead;
    this.#bytesWritten += socket.bytesWritten;
  }
}

const FULL: Refusal = { reason: { code: CLOSE.tooManySockets, reason: 'too many connections' }, status: 503 };

export function receptionOf(scheme: string, options: ListenOptions): Reception {
  const transport = LINK_SCHEMES[scheme] ?? scheme;
  const allocate = (length: number): Uint8Array => Buffer.allocUnsafeSlow(length);
  return { group: new LinkGroup({ ...options, transport, allocate }), options, guests: new Set<Guest>() };
}
