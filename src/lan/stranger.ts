import type { Instant } from '../core/index.ts';
import { COUNT_BEAT, COUNT_END, type DataHeader, PROOF_BYTES, type Welcome } from './datagrams.ts';
import { type Feed, type FeedInit, type Past, retryWait } from './feed.ts';
import type { LanTimes } from './options.ts';
import type { LanAddress } from './types.ts';

/** What a stranger's messages may take until it has answered; what comes beyond is asked for later. */
const PENDING_BYTES = 65_536;

interface Pending {
  readonly bytes: Uint8Array;
  readonly header: DataHeader;
  readonly beat: number;
  readonly from: LanAddress;
}

export interface StrangerInit {
  readonly publisher: string;
  readonly session: Uint8Array;
  readonly nonce: Uint8Array;
  readonly past: Past | undefined;
  readonly now: Instant;
  /** When it is asked first. */
  readonly askAt: Instant;
}

/** How to begin with a stranger who has answered, or who can't. */
export interface Beginning {
  readonly since: 'now' | 'store';
  /** Since when this subscriber listens. */
  readonly startedAt: Instant;
  /** Whether what came before the answer may be a replay. */
  readonly keyed: boolean;
}

/** A publisher that was heard and has not yet answered whether it is there. What it says meanwhile is kept. */
export class Stranger {
  readonly publisher: string;
  readonly session: Uint8Array;
  readonly nonce: Uint8Array;
  readonly #past: Past | undefined;
  #address: LanAddress = { address: '', port: 0 };
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #beat: Pending | undefined;
  /** The lowest number that was heard. */
  #first = Infinity;
  #known = 1;
  asks = 0;
  askAt: Instant;
  #askedAt: Instant = -Infinity;

  constructor({ publisher, session, nonce, past, askAt }: StrangerInit) {
    this.publisher = publisher;
    this.session = session;
    this.nonce = nonce;
    this.#past = past;
    this.askAt = askAt;
  }

  /** Its door. */
  get address(): LanAddress {
    return this.#address;
  }

  get heldBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether it has said where its messages stand. */
  get isPlaced(): boolean {
    return this.#first !== Infinity;
  }

  onData(bytes: Uint8Array, header: DataHeader, beat: number, from: LanAddress): void {
    this.#address = { address: from.address, port: header.door };
    this.#first = Math.min(this.#first, header.first);
    if (header.count === COUNT_BEAT || header.count === COUNT_END) {
      this.#known = Math.max(this.#known, header.first);
      if (this.#beat === undefined || beat > this.#beat.beat)
        this.#beat = { bytes: new Uint8Array(0), header, beat, from };
      return;
    }
    this.#known = Math.max(this.#known, header.first + header.count);
    if (this.#pendingBytes + bytes.length > PENDING_BYTES) return;
    this.#pending.push({ bytes: new Uint8Array(bytes), header, beat, from });
    this.#pendingBytes += bytes.length;
  }

  /** What can't wait is dropped; but that it is there was heard. */
  onVolatile(header: DataHeader, from: LanAddress): void {
    this.#address = { address: from.address, port: header.door };
  }

  asked(times: LanTimes, chance: number, now: Instant): void {
    if (this.asks === 0) this.#askedAt = now;
    this.askAt = now + retryWait(times, this.asks, chance);
    this.asks++;
  }

  /** What a feed of it begins with. `welcome` is undefined when it can't be asked. */
  beginning(welcome: Welcome | undefined, { since, startedAt, keyed }: Beginning): FeedInit {
    const past = this.#past;
    // It began no earlier than so: the answer is younger than the first question.
    const isYoung = welcome !== undefined && this.#askedAt - welcome.age >= startedAt;
    const heard = Math.min(this.#first, welcome?.next ?? Infinity);
    const there = welcome === undefined ? heard : since === 'store' ? welcome.oldest : keyed ? welcome.next : heard;
    const next = past?.next ?? (isYoung ? 1 : there);
    return {
      publisher: this.publisher,
      address: this.#address,
      door: this.#address.port,
      nonce: this.nonce,
      proof: welcome?.proof ?? new Uint8Array(PROOF_BYTES),
      next,
      known: welcome === undefined ? this.#known : Math.max(this.#known, welcome.next),
      volatileNext: Math.max(past?.volatileNext ?? 1, welcome?.volatileNext ?? 1),
      beat: past?.beat ?? 0,
      joining: past === undefined && next > 1,
      old: past === undefined && !isYoung,
    };
  }

  /** Gives the feed what was kept. */
  handOver(feed: Feed, now: Instant): void {
    for (const { bytes, header, beat, from } of this.#pending) feed.onData(bytes, header, beat, from, now);
    if (this.#beat !== undefined)
      feed.onData(this.#beat.bytes, this.#beat.header, this.#beat.beat, this.#beat.from, now);
  }
}
