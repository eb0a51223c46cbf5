import { CLOSE, type CloseReason, type Instant, type Outbound } from '../../src/core/index.ts';
import { Session, type SessionHandler, type SessionPort, type SessionSettings } from '../../src/session/index.ts';
import { type Codec, type Goaway, hawserCodec, type Incoming } from '../../src/wire/index.ts';

/** Small settings, so that tests reach them: 1000 bytes to keep, 1000 more to wait. */
export const SETTINGS: SessionSettings = {
  role: 'server',
  heartbeat: 20_000,
  readWait: 45_000,
  resumeWindow: 120_000,
  resumeBytes: 1000,
  backlogBytes: 1000,
  channels: 2,
};

/** A link's end that keeps what it is given. */
export class TestPort implements SessionPort {
  readonly sent: Outbound[] = [];
  readonly ping: (() => void) | undefined;
  full = false;
  queued = 0;
  pings = 0;
  closed: CloseReason | undefined;

  constructor(canPing = false) {
    this.ping = canPing ? () => this.#countPing() : undefined;
  }

  send(message: Outbound): boolean {
    this.sent.push(message);
    return !this.full;
  }

  #countPing(): void {
    this.pings += 1;
  }

  close(reason: CloseReason): void {
    this.closed = reason;
  }

  /** The kinds of what was sent since the last look. */
  kinds(codec: Codec = hawserCodec): number[] {
    return this.look(codec).map(({ kind }) => kind);
  }

  look(codec: Codec = hawserCodec): Incoming[] {
    return this.sent.splice(0).map((message) => codec.decode(message.bytes, message.text) as Incoming);
  }
}

/** A session with everything it told, in order. */
export class Told implements SessionHandler {
  readonly session: Session;
  readonly messages: Incoming[] = [];
  readonly told: string[] = [];
  wakes: Instant[] = [];
  during: ((message: Incoming) => void) | undefined;

  constructor(settings: Partial<SessionSettings> = {}, codec: Codec = hawserCodec) {
    this.session = new Session(codec, { ...SETTINGS, ...settings }, this);
  }

  onMessage(message: Incoming): void {
    this.messages.push(message);
    this.during?.(message);
  }
  onDrain(): void {
    this.told.push('drain');
  }
  onDown(reason: CloseReason): void {
    this.told.push(`down ${reason.code}`);
  }
  onUp(): void {
    this.told.push('up');
  }
  onConfirmed(): void {
    this.told.push('confirmed');
  }
  onGoaway(goaway: Goaway): void {
    this.told.push(`goaway ${goaway.code}`);
  }
  onEnd(reason: CloseReason): void {
    this.told.push(`end ${reason.code}`);
  }
  wakeAt(at: Instant): void {
    this.wakes.push(at);
  }

  /** Everything that can be asked of the session without changing it. */
  seen(): unknown {
    const { state, deadline, rtt } = this.session;
    return [state, deadline, rtt, this.session.counts(), this.session.leftovers(), [...this.told]];
  }
}

export const BROKEN: CloseReason = { code: CLOSE.abnormal, reason: 'broke' };

export function event(name: string, data: unknown = null, channel = 0): Outbound {
  return hawserCodec.event(channel, name, data);
}

/** A session that is up, and its port. */
export function up(
  settings: Partial<SessionSettings> = {},
  codec: Codec = hawserCodec,
  port: TestPort = new TestPort(),
): { told: Told; port: TestPort; session: Session } {
  const told = new Told(settings, codec);
  if (!told.session.attach(port, codec, 0)) throw new Error('the first link was refused');
  return { told, port, session: told.session };
}

export function hear(session: Session, port: SessionPort, message: Outbound, now: Instant): void {
  session.receive(port, message.bytes, message.text, now);
}
