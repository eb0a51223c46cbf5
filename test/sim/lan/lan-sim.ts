import { createHmac } from 'node:crypto';
import type { Random } from '../../../src/core/index.ts';
import { type LanKey, type LanLimits, type LanTimes, lanKey, type Mac } from '../../../src/lan/index.ts';
import { seededRandom } from '../../../src/testing/index.ts';
import { Clockwork } from './clockwork.ts';
import { Intruder } from './intruder.ts';
import type { Record } from './ledger.ts';
import { Listener, type ListenerCounts } from './listener.ts';
import { Network, type Weather } from './network.ts';
import { Speaker } from './speaker.ts';

/** What a run has met. */
export interface LanRun extends ListenerCounts {
  readonly seed: number;
  readonly published: number;
  readonly datagrams: number;
  readonly networkLost: number;
  readonly answers: number;
  readonly restarts: number;
  readonly cuts: number;
  readonly forged: number;
  readonly unproved: number;
}

/** What a test may plant, so as to see that a run finds it. */
export interface Planted {
  readonly limits?: Partial<LanLimits>;
  readonly times?: Partial<LanTimes>;
  readonly mac?: Mac;
  readonly prove?: Mac;
}

/** Times in ms: what happens, and then the quiet in which all must become whole. */
const PLAY = 8000;
const QUIET = 25_000;

/** Plays one seed: a segment with publishers, subscribers, its weather, and an intruder. @throws at the first thing that is not as it should be. */
export function runLan(seed: number, planted: Planted = {}): LanRun {
  return new Play(seed, planted).run();
}

class Play {
  readonly #seed: number;
  readonly #random: Random;
  readonly #clock = new Clockwork();
  readonly #network: Network;
  readonly #records = new Map<string, Record>();
  readonly #speakers: Speaker[] = [];
  readonly #listeners: Listener[] = [];
  readonly #keys: readonly LanKey[];
  readonly #mac: Mac;
  readonly #prove: Mac;
  /** Nobody is killed or cut off, and the stores are large: there is no reason for a gap. */
  readonly #isMild: boolean;
  readonly #isCrowded: boolean;
  readonly #limits: Partial<LanLimits>;
  readonly #times: Partial<LanTimes>;
  readonly #intruder: Intruder | undefined;
  #restarts = 0;
  #cuts = 0;
  #places = 0;

  constructor(seed: number, planted: Planted) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    const keyed = this.#chance(0.5);
    this.#isMild = this.#chance(0.4);
    this.#isCrowded = this.#chance(0.1);
    this.#mac = planted.mac ?? (seed % 20 === 0 ? realMac(`key ${seed}`) : cheapMac(seed));
    this.#prove = planted.prove ?? cheapMac(seed + 77);
    this.#keys = keyed ? [lanKey(this.#mac)] : [];
    this.#network = new Network(this.#clock, this.#random, this.#drawWeather(keyed));
    this.#limits = { ...this.#drawLimits(), ...planted.limits };
    this.#times = { ...this.#drawTimes(), ...planted.times };
    const harms = keyed || !this.#isMild;
    this.#intruder =
      harms && this.#chance(0.6) ? new Intruder(this.#clock, this.#network, this.#random, keyed) : undefined;
  }

  run(): LanRun {
    this.#intruder?.act(30, PLAY);
    const speakers = 1 + Math.floor(this.#random.unit() * 3);
    for (let i = 0; i < speakers; i++) this.#begin(`10.0.0.${i + 1}`, this.#random.unit() * PLAY * 0.3);
    const listeners = 1 + Math.floor(this.#random.unit() * (this.#isCrowded ? 50 : 5));
    for (let i = 0; i < listeners; i++) this.#listen(this.#chance(0.5) ? 0 : this.#random.unit() * PLAY * 0.8);
    if (!this.#isMild) for (let i = 0; i < 3; i++) this.#cutSomebodyOff();
    this.#clock.runTo(PLAY);
    Object.assign(this.#network.weather, { loss: 0, copies: 0, spoiled: 0 });
    this.#network.cutOff.clear();
    // A last word from all who are there, so that whoever gave them up hears of them.
    this.#clock.runTo(PLAY + QUIET);
    // Small limits make a long way of it.
    for (let more = 0; more < 10 && !this.#isQuiet(); more++) this.#clock.runTo(this.#clock.now + QUIET);
    this.#check();
    return this.#outcome();
  }

  #begin(address: string, at: number): void {
    this.#clock.at(at, () => {
      const door = 4000;
      const { session } = this.#speak(address, door);
      if (this.#isMild || this.#chance(0.4)) return;
      this.#clock.at(at + this.#random.unit() * (PLAY - at), () => {
        const speaker = this.#speakers.find(({ record }) => record.session === session) as Speaker;
        if (this.#chance(0.5)) speaker.end();
        else speaker.kill();
        this.#restarts++;
        const back = this.#clock.now + 1000 + this.#random.unit() * 2000;
        if (back < PLAY && this.#chance(0.7)) this.#begin(address, back);
      });
    });
  }

  #speak(address: string, door: number): { readonly session: string } {
    const options = {
      door,
      random: this.#random,
      keys: this.#keys,
      prove: this.#prove,
      limits: this.#limits,
      times: this.#times,
    };
    const speaker = new Speaker({ address, port: door }, options, {
      clock: this.#clock,
      network: this.#network,
      random: this.#random,
    });
    this.#speakers.push(speaker);
    this.#records.set(speaker.record.session, speaker.record);
    const pause = 5 + this.#random.unit() * 150;
    const manner = {
      turns: Math.floor((PLAY - this.#clock.now) / pause),
      pause,
      perTurn: 1 + this.#random.unit() * 5,
      volatile: this.#chance(0.5) ? 0.2 : 0,
      long: this.#chance(0.5) ? 0.1 : 0,
    };
    speaker.talk(manner, ['quotes/ACME', 'quotes/ÜBER', 'a', 'trades', 't'.repeat(80)]);
    return speaker.record;
  }

  #listen(at: number): void {
    this.#clock.at(at, () => {
      const place = this.#places++;
      const options = {
        random: this.#random,
        keys: this.#keys,
        limits: this.#limits,
        times: this.#times,
        since: this.#chance(0.3) ? ('store' as const) : ('now' as const),
      };
      const delayMost = this.#network.weather.delay + this.#network.weather.jitter;
      const checks = {
        records: this.#records,
        delayMost,
        // The end is told for half a second, and an answer is good for as long as it is asked for, however it was delayed.
        afterglow: 3500 + 2 * delayMost,
        fresh: this.#keys.length > 0 || this.#intruder === undefined,
        gaps: !this.#isMild,
        heldBytes: this.#limits.heldBytes ?? Infinity,
      };
      const address = { address: `10.0.1.${place}`, port: 5000 };
      const listener = new Listener(address, options, { clock: this.#clock, network: this.#network, checks });
      this.#listeners.push(listener);
      if (this.#isMild || this.#chance(0.8)) return;
      this.#clock.at(at + this.#random.unit() * PLAY, () => {
        if (this.#clock.now >= PLAY) return;
        listener.kill();
        this.#listen(this.#clock.now + this.#random.unit() * 1000);
      });
    });
  }

  #cutSomebodyOff(): void {
    const at = this.#random.unit() * PLAY;
    const address = this.#chance(0.5) ? '10.0.0.1' : `10.0.1.${Math.floor(this.#random.unit() * 3)}`;
    this.#clock.at(at, () => {
      this.#cuts++;
      this.#network.cutOff.add(address);
      this.#clock.at(at + this.#random.unit() * 6000, () => this.#network.cutOff.delete(address));
    });
  }

  #isQuiet(): boolean {
    return this.#listeners.every(
      ({ isGone, subscriber }) =>
        isGone || subscriber.publishers().every(({ state, missing }) => state === 'live' && missing === 0),
    );
  }

  #check(): void {
    for (const listener of this.#listeners) {
      if (listener.isGone) continue;
      for (const { record, publisher, isGone } of this.#speakers) {
        const known = listener.subscriber.publishers().find((one) => one.publisher === record.session);
        if (isGone) {
          if (known !== undefined) throw new Error(`${listener.name} holds on to ${record.session}, which is gone`);
        } else listener.checkEnd(record, known?.next ?? 0);
        if (!isGone && known !== undefined && known.next !== nextOf(publisher.stats())) {
          throw new Error(`${listener.name} is behind: ${known.next}`);
        }
      }
      this.#checkWhole(listener);
    }
    const victim = this.#intruder?.victim;
    if (victim !== undefined && victim.got > victim.asked) {
      throw new Error(`who never asked got ${victim.got} bytes for ${victim.asked}`);
    }
    for (const { publisher } of this.#speakers) {
      const { storeBytes, storeMessages } = publisher.stats();
      if (
        storeBytes > (this.#limits.storeBytes ?? Infinity) ||
        storeMessages > (this.#limits.storeMessages ?? Infinity)
      ) {
        throw new Error('a store is larger than it may be');
      }
    }
  }

  /** In mild weather whoever listened from the beginning has had everything. */
  #checkWhole(listener: Listener): void {
    if (!this.#isMild) return;
    for (const { record } of this.#speakers) {
      const index = listener.heard.get(record.session)?.index ?? -1;
      if (index !== record.reliable.length - 1) {
        throw new Error(
          `${listener.name} has had ${index + 1} of ${record.reliable.length} messages of ${record.session}`,
        );
      }
    }
  }

  #outcome(): LanRun {
    const counts: ListenerCounts = {
      messages: 0,
      volatile: 0,
      gaps: 0,
      lost: 0,
      recovered: 0,
      publishers: 0,
      ends: 0,
      silences: 0,
      requests: 0,
    };
    let forged = 0;
    let unproved = 0;
    for (const listener of this.#listeners) {
      for (const name of Object.keys(counts) as (keyof ListenerCounts)[]) counts[name] += listener.counts[name];
      const { faults } = listener.subscriber.stats();
      forged += faults.forged ?? 0;
      unproved += faults.unproved ?? 0;
    }
    return {
      ...counts,
      seed: this.#seed,
      published: this.#speakers.reduce((sum, { record }) => sum + record.reliable.length + record.volatile.length, 0),
      datagrams: this.#network.datagrams,
      networkLost: this.#network.lost,
      answers: this.#speakers.reduce((sum, { publisher }) => sum + publisher.stats().answers, 0),
      restarts: this.#restarts,
      cuts: this.#cuts,
      forged,
      unproved,
    };
  }

  #drawWeather(keyed: boolean): Weather {
    return {
      loss: this.#chance(0.2) ? 0 : this.#random.unit() * (this.#isMild ? 0.12 : 0.4),
      burst: this.#isMild || this.#chance(0.5) ? 0 : 5,
      copies: this.#chance(0.5) ? 0 : this.#random.unit() * 0.2,
      spoiled: keyed && this.#chance(0.5) ? this.#random.unit() * 0.05 : 0,
      delay: this.#random.unit() * 2,
      jitter: this.#chance(0.5) ? this.#random.unit() * 2 : this.#random.unit() * 30,
    };
  }

  #drawLimits(): Partial<LanLimits> {
    const datagramBytes = this.#chance(0.5) ? 1400 : 512;
    if (this.#isMild) return { datagramBytes, asks: 40, greetings: 40, storeBytes: 1e9, heldBytes: 1e8 };
    return {
      datagramBytes,
      storeMessages: this.#chance(0.5) ? 100_000 : 100,
      storeBytes: this.#chance(0.5) ? 1e6 : 10_000,
      heldBytes: this.#chance(0.5) ? 1e6 : 4000,
      holes: this.#chance(0.5) ? 1000 : 3,
      behindMessages: this.#chance(0.5) ? 1e6 : 200,
      askMessages: this.#chance(0.5) ? 500 : 7,
      answerRate: this.#chance(0.5) || this.#isCrowded ? 1e7 : 1e5,
      requestRate: this.#chance(0.5) ? 200 : 20,
    };
  }

  #drawTimes(): Partial<LanTimes> {
    if (this.#isMild) return { silence: 60_000, proofAge: this.#chance(0.5) ? 60_000 : 1000 };
    return {
      silence: this.#chance(0.5) ? 5000 : 2500,
      proofAge: this.#chance(0.5) ? 60_000 : 500,
      storeAge: this.#chance(0.5) ? 60_000 : 1000,
    };
  }

  #chance(share: number): boolean {
    return this.#random.unit() < share;
  }
}

function realMac(key: string): Mac {
  return (bytes) => createHmac('sha256', key).update(bytes).digest();
}

/** Finds the same changes as the real one, and is cheap; an intruder who can't compute is not in need of better. */
function cheapMac(key: number): Mac {
  return (bytes) => {
    const words = new Uint32Array(8);
    let a = (key * 2654435761) >>> 0;
    let b = 0x9e3779b9 ^ bytes.length;
    for (const byte of bytes) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b + byte, 0x85ebca6b) ^ (b >>> 13);
    }
    for (let i = 0; i < 8; i++) {
      a = Math.imul(a ^ (b >>> 7) ^ i, 0xc2b2ae35);
      b = Math.imul(b ^ (a >>> 11) ^ i, 0x27d4eb2f);
      words[i] = a ^ b;
    }
    return new Uint8Array(words.buffer);
  };
}

function nextOf({ next }: { readonly next: number }): number {
  return next;
}
