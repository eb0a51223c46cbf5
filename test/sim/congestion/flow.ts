import type { Instant } from '../../../src/core/index.ts';
import { type Controller, newSendTag, Pacer, type SendTag } from '../../../src/udpack/congestion/index.ts';
import type { Bottleneck } from './bottleneck.ts';
import type { Events } from './events.ts';

export interface FlowOptions {
  readonly name: string;
  /** When it begins to send, and when it has nothing more, in ms. Default: from 0, for ever. */
  readonly start?: Instant;
  readonly stop?: Instant;
  /** One way without queue, in ms. */
  readonly delay: number;
  /** Bytes of a datagram. Default 1452. */
  readonly size?: number;
  /** Datagrams per ACK frame at most. Default 8. */
  readonly ackEvery?: number;
  /** The longest that an ACK frame waits, in ms. Default 5. */
  readonly ackDelay?: number;
  /** ACK frames arrive together, every so many ms, as over Wi-Fi. Default: at once. */
  readonly ackGrid?: number;
  /** Chance of a datagram to be late, and by how much, in ms. */
  readonly reorder?: { readonly chance: number; readonly by: number };
  /** Up to so many ms more on the way, at random, in order. Default 0. */
  readonly jitter?: number;
  /** The sender's process is busy with something else for `by` ms, now and then: about each `every` ms. */
  readonly stall?: { readonly every: number; readonly by: number };
  /** Something to send only now and then: so many bytes every so many ms. Default: always. */
  readonly app?: { readonly bytes: number; readonly every: number };
  /** Granularity of the sender's timers, in ms. Default 1. */
  readonly timer?: number;
}

interface Sent extends SendTag {
  readonly number: number;
  state: 'flying' | 'acked' | 'lost';
}

/** Spurious losses raise the packet threshold up to here, in datagrams. */
const MOST_REORDER = 300;
/** And the time threshold up to here, in round trips. */
const MOST_PATIENCE = 2;

/** A sender with the smallest loss detection that RFC 9002 allows, and its receiver. */
export class Flow {
  readonly options: FlowOptions;
  readonly controller: Controller;
  readonly #events: Events;
  readonly #link: Bottleneck;
  readonly #random: () => number;
  readonly #pacer: Pacer;
  readonly #size: number;
  readonly #sent: Sent[] = [];
  #oldest = 0;
  inFlight = 0;
  /** Bytes that reached the receiver, that left, that were given up, and of those that came after all. */
  delivered = 0;
  sentBytes = 0;
  lostBytes = 0;
  spurious = 0;
  smoothedRtt = 0;
  #rttVariance = 0;
  minRtt: number = Infinity;
  #largestAcked = -1;
  #packetThreshold = 3;
  #timeThreshold = 1.125;
  #lossAt: Instant | undefined;
  #probes = 0;
  #lastSentAt = 0;
  #wakeAt = Infinity;
  #budget = 0;
  #lastAckAt = 0;
  #arrived: { readonly number: number; readonly at: Instant }[] = [];
  #largestArrived = -1;
  #arrivesAt = 0;
  #stalledFrom = 0;
  #stalledUntil = 0;
  #ackTimer = false;

  constructor(events: Events, link: Bottleneck, controller: Controller, options: FlowOptions, random: () => number) {
    this.#events = events;
    this.#link = link;
    this.controller = controller;
    this.options = options;
    this.#random = random;
    this.#size = options.size ?? 1452;
    this.#pacer = new Pacer(controller);
    events.at(options.start ?? 0, () => {
      this.#supply();
      this.#transmit();
      this.#watch();
    });
  }

  #supply(): void {
    const app = this.options.app;
    this.#budget = app === undefined ? Infinity : this.#budget + app.bytes;
    if (app === undefined) return;
    this.#events.at(this.#events.now + app.every, () => {
      this.#supply();
      this.#transmit();
    });
  }

  get #hasData(): boolean {
    return this.#budget >= this.#size && this.#events.now < (this.options.stop ?? Infinity);
  }

  #transmit(): void {
    const now = this.#events.now;
    for (;;) {
      if (!this.#hasData) {
        this.controller.onAppLimited(this.inFlight);
        return;
      }
      if (this.inFlight + this.#size > this.controller.window) return;
      if (!this.#pacer.allow(now, this.#size)) {
        this.#wake(this.#pacer.nextAt(now, this.#size));
        return;
      }
      this.#send(now);
    }
  }

  #send(now: Instant): void {
    const sent: Sent = { ...newSendTag(), number: this.#sent.length, state: 'flying' };
    this.controller.onSent(sent, now, this.#size, this.inFlight);
    this.#pacer.spent(now, this.#size);
    this.#sent.push(sent);
    this.inFlight += this.#size;
    this.sentBytes += this.#size;
    this.#budget -= this.#size;
    this.#lastSentAt = now;
    this.#link.send({ size: this.#size, arrive: () => this.#passed(sent.number) });
  }

  #wake(at: Instant): void {
    const grid = this.options.timer ?? 1;
    const due = Math.ceil(at / grid) * grid;
    if (due >= this.#wakeAt && this.#wakeAt > this.#events.now) return;
    this.#wakeAt = due;
    this.#events.at(due, () => {
      if (this.#wakeAt === due) this.#wakeAt = Infinity;
      this.#transmit();
    });
  }

  /** Behind the bottleneck: on to the receiver. */
  #passed(number: number): void {
    const late = this.options.reorder;
    const extra = late !== undefined && this.#random() < late.chance ? late.by : 0;
    const jitter = this.options.jitter === undefined ? 0 : this.#random() * this.options.jitter;
    this.#arrivesAt = Math.max(this.#arrivesAt, this.#events.now + this.options.delay + jitter);
    this.#events.at(this.#arrivesAt + extra, () => this.#receive(number));
  }

  #receive(number: number): void {
    const now = this.#events.now;
    this.delivered += this.#size;
    this.#arrived.push({ number, at: now });
    const gap = number !== this.#largestArrived + 1;
    this.#largestArrived = Math.max(this.#largestArrived, number);
    if (gap || this.#arrived.length >= (this.options.ackEvery ?? 8)) this.#acknowledge();
    else this.#acknowledgeLater(now);
  }

  #acknowledgeLater(now: Instant): void {
    if (this.#ackTimer) return;
    this.#ackTimer = true;
    this.#events.at(now + (this.options.ackDelay ?? 5), () => {
      this.#ackTimer = false;
      if (this.#arrived.length > 0) this.#acknowledge();
    });
  }

  #acknowledge(): void {
    const numbers = this.#arrived.map((one) => one.number).toSorted((a, b) => a - b);
    const held = this.#events.now - (this.#arrived.at(-1)?.at ?? 0);
    const grid = this.options.ackGrid ?? 0;
    const at = this.#events.now + this.options.delay;
    this.#arrived = [];
    const heard = this.#awake(grid > 0 ? Math.ceil(at / grid) * grid : at);
    this.#events.at(heard, () => this.#onAck(numbers, held));
  }

  /** When something that comes at `at` is looked at. Asked for in the order of time. */
  #awake(at: Instant): Instant {
    const { stall } = this.options;
    if (stall === undefined) return at;
    while (this.#stalledUntil < at) {
      this.#stalledFrom = this.#stalledUntil + this.#random() * 2 * stall.every;
      this.#stalledUntil = this.#stalledFrom + this.#random() * 2 * stall.by;
    }
    return at >= this.#stalledFrom ? this.#stalledUntil : at;
  }

  #onAck(numbers: readonly number[], held: number): void {
    const now = this.#events.now;
    const acked: Sent[] = [];
    const inFlightBefore = this.inFlight;
    let bytes = 0;
    for (const number of numbers) {
      const sent = this.#sent[number] as Sent;
      if (sent.state === 'lost') {
        this.#cameBack(sent, now);
      } else if (sent.state === 'flying') {
        sent.state = 'acked';
        acked.push(sent);
        bytes += sent.size;
      }
    }
    this.inFlight -= bytes;
    this.#lastAckAt = now;
    if (acked.length > 0) this.#onNewlyAcked(now, acked, bytes, inFlightBefore, held);
    this.#transmit();
  }

  #onNewlyAcked(now: Instant, acked: Sent[], bytes: number, inFlightBefore: number, held: number): void {
    this.#probes = 0;
    const largest = acked.at(-1) as Sent;
    const latestRtt = largest.number > this.#largestAcked ? now - largest.sentAt - held : undefined;
    this.#largestAcked = Math.max(this.#largestAcked, largest.number);
    if (latestRtt !== undefined) this.#measure(latestRtt);
    const lostBytes = this.#detect(now);
    const { inFlight, smoothedRtt } = this;
    this.controller.onAck(now, { acked, bytes, inFlightBefore, inFlight, lostBytes, latestRtt, smoothedRtt });
  }

  #cameBack(sent: Sent, now: Instant): void {
    sent.state = 'acked';
    this.spurious += sent.size;
    this.#packetThreshold = Math.min(
      MOST_REORDER,
      Math.max(this.#packetThreshold, this.#largestAcked - sent.number + 1),
    );
    const late = (now - sent.sentAt) / this.smoothedRtt + 0.125;
    this.#timeThreshold = Math.min(MOST_PATIENCE, Math.max(this.#timeThreshold, late));
    this.controller.onSpuriousLoss(now, sent);
  }

  #measure(rtt: number): void {
    this.minRtt = Math.min(this.minRtt, rtt);
    if (this.smoothedRtt === 0) {
      this.smoothedRtt = rtt;
      this.#rttVariance = rtt / 2;
      return;
    }
    this.#rttVariance = 0.75 * this.#rttVariance + 0.25 * Math.abs(this.smoothedRtt - rtt);
    this.smoothedRtt = 0.875 * this.smoothedRtt + 0.125 * rtt;
  }

  /** RFC 9002 section 6.1. Returns the bytes given up. */
  #detect(now: Instant): number {
    const patience = this.#timeThreshold * this.smoothedRtt;
    const lost: Sent[] = [];
    this.#lossAt = undefined;
    while (this.#oldest < this.#sent.length && this.#sent[this.#oldest]?.state !== 'flying') this.#oldest++;
    for (let number = this.#oldest; number < this.#largestAcked; number++) {
      const sent = this.#sent[number] as Sent;
      if (sent.state !== 'flying') continue;
      if (number + this.#packetThreshold <= this.#largestAcked || sent.sentAt + patience <= now) lost.push(sent);
      else this.#lossAt ??= sent.sentAt + patience;
    }
    return this.#giveUp(now, lost);
  }

  #giveUp(now: Instant, lost: readonly Sent[]): number {
    let bytes = 0;
    for (const sent of lost) {
      sent.state = 'lost';
      bytes += sent.size;
    }
    this.inFlight -= bytes;
    this.lostBytes += bytes;
    this.#budget += bytes;
    const span = (lost.at(-1)?.sentAt ?? 0) - (lost[0]?.sentAt ?? 0);
    const persistent =
      span > 3 * (this.smoothedRtt + 4 * this.#rttVariance + 25) && this.#lastAckAt < (lost[0]?.sentAt ?? 0);
    if (lost.length > 0) this.controller.onLost(now, { lost, bytes, inFlight: this.inFlight, persistent });
    return bytes;
  }

  /** The loss timer and the probe time-out, looked at every 5 ms. */
  #watch(): void {
    const now = this.#events.now;
    if (this.#lossAt !== undefined && now >= this.#lossAt) {
      this.#detect(now);
      this.#transmit();
    }
    const rtt = this.smoothedRtt === 0 ? 333 : this.smoothedRtt + 4 * this.#rttVariance + 25;
    if (this.inFlight > 0 && now - Math.max(this.#lastSentAt, this.#lastAckAt) > rtt * 2 ** this.#probes) {
      this.#probes = Math.min(this.#probes + 1, 6);
      this.#send(now);
    }
    this.#events.at(now + 5, () => this.#watch());
  }
}
