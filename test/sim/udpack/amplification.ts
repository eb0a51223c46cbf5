import { KIND } from '../../../src/udpack/handshake/index.ts';
import { type Flight, type Host, keyOf, type Observer } from './network.ts';

interface Account {
  received: number;
  sent: number;
  /** Who has the address heard the server there. */
  reached: boolean;
  /** And the server heard of it. */
  proved: boolean;
}

/** Watches that a server never sends more to an address than came from it, before somebody there has shown to hear it. */
export class AmplificationWatch implements Observer {
  readonly #server: Host;
  readonly #fail: (what: string) => void;
  /** Whether the server lets nobody in without a cookie. */
  readonly #strict: boolean;
  readonly #accounts = new Map<string, Account>();
  /** Addresses at which a host heard the server: it may prove one from another. */
  readonly #heard = new Map<Host, Set<Account>>();

  constructor(server: Host, strict: boolean, fail: (what: string) => void) {
    this.#server = server;
    this.#strict = strict;
    this.#fail = fail;
  }

  sent(flight: Flight): void {
    if (flight.sender !== this.#server) {
      flight.mark = this.#account(keyOf(flight.from)).reached;
      return;
    }
    const account = this.#account(keyOf(flight.to));
    account.sent += flight.bytes.length;
    if (this.#strict && flight.bytes[0] === KIND.response && !account.proved)
      this.#fail(`${keyOf(flight.to)} was let in, and has proved nothing`);
    if (account.proved || account.sent <= account.received) return;
    this.#fail(
      `${account.sent} bytes went to ${keyOf(flight.to)}, which sent ${account.received} and has proved nothing`,
    );
  }

  arrived(flight: Flight, host: Host): void {
    if (host !== this.#server) {
      // A copy that an attacker sends is as good.
      if (flight.sender === this.#server || flight.sender === undefined) this.#reach(host, keyOf(flight.to));
      return;
    }
    const account = this.#account(keyOf(flight.from));
    account.received += flight.bytes.length;
    const knows = flight.sender === undefined ? account.reached : flight.mark;
    if (flight.corrupted) return;
    if (knows) account.proved = true;
    if (flight.sender === undefined) return;
    for (const heard of this.#heard.get(flight.sender) ?? []) heard.proved = true;
  }

  #reach(host: Host, address: string): void {
    const account = this.#account(address);
    account.reached = true;
    const heard = this.#heard.get(host) ?? new Set();
    this.#heard.set(host, heard.add(account));
  }

  #account(address: string): Account {
    const known = this.#accounts.get(address);
    if (known !== undefined) return known;
    const account = { received: 0, sent: 0, reached: false, proved: false };
    this.#accounts.set(address, account);
    return account;
  }
}
