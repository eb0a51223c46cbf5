import type { World } from '../../../core/index.ts';
import type { BytePort, PortUser } from '../../../runtime/index.ts';
import { base64Length, type ClientFraming } from './client-framing.ts';
import { DownFetch } from './down-fetch.ts';
import { closeText } from './event-text.ts';
import { HEADER, type Mode, type Opened } from './protocol.ts';
import { UpStream } from './up-stream.ts';
import type { Wire, WireHeaders } from './wire.ts';

/** What an event has besides its data, in bytes. */
const EVENT_HEAD_BYTES = 128;
/** What the server is told when the link breaks here (RFC 6455 7.1.5). */
const BROKEN = closeText({ code: 1006, reason: '' });
/** How long the answer to that may take, ms: a server that is silent must not keep the process alive. */
const LAST_WAIT = 1000;
const NO_BYTES = new Uint8Array(0);

export interface ClientPortParts {
  readonly world: World;
  readonly wire: Wire;
  readonly opened: Opened;
  readonly framing: ClientFraming;
  readonly messageBytes: number;
  /** The way in which events came through the last time. */
  readonly mode: Mode;
  readonly readyWait: number;
  /** Events come through; before it nothing is handed on. */
  readonly onReady: (mode: Mode) => void;
}

/** The client's end of a link by the fallback, as a byte stream: POSTs carry what is written, GETs bring what is read. */
export class ClientPort implements BytePort {
  readonly #world: World;
  readonly #wire: Wire;
  readonly #headers: WireHeaders;
  readonly #up: UpStream;
  readonly #down: DownFetch;
  #user: PortUser | undefined;
  #ending = false;
  #isGone = false;

  constructor({ world, wire, opened, framing, messageBytes, mode, readyWait, onReady }: ClientPortParts) {
    const { link, secret, fetchWait, heartbeat, pollWait } = opened;
    this.#world = world;
    this.#wire = wire;
    this.#headers = { [HEADER.link]: link, [HEADER.secret]: secret };
    const heard = (): number => framing.heard;
    const lost = (error: Error): void => this.#lose(error);
    this.#up = new UpStream(world, wire, this.#headers, fetchWait, {
      get heard(): number {
        return heard();
      },
      taken: () => this.#taken(),
      lost,
    });
    this.#down = new DownFetch({
      world,
      wire,
      headers: this.#headers,
      mode,
      readyWait,
      heartbeat,
      pollWait,
      patience: fetchWait,
      eventBytes: base64Length(messageBytes) + EVENT_HEAD_BYTES,
      user: {
        get heard(): number {
          return heard();
        },
        ready: onReady,
        receive: (events) => this.#receive(events),
        lost,
      },
    });
  }

  /** Begins to fetch. `user` hears when the port is gone, also before it was ready. */
  begin(user: PortUser): void {
    this.#user = user;
    this.#down.fetch();
  }

  set user(user: PortUser) {
    this.#user = user;
  }

  get writableLength(): number {
    return this.#up.length;
  }

  get bytesRead(): number {
    return this.#down.bytesRead;
  }

  get bytesWritten(): number {
    return this.#up.bytesWritten;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isGone) this.#up.put(bytes);
    return this.#up.length === 0;
  }

  pause(): void {
    this.#down.pause();
  }

  resume(): void {
    this.#down.resume();
  }

  ref(): void {
    this.#wire.ref?.(true);
  }

  unref(): void {
    this.#wire.ref?.(false);
  }

  end(): void {
    this.#ending = true;
    if (this.#up.length === 0) this.#lose(undefined);
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#leave();
    const world = this.#world;
    const stop = new AbortController();
    const timer = world.timer(world.now() + LAST_WAIT, () => stop.abort());
    const said = this.#wire.post({ ...this.#headers, [HEADER.close]: BROKEN }, NO_BYTES, stop.signal);
    void said.catch(() => undefined).finally(() => timer.cancel());
    this.#wire.close();
  }

  #receive(events: Uint8Array): void {
    this.#up.came(events.length);
    this.#user?.receive(events);
  }

  #taken(): void {
    if (this.#ending) this.#lose(undefined);
    else this.#user?.writable();
  }

  /** Both sides have said goodbye where there is no error. */
  #lose(error: Error | undefined): void {
    if (this.#isGone) return;
    this.#leave();
    this.#wire.close();
    this.#user?.gone(error);
  }

  #leave(): void {
    this.#isGone = true;
    this.#down.stop();
    this.#up.stop();
  }
}
