import type { CloseName, SessionClosed } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import type { Party } from './party.ts';
import type { Verdict } from './scenario.ts';
import type { Talker } from './talker.ts';

/** Ends that a network may bring about, whatever the sides do. */
const MISFORTUNES: readonly (CloseName | undefined)[] = ['idle', 'stateless-reset', 'handshake-timeout'];

/** One call of a client's: the session on its side, and what became of it on the server's. */
export class Dial {
  readonly number: number;
  readonly token: Uint8Array;
  readonly verdict: Verdict;
  readonly client: Talker;
  /** Both sides were there when one of them was told to close. */
  asked = false;
  readonly #party: Party;
  readonly #calm: boolean;
  #serverParty: Party | undefined;
  #server: Talker | undefined;
  #ending: { readonly code: number; readonly reason: string; readonly by: Talker } | undefined;

  constructor(number: number, token: Uint8Array, verdict: Verdict, party: Party, client: Talker, calm: boolean) {
    this.number = number;
    this.token = token;
    this.verdict = verdict;
    this.client = client;
    this.#party = party;
    this.#calm = calm;
  }

  /** The session ended on the client's side though nobody asked for it. */
  get died(): boolean {
    return (
      this.client.closed !== undefined &&
      !this.client.closed.application &&
      this.verdict !== 'bad' &&
      this.verdict !== 'silent'
    );
  }

  get resting(): boolean {
    const { client } = this;
    if (!client.resting) return false;
    if (client.closed === undefined && !client.open) return false;
    const server = this.#server;
    if (server === undefined) return true;
    if (client.closed !== undefined && server.closed === undefined) return false;
    return server.resting && (server.closed === undefined || client.closed !== undefined);
  }

  get unrest(): readonly string[] {
    if (this.resting) return [];
    const talkers = this.#server === undefined ? [this.client] : [this.client, this.#server];
    return talkers.map(
      (talker) => `dial ${this.number} (${talker.session.state}, ${JSON.stringify(talker.closed)}): ${talker.unrest}`,
    );
  }

  onServer(party: Party, talker: Talker, fail: (what: string) => void): void {
    if (this.#server !== undefined) fail(`dial ${this.number} came to the server twice`);
    const [ours, theirs] = [this.client.session.handshakeHash, talker.session.handshakeHash];
    if (ours === undefined || theirs === undefined || Buffer.compare(ours, theirs) !== 0)
      fail("the sides don't agree on their handshake");
    this.#serverParty = party;
    this.#server = talker;
    if (party.finishing) talker.finish();
  }

  /** Each side that may says something, perhaps. */
  act(chance: Chance): void {
    const { handshakeHash, state } = this.client.session;
    if (chance.often(0.7) && handshakeHash !== undefined && state !== 'closing')
      this.#party.command((now) => this.client.act(now));
    const server = this.#server;
    if (chance.often(0.7) && server?.open === true) this.#serverParty?.command((now) => server.act(now));
  }

  /** What ended sessions before anybody asked for it must have been the network's fault, or the verdict's. */
  checkRested(): void {
    for (const talker of [this.client, this.#server]) {
      const closed = talker?.closed;
      if (closed !== undefined && !this.#expected(closed))
        this.client.conversation.fail(`ended with ${JSON.stringify(closed)}`);
    }
  }

  ping(): void {
    if (this.client.closed === undefined) this.#party.command((now) => this.client.ping(now));
  }

  close(chance: Chance): void {
    const server = this.#server;
    if (server === undefined || server.closed !== undefined || this.client.closed !== undefined) return;
    if (!server.open || !this.client.open) return;
    const [by, party] = chance.often(0.5) ? [this.client, this.#party] : [server, this.#serverParty];
    const code = chance.below(100_000);
    const reason = chance.pick(['', 'enough', 'x'.repeat(250), 'ü'.repeat(100)]);
    this.#ending = { code, reason, by };
    this.asked = true;
    party?.command((now) => {
      if (chance.often(0.5)) by.session.close(code, reason, now);
      else by.session.finish(code, reason, now);
    });
  }

  /** Both sides must have been told of the close that was asked for. */
  checkClosed(fail: (what: string) => void): void {
    const ending = this.#ending;
    if (ending === undefined) return;
    for (const talker of [this.client, this.#server]) {
      const closed = talker?.closed;
      const by = talker === ending.by ? 'self' : 'peer';
      const same =
        closed?.application === true &&
        closed.code === ending.code &&
        closed.reason === ending.reason &&
        closed.by === by;
      if (!same)
        fail(
          `dial ${this.number} was closed with ${ending.code} ${ending.reason}, and heard ${JSON.stringify(closed)} as ${by}`,
        );
    }
  }

  #expected(closed: SessionClosed): boolean {
    if (closed.application) return false;
    const { verdict } = this;
    if (verdict === 'bad' && closed.fault === 'token-refused') return true;
    if (verdict === 'silent' && closed.fault === 'handshake-timeout') return true;
    return !(this.#calm && verdict === 'good') && MISFORTUNES.includes(closed.fault);
  }
}
