import type { Instant } from '../core/index.ts';
import type {
  HeardPublisher,
  LanAddress,
  LanDatagram,
  SubscriberEvent,
  SubscriberOptions,
  SubscriberStats,
} from './types.ts';

/**
 * The listening side of the bus: datagrams go in, messages and requests come out. After each call drain `poll` and `pollEvent`, then arm
 * one timer for `deadline`. Times passed in must never go backwards.
 */
export class Subscriber {
  readonly #since: 'now' | 'store';

  /** @throws HawserError ERR_OPTION for limits that can't be. */
  constructor(options: SubscriberOptions, _now: Instant) {
    this.#since = options.since ?? 'now';
  }

  /** Takes in a datagram, of the group or an answer. Never throws; the bytes are read during the call. */
  receive(_bytes: Uint8Array, _from: LanAddress, _now: Instant): void {
    // Until it is built.
  }

  /** Runs what is due. A call that is too early does nothing. */
  tick(_now: Instant): void {
    // Until it is built.
  }

  /** The next request to send, always to one address. Send it from a socket whose datagrams come back to `receive`. */
  poll(_now: Instant): LanDatagram | undefined {
    return undefined;
  }

  pollEvent(): SubscriberEvent | undefined {
    return undefined;
  }

  /** When `tick` wants to be called; undefined when there is nothing to wait for. */
  deadline(): Instant | undefined {
    return undefined;
  }

  publishers(): HeardPublisher[] {
    return this.#since === 'now' ? [] : [];
  }

  stats(): SubscriberStats {
    return {
      datagrams: 0,
      bytes: 0,
      messages: 0,
      volatile: 0,
      unwanted: 0,
      duplicates: 0,
      requests: 0,
      recovered: 0,
      lost: 0,
      publishers: 0,
      strangers: 0,
      heldBytes: 0,
      faults: {},
    };
  }
}
