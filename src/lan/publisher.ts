import type { Instant } from '../core/index.ts';
import type { LanAddress, LanDatagram, PublisherEvent, PublisherOptions, PublisherStats } from './types.ts';

/**
 * The publishing side of the bus: messages and requests go in, datagrams come out. After each call drain `poll` and `pollEvent`, then arm
 * one timer for `deadline`. Times passed in must never go backwards.
 */
export class Publisher {
  /** 24 hexadecimal digits, drawn anew for each publisher. */
  readonly session: string;

  /** @throws HawserError ERR_OPTION for limits that can't be. */
  constructor(_options: PublisherOptions, _now: Instant) {
    this.session = '';
  }

  /**
   * Takes in a message for the next datagrams; it may wait in an unfinished one until `poll` asks for it, so poll once per turn. Returns
   * false when more than `limits.backlogMark` waits (a `drain` follows): the message is taken all the same, or dropped if it is volatile.
   * @throws HawserError ERR_ARGUMENT for a topic that is none, ERR_UNENCODABLE, ERR_MESSAGE_TOO_LARGE, ERR_BACKLOG_FULL over
   * `limits.backlogBytes`, ERR_CLOSED after `end`.
   */
  publish(_topic: string, _data: unknown, _now: Instant, _volatile?: boolean): boolean {
    return true;
  }

  /** Takes in a datagram that came to the door. Never throws; the bytes are read during the call. */
  receive(_bytes: Uint8Array, _from: LanAddress, _now: Instant): void {
    // Until it is built.
  }

  /** Tells the end, some times; requests are answered until `ended`. */
  end(_now: Instant): void {
    // Until it is built.
  }

  /** Whether the end was told often enough. */
  get ended(): boolean {
    return false;
  }

  /** Runs what is due. A call that is too early does nothing. */
  tick(_now: Instant): void {
    // Until it is built.
  }

  /** The next datagram to send; undefined when there is none now. Whoever can't send leaves it here: the backlog is counted here. */
  poll(_now: Instant): LanDatagram | undefined {
    return undefined;
  }

  pollEvent(): PublisherEvent | undefined {
    return undefined;
  }

  /** When `tick`, and then `poll`, want to be called; undefined when there is nothing to wait for. */
  deadline(): Instant | undefined {
    return undefined;
  }

  stats(): PublisherStats {
    return {
      messages: 0,
      volatile: 0,
      dropped: 0,
      datagrams: 0,
      bytes: 0,
      heartbeats: 0,
      requests: 0,
      answers: 0,
      answerBytes: 0,
      welcomes: 0,
      gone: 0,
      storeMessages: 0,
      storeBytes: 0,
      backlogBytes: 0,
      faults: {},
    };
  }
}
