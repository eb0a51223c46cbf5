import type { Instant } from '../../core/index.ts';
import type { AckEvent } from './controller.ts';
import { HyStart } from './hystart.ts';
import { LossBased } from './loss-based.ts';

/** Steepness of the cubic, in datagrams per second cubed. RFC 9438 section 5. */
const C = 0.4;
/** What remains of the window after loss. */
const BETA = 0.7;
/** Growth that gives Reno's mean window with our `BETA`, in datagrams per round trip. RFC 9438 section 4.3. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** Where the cubic stands; kept aside for undoing a reaction. */
interface Curve {
  /** The window at the last loss: the level that the cubic has its turning point at. In datagrams. */
  most: number;
  /** When growth began at the present stage; undefined before the first ack of it. */
  epoch: Instant | undefined;
  /** From the epoch to the turning point, in seconds. */
  k: number;
  /** The window that Reno would have, in datagrams. */
  reno: number;
  /** The window before the last reduction, in datagrams. */
  prior: number;
}

/** CUBIC (RFC 9438), with HyStart++ (RFC 9406) in slow start. */
export class Cubic extends LossBased {
  readonly name = 'cubic';
  readonly #start: HyStart = new HyStart();
  #curve: Curve = flat();
  #before: Curve = flat();
  #lastAckAt: Instant = 0;

  protected override acked(now: Instant, event: AckEvent): void {
    if (this.slowStart && this.#start.onAck(now, event)) this.threshold = this.window;
  }

  protected override grow(now: Instant, event: AckEvent, bytes: number): void {
    this.#lastAckAt = now;
    if (this.slowStart) this.window += bytes / this.#start.divisor;
    else this.#follow(now, event.smoothedRtt, bytes / this.datagramSize);
  }

  /** Time without use doesn't count: the curve waits. RFC 9438 section 5.8. */
  protected override idled(now: Instant): void {
    if (this.#curve.epoch !== undefined) this.#curve.epoch += now - this.#lastAckAt;
    this.#lastAckAt = now;
  }

  protected override reduce(): void {
    this.#before = { ...this.#curve };
    const window = this.window / this.datagramSize;
    const curve = this.#curve;
    // Fast convergence: who loses before it reached its former level leaves room for others. RFC 9438 section 4.7.
    curve.most = window < curve.most ? (window * (1 + BETA)) / 2 : window;
    curve.prior = window;
    curve.epoch = undefined;
    this.window = Math.max(this.window * BETA, this.minimum);
    this.threshold = this.window;
  }

  protected override restore(): void {
    this.#curve = this.#before;
  }

  protected override forget(): void {
    this.#curve = flat();
    this.#start.reset();
  }

  protected override phase(): string {
    return this.slowStart && this.#start.divisor > 1 ? 'conservative-slow-start' : super.phase();
  }

  #follow(now: Instant, rtt: number, acked: number): void {
    const curve = this.#curve;
    let window = this.window / this.datagramSize;
    if (curve.epoch === undefined) begin(curve, now, window);
    const age = (now - (curve.epoch ?? now)) / 1000;
    curve.reno += ((curve.reno < curve.prior ? ALPHA : 1) * acked) / window;
    if (level(curve, age) < curve.reno) {
      window = Math.max(window, curve.reno);
    } else {
      const target = Math.min(Math.max(level(curve, age + rtt / 1000), window), 1.5 * window);
      window += ((target - window) * acked) / window;
    }
    this.window = window * this.datagramSize;
  }
}

/** RFC 9438 section 4.2. */
function begin(curve: Curve, now: Instant, window: number): void {
  curve.epoch = now;
  curve.reno = window;
  curve.most = Math.max(curve.most, window);
  curve.k = Math.cbrt((curve.most - window) / C);
}

function level(curve: Curve, age: number): number {
  return C * (age - curve.k) ** 3 + curve.most;
}

function flat(): Curve {
  return { most: 0, epoch: undefined, k: 0, reno: 0, prior: 0 };
}
