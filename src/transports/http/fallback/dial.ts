import { HawserError, type World } from '../../../core/index.ts';
import { type ByteStreamLink, byteStreamLink, LinkGroup, type PortUser } from '../../../runtime/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link, type Peer } from '../../../transport/index.ts';
import { type Base64, ClientFraming } from './client-framing.ts';
import { ClientPort } from './client-port.ts';
import { HEADER, isMode, MODES, type Mode, type Opened, readOpened } from './protocol.ts';
import type { Answer, Wire } from './wire.ts';

/** A stream's first event is awaited for this long beside the time that three requests take, ms. */
const READY_WAIT = 1500;
const NAME_BYTES = 16;
const NO_BYTES = new Uint8Array(0);
/** How much of a refusal is shown. */
const BODY_SHOWN = 200;

/** What differs between Node and a browser. */
export interface DialPlatform {
  readonly wire: Wire;
  readonly base64: Base64;
  readonly peer: Peer;
  readonly allocate?: (length: number) => Uint8Array;
  /** What became of a request that broke. */
  readonly failure: (error: unknown, endpoint: Endpoint) => HawserError;
}

/** Opens a link by requests. It is up when events come through. */
export async function dialByRequests(endpoint: Endpoint, options: DialOptions, platform: DialPlatform): Promise<Link> {
  const { world, signal } = options;
  const { mode = 'stream' } = endpoint.reserved;
  if (!isMode(mode)) throw new HawserError('ERR_URL', `mode is ${MODES.join(', ')}`);
  const began = world.now();
  try {
    const opened = await open(endpoint, options, platform);
    const readyWait = READY_WAIT + 3 * (world.now() - began);
    return await new Promise((resolve, reject) => {
      new Dialling(endpoint, options, platform, opened, resolve, reject).begin(mode, readyWait);
    });
  } catch (error) {
    platform.wire.close();
    if (!signal.aborted) throw error;
    throw new HawserError('ERR_ABORTED', `${describeEndpoint(endpoint)} was given up`, { cause: signal.reason });
  }
}

async function open(endpoint: Endpoint, options: DialOptions, { wire, failure }: DialPlatform): Promise<Opened> {
  const { world, signal, plain, protocols } = options;
  const headers = {
    [HEADER.link]: nameOf(world),
    ...(plain === undefined && { [HEADER.protocols]: protocols.join(', ') }),
  };
  let answer: Answer;
  try {
    signal.throwIfAborted();
    answer = await wire.post(headers, NO_BYTES, signal, true);
  } catch (error) {
    throw failure(error, endpoint);
  }
  const opened = answer.status === 201 ? readOpened(answer.body) : undefined;
  if (opened !== undefined && (plain !== undefined || protocols.includes(opened.protocol))) return opened;
  const { status, body } = answer;
  const said = body.slice(0, BODY_SHOWN).split('\n')[0] ?? '';
  const what =
    opened === undefined ? `refused a link by requests with status ${status}${said && `: ${said}`}` : NOT_OFFERED;
  throw new HawserError('ERR_HANDSHAKE_REFUSED', `${describeEndpoint(endpoint)} ${what}`, { data: { status } });
}

const NOT_OFFERED = 'chose none of the protocols offered';

/** In base64url, and without Node. */
function nameOf({ random }: World): string {
  const text = btoa(String.fromCharCode(...random.bytes(NAME_BYTES)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** A link that is open, and through which nothing has come yet. */
class Dialling implements PortUser {
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #platform: DialPlatform;
  readonly #opened: Opened;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: unknown) => void;
  #port: ClientPort | undefined;

  constructor(
    endpoint: Endpoint,
    options: DialOptions,
    platform: DialPlatform,
    opened: Opened,
    resolve: (link: Link) => void,
    reject: (error: unknown) => void,
  ) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#platform = platform;
    this.#opened = opened;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(mode: Mode, readyWait: number): void {
    const { world, messageBytes, signal } = this.#options;
    const { wire, base64 } = this.#platform;
    const framing = new ClientFraming(messageBytes, base64);
    const onReady = (): void => this.#ready(framing);
    const parts = { world, wire, opened: this.#opened, framing, messageBytes, mode, readyWait, onReady };
    this.#port = new ClientPort(parts);
    signal.addEventListener('abort', this.#aborted, { once: true });
    this.#port.begin(this);
    if (signal.aborted) this.#aborted();
  }

  receive(): void {}

  writable(): void {}

  ended(): void {}

  gone(error: Error | undefined): void {
    this.#options.signal.removeEventListener('abort', this.#aborted);
    this.#reject(this.#platform.failure(error, this.#endpoint));
  }

  readonly #aborted = (): void => {
    this.#port?.destroy();
    this.#reject(this.#options.signal.reason);
  };

  #ready(framing: ClientFraming): void {
    const port = this.#port;
    const { signal, plain } = this.#options;
    if (port === undefined || this.#link !== undefined) return;
    signal.removeEventListener('abort', this.#aborted);
    const { allocate, peer } = this.#platform;
    const group = new LinkGroup({ ...this.#options, transport: this.#endpoint.scheme, ...(allocate && { allocate }) });
    const protocol = plain?.protocol ?? this.#opened.protocol;
    this.#link = byteStreamLink({ group, port, framing, protocol, peer });
    port.user = this.#link;
    this.#resolve(this.#link);
  }

  #link: ByteStreamLink | undefined;
}
