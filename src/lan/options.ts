import { fillNumbers, HawserError } from '../core/index.ts';
import { DATAGRAM_LEAST, DATAGRAM_MOST } from './datagrams.ts';

/** Bounds of a publisher and a subscriber. All are maxima; docs/LIMITS.md has them too. */
export interface LanLimits {
  /** One datagram, in bytes of UDP payload. Default 1,400; from 300 to 65,507. */
  readonly datagramBytes: number;
  /** One message as MessagePack, in bytes; what is longer than a datagram travels in parts. Default 64 KiB. */
  readonly messageBytes: number;
  /** Bytes that wait to be sent, from which on `publish` says false and drops what is volatile. Default 256 KiB. */
  readonly backlogMark: number;
  /** Bytes that wait to be sent, beyond which `publish` throws. Default 4 MiB. */
  readonly backlogBytes: number;
  /** Messages, and bytes of datagrams, that a publisher keeps for who asks again. Default 100,000 and 16 MiB. */
  readonly storeMessages: number;
  readonly storeBytes: number;
  /** Bytes a second of all answers, in the long run, and at once. Default 16 MiB after 256 KiB. */
  readonly answerRate: number;
  readonly answerBurst: number;
  /** The same of the answers to one address and port. Default 8 MiB after 128 KiB. */
  readonly askerRate: number;
  readonly askerBurst: number;
  /** Bytes of answers that wait to be sent. Default 1 MiB. */
  readonly answerBytes: number;
  /** Answers a second to who has not shown his address to be his, and at once. Default 1,000 after 1,000. */
  readonly welcomeRate: number;
  readonly welcomeBurst: number;
  /** How often the end is told. Default 5. */
  readonly endRepeats: number;
  /** Publishers that a subscriber listens to, and those that have not shown to be there now. Default 64 each. */
  readonly publishers: number;
  readonly strangers: number;
  /** Publishers of the past that are remembered, so that nothing of theirs is told twice. Default 1,024. */
  readonly remembered: number;
  /** Bytes of datagrams that wait for one before them, of all publishers. Default 8 MiB. */
  readonly heldBytes: number;
  /** Messages that a subscriber may be behind one publisher, and ranges of them that are missing. Default 1,000,000 and 1,000. */
  readonly behindMessages: number;
  readonly holes: number;
  /** Messages that are asked for as one range, and such ranges under way for one publisher. Default 500 and 4. */
  readonly askMessages: number;
  readonly asksAtOnce: number;
  /** How often one range is asked for without an answer, and how often a publisher is asked whether it is there. Default 8 and 5. */
  readonly asks: number;
  readonly greetings: number;
  /** Requests a second of one subscriber, and at once: half of them to those not known yet, half for repair. Default 200 after 50. */
  readonly requestRate: number;
  readonly requestBurst: number;
}

export const LAN_LIMITS: LanLimits = {
  datagramBytes: 1400,
  messageBytes: 64 * 1024,
  backlogMark: 256 * 1024,
  backlogBytes: 4 * 1024 * 1024,
  storeMessages: 100_000,
  storeBytes: 16 * 1024 * 1024,
  answerRate: 16 * 1024 * 1024,
  answerBurst: 256 * 1024,
  askerRate: 8 * 1024 * 1024,
  askerBurst: 128 * 1024,
  answerBytes: 1024 * 1024,
  welcomeRate: 1000,
  welcomeBurst: 1000,
  endRepeats: 5,
  publishers: 64,
  strangers: 64,
  remembered: 1024,
  heldBytes: 8 * 1024 * 1024,
  behindMessages: 1_000_000,
  holes: 1000,
  askMessages: 500,
  asksAtOnce: 4,
  asks: 8,
  greetings: 5,
  requestRate: 200,
  requestBurst: 50,
};

/** Times of a publisher and a subscriber, in ms. */
export interface LanTimes {
  /** A publisher that has nothing to say tells so after `heartbeatFirst`, then after twice as long each time, up to `heartbeat`. Default 50 and 1,000. */
  readonly heartbeatFirst: number;
  readonly heartbeat: number;
  /** Age at which the store lets go of a message. Default 60,000. */
  readonly storeAge: number;
  /** From one telling of the end to the next, and from the last one to the end itself. Default 100. */
  readonly endSpacing: number;
  /** Silence of a publisher after which it counts as gone. Default 5,000. */
  readonly silence: number;
  /** A datagram that came too early waits so long for those before it until they are asked for. Default 5, and up to `askJitter` more. */
  readonly reorderWait: number;
  /** The most that chance adds to the first request, so that not everybody asks at once. Default 10. */
  readonly askJitter: number;
  /** From one request to the next for the same range; twice as long each time, up to `retryWaitMost`. Default 30 and 1,000. */
  readonly retryWait: number;
  readonly retryWaitMost: number;
  /** How long a proof of address is good, twice that at most. Default 60,000. */
  readonly proofAge: number;
  /** How often one kind of fault is told at most. Default 10,000. */
  readonly faultInterval: number;
}

export const LAN_TIMES: LanTimes = {
  heartbeatFirst: 50,
  heartbeat: 1000,
  storeAge: 60_000,
  endSpacing: 100,
  silence: 5000,
  reorderWait: 5,
  askJitter: 10,
  retryWait: 30,
  retryWaitMost: 1000,
  proofAge: 60_000,
  faultInterval: 10_000,
};

/** The limits with their defaults. @throws HawserError ERR_OPTION for what can't be. */
export function lanLimits(given: Partial<LanLimits> | undefined): LanLimits {
  const limits = fillNumbers(LAN_LIMITS, given, 'limits');
  const { datagramBytes } = limits;
  if (!Number.isInteger(datagramBytes) || datagramBytes < DATAGRAM_LEAST || datagramBytes > DATAGRAM_MOST) {
    throw new HawserError('ERR_OPTION', `limits.datagramBytes is a number from ${DATAGRAM_LEAST} to ${DATAGRAM_MOST}`);
  }
  return limits;
}

/** Waits that come again and again can't be shorter: nothing would ever rest. */
const LEAST_WAIT = 1;

/** The times with their defaults. @throws HawserError ERR_OPTION for what can't be. */
export function lanTimes(given: Partial<LanTimes> | undefined): LanTimes {
  const times = fillNumbers(LAN_TIMES, given, 'times');
  for (const name of ['heartbeatFirst', 'heartbeat', 'endSpacing', 'retryWait', 'retryWaitMost', 'proofAge'] as const) {
    if (times[name] < LEAST_WAIT) throw new HawserError('ERR_OPTION', `times.${name} is a number from ${LEAST_WAIT}`);
  }
  return times;
}
