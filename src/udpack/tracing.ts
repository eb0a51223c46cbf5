import type { Instant } from '../core/index.ts';
import type { Address } from './address.ts';
import type { CloseName } from './faults.ts';
import type { Path } from './path.ts';
import type { Protection } from './protection.ts';
import type { SentDatagram } from './recovery/sent-datagram.ts';
import type { Session } from './session.ts';
import type { Trace } from './session-types.ts';

/** Tells what happens in a session by the names that qlog has for it (draft-ietf-quic-qlog-quic-events). */
export class Tracing {
  readonly #trace: Trace;
  #state: Session['state'] = 'handshaking';
  #phase = 0;
  #figures = '';

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** A sealed datagram left, with all that was decided before it. */
  sent(session: Session, path: Path, { sendPhase }: Protection, size: number, now: Instant): void {
    this.#onState(session.state, now);
    if (sendPhase !== this.#phase) {
      this.#phase = sendPhase;
      this.#trace('security:key_updated', { key_phase: sendPhase }, now);
    }
    this.#trace('transport:packet_sent', datagramOf(path.nextNumber - 1, path.space.remote.sequence, size), now);
    this.#onFigures(path, now);
  }

  /** A datagram was opened that came to the id with this sequence number. */
  received(session: Session, number: number, sequence: number, size: number, now: Instant): void {
    this.#onState(session.state, now);
    this.#trace('transport:packet_received', datagramOf(number, sequence, size), now);
  }

  moved({ address, port }: Address, now: Instant): void {
    this.#trace('connectivity:path_assigned', { path_remote: { ip: address, port } }, now);
  }

  closed(by: 'peer' | 'self', code: number, fault: CloseName | undefined, now: Instant): void {
    const owner = by === 'self' ? 'local' : 'remote';
    const why = fault === undefined ? { application_code: code } : { connection_code: code, trigger: fault };
    this.#trace('connectivity:connection_closed', { owner, ...why }, now);
  }

  #onState(state: Session['state'], now: Instant): void {
    if (state === this.#state) return;
    this.#trace('connectivity:connection_state_updated', { old: this.#state, new: state }, now);
    this.#state = state;
  }

  #onFigures({ recovery, controller, mtu }: Path, now: Instant): void {
    const { latest, smoothed, least, variation } = recovery.trips;
    const figures = {
      latest_rtt: latest,
      smoothed_rtt: smoothed,
      min_rtt: least,
      rtt_variance: variation,
      pto_count: recovery.timeouts,
      congestion_window: Math.floor(controller.window),
      bytes_in_flight: recovery.inFlight,
      // qlog has bits a second.
      pacing_rate: controller.pacingRate * 8000,
      phase: controller.snapshot().phase,
      datagram_size: mtu.size,
    };
    const text = JSON.stringify(figures);
    if (text === this.#figures) return;
    this.#figures = text;
    this.#trace('recovery:metrics_updated', figures, now);
  }
}

/** A datagram was given up. */
export function traceLost(trace: Trace, path: Path, { order, size }: SentDatagram, now: Instant): void {
  trace('recovery:packet_lost', datagramOf(order - path.space.base, path.space.remote.sequence, size), now);
}

function datagramOf(number: number, sequence: number, size: number): Readonly<Record<string, unknown>> {
  return { header: { packet_type: '1RTT', packet_number: number, id_sequence: sequence }, raw: { length: size } };
}
