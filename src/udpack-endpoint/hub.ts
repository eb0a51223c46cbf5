import { HawserError } from '../core/index.ts';
import { Alarm, now } from '../runtime/index.ts';
import {
  type Address,
  Endpoint,
  type EndpointStats,
  type Session,
  type SessionClosed,
  type Trace,
} from '../udpack/index.ts';
import { nodeCrypto, resetSecretOf } from './crypto.ts';
import { Driver, type DriverHandler, Telling } from './driver.ts';
import { abortedError, closeOf, endedError, isUnreachable } from './failures.ts';
import { datagramSizeOf } from './mtu.ts';
import { addressText, resolveHost } from './names.ts';
import type { ResolvedUdpackOptions } from './options.ts';
import { Qlog } from './qlog.ts';
import { type SessionPort, UdpackSession } from './session.ts';
import { SharedPort, whenKnown } from './shared-port.ts';
import { SpeedMeter, type UdpackSpeed } from './speed.ts';
import type { UdpackStream } from './stream.ts';
import { UdpPort } from './udp-port.ts';
import type { UdpackStats } from './udpack.ts';
import { asHawserError, type Callback, endedBy, Wait } from './waits.ts';

/** What `UDPack` tells. */
export interface HubEvents {
  listening: [];
  session: [session: UdpackSession];
  stream: [stream: UdpackStream];
  connect_error: [error: HawserError];
  goaway: [session: UdpackSession, code: number, reason: string];
  ping: [session: UdpackSession];
  pong: [session: UdpackSession, rtt: number];
  speed: [speed: UdpackSpeed];
  error: [error: HawserError];
  close: [];
}

/** Who the events go to. */
interface Audience {
  emit<Name extends keyof HubEvents>(name: Name, ...args: HubEvents[Name]): void;
  listens(name: keyof HubEvents): boolean;
}

interface Dial {
  readonly port: number;
  readonly host: string | undefined;
  readonly serverKey: Uint8Array | undefined;
  readonly token: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Who waits for a session to open. */
interface Pending {
  readonly wait: Wait<UdpackSession>;
  /** Begins anew; false when that was done often enough. */
  readonly again: () => boolean;
}

/** One session of the machine's, and what is known of it here. */
interface Entry {
  readonly core: Session;
  readonly face: UdpackSession;
  dial: Pending | undefined;
  open: boolean;
}

/** A tracer for each session, by the names that tell them apart. */
function traceTo(qlog: Qlog | undefined): (() => Trace) | undefined {
  if (qlog === undefined) return undefined;
  let sessions = 0;
  return () => {
    const group = String(++sessions);
    return (name, data, at) => qlog.event(name, data, at, group);
  };
}

const NOTHING_YET: EndpointStats = {
  sessions: 0,
  halfOpen: 0,
  handshakes: 0,
  refused: 0,
  retries: 0,
  resetsSent: 0,
  stray: 0,
  forwarded: 0,
  forwardsDropped: 0,
};

/** So often a dial begins anew when the process that answered it is gone before it let anybody in: another has its port by then. */
const REDIALS = 3;

/** What a peer has to answer to a CLOSE before the port is given back, in ms. */
const LINGER = 200;

/** Joins the machine, the socket and the faces: which session is whose, who is let in, who is told what. */
export class Hub {
  /** Resolves when it has given its port back, or could not get it. */
  readonly closed: Promise<void>;
  #settleClosed: () => void = () => {};
  readonly #options: ResolvedUdpackOptions;
  readonly #audience: Audience;
  readonly #entries: Map<Session, Entry> = new Map();
  /** Those of them that somebody waits for. */
  readonly #dials: Set<Entry> = new Set();
  readonly #speed: SpeedMeter = new SpeedMeter((speed) => this.tell('speed', speed));
  #port: UdpPort | undefined;
  #endpoint: Endpoint | undefined;
  #driver: Driver | undefined;
  #shared: SharedPort | undefined;
  #qlog: Qlog | undefined;
  #dialled: UdpackSession | undefined;
  #closing: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  #counts = { sent: 0, received: 0 };
  #alive = true;
  /** Called when a session is open no more, or is over. */
  #onFewer: () => void = () => {};

  constructor(options: ResolvedUdpackOptions, audience: Audience) {
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#options = options;
    this.#audience = audience;
  }

  get address(): Address | undefined {
    return this.#port?.address;
  }

  get sessions(): UdpackSession[] {
    return [...this.#entries.values()].filter(({ open }) => open).map(({ face }) => face);
  }

  /** Whether it closes, or is closed. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** The session that was dialled last, if it lives. */
  get dialled(): UdpackSession | undefined {
    return this.#dialled;
  }

  get stats(): UdpackStats {
    return {
      ...(this.#endpoint?.stats ?? NOTHING_YET),
      sessions: this.sessions.length,
      bytesSent: this.#speed.sent,
      bytesReceived: this.#speed.received,
      datagramsSent: this.#counts.sent,
      datagramsReceived: this.#counts.received,
    };
  }

  /** Binds. */
  open(): Promise<void> {
    this.#opening = this.#open();
    this.#opening.catch(() => this.#settleClosed());
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { host, port, signal, workers } = this.#options;
    // Listeners are added after the constructor has returned.
    await Promise.resolve();
    if (signal?.aborted) throw abortedError(signal);
    await whenKnown(workers, signal);
    const bound = await UdpPort.bind(host, port, signal, workers !== undefined);
    if (this.#closing !== undefined) {
      await bound.close();
      throw new HawserError('ERR_CLOSED', 'the endpoint was closed before its port was bound');
    }
    try {
      this.#start(bound);
    } catch (error) {
      await bound.close();
      throw error;
    }
  }

  #start(port: UdpPort): void {
    const { key, limits, times, congestion, qlog, workers } = this.#options;
    const datagramSize = Math.min(this.#options.datagramSize, datagramSizeOf(port.address.address));
    this.#qlog = qlog === undefined ? undefined : new Qlog(qlog, `udpack-${port.address.port}-${process.pid}`, now());
    const resetSecret = key && resetSecretOf(key, port.address);
    const shared = key && workers && new SharedPort(workers, key, port.address);
    const endpoint = new Endpoint(
      {
        crypto: nodeCrypto,
        key,
        resetSecret,
        limits,
        times,
        congestion,
        datagramSize,
        trace: traceTo(this.#qlog),
        workers: shared?.options,
      },
      now(),
    );
    this.#shared = shared;
    this.#port = port;
    this.#endpoint = endpoint;
    const handler: DriverHandler = {
      onEvents: (session) => void this.#onEvents(session),
      onSendFailed: (code, to, size) => this.#onSendFailed(code, to, size),
      onFailed: (error) => this.#onFailed(error),
      onBytes: (received, sent) => this.#count(received, sent),
    };
    this.#driver = new Driver(endpoint, port, datagramSize, handler, shared);
    if (shared !== undefined) shared.takes = true;
    if (!this.#alive) this.#driver.unref();
    this.#speed.start();
  }

  /** Resolves with a session whose token was accepted. */
  async dial({ port, host, serverKey = this.#options.serverKey, token, signal }: Dial): Promise<UdpackSession> {
    if (serverKey === undefined) {
      throw new HawserError('ERR_OPTION', 'dialling needs the public key of the server: pubkey, or key of connect');
    }
    const udp = this.#port;
    if (udp === undefined) throw new HawserError('ERR_CLOSED', 'the endpoint is closed');
    const name = host ?? (udp.address.address === '::1' ? '::1' : '127.0.0.1');
    const address = await resolveHost(name, udp.family, signal);
    const endpoint = this.#endpoint;
    if (endpoint === undefined || this.#closing !== undefined)
      throw new HawserError('ERR_CLOSED', 'the endpoint is closed');
    let entry: Entry | undefined;
    const wait = new Wait<UdpackSession>(signal, () => void entry?.face.abort());
    let left = REDIALS;
    const begin = (): void => {
      const core = endpoint.dial({ address, port }, serverKey, token ?? this.#options.token, now());
      entry = this.#enter(core);
      entry.dial = { wait, again };
      this.#dials.add(entry);
      this.#driver?.kick();
    };
    const again = (): boolean => {
      if (left === 0 || signal?.aborted === true || this.#closing !== undefined) return false;
      left--;
      begin();
      return true;
    };
    begin();
    return wait.promise;
  }

  /** Tells a listener; what it throws harms nobody else. */
  tell<Name extends keyof HubEvents>(name: Name, ...args: HubEvents[Name]): void {
    this.#guard(`a listener of '${name}'`, () => this.#audience.emit(name, ...args));
  }

  /** Hands the outcome of a promise to a callback. */
  async callBack<Value>(during: string, outcome: Promise<Value>, done: Callback<Value> = () => {}): Promise<void> {
    try {
      const value = await outcome;
      this.#guard(during, () => done(null, value));
    } catch (error) {
      this.#guard(during, () => done(asHawserError(error)));
    }
  }

  /** Closes at once when the signal fires. */
  closeBy(signal: AbortSignal): void {
    void endedBy(this.closed, signal, () => void this.abort(0, ''));
  }

  close(code: number, reason: string): Promise<void> {
    const end = ({ face, open }: Entry): unknown => (open ? face.close(code, reason) : face.abort(code, reason));
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  keepAlive(alive: boolean): void {
    this.#alive = alive;
    if (alive) this.#driver?.ref();
    else this.#driver?.unref();
  }

  /** Closes at once: what has not arrived is lost. */
  abort(code: number, reason: string): Promise<void> {
    const abort = ({ face }: Entry): unknown => face.abort(code, reason);
    // Who closes politely is hurried.
    if (this.#closing !== undefined) for (const entry of this.#entries.values()) abort(entry);
    this.#closing ??= this.#close(abort);
    return this.#closing;
  }

  async #close(end: (entry: Entry) => unknown): Promise<void> {
    // A port that could not be bound is as good as closed.
    await this.#opening?.catch(() => {});
    if (this.#endpoint !== undefined) this.#endpoint.closed = true;
    if (this.#shared !== undefined) this.#shared.takes = false;
    for (const entry of this.#entries.values()) end(entry);
    await this.#emptied();
    // Peers that are not there any more are not waited for; who holds their sessions hears that they are over.
    for (const { core } of this.#entries.values()) {
      for (let all = false; !all; ) all = this.#onEvents(core);
    }
    await this.#driver?.stop();
    this.#speed.stop();
    await this.#qlog?.close();
    this.#settleClosed();
    this.tell('close');
  }

  /** Resolves when all sessions are over, or have had time enough to be. */
  async #emptied(): Promise<void> {
    const empty = new Wait<void>();
    let late: Alarm | undefined;
    this.#onFewer = () => {
      if (this.#entries.size === 0) empty.resolve();
      if (late !== undefined || this.sessions.length > 0) return;
      late = new Alarm(() => empty.resolve());
      late.set(now() + LINGER);
    };
    this.#onFewer();
    await empty.promise;
    late?.clear();
    this.#onFewer = () => {};
  }

  /** Whether all that there is to tell was told. */
  #onEvents(core: Session): boolean {
    let entry = this.#entries.get(core);
    // Of one that is over before anything was said of it nobody need hear.
    if (entry === undefined && core.ended) return true;
    entry ??= this.#enter(core);
    const telling = new Telling();
    for (let event = core.poll(); event !== undefined; event = core.poll()) {
      if (event.type === 'auth') void this.#judge(entry, event.token);
      else if (event.type === 'open') this.#onOpen(entry);
      else if (event.type === 'closed' && !('stream' in event)) this.#onClosed(entry, event);
      else entry.face.onEvent(event);
      if (!telling.over) continue;
      this.#driver?.again(core);
      return false;
    }
    if (core.ended) this.#leave(entry);
    return true;
  }

  #enter(core: Session): Entry {
    const entry: Entry = { core, face: new UdpackSession(core, this.#sessionPort), dial: undefined, open: false };
    this.#entries.set(core, entry);
    return entry;
  }

  #leave({ core }: Entry): void {
    if (this.#entries.delete(core)) this.#onFewer();
  }

  async #judge({ core, face }: Entry, token: Uint8Array): Promise<void> {
    const { authToken, onError } = this.#options;
    let good: unknown = authToken === undefined;
    try {
      const text = Buffer.from(token).toString();
      if (authToken !== undefined) good = await authToken(text, { remote: face.remote, bytes: token });
    } catch (error) {
      onError(error, 'authToken');
    }
    // Nothing but `true` lets anybody in.
    if (good === true) core.accept();
    else core.refuse('', now());
    this.#driver?.kick();
  }

  #onOpen(entry: Entry): void {
    entry.open = true;
    const { face, dial } = entry;
    if (dial !== undefined) this.#dialled = face;
    this.tell('session', face);
    dial?.wait.resolve(face);
    this.#dials.delete(entry);
    entry.dial = undefined;
  }

  #onClosed(entry: Entry, event: SessionClosed): void {
    const { face, dial } = entry;
    entry.open = false;
    if (this.#dialled === face) this.#dialled = undefined;
    face.onEvent(event);
    this.#dials.delete(entry);
    if (dial !== undefined && !(event.fault === 'stateless-reset' && dial.again())) {
      dial.wait.reject(this.#dialFailure(entry, event));
    }
    this.#onFewer();
  }

  #dialFailure({ core }: Entry, event: SessionClosed): HawserError {
    const error = endedError(closeOf(event));
    const { destination } = core;
    return new HawserError(error.code, `${addressText(destination)}: ${error.message}`, { cause: error.cause });
  }

  /** A datagram that is lost here is lost like any other; what must be known of it is whether trying again is of use. */
  #onSendFailed(code: string, to: Address, size: number): void {
    // Whoever forges addresses that can't be reached must not have all sessions looked through.
    for (const entry of code === 'EMSGSIZE' ? this.#entries.values() : this.#dials) {
      const { core, dial, face } = entry;
      const { destination } = core;
      if (destination.port !== to.port || destination.address !== to.address) continue;
      if (code === 'EMSGSIZE') core.onRefused(size, now());
      else if (dial !== undefined && core.state === 'handshaking' && isUnreachable(code)) {
        dial.wait.reject(new HawserError('ERR_CONNECT_FAILED', `${addressText(to)} can't be reached: ${code}`));
        void face.abort();
      }
    }
    this.#driver?.kick();
  }

  #onFailed(cause: Error): void {
    const error = new HawserError('ERR_CONNECT_FAILED', `the socket failed: ${cause.message}`, { cause });
    if (this.#audience.listens('error')) this.tell('error', error);
    else this.#options.onError(error, 'the socket');
    void this.abort(0, '');
  }

  #count(received: number, sent: number): void {
    if (received > 0) {
      this.#counts.received++;
      this.#speed.received += received;
    } else {
      this.#counts.sent++;
      this.#speed.sent += sent;
    }
  }

  #guard(during: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.onError(error, during);
    }
  }

  readonly #sessionPort: SessionPort = {
    kick: () => this.#driver?.kick(),
    guard: (during, run) => this.#guard(during, run),
    listensToStreams: () => this.#audience.listens('stream'),
    onStream: (stream) => this.tell('stream', stream),
    onGoaway: (session, code, reason) => this.tell('goaway', session, code, reason),
    onPing: (session) => this.tell('ping', session),
    onPong: (session, rtt) => this.tell('pong', session, rtt),
  };
}
