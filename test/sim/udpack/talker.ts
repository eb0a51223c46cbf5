import type { Instant } from '../../../src/core/index.ts';
import type { Session, SessionClosed, SessionEvent, StreamEvent, StreamKind } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import { content, isContent } from './content.ts';
import { Ledger } from './ledger.ts';

/** How much is said in a conversation, and in what way. */
export interface Manners {
  /** Bytes that both sides may still write. */
  budget: number;
  /** Streams that a side has open at one time. */
  readonly streams: number;
  /** Writes at once. */
  readonly burst: number;
  /** The longest write in bytes. */
  readonly longest: number;
  /** Shares of packets that may be handed on out of order, and that may be given up. */
  readonly loose: number;
  readonly ages: number;
  /** How ready both are to reset, stop and pause. */
  readonly rude: number;
  /** Whether a writer heeds `full`. */
  readonly heeds: boolean;
  /** Shares of streams of bytes. */
  readonly bytes: number;
  /** How often the next key is used. */
  readonly keys: number;
  /** How often a side says that it is to close soon. */
  readonly leaving: number;
}

type Role = 'client' | 'server';
const ROLES: readonly Role[] = ['client', 'server'];

interface Goaway {
  readonly code: number;
  readonly reason: string;
}

/** What both sides of a session know of what is said. */
export class Conversation {
  readonly name: string;
  readonly manners: Manners;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #datagrams = { client: 0, server: 0 };
  readonly #came = { client: new Set<number>(), server: new Set<number>() };
  readonly #goaways: Partial<Record<Role, Goaway>> = {};
  readonly #heard: Record<Role, boolean> = { client: false, server: false };
  readonly #fail: (what: string) => void;

  constructor(name: string, manners: Manners, fail: (what: string) => void) {
    this.name = name;
    this.manners = manners;
    this.#fail = (what) => fail(`${name}: ${what}`);
  }

  fail(what: string): void {
    this.#fail(what);
  }

  /** The direction of a stream in which `writer` writes. */
  ledger(writer: 'client' | 'server', stream: number): Ledger {
    const name = `${writer} ${stream}`;
    let ledger = this.#ledgers.get(name);
    if (ledger === undefined) {
      ledger = new Ledger(stream, stream % 4 < 2, (what) => this.#fail(`${writer}'s ${what}`));
      this.#ledgers.set(name, ledger);
    }
    return ledger;
  }

  /** The next unreliable datagram of a side: its number, and something that depends on it. */
  nextDatagram(writer: 'client' | 'server', size: number): Uint8Array {
    const number = this.#datagrams[writer]++;
    const bytes = new Uint8Array(4 + size);
    new DataView(bytes.buffer).setUint32(0, number);
    bytes.set(content(number & 0xffff, size), 4);
    return bytes;
  }

  onDatagram(writer: 'client' | 'server', bytes: Uint8Array): void {
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (number >= this.#datagrams[writer]) this.#fail(`datagram ${number} was never sent`);
    if (this.#came[writer].has(number)) this.#fail(`datagram ${number} came twice`);
    this.#came[writer].add(number);
    if (!isContent(bytes.subarray(4), number & 0xffff, bytes.length - 4)) this.#fail(`datagram ${number} came changed`);
  }

  /** A side says GOAWAY; what it says later is not told. */
  goaway(by: Role, goaway: Goaway): void {
    this.#goaways[by] ??= goaway;
  }

  onGoaway(by: Role, { code, reason }: Goaway): void {
    const said = this.#goaways[by];
    if (said?.code !== code || said.reason !== reason) this.#fail(`${by} said GOAWAY ${code} ${reason}, or did it`);
    if (this.#heard[by]) this.#fail(`GOAWAY ${code} of ${by} was told twice`);
    this.#heard[by] = true;
  }

  /** What was said of leaving, and not heard yet. */
  get unheard(): number {
    return ROLES.filter((role) => this.#goaways[role] !== undefined && !this.#heard[role]).length;
  }

  get goaways(): number {
    return ROLES.filter((role) => this.#heard[role]).length;
  }

  get handed(): number {
    return this.#sum((ledger) => ledger.handed);
  }

  get dropped(): number {
    return this.#sum((ledger) => ledger.dropped);
  }

  get datagrams(): number {
    return this.#came.client.size + this.#came.server.size;
  }

  #sum(what: (ledger: Ledger) => number): number {
    let sum = 0;
    for (const ledger of this.#ledgers.values()) sum += what(ledger);
    return sum;
  }
}

/** A stream as one side sees it. */
interface Own {
  readonly id: number;
  readonly out: Ledger;
  readonly in: Ledger;
  paused: boolean;
}

/** The application of one side of a session: says things at random, and checks what it is told. */
export class Talker {
  readonly session: Session;
  readonly conversation: Conversation;
  /** The session's end, once it was told. */
  closed: SessionClosed | undefined;
  open = false;
  goaway = false;
  /** Its process has died. */
  crashed = false;
  readonly #role: Role;
  readonly #other: Role;
  readonly #chance: Chance;
  readonly #streams = new Map<number, Own>();
  readonly #pings = new Set<number>();
  #finishing = false;

  constructor(session: Session, conversation: Conversation, chance: Chance) {
    this.session = session;
    this.conversation = conversation;
    this.#role = session.role;
    this.#other = session.role === 'client' ? 'server' : 'client';
    this.#chance = chance;
  }

  /** Streams that are not over. */
  get streams(): number {
    return this.#streams.size;
  }

  /** What keeps it from resting, for an error's text. */
  get unrest(): string {
    const streams = [...this.#streams.values()].slice(0, 5).map(({ id, out, in: reading }) => {
      const mine = out.resetCode === undefined ? (out.ended ? 'ended' : 'open') : 'reset';
      return `${id} (out ${mine}, ${out.untold} untold; in ${reading.over ? 'over' : reading.stopCode === undefined ? 'open' : 'stopped'})`;
    });
    return `${this.#role} has ${this.#streams.size} streams: ${streams.join('; ')}, ${this.#pings.size} pings`;
  }

  get resting(): boolean {
    return this.crashed || this.closed !== undefined || (this.#streams.size === 0 && this.#pings.size === 0);
  }

  /** Whether it has a session that it may do something with. */
  get #alive(): boolean {
    return !this.crashed && this.closed === undefined && this.session.state !== 'closing' && !this.session.ended;
  }

  /** Says or does something. */
  act(now: Instant): void {
    if (this.#finishing || !this.#alive) return;
    const { rude, keys, leaving } = this.conversation.manners;
    if (leaving > 0 && this.open && this.#chance.often(leaving)) this.#leave();
    const dice = this.#chance.unit();
    if (dice < 0.2) this.#openOne();
    else if (dice < 0.65) this.#write(now);
    else if (dice < 0.72) this.#someone((own) => this.#end(own));
    else if (dice < 0.79) this.#someone((own) => this.#resume(own));
    else if (dice < 0.85) this.#sendDatagrams(now);
    else if (dice < 0.88) this.ping(now);
    else if (dice < 0.9) this.#someone((own) => this.session.streams.prioritize(own.id, this.#chance.below(8)));
    else if (this.#chance.often(keys)) this.session.updateKey();
    else if (this.#chance.often(rude)) this.#beRude();
  }

  ping(now: Instant): void {
    this.#pings.add(this.session.ping(now));
  }

  /** Its process dies. */
  crash(): void {
    if (this.closed !== undefined) return;
    this.crashed = true;
    this.open = false;
  }

  /** Reads all, ends all; what the peer still opens is ended at once. */
  finish(): void {
    if (this.crashed) return;
    this.#finishing = true;
    for (const own of this.#streams.values()) this.#finishOne(own);
  }

  on(event: SessionEvent): void {
    if (this.closed !== undefined) this.#wrong(`${event.type} was told after the end`);
    switch (event.type) {
      case 'open':
        if (this.open) this.#wrong('opened twice');
        this.open = true;
        return;
      case 'goaway':
        this.goaway = true;
        this.conversation.onGoaway(this.#other, event);
        return;
      case 'pong':
        if (!this.#pings.delete(event.token)) this.#wrong(`pong ${event.token} has no ping`);
        if (event.rtt < 0) this.#wrong(`a round trip of ${event.rtt} ms`);
        return;
      case 'closed':
        if ('code' in event) this.closed = event;
        else this.#onStreamClosed(event.stream);
        return;
      case 'established':
      case 'auth':
      case 'ping':
      case 'moved':
      case 'drain':
      case 'datagram-dropped':
        return;
      case 'datagram':
        this.conversation.onDatagram(this.#other, event.bytes);
        return;
      default:
        this.#onStream(event);
    }
  }

  #onStream(event: Extract<StreamEvent, { readonly stream: number }>): void {
    if (event.type === 'stream') {
      if (this.#streams.has(event.stream)) this.#wrong(`stream ${event.stream} was opened twice`);
      const own = this.#add(event.stream);
      if (this.#finishing) this.#finishOne(own);
      return;
    }
    const own = this.#streams.get(event.stream);
    if (own === undefined) this.#wrong(`${event.type} of stream ${event.stream}, which is not open`);
    else this.#onOpen(event, own);
  }

  #onOpen(event: Extract<StreamEvent, { readonly stream: number }>, own: Own): void {
    switch (event.type) {
      case 'packet':
        if (this.#waits(own)) this.#wrong(`a packet on stream ${own.id} while it is paused`);
        own.in.onPacket(event.bytes);
        return;
      case 'bytes':
        if (this.#waits(own)) this.#wrong(`bytes on stream ${own.id} while it is paused`);
        own.in.onBytes(event.bytes);
        return;
      case 'end':
        own.in.onEnd();
        return;
      case 'reset':
        own.in.onReset(event.code);
        return;
      case 'stopped':
        own.out.onStopped(event.code);
        return;
      case 'written':
      case 'dropped':
        own.out.onTold(event.write, event.type);
        return;
      case 'skipped':
        own.in.onSkipped(event.count);
        return;
      default:
        return;
    }
  }

  #onStreamClosed(stream: number): void {
    const own = this.#streams.get(stream);
    if (own === undefined) {
      this.#wrong(`stream ${stream} was closed twice`);
      return;
    }
    own.out.onClosed();
    if (!own.in.over && own.in.stopCode === undefined)
      this.#wrong(`stream ${stream} is closed, and its reader was not told`);
    if (!own.out.closed) this.#wrong(`stream ${stream} is closed, and its writer did not end it`);
    this.#streams.delete(stream);
  }

  #openOne(): void {
    const { manners } = this.conversation;
    if (this.#streams.size >= manners.streams || this.goaway) return;
    const kind: StreamKind = this.#chance.often(manners.bytes) ? 'bytes' : 'packets';
    const id = this.session.streams.open(kind, { priority: this.#chance.below(8) });
    if (this.#streams.has(id)) this.#wrong(`stream ${id} was given twice`);
    this.#add(id);
  }

  #add(id: number): Own {
    const own = {
      id,
      out: this.conversation.ledger(this.#role, id),
      in: this.conversation.ledger(this.#other, id),
      paused: false,
    };
    this.#streams.set(id, own);
    return own;
  }

  #write(now: Instant): void {
    const { manners } = this.conversation;
    if (manners.heeds && this.session.streams.full) return;
    this.#someone((own) => {
      for (let count = 1 + this.#chance.below(manners.burst); count > 0 && manners.budget > 0; count--)
        this.#writeOne(own, now);
    });
  }

  #writeOne(own: Own, now: Instant): void {
    if (own.out.closed) return;
    const { manners } = this.conversation;
    const loose = own.out.packets && this.#chance.often(manners.loose);
    const ages = own.out.packets && this.#chance.often(manners.ages);
    const bytes = own.out.next(this.#size());
    manners.budget -= bytes.length + 20;
    const maxAge = ages ? this.#chance.pick([0, 5, 50, 500, 5000]) : undefined;
    const write = this.session.streams.write(own.id, bytes, { maxAge, ordered: !loose }, now);
    if (typeof write === 'number') own.out.wrote(write, bytes.length, loose, ages);
    else if (write !== 'ended' && write !== 'unknown')
      this.#wrong(`a write of ${bytes.length} bytes was refused: ${write}`);
  }

  #size(): number {
    const { longest, loose, ages } = this.conversation.manners;
    const dice = this.#chance.unit();
    const most = dice < 0.5 ? 100 : dice < 0.75 ? 2000 : dice < 0.95 ? 20_000 : longest;
    const size = dice < 0.04 ? 0 : this.#chance.below(Math.min(most, longest)) + 1;
    // Where packets may be late or given up, each must say which one it is.
    return loose + ages > 0 ? Math.max(4, size) : size;
  }

  #sendDatagrams(now: Instant): void {
    for (let count = 1 + this.#chance.below(8); count > 0; count--) {
      const bytes = this.conversation.nextDatagram(this.#role, this.#chance.below(1500));
      const maxAge = this.#chance.often(0.3) ? this.#chance.below(100) : undefined;
      this.session.streams.sendDatagram(bytes, { maxAge }, now);
    }
  }

  #beRude(): void {
    this.#someone((own) => {
      const dice = this.#chance.unit();
      if (dice < 0.4) this.#pause(own);
      else if (dice < 0.7) this.#reset(own);
      else this.#stop(own);
    });
  }

  /** What is open goes on. */
  #leave(): void {
    const goaway = { code: this.#chance.below(100_000), reason: this.#chance.pick(['', 'soon', 'ä'.repeat(128)]) };
    this.conversation.goaway(this.#role, goaway);
    this.session.goaway(goaway.code, goaway.reason);
  }

  #someone(run: (own: Own) => void): void {
    const { size } = this.#streams;
    if (size === 0) return;
    let at = this.#chance.below(size);
    for (const own of this.#streams.values()) {
      if (at-- > 0) continue;
      run(own);
      return;
    }
  }

  #end(own: Own): void {
    if (own.out.closed) return;
    own.out.ended = true;
    this.session.streams.end(own.id);
  }

  #reset(own: Own): void {
    if (own.out.resetCode !== undefined) return;
    own.out.resetCode = this.#chance.below(1000);
    this.session.streams.reset(own.id, own.out.resetCode);
  }

  #stop(own: Own): void {
    if (own.in.over || own.in.stopCode !== undefined) return;
    own.in.stopCode = this.#chance.below(1000);
    this.session.streams.stop(own.id, own.in.stopCode);
  }

  #pause(own: Own): void {
    own.paused = true;
    this.session.streams.pause(own.id);
  }

  #resume(own: Own): void {
    if (!own.paused) return;
    own.paused = false;
    const fault = this.session.streams.resume(own.id);
    if (fault !== undefined) this.#wrong(`what waited on stream ${own.id} was at fault: ${fault}`);
  }

  /** Whether nothing may come on it: it is paused, and its session is not over. */
  #waits(own: Own): boolean {
    return own.paused && this.session.state === 'open';
  }

  #finishOne(own: Own): void {
    this.#resume(own);
    this.#end(own);
  }

  #wrong(what: string): void {
    this.conversation.fail(`${this.#role}: ${what}`);
  }
}
