import type { Instant } from '../../../src/core/index.ts';
import { type Address, type Crypto, Endpoint, type KeyPair, type Session } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import type { Witness } from './crypto.ts';
import type { Network } from './network.ts';
import { Process } from './process.ts';
import type { PartySettings } from './scenario.ts';
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
  readonly close: boolean;
  readonly chance: Chance;
  readonly fail: (what: string) => void;
  readonly trace: ((line: string) => void) | undefined;
  /** A server's: a client has shown its token. */
  readonly onToken?: (session: Session, token: Uint8Array) => void;
}

/** An endpoint in its process, and the applications of its sessions. */
export class Party {
  readonly endpoint: Endpoint;
  readonly process: Process;
  readonly settings: PartySettings;
  /** By session; those that have ended stay. */
  readonly talkers: Map<Session, Talker> = new Map();
  readonly watch: Watch;
  /** New sessions are to end what they have, too. */
  finishing = false;
  readonly #init: PartyInit;

  constructor(init: PartyInit) {
    this.#init = init;
    this.settings = init.settings;
    const { network, chance, fail, late, inbox, settings } = init;
    const { key, crypto } = init;
    this.endpoint = new Endpoint({ ...settings, key, crypto }, network.scheduler.now);
    this.watch = new Watch(this.endpoint, init.witness, settings, (what) => fail(`${init.name}: ${what}`));
    this.process = new Process(network, init.name, init.address, this.endpoint, {
      late,
      inbox,
      chance,
      fail,
      events: () => this.#events(),
      ...(init.close && {
        before: () => this.watch.before(),
        after: (length: number, _to: Address, now: Instant) => this.watch.after(length, now),
      }),
      rested: (now) => this.watch.rested(now),
    });
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
      if (event.type === 'auth') this.#init.onToken?.(session, event.token);
      const talker = this.talkers.get(session);
      if (talker !== undefined) talker.on(event);
      else if (event.type !== 'ping' && event.type !== 'moved' && !(event.type === 'closed' && 'code' in event))
        this.#init.fail(`${this.#init.name}: ${event.type} of a session of nobody`);
    }
    return any;
  }
}

function traced(event: object): string {
  return JSON.stringify(event, (_, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value));
}
