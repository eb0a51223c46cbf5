import type { Address, Crypto, Endpoint, KeyPair, Session } from '../../../src/udpack/index.ts';
import { nodeCrypto } from '../../../src/udpack-endpoint/crypto.ts';
import { AmplificationWatch } from './amplification.ts';
import { Attacker } from './attacker.ts';
import { Chance } from './chance.ts';
import { cheapCrypto, Witness, watched } from './crypto.ts';
import { Dial } from './dial.ts';
import { Fate } from './fate.ts';
import { Foreign } from './foreign.ts';
import { IdWatch } from './id-watch.ts';
import { type Host, keyOf, Network, Pipe } from './network.ts';
import { Party, type PartyInit } from './party.ts';
import {
  kind,
  mannerOf,
  mannersOf,
  type Scenario,
  scenarioOf,
  settingsOf,
  takesToken,
  verdictOf,
  windowOf,
} from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { SharedSocket } from './shared-socket.ts';
import { Conversation, Talker } from './talker.ts';

/** What a run saw; the same seed gives the same numbers. */
export interface UdpackRun {
  readonly seed: number;
  /** Things that happened in virtual time. */
  readonly steps: number;
  /** Packets, and pieces of bytes, that were handed on. */
  readonly handed: number;
  readonly dropped: number;
  readonly datagrams: number;
  readonly opened: number;
  /** Sessions that ended before they were told to. */
  readonly died: number;
  readonly closed: number;
  readonly moves: number;
  /** Addresses changed along with ids, and without an id to spare: the client's own doing, and its NAT's. */
  readonly rebound: number;
  readonly unspared: number;
  readonly followed: number;
  readonly lost: number;
  readonly injected: number;
  readonly keyUpdates: number;
  /** Processes stopped, and clocks that jumped, by a minute or more. */
  readonly pauses: number;
  readonly leaps: number;
  /** Times that the server died; sessions ended by a stateless reset; sessions opened to it once more at the end. */
  readonly restarts: number;
  readonly resets: number;
  readonly again: number;
  readonly goaways: number;
  /** Clients that learned that the server does not speak their version. */
  readonly foreign: number;
  readonly refused: number;
  /** Sessions given up because too much was forged. */
  readonly worn: number;
  readonly retries: number;
  /** Whether the server had several workers, datagrams that they handed on, and those that they could not. */
  readonly shared: number;
  readonly forwarded: number;
  readonly unforwarded: number;
}

/** Where the server is. */
const SERVER: Address = { address: '10.0.0.1', port: 443 };
/** The longest that all may take once the network is kind, in ms. */
const REST_WITHIN = 900_000;
/** The longest that an end may take: fifteen probe time-outs, which are ten seconds at most. */
const END_WITHIN = 160_000;

/** Plays one seeded run to its end. @throws Error that names the seed when a promise was broken. */
export function runUdpack(seed: number, trace?: (line: string) => void): UdpackRun {
  return new Play(seed, trace).run();
}

class Play {
  readonly scheduler = new Scheduler();
  readonly network: Network = new Network(this.scheduler);
  readonly scenario: Scenario;
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #witness: Witness;
  readonly #crypto: Crypto;
  readonly #key: KeyPair;
  /** One, or workers that share a socket. */
  readonly #servers: readonly Party[];
  readonly #socket: SharedSocket | undefined;
  readonly #clients: Party[] = [];
  readonly #foreigners = new Set<Party>();
  readonly #pipes: Pipe[] = [];
  readonly #dials: Dial[] = [];
  readonly #attacker: Attacker | undefined;
  readonly #fate: Fate;
  readonly #ids = new IdWatch((what) => this.fail(what));
  readonly #trace: ((line: string) => void) | undefined;
  #ports = 1000;
  #again = 0;

  constructor(seed: number, trace?: (line: string) => void) {
    this.#seed = seed;
    this.#trace = trace && ((line) => trace(`${this.scheduler.now.toFixed(3)} ${line}`));
    this.#chance = new Chance(seed);
    const workersChance = new Chance(seed ^ 0x776f_726b);
    this.scenario = scenarioOf(this.#chance.fork(), workersChance);
    this.#trace?.(JSON.stringify(this.scenario));
    this.#witness = new Witness((what) => this.fail(what));
    this.#crypto = watched(this.scenario.realCrypto ? nodeCrypto : cheapCrypto, this.#chance.fork(), this.#witness);
    this.#key = this.#crypto.keyPair();
    const { workers, weather } = this.scenario;
    if (workers > 1) {
      const busy = weather === 'calm' ? 0 : workersChance.pick([0, 0.01, 0.1]);
      this.#socket = new SharedSocket(SERVER, this.scheduler, workersChance.fork(), busy);
      this.network.add(this.#socket);
    }
    this.#servers = this.#startServers(workers);
    const strict = this.scenario.server.limits.halfOpenFree === 0;
    this.network.observers.push(this.#ids);
    this.network.observers.push(new AmplificationWatch(this.#serverHost, strict, (what) => this.fail(what)));
    const { clients, foreign } = this.scenario;
    for (let client = 0; client < clients; client++) this.#addClient(client, false);
    if (foreign) this.#addClient(clients, true);
    if (this.scenario.attacker) {
      this.#attacker = new Attacker(this.network, this.#chance.fork());
      this.network.observers.push(this.#attacker);
    }
    this.#fate = new Fate(
      {
        scenario: this.scenario,
        scheduler: this.scheduler,
        servers: this.#servers,
        clients: this.#clients,
        pipes: this.#pipes,
        attacker: this.#attacker,
        address: () => this.#address(),
        onRestart: (server, downFor) => this.#onRestart(server, downFor),
        trace: this.#trace,
      },
      this.#chance.fork(),
    );
    if (this.#trace !== undefined) this.#traceNetwork(this.#trace);
  }

  fail(what: string): never {
    throw new Error(`seed ${this.#seed} at ${this.scheduler.now.toFixed(3)} ms: ${what}`);
  }

  run(): UdpackRun {
    const { trouble, restarts } = this.scenario;
    this.#talk(trouble);
    this.#fate.begin();
    this.scheduler.run(trouble);
    this.#becomeKind();
    this.#comeToRest();
    if (restarts > 0) this.#dialAgain();
    for (const dial of this.#dials) dial.checkRested();
    this.#showAddresses();
    this.#closeAll();
    this.#checkForgotten();
    this.#checkForged();
    return this.#totals();
  }

  /** Where clients send to. */
  get #serverHost(): Host {
    return this.#socket ?? this.#servers[0]?.process ?? this.fail('no server');
  }

  #startServers(workers: number): Party[] {
    const socket = this.#socket;
    if (socket === undefined) return [this.#party('server', SERVER, true)];
    const resetSecret = this.#chance.bytes(32);
    return Array.from({ length: workers }, (_, number) =>
      this.#party(`worker ${number}`, SERVER, true, false, { worker: { number, socket }, resetSecret }),
    );
  }

  #party(name: string, address: Address, server: boolean, foreign = false, shared: Partial<PartyInit> = {}): Party {
    const { scenario } = this;
    return new Party({
      network: this.network,
      name,
      address,
      crypto: this.#crypto,
      witness: this.#witness,
      settings: server ? scenario.server : settingsOf(this.#chance.fork(), scenario.attacker),
      late: scenario.late,
      inbox: scenario.inbox,
      chance: this.#chance.fork(),
      fail: (what) => this.fail(what),
      trace: this.#trace,
      ...(foreign && {
        wrap: (endpoint: Endpoint) => new Foreign(endpoint, this.#crypto, this.#key.publicKey),
      }),
      ...(server && {
        key: this.#key,
        onToken: (party: Party, session: Session, token: Uint8Array) => this.#onToken(party, session, token),
      }),
      ...shared,
    });
  }

  #addClient(number: number, foreign: boolean): void {
    const client = this.#party(`client ${number}`, this.#address(), false, foreign);
    if (foreign) this.#foreigners.add(client);
    const { weather } = this.scenario;
    const chance = this.#chance.fork();
    const there = new Pipe(this.scheduler, this.#chance.fork(), mannerOf(chance, weather));
    // Most paths are alike both ways.
    const back = new Pipe(
      this.scheduler,
      this.#chance.fork(),
      chance.often(0.6) ? { ...there.manner } : mannerOf(chance, weather),
    );
    this.#trace?.(
      `client ${number}: ${JSON.stringify(client.settings)} ${JSON.stringify(there.manner)} ${JSON.stringify(back.manner)}`,
    );
    this.network.connect(client.process, this.#serverHost, { there, back });
    this.#pipes.push(there, back);
    this.#clients.push(client);
    for (let dials = this.#chance.pick([1, 1, 1, 2]); dials > 0; dials--) {
      this.scheduler.at(this.#chance.unit() * this.scenario.trouble * 0.3, () =>
        client.command((now) => void this.#dial(client, now)),
      );
    }
  }

  #address(): Address {
    const port = this.#ports++;
    // Half of all moves are to another machine's address, the others to another port.
    return { address: `10.1.0.${1 + ((port >> 1) % 2)}`, port };
  }

  /** @param certain The network is kind, and the server there: it must come about. */
  #dial(client: Party, now: number, certain = false): Dial {
    const number = this.#dials.length;
    const token = this.#chance.bytes(4 + this.#chance.below(certain ? 30 : 60));
    new DataView(token.buffer).setUint32(0, number);
    const session = client.endpoint.dial(SERVER, this.#key.publicKey, token, now);
    const window = Math.min(windowOf(client.settings), windowOf(this.scenario.server));
    const manners = mannersOf(this.#chance.fork(), window);
    const conversation = new Conversation(`dial ${number}`, manners, (what) => this.fail(what));
    const talker = new Talker(session, conversation, this.#chance.fork());
    client.talkers.set(session, talker);
    const dial = new Dial({
      number,
      token,
      verdict: certain ? 'good' : verdictOf(this.#chance.fork()),
      party: client,
      client: talker,
      server: this.#servers[0] ?? this.fail('no server'),
      calm: this.scenario.weather === 'calm',
      attacked: this.scenario.attacker,
      foreign: this.#foreigners.has(client),
      certain,
    });
    for (const server of this.#servers) if (server.process.dead) dial.onRestart(server);
    this.#dials.push(dial);
    return dial;
  }

  #onToken(server: Party, session: Session, token: Uint8Array): void {
    const dial = this.#dials[new DataView(token.buffer, token.byteOffset).getUint32(0)];
    if (dial === undefined || Buffer.compare(token, dial.token) !== 0) this.fail('a token that nobody showed');
    if (!takesToken(this.scenario.server, token.length)) this.fail(`a token of ${token.length} bytes was told`);
    const talker = new Talker(session, dial.client.conversation, this.#chance.fork());
    dial.onServer(talker, server, (what) => this.fail(what));
    server.talkers.set(session, talker);
    if (dial.verdict === 'good') session.accept();
    else if (dial.verdict === 'bad') session.refuse('no', server.now);
    else if (dial.verdict === 'late') {
      this.scheduler.after(this.#chance.unit() * 3000, () => server.command(() => session.accept()));
    }
  }

  #talk(until: number): void {
    const { pace } = this.scenario;
    const chance = this.#chance.fork();
    const step = (): void => {
      for (const dial of this.#dials) dial.act(chance);
      if (this.scheduler.now < until) this.scheduler.after(chance.unit() * pace * 2, step);
    };
    this.scheduler.after(chance.unit() * pace, step);
  }

  /** Who hears that the server is there again dials anew, perhaps. */
  #onRestart(server: Party, downFor: number): void {
    for (const dial of this.#dials) dial.onRestart(server);
    for (const client of this.#clients) {
      if (this.#chance.often(0.4)) continue;
      this.scheduler.after(downFor + this.#chance.unit() * 2000, () => {
        if (this.scheduler.now < this.scenario.trouble) client.command((now) => void this.#dial(client, now));
      });
    }
  }

  #becomeKind(): void {
    this.#fate.end();
    if (this.#attacker !== undefined) this.#attacker.active = false;
    for (const pipe of this.#pipes) {
      pipe.manner = kind(pipe.manner);
      pipe.darkUntil = 0;
    }
    this.#trace?.('the network is kind from now on');
    // Nobody speaks for those who are stopped.
    for (const party of [...this.#servers, ...this.#clients]) this.#finishSoon(party);
  }

  #finishSoon(party: Party): void {
    if (party.process.stopped) {
      this.scheduler.after(1000, () => this.#finishSoon(party));
      return;
    }
    party.finishing = true;
    party.command(() => {
      for (const talker of party.talkers.values()) talker.finish();
    });
  }

  #comeToRest(): void {
    const until = this.scheduler.now + REST_WITHIN;
    const stopped = (): boolean => [...this.#servers, ...this.#clients].some(({ process }) => process.stopped);
    while (stopped() || !this.#dials.every((dial) => dial.resting)) {
      if (!this.scheduler.step()) this.fail(`nothing happens any more: ${this.#unrest()}`);
      if (this.scheduler.now > until) this.fail(`no rest by now: ${this.#unrest()}`);
    }
  }

  #unrest(): string {
    return this.#dials.flatMap((dial) => dial.unrest).join('; ');
  }

  /** After the server has died, each client can still speak to it. */
  #dialAgain(): void {
    const chance = this.#chance.fork();
    const dials: Dial[] = [];
    for (const client of this.#clients) {
      if (!this.#foreigners.has(client)) client.command((now) => dials.push(this.#dial(client, now, true)));
    }
    for (let act = 1; act <= 10; act++)
      this.scheduler.after(act * 100, () => {
        for (const dial of dials) dial.act(chance);
      });
    this.scheduler.run(this.scheduler.now + 2000);
    for (const dial of dials) dial.finish();
    this.#comeToRest();
    this.#again = dials.length;
  }

  /** A server learns where a client is that has moved only when it hears from there. */
  #showAddresses(): void {
    for (const dial of this.#dials) dial.ping();
    this.scheduler.run(this.scheduler.now + 5000);
  }

  #closeAll(): void {
    const chance = this.#chance.fork();
    for (const dial of this.#dials) dial.close(chance);
    this.scheduler.run(this.scheduler.now + END_WITHIN);
    for (const dial of this.#dials) dial.checkClosed((what) => this.fail(what));
  }

  #checkForgotten(): void {
    for (const { endpoint, process } of [...this.#servers, ...this.#clients]) {
      const { sessions, halfOpen } = endpoint.stats;
      if (sessions > 0 || halfOpen > 0)
        this.fail(`${process.name} has ${sessions} sessions at the end, ${halfOpen} half-open`);
      if (endpoint.deadline !== undefined)
        this.fail(`${process.name} waits for ${endpoint.deadline} though all is over`);
      this.#ids.checkForgotten(endpoint, process, process.address === SERVER ? this.#socket : undefined);
    }
  }

  /** Where nothing is spoilt or overtaken, nothing is taken for a forgery. */
  #checkForged(): void {
    if (this.#attacker !== undefined || this.scenario.weather !== 'calm') return;
    for (const { talkers, process } of [...this.#servers, ...this.#clients]) {
      for (const { session } of talkers.values()) {
        const { datagramsForged } = session.stats;
        if (datagramsForged > 0) this.fail(`${process.name} could not open ${datagramsForged} good datagrams`);
      }
    }
  }

  #traceNetwork(trace: (line: string) => void): void {
    this.network.observers.push({
      sent: (flight) =>
        trace(`${flight.sender?.name ?? 'attacker'} -> ${keyOf(flight.to)} ${flight.bytes.length} bytes`),
      arrived: (flight, host) =>
        trace(
          `${host.name} <- ${keyOf(flight.from)} ${flight.bytes.length} bytes${flight.corrupted ? ', corrupted' : ''}`,
        ),
    });
  }

  #totals(): UdpackRun {
    const fate = this.#fate;
    const servers = this.#servers;
    const sum = (what: (dial: Dial) => number): number => this.#dials.reduce((total, dial) => total + what(dial), 0);
    return {
      seed: this.#seed,
      steps: this.scheduler.steps,
      handed: sum((dial) => dial.client.conversation.handed),
      dropped: sum((dial) => dial.client.conversation.dropped),
      datagrams: sum((dial) => dial.client.conversation.datagrams),
      opened: sum((dial) => Number(dial.client.open)),
      died: sum((dial) => Number(dial.died)),
      closed: sum((dial) => Number(dial.asked)),
      moves: fate.moves,
      rebound: fate.rebound,
      unspared: fate.unspared,
      followed: servers.reduce((total, { followed }) => total + followed, 0),
      lost: this.#pipes.reduce((total, pipe) => total + pipe.lost, 0),
      injected: this.#attacker?.injected ?? 0,
      keyUpdates: sum((dial) => dial.client.session.stats.keyUpdates),
      pauses: fate.pauses,
      leaps: fate.leaps,
      restarts: fate.restarts,
      resets: sum(({ fault }) => Number(fault === 'stateless-reset')),
      again: this.#again,
      goaways: sum((dial) => dial.client.conversation.goaways),
      foreign: sum(({ fault }) => Number(fault === 'version')),
      refused: sum(({ fault }) => Number(fault === 'token-refused')),
      worn: sum(({ fault }) => Number(fault === 'forgery-limit')),
      retries: servers.reduce((total, { retries, endpoint }) => total + retries + endpoint.stats.retries, 0),
      shared: Number(servers.length > 1),
      forwarded: this.#socket?.forwarded ?? 0,
      unforwarded: this.#socket?.dropped ?? 0,
    };
  }
}
