import { isIP } from 'node:net';
import { errorOfClose, HawserError } from '../../core/index.ts';
import { LinkGroup } from '../../runtime/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link } from '../../transport/index.ts';
import type { Address, Session, SessionClosed, SessionEvent } from '../../udpack/index.ts';
import {
  addressText,
  closeOf,
  endedError,
  isLoopback,
  lookUp,
  now,
  readPublicKey,
} from '../../udpack-endpoint/parts.ts';
import { givenUp } from '../call.ts';
import { checkUdpack, portOf } from '../settings.ts';
import { Hub, type SessionUser } from './hub.ts';
import { peerOf, UdpackLink } from './link.ts';
import { ANSWER_WAIT, hubOptionsOf, keyTextOf, type UdpackSettings } from './options.ts';
import { prefaceOf, protocolsOf } from './packets.ts';
import { AnswerWatch } from './watch.ts';

const LOOPBACK = '127.0.0.1';

/**
 * Opens a link. Each has a UDP socket of its own: clients seldom have two, and so none shares the fate, the buffers or the port of another.
 * @throws HawserError as `Transport.dial` does; ERR_KEY; ERR_VERSION.
 */
export async function dialUdpack(endpoint: Endpoint, options: DialOptions, settings: UdpackSettings): Promise<Link> {
  const { signal } = options;
  const net = checkUdpack('dial', options.net ?? {});
  const { udpack = {}, family = 0, localAddress, localPort = 0 } = net;
  const port = portOf(endpoint);
  if (signal.aborted) throw givenUp(endpoint, signal);
  const given = udpack.key ?? (endpoint.reserved.key === undefined ? options.serverKey : undefined);
  const key = readPublicKey(await keyTextOf(endpoint, given, 'the public key of its server'));
  const ip = await lookUp(endpoint.host || LOOPBACK, family || (isIP(localAddress ?? '') as 0 | 4 | 6), signal);
  if (signal.aborted) throw givenUp(endpoint, signal);
  const from = localAddress ?? (isLoopback(ip) ? ip : ip.includes(':') ? '::' : '0.0.0.0');
  const hub = await Hub.open(from, localPort, hubOptionsOf('dial', options, udpack, settings));
  if (signal.aborted) {
    await hub.stop();
    throw givenUp(endpoint, signal);
  }
  return await new Promise((opened, failed) => {
    new Dialling({ hub, to: { address: ip, port }, endpoint, options, settings, opened, failed }).begin(key);
  });
}

interface DiallingParts {
  readonly hub: Hub;
  readonly to: Address;
  readonly endpoint: Endpoint;
  readonly options: DialOptions;
  readonly settings: UdpackSettings;
  readonly opened: (link: Link) => void;
  readonly failed: (error: HawserError) => void;
}

/** A session on its way to a link: it is one when the server has said which protocol it is to be. */
class Dialling implements SessionUser {
  readonly #parts: DiallingParts;
  readonly #preface: Uint8Array;
  readonly #aborted = (): void => this.#give(givenUp(this.#parts.endpoint, this.#parts.options.signal));
  #session!: Session;
  #main = 0;
  #settled = false;

  constructor(parts: DiallingParts) {
    this.#parts = parts;
    const { plain, protocols } = parts.options;
    this.#preface = prefaceOf(plain === undefined ? protocols : []);
  }

  begin(serverKey: Uint8Array): void {
    const { hub, to, options } = this.#parts;
    hub.hold();
    this.#session = hub.dial(to, serverKey, this);
    options.signal.addEventListener('abort', this.#aborted, { once: true });
  }

  onEvent(event: SessionEvent): void {
    if (event.type === 'established') this.#greet();
    else if (event.type === 'packet') this.#answered(event.bytes);
    else if (event.type === 'closed' && !('stream' in event)) this.#fail(this.#failureOf(event));
  }

  onBatch(): void {}

  onUnreachable(code: string): void {
    if (this.#session.state !== 'handshaking') return;
    this.#give(
      new HawserError('ERR_CONNECT_FAILED', `${this.#what}: ${addressText(this.#parts.to)} can't be reached: ${code}`),
    );
  }

  get #what(): string {
    return describeEndpoint(this.#parts.endpoint);
  }

  /** In the same flight as the last words of the handshake. */
  #greet(): void {
    const { streams } = this.#session;
    this.#main = streams.open('packets');
    streams.write(this.#main, this.#preface, {}, now());
    this.#parts.hub.kick();
  }

  #answered(answer: Uint8Array): void {
    const { options } = this.#parts;
    const [protocol, ...more] = protocolsOf(answer) ?? [];
    const known =
      protocol !== undefined &&
      more.length === 0 &&
      (options.plain !== undefined || options.protocols.includes(protocol));
    if (known) this.#open(options.plain?.protocol ?? protocol);
    else
      this.#give(
        new HawserError('ERR_HANDSHAKE_REFUSED', `${this.#what} does not speak ${options.protocols.join(', ')}`),
      );
  }

  #open(protocol: string): void {
    const { hub, options, settings, opened } = this.#parts;
    this.#settle();
    const group = new LinkGroup({ ...options, transport: 'udpack' });
    const session = this.#session;
    const parts = { group, hub, session, main: this.#main, preface: this.#preface, protocol, peer: peerOf(session) };
    const link = new UdpackLink(parts);
    hub.hand(session, link);
    new AnswerWatch(session, link, settings.answerWait ?? ANSWER_WAIT).begin();
    opened(link);
  }

  #failureOf(event: SessionClosed): HawserError {
    if (event.application && event.code > 0) {
      const data = { code: errorOfClose(event.code) };
      return new HawserError('ERR_HANDSHAKE_REFUSED', `${this.#what} refused the connection: ${event.reason}`, {
        data,
      });
    }
    const error = endedError(closeOf(event));
    const code = error.code === 'ERR_CLOSED' ? 'ERR_CONNECT_FAILED' : error.code;
    return new HawserError(code, `${this.#what}: ${error.message}`, { cause: error });
  }

  /** Gives the session up. */
  #give(error: HawserError): void {
    if (this.#settled) return;
    this.#session.close(0, '', now());
    this.#parts.hub.kick();
    this.#fail(error);
  }

  #fail(error: HawserError): void {
    if (this.#settled) return;
    this.#settle();
    this.#parts.failed(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#parts.options.signal.removeEventListener('abort', this.#aborted);
    this.#parts.hub.release();
  }
}
