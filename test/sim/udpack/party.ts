import type { Instant } from '../../../src/core/index.ts';
import { type Address, type Crypto, Endpoint, type KeyPair, type Session } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import type { Witness } from './crypto.ts';
import { keyOf, type Network } from './network.ts';
import { type Machine, Process } from './process.ts';
import type { PartySettings } from './scenario.ts';
import type { SharedSocket } from './shared-socket.ts';
import type { Talker } from './talker.ts';
import { Watch } from './watch.ts';

export interface PartyInit {
  readonly network: Network;
  readonly name: string;
  readonly address: Address;
  readonly key?: KeyPair;
  readonly crypto: Crypto;
  readonly witness: Witness;
  readonly settings: PartySettings;
  readonly late: number;
  readonly inbox: number;
  readonly chance: Chance;
  readonly fail: (what: string) => void;
  readonly trace: ((line: string) => void) | undefined;
  /** Stands between the endpoint and its process. */
  readonly wrap?: (endpoint: Endpoint) => Machine;
  /** A server's that is one worker of several: its number, and the socket that they share. */
  readonly worker?: { readonly number: number; readonly socket: SharedSocket } | undefined;
  /** What stateless resets are made of; workers have the same. */
  readonly resetSecret?: Uint8Array | undefined;
  /** A server's: a client has shown its token. */
  readonly onToken?: (server: Party, session: Session, token: Uint8Array) => void;
}

/** An endpoint in its process, and the applications of its sessions. */
export class Party {
  endpoint: Endpoint;
  readonly process: Process;
  readonly settings: PartySettings;
  /** By session; those that have ended stay. */
  readonly talkers: Map<Session, Talker> = new Map();
  watch: Watch;
  /** New sessions are to end what they have, too. */
  finishing = false;
  /** Times that a peer moved, and had told no id to spare for it. */
  followed = 0;
  /** Of endpoints that have died. */
  retries = 0;
  readonly #init: PartyInit;
  readonly #resetSecret: Uint8Array;
  /** Where the peers of sessions were so far. */
  readonly #places = new WeakMap<Session, { readonly seen: Set<string>; migrations: number }>();

  constructor(init: PartyInit) {
    this.#init = init;
    this.settings = init.settings;
    const { network, chance, fail, late, inbox } = init;
    this.#resetSecret = init.resetSecret ?? init.crypto.random(32);
    this.endpoint = this.#newEndpoint(network.scheduler.now);
    this.watch = this.#newWatch();
    this.process = new Process(network, init.name, init.address, init.wrap?.(this.endpoint) ?? this.endpoint, {
      late,
      inbox,
      chance,
      fail,
      events: () => this.#events(),
      socket: init.worker?.socket,
      watch: {
        ticking: () => this.watch.ticking(),
        ticked: () => this.watch.ticked(),
        leaving: () => this.watch.leaving(),
        left: (length, now) => this.watch.left(length, now),
        rested: (now) => this.watch.rested(now),
      },
    });
    init.worker?.socket.add(this.process);
  }

  /** It dies with all its sessions; another process with the same keys is there after so many ms. */
  restart(ms: number): void {
    for (const talker of this.talkers.values()) talker.crash();
    this.retries += this.endpoint.stats.retries;
    this.endpoint = this.#newEndpoint(this.now);
    this.watch = this.#newWatch();
    this.process.restart(this.endpoint, ms);
    const { worker } = this.#init;
    worker?.socket.died(worker.number);
  }

  #newEndpoint(now: Instant): Endpoint {
    const { settings, key, crypto, worker } = this.#init;
    const workers = worker?.socket.optionsOf(worker.number);
    return new Endpoint({ ...settings, key, crypto, workers, resetSecret: this.#resetSecret }, now);
  }

  #newWatch(): Watch {
    const { witness, settings, fail, name } = this.#init;
    return new Watch(this.endpoint, witness, settings, (what) => fail(`${name}: ${what}`));
  }

  get now(): Instant {
    return this.process.now;
  }

  /** Lets a command be carried out as an application would give it, if the process runs. */
  command(run: (now: Instant) => void): void {
    if (this.process.stopped) return;
    run(this.process.now);
    this.process.wake();
  }

  #events(): boolean {
    let any = false;
    for (let session = this.endpoint.poll(); session !== undefined; session = this.endpoint.poll()) {
      if (this.#sessionEvents(session)) any = true;
    }
    return any;
  }

  #sessionEvents(session: Session): boolean {
    let any = false;
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      any = true;
      this.#init.trace?.(`${this.#init.name} ${this.talkers.get(session)?.conversation.name ?? ''} ${traced(event)}`);
      if (event.type === 'auth') this.#init.onToken?.(this, session, event.token);
      if (event.type === 'moved') this.#onMoved(session, event.address);
      const talker = this.talkers.get(session);
      if (talker !== undefined) talker.on(event);
      else if (event.type !== 'ping' && event.type !== 'moved' && !(event.type === 'closed' && 'code' in event))
        this.#init.fail(`${this.#init.name}: ${event.type} of a session of nobody`);
    }
    return any;
  }

  #onMoved(session: Session, to: Address): void {
    const place = this.#places.get(session) ?? { seen: new Set(), migrations: 0 };
    this.#places.set(session, place);
    const { migrations } = session.stats;
    // An address that it never had, and no id of its own for it.
    if (!place.seen.has(keyOf(to)) && migrations === place.migrations) this.followed++;
    place.seen.add(keyOf(to));
    place.migrations = migrations;
  }
}

function traced(event: object): string {
  return JSON.stringify(event, (_, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value));
}
