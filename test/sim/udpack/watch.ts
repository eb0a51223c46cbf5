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

/** Datagrams that may leave at a probe time-out though the window is full (RFC 9002 6.2.4). */
const PROBES = 2;

/** Watches an endpoint from outside while it runs: windows, sizes of datagrams, memory. */
export class Watch {
  /** Memory was looked at so often. */
  looks = 0;
  readonly #endpoint: Endpoint;
  readonly #witness: Witness;
  readonly #limits: UdpackLimits;
  readonly #forgeries: number;
  readonly #fail: (what: string) => void;
  #before: Before[] = [];
  #turns = 0;
  /** Probe time-outs in a row, before timers ran. */
  readonly #timeouts = new Map<Session, number>();
  /** Datagrams that may still leave though the window is full. */
  readonly #excused = new WeakMap<Session, number>();

  constructor(endpoint: Endpoint, witness: Witness, settings: PartySettings, fail: (what: string) => void) {
    this.#endpoint = endpoint;
    this.#witness = witness;
    this.#limits = { ...UDPACK_LIMITS, ...settings.limits };
    this.#forgeries = settings.keyLimits.forgeries ?? Infinity;
    this.#fail = fail;
  }

  /** Timers are to run: only they make probes due, and an ack in the same turn may have set their count back. */
  ticking(): void {
    this.#timeouts.clear();
    for (const session of this.#endpoint.sessions()) this.#timeouts.set(session, session.stats.probeTimeouts);
  }

  ticked(): void {
    for (const [session, before] of this.#timeouts) {
      if (session.stats.probeTimeouts > before) this.#excused.set(session, (this.#excused.get(session) ?? 0) + PROBES);
    }
  }

  /** A datagram may leave now. */
  leaving(): void {
    this.#before = [];
    for (const session of this.#endpoint.sessions()) {
      const { inFlight, window, datagramSize } = session.stats;
      this.#before.push({ session, inFlight, window, datagramSize });
    }
  }

  left(length: number, now: Instant): void {
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
    if (length <= datagramSize && inFlight <= window) return;
    if (this.#isProbe()) return;
    if (length > datagramSize) this.#fail(`a datagram of ${length} bytes at ${now}, where ${datagramSize} may pass`);
    const excused = this.#excused.get(session) ?? 0;
    if (excused === 0)
      this.#fail(`${inFlight} bytes in flight at ${now}, the window is ${window}, and no probe was due`);
    this.#excused.set(session, excused - 1);
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
    const { datagramsForged, keyUpdates, state } = session.stats;
    if (keyUpdates === 0 && datagramsForged >= this.#forgeries && state === 'open')
      this.#fail(`open at ${now} though ${datagramsForged} datagrams were forged`);
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
