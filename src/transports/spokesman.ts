import { Deadline, type DeadlineOwner, type PortUser } from '../runtime/index.ts';
import { ProxyHeader } from '../transport/index.ts';
import type { Arrival, Guest, Reception } from './guest.ts';
import { attach, detach } from './sockets.ts';

/**
 * The first step of a connection that comes from a proxy that is believed: its first bytes may say, by the PROXY protocol, whom it speaks
 * for. Without them it speaks for itself; when they are broken, it is cut.
 */
export class Spokesman implements PortUser, DeadlineOwner, Guest {
  readonly #reception: Reception;
  readonly #arrival: Arrival;
  readonly #next: (arrival: Arrival) => void;
  readonly #header: ProxyHeader = new ProxyHeader();
  readonly #deadline: Deadline = new Deadline(this);

  constructor(reception: Reception, arrival: Arrival, next: (arrival: Arrival) => void) {
    this.#reception = reception;
    this.#arrival = arrival;
    this.#next = next;
  }

  begin(): void {
    const { guests, group } = this.#reception;
    guests.add(this);
    group.wheel.schedule(this.#deadline, this.#arrival.by);
    attach(this.#arrival.socket, this);
  }

  receive(chunk: Uint8Array): void {
    const verdict = this.#header.receive(chunk);
    switch (verdict.kind) {
      case 'more':
        return;
      case 'none':
        this.#goOn(this.#arrival, this.#header.seen);
        return;
      case 'header':
        this.#goOn({ ...this.#arrival, source: verdict.source }, verdict.rest);
        return;
      case 'broken':
        this.leave();
    }
  }

  writable(): void {}

  ended(): void {
    this.leave();
  }

  gone(): void {
    this.#forget();
  }

  onDeadline(): void {
    this.leave();
  }

  leave(): void {
    this.#forget();
    this.#arrival.socket.destroy();
  }

  #goOn(arrival: Arrival, rest: Uint8Array): void {
    this.#forget();
    const { socket } = arrival;
    socket.pause();
    detach(socket);
    if (rest.length > 0) socket.unshift(rest);
    this.#next(arrival);
    socket.resume();
  }

  #forget(): void {
    this.#reception.guests.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }
}
