import type { Instant } from '../../core/index.ts';
import type { AckEvent } from './controller.ts';
import { LossBased } from './loss-based.ts';

/** NewReno as in RFC 9002 section 7 and appendix B: doubles per round trip, then grows by a datagram per round trip; halves at loss. */
export class NewReno extends LossBased {
  readonly name = 'newreno';

  protected override grow(_now: Instant, _event: AckEvent, bytes: number): void {
    this.window += this.slowStart ? bytes : (this.datagramSize * bytes) / this.window;
  }

  protected override reduce(): void {
    this.threshold = Math.max(this.window / 2, this.minimum);
    this.window = this.threshold;
  }
}
