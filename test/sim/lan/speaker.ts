import type { Random } from '../../../src/core/index.ts';
import { type LanAddress, Publisher, type PublisherOptions } from '../../../src/lan/index.ts';
import type { Clockwork } from './clockwork.ts';
import { Record } from './ledger.ts';
import type { Host, Network } from './network.ts';

/** How much a publisher says. */
export interface Manner {
  /** Turns in which something is published, ms apart on the average. */
  readonly turns: number;
  readonly pause: number;
  readonly perTurn: number;
  readonly volatile: number;
  /** Share of messages that are longer than a datagram. */
  readonly long: number;
}

/** A publisher on the network. */
export class Speaker implements Host {
  readonly address: LanAddress;
  readonly listens = false;
  readonly record: Record;
  readonly publisher: Publisher;
  readonly #clock: Clockwork;
  readonly #network: Network;
  readonly #random: Random;
  readonly #longest: number;
  #armed = Infinity;
  #isGone = false;
  #turns = 0;
  #turnsAt = 0;

  constructor(
    address: LanAddress,
    options: PublisherOptions,
    { clock, network, random }: { clock: Clockwork; network: Network; random: Random },
  ) {
    this.address = address;
    this.#clock = clock;
    this.#network = network;
    this.#random = random;
    this.#longest = (options.limits?.datagramBytes ?? 1400) * 4;
    this.publisher = new Publisher(options, clock.now);
    this.record = new Record(this.publisher.session, clock.now);
    this.record.oldest = () => this.publisher.stats().next - this.publisher.stats().storeMessages;
    network.join(this);
    this.#after();
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  receive(bytes: Uint8Array, from: LanAddress): void {
    if (this.#isGone) return;
    this.publisher.receive(bytes, from, this.#clock.now);
    this.#after();
  }

  /** Talks, and then is silent. */
  talk({ turns, pause, perTurn, volatile, long }: Manner, topics: readonly string[]): void {
    if (turns === 0 || this.#isGone || this.publisher.ended) return;
    this.#clock.at(this.#clock.now + this.#random.unit() * pause * 2, () => {
      if (this.#isGone || this.record.endedAt !== Infinity) return;
      const count = 1 + Math.floor(this.#random.unit() * perTurn * 2);
      for (let i = 0; i < count; i++) this.#say(topics, volatile, long);
      this.#after();
      this.talk({ turns: turns - 1, pause, perTurn, volatile, long }, topics);
    });
  }

  /** Ends politely. */
  end(): void {
    if (this.#isGone || this.record.endedAt !== Infinity) return;
    this.record.endedAt = this.#clock.now;
    this.publisher.end(this.#clock.now);
    this.#after();
  }

  /** Is gone without a word. */
  kill(): void {
    if (this.record.endedAt === Infinity) this.record.endedAt = this.#clock.now;
    this.#isGone = true;
    this.#network.leave(this);
  }

  #say(topics: readonly string[], volatile: number, long: number): void {
    const topic = topics[Math.floor(this.#random.unit() * topics.length)] as string;
    const isVolatile = this.#random.unit() < volatile;
    const length =
      !isVolatile && this.#random.unit() < long ? this.#random.unit() * this.#longest : this.#random.unit() * 60;
    const data = this.record.write(topic, 'x'.repeat(length), isVolatile, this.#clock.now);
    this.publisher.publish(topic, data, this.#clock.now, isVolatile);
  }

  #after(): void {
    const { now } = this.#clock;
    for (let sent = this.publisher.poll(now); sent !== undefined; sent = this.publisher.poll(now)) {
      this.#network.send(sent, this.address);
    }
    while (this.publisher.pollEvent() !== undefined);
    if (this.publisher.ended) this.kill();
    const due = this.publisher.deadline();
    if (due === undefined || due === this.#armed || this.#isGone) return;
    this.#armed = due;
    this.#clock.at(due, () => {
      // Another time was set meanwhile, as a timer is.
      if (this.#isGone || this.#armed !== due) return;
      this.#turns = this.#turnsAt === due ? this.#turns + 1 : 0;
      this.#turnsAt = due;
      if (this.#turns > 1000) throw new Error(`publisher ${this.record.session} runs in circles`);
      this.#armed = Infinity;
      this.publisher.tick(this.#clock.now);
      this.#after();
    });
  }
}
