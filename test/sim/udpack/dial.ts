import { type CloseName, type SessionClosed, sameAddress } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import type { Party } from './party.ts';
import { takesToken, type Verdict } from './scenario.ts';
import type { Talker } from './talker.ts';

/** Ends that a network may bring about, whatever the sides do. */
const MISFORTUNES: readonly (CloseName | undefined)[] = ['idle', 'stateless-reset', 'handshake-timeout'];
/** Ends of those whose server died. */
const RESTARTED: readonly (CloseName | undefined)[] = ['stateless-reset', 'handshake-timeout'];

export interface DialInit {
  readonly number: number;
  readonly token: Uint8Array;
  readonly verdict: Verdict;
  readonly party: Party;
  readonly client: Talker;
  /** The server, or any worker of it. */
  readonly server: Party;
  readonly calm: boolean;
  /** Somebody forges and repeats datagrams. */
  readonly attacked: boolean;
  /** The client is of another version. */
  readonly foreign: boolean;
  /** Nothing may keep it from being opened any more. */
  readonly certain: boolean;
}

/** One call of a client's: the session on its side, and what became of it on the server's. */
export class Dial {
  readonly token: Uint8Array;
  readonly verdict: Verdict;
  readonly client: Talker;
  /** Both sides were there when one of them was told to close. */
  asked = false;
  readonly #init: DialInit;
  /** The token is no good, or too long. */
  readonly #unwelcome: boolean;
  readonly #forgeable: boolean;
  #server: Talker | undefined;
  /** Whose that is. */
  #owner: Party | undefined;
  /** How often the server has died meanwhile. */
  #deaths = 0;
  #ending: { readonly code: number; readonly reason: string; readonly by: Talker } | undefined;

  constructor(init: DialInit) {
    this.#init = init;
    this.token = init.token;
    this.verdict = init.verdict;
    this.client = init.client;
    this.#forgeable = [init.party, init.server].some(({ settings }) => settings.keyLimits.forgeries !== undefined);
    this.#unwelcome = init.verdict === 'bad' || !takesToken(init.server.settings, init.token.length);
  }

  /** How the session ended on the client's side, if it was not by an application. */
  get fault(): CloseName | undefined {
    const { closed } = this.client;
    return closed === undefined || closed.application ? undefined : closed.fault;
  }

  /** The session ended on the client's side though nobody wanted it. */
  get died(): boolean {
    return !this.#unwelcome && this.verdict !== 'silent' && MISFORTUNES.includes(this.fault);
  }

  get #serving(): Party {
    return this.#owner ?? this.#init.server;
  }

  get resting(): boolean {
    const { client } = this;
    if (!client.resting) return false;
    if (client.closed === undefined && !client.open) return false;
    const server = this.#server;
    if (server === undefined) return true;
    if (server.crashed) return client.closed !== undefined;
    if (client.closed !== undefined || server.closed !== undefined)
      return (client.closed !== undefined && server.closed !== undefined) || this.#orphan !== undefined;
    return server.resting && client.conversation.unheard === 0;
  }

  /** The server's side of a session whose client ended it unheard, if silence is no reason to end it. */
  get #orphan(): Talker | undefined {
    const { party, server } = this.#init;
    const patient = [party, server].every(({ settings }) => settings.times.idle === 0);
    const gone = this.client.closed !== undefined && this.#server?.closed === undefined;
    return patient && gone && this.#server?.crashed === false ? this.#server : undefined;
  }

  get unrest(): readonly string[] {
    if (this.resting) return [];
    const talkers = this.#server === undefined ? [this.client] : [this.client, this.#server];
    return talkers.map(
      (talker) =>
        `dial ${this.#init.number} (${talker.session.state}, ${JSON.stringify(talker.closed)}): ${talker.unrest}`,
    );
  }

  onServer(talker: Talker, owner: Party, fail: (what: string) => void): void {
    const { number, foreign } = this.#init;
    if (this.#server !== undefined) fail(`dial ${number} came to the server twice`);
    if (foreign) fail(`dial ${number} came to the server, whose version it does not speak`);
    const [ours, theirs] = [this.client.session.handshakeHash, talker.session.handshakeHash];
    if (ours === undefined || theirs === undefined || Buffer.compare(ours, theirs) !== 0)
      fail("the sides don't agree on their handshake");
    this.#server = talker;
    this.#owner = owner;
    if (owner.finishing) talker.finish();
  }

  /** The server, or this worker of it, has died, or is not there again yet. */
  onRestart(server: Party): void {
    const its = this.#owner === undefined || this.#owner === server;
    if (its && this.client.closed === undefined) this.#deaths++;
  }

  /** Each side that may says something, perhaps. */
  act(chance: Chance): void {
    const { handshakeHash, state } = this.client.session;
    if (chance.often(0.7) && handshakeHash !== undefined && state !== 'closing')
      this.#init.party.command((now) => this.client.act(now));
    const server = this.#server;
    if (chance.often(0.7) && server?.open === true) this.#serving.command((now) => server.act(now));
  }

  /** What ended sessions before anybody asked for it must have been the network's fault, or the verdict's. */
  checkRested(): void {
    const { party, certain } = this.#init;
    const server = this.#serving;
    this.#checkSide(this.client, party, server);
    if (this.#server !== undefined) this.#checkSide(this.#server, server, party);
    if (certain && this.#server?.open !== true) this.client.conversation.fail('did not come about');
  }

  ping(): void {
    if (this.client.closed === undefined) this.#init.party.command((now) => this.client.ping(now));
  }

  /** Ends what the client has to say. */
  finish(): void {
    this.#init.party.command(() => this.client.finish());
  }

  close(chance: Chance): void {
    const orphan = this.#orphan;
    if (orphan !== undefined) this.#serving.command((now) => orphan.session.close(0, '', now));
    const server = this.#server;
    if (server === undefined || server.closed !== undefined || this.client.closed !== undefined) return;
    if (!server.open || !this.client.open) return;
    const [by, party] = chance.often(0.5) ? [this.client, this.#init.party] : [server, this.#serving];
    const code = chance.below(100_000);
    const reason = chance.pick(['', 'enough', 'x'.repeat(250), 'ü'.repeat(100)]);
    this.#ending = { code, reason, by };
    this.asked = true;
    party.command((now) => {
      if (chance.often(0.5)) by.session.close(code, reason, now);
      else by.session.finish(code, reason, now);
    });
  }

  /** Both sides must have been told of the close that was asked for; a client whose server has lost sight of it, that there is no session. */
  checkClosed(fail: (what: string) => void): void {
    const ending = this.#ending;
    if (ending === undefined) return;
    for (const talker of [this.client, this.#server]) {
      const closed = talker?.closed;
      const by = talker === ending.by ? 'self' : 'peer';
      if (talker === this.client && this.#outOfSight && RESTARTED.includes(closed?.fault)) continue;
      const same =
        closed?.application === true &&
        closed.code === ending.code &&
        closed.reason === ending.reason &&
        closed.by === by;
      if (!same)
        fail(
          `dial ${this.#init.number} was closed with ${ending.code} ${ending.reason}, and heard ${JSON.stringify(closed)} as ${by}`,
        );
    }
  }

  /** The last datagrams of the server went to an address that the client has no more: proving the new one had come to nothing. */
  get #outOfSight(): boolean {
    const last = this.#server?.session.destination;
    return last !== undefined && !sameAddress(last, this.#init.party.process.address);
  }

  #checkSide({ closed, session }: Talker, own: Party, other: Party): void {
    if (closed === undefined) return;
    const forged = session.stats.datagramsForged;
    const worn = (closed.by === 'self' ? own : other).settings.keyLimits.forgeries ?? Infinity;
    if (closed.fault === 'forgery-limit' && worn < Infinity && (closed.by === 'peer' || forged >= worn)) return;
    if (closed.application || !this.#expects(closed))
      this.client.conversation.fail(`ended with ${JSON.stringify(closed)}, ${forged} forged`);
  }

  #expects({ fault, reason }: SessionClosed): boolean {
    const { foreign, calm, attacked } = this.#init;
    const { verdict } = this;
    if (foreign) return fault === 'version' || (!calm && fault === 'handshake-timeout');
    if (this.#unwelcome && fault === 'token-refused')
      return reason === (verdict === 'bad' && this.#server !== undefined ? 'no' : 'token-refused');
    if (verdict === 'silent' && fault === 'handshake-timeout') return true;
    // Who is quicker than all that the client sends can have each CLOSE go elsewhere.
    if (this.#unwelcome && attacked && RESTARTED.includes(fault)) return true;
    // A CLOSE on account of forgeries may be lost in a queue; who asks later is told that there is no session.
    if (!calm || this.#forgeable) return MISFORTUNES.includes(fault);
    // A client that gives a handshake up says nothing to a server that has accepted it meanwhile.
    const given = this.fault === 'handshake-timeout' && fault === 'idle';
    // Down twice in a row, the server may be away for as long as the client waits.
    const away = this.#deaths > 1 && fault === 'idle';
    return this.#deaths > 0 && (given || away || RESTARTED.includes(fault));
  }
}
