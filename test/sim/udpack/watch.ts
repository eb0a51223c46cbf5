import type { Instant } from '../../../src/core/index.ts';
import { type Endpoint, FRAME, type Session, UDPACK_LIMITS, type UdpackLimits } from '../../../src/udpack/index.ts';
import type { Witness } from './crypto.ts';
import type { PartySettings } from './scenario.ts';

interface Before {
  readonly session: Session;
  readonly inFlight: number;
  readonly window: number;
  readonly datagramSize: number;
}

/** What a datagram may be over the window by: a controller counts whole datagrams. */
const DATAGRAMS_OVER = 1;

/** Watches an endpoint from outside while it runs: windows, sizes of datagrams, memory. */
export class Watch {
  /** Memory was looked at so often. */
  looks = 0;
  readonly #endpoint: Endpoint;
  readonly #witness: Witness;
  readonly #limits: UdpackLimits;
  readonly #fail: (what: string) => void;
  #before: Before[] = [];
  #turns = 0;
  /** By session: probe time-outs in a row, and in all, and datagrams that left though the window was full. */
  readonly #counts = new WeakMap<Session, { row: number; probes: number; over: number }>();

  constructor(endpoint: Endpoint, witness: Witness, settings: PartySettings, fail: (what: string) => void) {
    this.#endpoint = endpoint;
    this.#witness = witness;
    this.#limits = { ...UDPACK_LIMITS, ...settings.limits };
    this.#fail = fail;
  }

  before(): void {
    this.#before = [];
    for (const session of this.#endpoint.sessions()) {
      const { inFlight, window, datagramSize, probeTimeouts } = session.stats;
      const counts = this.#counts.get(session) ?? { row: 0, probes: 0, over: 0 };
      this.#counts.set(session, counts);
      counts.probes += Math.max(0, probeTimeouts - counts.row);
      counts.row = probeTimeouts;
      this.#before.push({ session, inFlight, window, datagramSize });
    }
  }

  after(length: number, now: Instant): void {
    for (const before of this.#before) {
      const { inFlight } = before.session.stats;
      if (inFlight <= before.inFlight) continue;
      this.#left(before, inFlight, length, now);
      return;
    }
  }

  /** A turn is over. */
  rested(now: Instant): void {
    if ((this.#turns++ & 15) !== 0) return;
    this.looks++;
    for (const session of this.#endpoint.sessions()) this.#memory(session, now);
  }

  #left(before: Before, inFlight: number, length: number, now: Instant): void {
    const { session, window, datagramSize } = before;
    const probe = this.#isProbe();
    if (length > datagramSize && !probe)
      this.#fail(`a datagram of ${length} bytes at ${now}, where ${datagramSize} may pass`);
    if (probe || inFlight <= window + DATAGRAMS_OVER * datagramSize) return;
    const counts = this.#counts.get(session);
    if (counts === undefined || ++counts.over <= 2 * counts.probes) return;
    this.#fail(
      `${inFlight} bytes in flight at ${now}, the window is ${window}, and there were ${counts.probes} time-outs`,
    );
  }

  /** Whether what was sealed last is a PING and padding: a probe of the path's size. */
  #isProbe(): boolean {
    const { text, textLength } = this.#witness;
    let pings = 0;
    for (let at = 0; at < textLength; at++) {
      if (text[at] === FRAME.ping) pings++;
      else if (text[at] !== FRAME.padding) return false;
    }
    return pings === 1;
  }

  #memory(session: Session, now: Instant): void {
    const { assembly, waiting, datagrams, streams } = session.streams.memory();
    const limits = this.#limits;
    // One step of growth, and the longest packet, which is always let in.
    const packets = 2 * (limits.assemblyBytes + limits.packetBytes) + limits.sessionWindowMost;
    if (assembly > packets) this.#fail(`${assembly} bytes of packets that are not whole at ${now}`);
    // Pages are not always full.
    if (waiting > 4 * limits.sessionWindowMost + 1_000_000)
      this.#fail(`${waiting} bytes wait for their turn at ${now}`);
    if (datagrams > limits.datagramBytes) this.#fail(`${datagrams} bytes of datagrams wait at ${now}`);
    if (streams > 4 * 1000 * 2) this.#fail(`${streams} streams at ${now}`);
  }
}
