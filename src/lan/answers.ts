import type { Instant } from '../core/index.ts';
import { encodeGone, encodeWelcome, PROOF_BYTES, type Range, type Request } from './datagrams.ts';
import type { LanKey, Mac } from './keys.ts';
import { writeUint16, writeUint64 } from './numbers.ts';
import type { LanLimits, LanTimes } from './options.ts';
import { Queue } from './queue.ts';
import { Rate } from './rate.ts';
import type { Store } from './store.ts';
import type { LanAddress, LanDatagram, LanFault } from './types.ts';

/** Addresses whose rate is remembered; the one that was quiet longest gives way. */
const ASKERS_MOST = 1000;
/** The longest that answers wait for each other, in seconds. */
const WAIT_MOST = 0.2;

export interface AnswersOptions {
  readonly session: Uint8Array;
  readonly key: LanKey | undefined;
  readonly prove: Mac;
  readonly limits: LanLimits;
  readonly times: LanTimes;
  readonly store: Store;
  readonly volatileNext: () => number;
  readonly startedAt: Instant;
}

/** Somebody who has shown that his address is his. */
interface Asker {
  readonly rate: Rate;
  /** The first numbers of datagrams that wait to be sent to him: who asks twice is answered once. */
  readonly waiting: Set<number>;
}

interface Answer extends LanDatagram {
  readonly asker: Asker;
  /** 0 when it tells what is gone. */
  readonly first: number;
}

/**
 * What a publisher answers to requests. Whoever hasn't shown that his address is his gets a welcome with a proof for the next request, which is
 * not longer than his question; whoever has gets the datagrams, within the rates.
 */
export class Answers {
  readonly #options: AnswersOptions;
  /** Answers to strangers wait for nothing: a proof that comes late is none. */
  readonly #welcomed = new Queue<LanDatagram>();
  readonly #waiting = new Queue<Answer>();
  #waitingBytes = 0;
  readonly #waitingMost: number;
  readonly #total: Rate;
  readonly #welcomes: Rate;
  /** In the order of their last use. */
  readonly #askers = new Map<string, Asker>();
  readonly counts: { answers: number; bytes: number; welcomes: number; gone: number } = {
    answers: 0,
    bytes: 0,
    welcomes: 0,
    gone: 0,
  };

  constructor(options: AnswersOptions) {
    this.#options = options;
    const { limits, startedAt } = options;
    // Whoever asked has asked again before an answer comes that waits for longer.
    this.#waitingMost = Math.min(limits.answerBytes, Math.max(limits.answerBurst, limits.answerRate * WAIT_MOST));
    this.#total = new Rate(limits.answerRate, limits.answerBurst, startedAt);
    this.#welcomes = new Rate(limits.welcomeRate, limits.welcomeBurst, startedAt);
  }

  /** Takes in a request for this session. Returns what is wrong with it, or with us. */
  take(request: Request, from: LanAddress, now: Instant): LanFault | undefined {
    this.#options.store.expire(now);
    if (request.ranges.length === 0 || !this.#isProved(request.proof, from, now))
      return this.#welcome(request, from, now);
    return this.#answer(request, from, now);
  }

  /** The next answer, when the rate allows it. */
  poll(now: Instant): LanDatagram | undefined {
    const welcome = this.#welcomed.shift();
    if (welcome !== undefined) return welcome;
    const first = this.#waiting.at(0);
    if (first === undefined || !this.#total.take(first.bytes.length, now)) return undefined;
    this.#waiting.shift();
    this.#waitingBytes -= first.bytes.length;
    first.asker.waiting.delete(first.first);
    this.counts.answers++;
    this.counts.bytes += first.bytes.length;
    return first;
  }

  /** When `poll` will have something; undefined when nothing waits. */
  readyAt(now: Instant): Instant | undefined {
    if (this.#welcomed.length > 0) return now;
    const first = this.#waiting.at(0);
    return first === undefined ? undefined : this.#total.readyAt(first.bytes.length, now);
  }

  #welcome({ nonce }: Request, to: LanAddress, now: Instant): LanFault | undefined {
    if (this.#welcomed.length >= this.#options.limits.welcomeBurst || !this.#welcomes.take(1, now)) return 'answers';
    const { session, key, store, volatileNext, startedAt } = this.#options;
    const proof = this.#proof(to, this.#epoch(now));
    const age = Math.floor(now - startedAt);
    const welcome = { proof, oldest: store.oldest, next: store.next, volatileNext: volatileNext(), age };
    this.counts.welcomes++;
    this.#welcomed.push({ bytes: encodeWelcome(session, nonce, welcome, key), to });
    return undefined;
  }

  #answer({ ranges, nonce }: Request, to: LanAddress, now: Instant): LanFault | undefined {
    const { session, key, store } = this.#options;
    const asker = this.#asker(to, now);
    const gone: Range[] = [];
    let fault: LanFault | undefined;
    for (const range of ranges) {
      if (range.from >= store.next) fault = 'request';
      if (range.from < store.oldest) gone.push({ from: range.from, to: Math.min(range.to, store.oldest) });
      store.find(range.from, range.to, ({ bytes, first }) => {
        const refused = this.#push({ bytes, to, asker, first }, now);
        fault ??= refused;
        return refused === undefined;
      });
    }
    if (gone.length === 0) return fault;
    for (const range of gone) this.counts.gone += range.to - range.from;
    const refused = this.#push({ bytes: encodeGone(session, nonce, gone, key), to, asker, first: 0 }, now);
    return fault ?? refused;
  }

  #push(answer: Answer, now: Instant): LanFault | undefined {
    const { asker, first, bytes } = answer;
    if (asker.waiting.has(first)) return undefined;
    if (this.#waitingBytes + bytes.length > this.#waitingMost || !asker.rate.take(bytes.length, now)) return 'answers';
    this.#waiting.push(answer);
    this.#waitingBytes += bytes.length;
    asker.waiting.add(first);
    return undefined;
  }

  #asker(to: LanAddress, now: Instant): Asker {
    const { askerRate, askerBurst } = this.#options.limits;
    const name = `${to.address} ${to.port}`;
    const asker = this.#askers.get(name) ?? { rate: new Rate(askerRate, askerBurst, now), waiting: new Set() };
    this.#askers.delete(name);
    this.#askers.set(name, asker);
    if (this.#askers.size > ASKERS_MOST) {
      for (const oldest of this.#askers.keys()) {
        this.#askers.delete(oldest);
        break;
      }
    }
    return asker;
  }

  #epoch(now: Instant): number {
    return Math.max(0, Math.floor((now - this.#options.startedAt) / this.#options.times.proofAge));
  }

  #isProved(proof: Uint8Array, from: LanAddress, now: Instant): boolean {
    const epoch = this.#epoch(now);
    if (isSame(proof, this.#proof(from, epoch))) return true;
    return epoch > 0 && isSame(proof, this.#proof(from, epoch - 1));
  }

  /** What only this publisher can make, and only who reads at this address can know. */
  #proof({ address, port }: LanAddress, epoch: number): Uint8Array {
    const text = new Uint8Array(10 + address.length);
    writeUint64(text, 0, epoch);
    writeUint16(text, 8, port);
    for (let i = 0; i < address.length; i++) text[10 + i] = address.charCodeAt(i);
    return this.#options.prove(text).subarray(0, PROOF_BYTES);
  }
}

/** Compares every byte, whatever it finds, so that the time tells nothing. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let different = 0;
  for (let i = 0; i < PROOF_BYTES; i++) different |= (a[i] as number) ^ (b[i] as number);
  return different === 0;
}
