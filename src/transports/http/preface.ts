import { Deadline, type DeadlineOwner, type PortUser } from '../../runtime/index.ts';
import type { Arrival, Guest, Reception } from '../guest.ts';
import { attach, detach } from '../sockets.ts';

/** How a client of HTTP/2 begins (RFC 9113 3.4): no method of HTTP/1.1 begins with these letters. */
const PREFACE = [0x50, 0x52, 0x49] as const;

/** The step of a connection without TLS whose first bytes tell which HTTP it speaks. */
export class Preface implements PortUser, DeadlineOwner, Guest {
  readonly #reception: Reception;
  readonly #arrival: Arrival;
  readonly #newer: (arrival: Arrival) => void;
  readonly #older: (arrival: Arrival) => void;
  readonly #deadline: Deadline = new Deadline(this);
  #seen = new Uint8Array(0);

  /** @param newer Goes on with one that speaks HTTP/2, `older` with all others; nobody has read from it then. */
  constructor(
    reception: Reception,
    arrival: Arrival,
    newer: (arrival: Arrival) => void,
    older: (arrival: Arrival) => void,
  ) {
    this.#reception = reception;
    this.#arrival = arrival;
    this.#newer = newer;
    this.#older = older;
  }

  begin(): void {
    const { guests, group } = this.#reception;
    guests.add(this);
    group.wheel.schedule(this.#deadline, this.#arrival.by);
    attach(this.#arrival.socket, this);
  }

  receive(chunk: Uint8Array): void {
    this.#seen = Buffer.concat([this.#seen, chunk]);
    const isNewer = PREFACE.every((byte, at) => at >= this.#seen.length || this.#seen[at] === byte);
    if (isNewer && this.#seen.length < PREFACE.length) return;
    if (isNewer) this.#goOn(this.#newer);
    else this.#goOnOlder();
  }

  writable(): void {}

  ended(): void {
    this.leave();
  }

  gone(): void {
    this.#forget();
  }

  /** What little it said may be the beginning of either; nobody knows in which words to answer. */
  onDeadline(): void {
    this.#goOnOlder();
  }

  leave(): void {
    this.#forget();
    this.#arrival.socket.destroy();
  }

  #goOn(next: (arrival: Arrival) => void): void {
    this.#forget();
    const { socket } = this.#arrival;
    socket.pause();
    detach(socket);
    if (this.#seen.length > 0) socket.unshift(this.#seen);
    next(this.#arrival);
  }

  #goOnOlder(): void {
    this.#goOn(this.#older);
    this.#arrival.socket.resume();
  }

  #forget(): void {
    this.#reception.guests.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }
}
