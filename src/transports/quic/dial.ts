import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { errorOfClose, HawserError } from '../../core/index.ts';
import { Deadline, type DeadlineOwner, LinkGroup } from '../../runtime/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link } from '../../transport/index.ts';
import { addressText, isLoopback, lookUp } from '../../udpack-endpoint/parts.ts';
import { givenUp } from '../call.ts';
import { checkQuic, portOf } from '../settings.ts';
import type { Connection, ConnectionUser, Ending, HostPort } from './connection.ts';
import { alertOf, endingError } from './failures.ts';
import { Hub } from './hub.ts';
import { peerOf, QuicLink } from './link.ts';
import { ALPN, datagramBytesOf, type QuicSettings, setLimits } from './options.ts';
import { PrefaceReader, prefaceOf } from './preface.ts';
import { loadQuiche } from './quiche.ts';
import { dialSecurity, distrustOf, type Fault, faultOf, isPinned, nameOf, type Security, shownBy } from './security.ts';
import { MAIN } from './streams.ts';

const LOOPBACK = '127.0.0.1';
/** A dialler gives up before its client does, and can say why. */
const HANDSHAKE_WAIT = 5000;
/** Signs of life come from the dialler, who has the reason: the way back to it may be forgotten by what lies between. */
const KEEPALIVE = 10_000;

/**
 * Opens a link, on a UDP socket of its own.
 * @throws HawserError as `Transport.dial` does; ERR_UNSUPPORTED where the package is not installed.
 */
export async function dialQuic(endpoint: Endpoint, options: DialOptions, settings: QuicSettings): Promise<Link> {
  const { signal } = options;
  const net = checkQuic('dial', options.net ?? {});
  const { tls = {}, family = 0, localAddress, localPort = 0 } = net;
  const port = portOf(endpoint);
  const stop = (): void => {
    if (signal.aborted) throw givenUp(endpoint, signal);
  };
  stop();
  const name = nameOf(endpoint, tls);
  const quiche = await loadQuiche();
  const security = await dialSecurity(quiche, endpoint, tls);
  const ip = await lookUp(endpoint.host || LOOPBACK, family || (isIP(localAddress ?? '') as 0 | 4 | 6), signal);
  stop();
  const from = localAddress ?? (isLoopback(ip) ? ip : ip.includes(':') ? '::' : '0.0.0.0');
  const datagramBytes = datagramBytesOf(settings, isLoopback(ip));
  const { config } = security;
  setLimits(config, 'dial', options, settings);
  config.setMaxSendUdpPayloadSize(datagramBytes);
  const hub = await Hub.open(from, localPort, { quiche, world: options.world, datagramBytes });
  if (signal.aborted) await hub.stop();
  stop();
  return await new Promise((opened, failed) => {
    new Dialling({ hub, to: { host: ip, port }, name, endpoint, security, options, settings, opened, failed }).begin();
  });
}

interface DiallingParts {
  readonly hub: Hub;
  readonly to: HostPort;
  /** What the certificate must be for. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly security: Security;
  readonly options: DialOptions;
  readonly settings: QuicSettings;
  readonly opened: (link: Link) => void;
  readonly failed: (error: HawserError) => void;
}

/** A connection on its way to a link: it is one when the server has said which protocol it is to be. */
class Dialling implements ConnectionUser, DeadlineOwner {
  readonly #parts: DiallingParts;
  readonly #group: LinkGroup;
  readonly #deadline: Deadline = new Deadline(this);
  readonly #aborted = (): void => this.#give(givenUp(this.#parts.endpoint, this.#parts.options.signal));
  #connection!: Connection;
  #preface!: PrefaceReader;
  #settled = false;

  constructor(parts: DiallingParts) {
    this.#parts = parts;
    this.#group = new LinkGroup({ ...parts.options, transport: 'quic' });
  }

  begin(): void {
    const { hub, to, name, security, options, settings } = this.#parts;
    hub.hold();
    const keepalive = settings.keepalive ?? KEEPALIVE;
    // An address can't be asked for by TLS: the certificate is looked through for it when it is there.
    const servername = isIP(name.split('%')[0] ?? '') > 0 ? undefined : name;
    try {
      this.#connection = hub.dial(to, servername, { config: security.config, user: this, keepalive });
    } catch (cause) {
      this.#fail(
        new HawserError('ERR_OPTION', `${this.#what} can't be dialled so: ${(cause as Error).message}`, { cause }),
      );
      void hub.stop();
      return;
    }
    this.#preface = new PrefaceReader(this.#connection, MAIN);
    const { world, wheel } = this.#group;
    wheel.schedule(this.#deadline, world.now() + (settings.handshakeWait ?? HANDSHAKE_WAIT));
    options.signal.addEventListener('abort', this.#aborted, { once: true });
  }

  onEstablished(): void {
    if (this.#settled) return;
    const { machine } = this.#connection;
    const fault = this.#parts.security.verifies ? this.#faultOf(shownBy(machine)) : undefined;
    if (fault !== undefined) this.#give(this.#unsafe(fault.reason, fault.words));
    else if (new TextDecoder().decode(machine.applicationProto()) !== ALPN)
      this.#give(this.#unsafe('NO_APPLICATION_PROTOCOL', `it does not speak ${ALPN}`));
    else this.#greet();
  }

  onReadable(stream: number): void {
    if (this.#settled || stream !== MAIN) return;
    const answer = this.#preface.read();
    if (answer !== undefined) this.#answered(answer || []);
  }

  onDatagram(): void {}

  onBroken(): void {
    this.#give(this.#refused('the server gave the stream up'));
  }

  onBatch(): void {}

  onClosed(ending: Ending): void {
    this.#fail(this.#failureOf(ending));
  }

  onUnreachable(code: string): void {
    if (this.#connection.bytesRead > 0) return;
    const { to } = this.#parts;
    const where = addressText({ address: to.host, port: to.port });
    this.#give(new HawserError('ERR_CONNECT_FAILED', `${this.#what}: ${where} can't be reached: ${code}`));
  }

  // DeadlineOwner

  onDeadline(): void {
    this.#give(this.#unanswered());
  }

  get #what(): string {
    return describeEndpoint(this.#parts.endpoint);
  }

  #faultOf(certificate: X509Certificate | undefined): Fault | undefined {
    const { name, security } = this.#parts;
    const fault = faultOf(certificate, name, new Date());
    if (fault !== undefined || security.pins === undefined || isPinned(certificate, security.pins)) return fault;
    return distrustOf(certificate);
  }

  #greet(): void {
    const { plain, protocols } = this.#parts.options;
    this.#connection.write(MAIN, prefaceOf(plain === undefined ? protocols : []));
  }

  #answered([protocol, ...more]: readonly string[]): void {
    const { plain, protocols } = this.#parts.options;
    const known = protocol !== undefined && more.length === 0 && (plain !== undefined || protocols.includes(protocol));
    if (known) this.#open(plain?.protocol ?? protocol);
    else this.#give(this.#refused(`it does not speak ${protocols.join(', ')}`));
  }

  #open(protocol: string): void {
    const { hub, opened } = this.#parts;
    const connection = this.#connection;
    const link = new QuicLink({ group: this.#group, hub, connection, protocol, peer: peerOf(connection) });
    this.#settle();
    opened(link);
    connection.kick();
  }

  #failureOf(ending: Ending): HawserError {
    const { by, application, code, reason } = ending;
    if (application && by === 'peer' && code > 0) return this.#refused(reason, { code: errorOfClose(code) });
    if (alertOf(ending) !== undefined) return this.#alerted(ending);
    if (ending.silent) return this.#unanswered();
    return new HawserError('ERR_CONNECT_FAILED', `${this.#what}: ${endingError(ending).message}`);
  }

  /** TLS did not come about. */
  #alerted(ending: Ending): HawserError {
    if (ending.by === 'peer') return this.#unsafe(`ALERT_${alertOf(ending)}`, endingError(ending).message);
    const certificate = shownBy(this.#connection.machine);
    if (certificate === undefined) return this.#unsafe(`ALERT_${alertOf(ending)}`, endingError(ending).message);
    const { reason, words } = faultOf(certificate, this.#parts.name, new Date()) ?? distrustOf(certificate);
    return this.#unsafe(reason, words);
  }

  #unsafe(reason: string, words: string): HawserError {
    return new HawserError('ERR_TLS', `${this.#what} is not safe: ${words}`, { data: { reason } });
  }

  #refused(why: string, data?: unknown): HawserError {
    return new HawserError('ERR_HANDSHAKE_REFUSED', `${this.#what} refused the connection: ${why}`, { data });
  }

  #unanswered(): HawserError {
    return new HawserError(
      'ERR_CONNECT_FAILED',
      `${this.#what}: no answer: nobody is there, or UDP is blocked on the way`,
    );
  }

  /** Gives the connection up. */
  #give(error: HawserError): void {
    if (this.#settled) return;
    this.#fail(error);
    this.#connection.close(0);
  }

  #fail(error: HawserError): void {
    if (this.#settled) return;
    this.#settle();
    this.#parts.failed(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#group.wheel.cancel(this.#deadline);
    this.#parts.options.signal.removeEventListener('abort', this.#aborted);
    this.#parts.hub.release();
  }
}
