import { type Channel, Channels, type ChannelsHost } from '../../src/channel/index.ts';
import {
  CLOSE,
  type CloseReason,
  DEFAULT_LIMITS,
  DEFAULT_TIMES,
  HawserError,
  type Limits,
  type Outbound,
  type Timer,
  type Times,
} from '../../src/core/index.ts';
import { Session, type SessionHandler } from '../../src/session/index.ts';
import { type VirtualWorld, virtualWorld } from '../../src/testing/index.ts';
import type { ChannelCodec, ChannelRoom, Codec, Goaway, Incoming } from '../../src/wire/index.ts';
import { testCodec } from './session-codec.ts';
import { type LinkEnd, SimLink } from './session-link.ts';

/** What a run saw; the same seed gives the same numbers. */
export interface ChannelsRun {
  readonly seed: number;
  readonly channels: number;
  readonly bytes: number;
  readonly events: number;
  readonly links: number;
  /** The most that one channel held unread, bytes. */
  readonly mostUnread: number;
}

/** Plays one seeded run to its end. @throws Error that names the seed when a promise of channels was broken. */
export function runChannels(seed: number): ChannelsRun {
  return new Play(seed).run();
}

const codec = testCodec();
const WINDOW = 1000;
/** Bytes of one message, at the most. */
const MESSAGE_MOST = 800;

/** What one side wrote into one channel, and what the other side read of it: bytes as a running count, events as numbers. */
interface Account {
  written: number;
  read: number;
  sent: number;
  heard: number;
  ended: boolean;
  sawEnd: boolean;
}

class Play {
  readonly world: VirtualWorld;
  readonly client: Side;
  readonly server: Side;
  #links = 0;
  #link: SimLink | undefined;

  constructor(seed: number) {
    this.world = virtualWorld(seed);
    this.client = new Side(this, 'client');
    this.server = new Side(this, 'server');
  }

  run(): ChannelsRun {
    const { random } = this.world;
    this.connect();
    const until = 20_000;
    const talk = (): void => {
      for (const side of [this.client, this.server]) side.act();
      if (this.world.now() < until) this.after(random.unit() * 200, talk);
    };
    talk();
    const strike = (): void => {
      if (this.world.now() >= until) return;
      if (random.unit() < 0.5) this.#link?.break(random.unit() * 50, random.unit() * 50);
      else this.#link?.client.stall(random.unit() * 1000);
      this.after(random.unit() * 6000, strike);
    };
    this.after(random.unit() * 3000, strike);
    this.world.advance(until);
    for (const side of [this.client, this.server]) side.endAll();
    for (let rounds = 0; this.client.channels.size + this.server.channels.size > 0; rounds++) {
      if (rounds > 300) this.fail('channels stay open');
      for (const side of [this.client, this.server]) side.readAll();
      this.world.advance(1000);
    }
    // What came before the end of a channel can be read after it.
    for (const side of [this.client, this.server]) side.readAll();
    for (const side of [this.client, this.server]) side.check();
    const all = [...this.client.accounts.values(), ...this.server.accounts.values()];
    return {
      seed: this.world.seed,
      channels: this.client.opened + this.server.opened,
      bytes: all.reduce((sum, { written }) => sum + written, 0),
      events: all.reduce((sum, { sent }) => sum + sent, 0),
      links: this.#links,
      mostUnread: Math.max(this.client.mostUnread, this.server.mostUnread),
    };
  }

  fail(what: string): never {
    throw new Error(`seed ${this.world.seed} at ${this.world.now()} ms: ${what}`);
  }

  after(ms: number, run: () => void): Timer {
    return this.world.timer(this.world.now() + ms, run);
  }

  other(side: Side): Side {
    return side === this.client ? this.server : this.client;
  }

  /** A new link: both sides say their counts and go on. */
  connect(): void {
    const { random } = this.world;
    const link = new SimLink(this.world, {
      latency: random.unit() * 50,
      jitter: random.unit() * 20,
      bytesPerMs: 20 + random.unit() * 1000,
      mark: 2000,
    });
    const first = this.#links === 0;
    this.#links += 1;
    this.#link = link;
    const counts = [this.client.session.counts(), this.server.session.counts()] as const;
    this.server.attach(link.server, first ? undefined : counts[0]);
    this.client.attach(link.client, first ? undefined : counts[1]);
  }
}

class Side implements ChannelsHost, SessionHandler {
  readonly role: 'client' | 'server';
  readonly world: VirtualWorld;
  readonly codec: Codec = codec;
  readonly load = { handling: 0 };
  /** The opener counts a channel as closed before the other side does, when the link shuffles. */
  readonly limits: Limits = { ...DEFAULT_LIMITS, channels: 8, channelBytes: WINDOW, resumeBytes: 40_000 };
  readonly times: Times = DEFAULT_TIMES;
  readonly room: ChannelRoom = { most: 4, bytes: WINDOW, message: 800 };
  readonly session: Session;
  readonly channels: Channels;
  /** By channel: what this side wrote, and what it read. */
  readonly accounts: Map<number, Account> = new Map();
  mostUnread = 0;
  opened = 0;
  readonly #play: Play;
  readonly #open = new Map<number, Channel>();
  /** Channels whose bytes are read now and then only. */
  readonly #unread = new Map<number, Channel>();
  #timer: Timer | undefined;

  constructor(play: Play, role: 'client' | 'server') {
    this.#play = play;
    this.world = play.world;
    this.role = role;
    const settings = { ...this.limits, ...this.times, role, heartbeat: 2000, readWait: 4500, resumeWindow: Infinity };
    this.session = new Session(codec, settings, this);
    this.channels = new Channels(this, codec.channels as ChannelCodec);
  }

  attach(end: LinkEnd, counts: ReturnType<Session['counts']> | undefined): void {
    const { world, session } = this;
    end.start({
      onMessage: (bytes) => session.receive(end, bytes, true, world.now()),
      onIdle: () => session.idle(),
      onDrain: () => session.drained(end),
      onClosed: (reason) => session.detach(end, reason, world.now()),
    });
    if (!session.attach(end, codec, world.now(), counts)) this.#play.fail(`${this.role} could not go on`);
  }

  /** Opens, writes, sends, reads or ends something. */
  act(): void {
    const { random } = this.world;
    if (this.#open.size === 0 || random.unit() < 0.2) this.#openOne();
    const all = [...this.#open.values()];
    const channel = all[Math.floor(random.unit() * all.length)];
    if (channel && random.unit() < 0.4) this.#write(channel, Math.floor(random.unit() * 3000));
    else if (channel && random.unit() < 0.7) this.#send(channel);
    else if (channel && random.unit() < 0.3) this.#end(channel);
    for (const one of this.#unread.values()) if (random.unit() < 0.5) this.#read(one);
  }

  endAll(): void {
    for (const channel of [...this.#open.values()]) this.#end(channel);
  }

  readAll(): void {
    for (const channel of [...this.#unread.values()]) {
      channel.resume();
      this.#read(channel);
    }
    this.endAll();
  }

  /** What the other side wrote is what was read here, to the last. */
  check(): void {
    for (const [number, account] of this.accounts) {
      const theirs = this.#play.other(this).accounts.get(number) ?? this.#play.fail(`channel ${number} has one side`);
      if (theirs.written !== account.read) this.#play.fail(`channel ${number}: ${account.read} of ${theirs.written}`);
      if (theirs.sent !== account.heard) this.#play.fail(`channel ${number}: heard ${account.heard} of ${theirs.sent}`);
      if (!account.sawEnd) this.#play.fail(`channel ${number}: no end`);
    }
  }

  // ChannelsHost

  post(message: Outbound, tag: number, channel: number): void {
    this.session.send(message, tag, channel);
  }

  offer(channel: Channel): unknown[] {
    this.#take(channel);
    return [undefined];
  }

  broke(what: string): void {
    this.#play.fail(`${this.role}: ${what}`);
  }

  report(error: unknown): void {
    this.#play.fail(String(error));
  }

  // SessionHandler

  onMessage(message: Incoming, size: number): void {
    this.channels.receive(message, size);
  }

  onRoom(): void {
    this.channels.flush();
  }

  onUp(): void {
    this.channels.resumed();
  }

  onDown(_reason: CloseReason): void {
    if (this.role === 'client') this.#play.after(this.world.random.unit() * 500, () => this.#play.connect());
  }

  onEnd(reason: CloseReason): void {
    if (reason.code !== CLOSE.normal) this.#play.fail(`the session ended: ${reason.reason}`);
  }

  onDrain(): void {}

  onGoaway(_goaway: Goaway): void {}

  wakeAt(at: number): void {
    this.#timer?.cancel();
    this.#timer = this.world.timer(at, () => this.session.tick(this.world.now()));
  }

  #openOne(): void {
    try {
      this.#take(this.channels.open('talk', undefined));
      this.opened += 1;
    } catch (error) {
      if (!(error instanceof HawserError && error.code === 'ERR_TOO_MANY_CHANNELS')) throw error;
    }
  }

  #take(channel: Channel): void {
    const account: Account = { written: 0, read: 0, sent: 0, heard: 0, ended: false, sawEnd: false };
    this.accounts.set(channel.id, account);
    this.#open.set(channel.id, channel);
    this.#unread.set(channel.id, channel);
    channel.on('n', (n) => {
      if (n !== account.heard) this.#play.fail(`channel ${channel.id}: event ${String(n)} after ${account.heard}`);
      account.heard += 1;
      if (this.world.random.unit() < 0.1) channel.pause();
    });
    channel.on('end', () => {
      account.sawEnd = true;
    });
    channel.on('close', (error) => {
      if (error) this.#play.fail(`channel ${channel.id} closed: ${error.message}`);
    });
  }

  #accountOf(channel: Channel): Account {
    return this.accounts.get(channel.id) ?? this.#play.fail('no account');
  }

  #write(channel: Channel, length: number): void {
    const account = this.#accountOf(channel);
    const bytes = Uint8Array.from({ length }, (_, i) => (account.written + i) % 251);
    account.written += length;
    channel.port.write(bytes, (error) => {
      if (error) this.#play.fail(`a write failed: ${error.message}`);
      // Whoever kept them would send nonsense.
      bytes.fill(255);
    });
  }

  #send(channel: Channel): void {
    const account = this.#accountOf(channel);
    channel.send('n', account.sent);
    account.sent += 1;
  }

  #end(channel: Channel): void {
    this.#accountOf(channel).ended = true;
    channel.end();
    this.#open.delete(channel.id);
  }

  #read(channel: Channel): void {
    if (this.world.random.unit() < 0.5) channel.resume();
    const account = this.#accountOf(channel);
    let unread = 0;
    for (;;) {
      const bytes = channel.port.inbox.take();
      if (!bytes) break;
      unread += bytes.length;
      for (const byte of bytes) {
        if (byte !== account.read % 251) this.#play.fail(`channel ${channel.id}: byte ${account.read} is ${byte}`);
        account.read += 1;
      }
    }
    this.mostUnread = Math.max(this.mostUnread, unread);
    if (unread > WINDOW + MESSAGE_MOST) this.#play.fail(`channel ${channel.id} held ${unread} bytes`);
  }
}
