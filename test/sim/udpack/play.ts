import type { Address, Crypto, KeyPair, Session } from '../../../src/udpack/index.ts';
import { nodeCrypto } from '../../../src/udpack-endpoint/crypto.ts';
import { AmplificationWatch } from './amplification.ts';
import { Attacker } from './attacker.ts';
import { Chance } from './chance.ts';
import { cheapCrypto, Witness, watched } from './crypto.ts';
import { Dial } from './dial.ts';
import { keyOf, Network, Pipe } from './network.ts';
import { Party } from './party.ts';
import { kind, mannerOf, mannersOf, type Scenario, scenarioOf, settingsOf, verdictOf, windowOf } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
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
  readonly lost: number;
  readonly injected: number;
  readonly keyUpdates: number;
}

/** Where the server is. */
const SERVER: Address = { address: '10.0.0.1', port: 443 };
/** The longest that all may take once the network is kind, in ms. */
const REST_WITHIN = 400_000;
/** The longest that an end may take. */
const END_WITHIN = 60_000;

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
  readonly #server: Party;
  readonly #clients: Party[] = [];
  readonly #pipes: Pipe[] = [];
  readonly #dials: Dial[] = [];
  readonly #attacker: Attacker | undefined;
  readonly #trace: ((line: string) => void) | undefined;
  #rough = true;
  #ports = 1000;
  #moves = 0;

  constructor(seed: number, trace?: (line: string) => void) {
    this.#seed = seed;
    this.#trace = trace && ((line) => trace(`${this.scheduler.now.toFixed(3)} ${line}`));
    this.#chance = new Chance(seed);
    this.scenario = scenarioOf(this.#chance.fork());
    this.#trace?.(JSON.stringify(this.scenario));
    this.#witness = new Witness((what) => this.fail(what));
    this.#crypto = watched(this.scenario.realCrypto ? nodeCrypto : cheapCrypto, this.#chance.fork(), this.#witness);
    this.#key = this.#crypto.keyPair();
    this.#server = this.#party('server', SERVER, true);
    this.network.observers.push(new AmplificationWatch(this.#server.process, (what) => this.fail(what)));
    for (let client = 0; client < this.scenario.clients; client++) this.#addClient(client);
    if (this.scenario.attacker) {
      this.#attacker = new Attacker(this.network, this.#chance.fork());
      this.network.observers.push(this.#attacker);
    }
    if (this.#trace !== undefined) this.#traceNetwork(this.#trace);
  }

  fail(what: string): never {
    throw new Error(`seed ${this.#seed} at ${this.scheduler.now.toFixed(3)} ms: ${what}`);
  }

  run(): UdpackRun {
    const { trouble } = this.scenario;
    this.#talk(trouble);
    this.#strikes(trouble);
    this.scheduler.run(trouble);
    this.#becomeKind();
    this.#comeToRest();
    for (const dial of this.#dials) dial.checkRested();
    this.#showAddresses();
    this.#closeAll();
    this.#checkForgotten();
    return this.#totals();
  }

  #party(name: string, address: Address, server: boolean): Party {
    const { scenario } = this;
    return new Party({
      network: this.network,
      name,
      address,
      crypto: this.#crypto,
      witness: this.#witness,
      settings: server ? scenario.server : settingsOf(this.#chance.fork()),
      late: scenario.late,
      inbox: scenario.inbox,
      close: scenario.close,
      chance: this.#chance.fork(),
      fail: (what) => this.fail(what),
      trace: this.#trace,
      ...(server && {
        key: this.#key,
        onToken: (session: Session, token: Uint8Array) => this.#onToken(session, token),
      }),
    });
  }

  #addClient(number: number): void {
    const client = this.#party(`client ${number}`, this.#address(), false);
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
    this.network.connect(client.process, this.#server.process, { there, back });
    this.#pipes.push(there, back);
    this.#clients.push(client);
    for (let dials = this.#chance.pick([1, 1, 1, 2]); dials > 0; dials--) {
      this.scheduler.at(this.#chance.unit() * this.scenario.trouble * 0.3, () =>
        client.command((now) => this.#dial(client, now)),
      );
    }
  }

  #address(): Address {
    return { address: '10.1.0.1', port: this.#ports++ };
  }

  #dial(client: Party, now: number): void {
    const number = this.#dials.length;
    const token = this.#chance.bytes(4 + this.#chance.below(60));
    new DataView(token.buffer).setUint32(0, number);
    const session = client.endpoint.dial(SERVER, this.#key.publicKey, token, now);
    const window = Math.min(windowOf(client.settings), windowOf(this.scenario.server));
    const manners = mannersOf(this.#chance.fork(), window);
    const conversation = new Conversation(`dial ${number}`, manners, (what) => this.fail(what));
    const talker = new Talker(session, conversation, this.#chance.fork());
    client.talkers.set(session, talker);
    this.#dials.push(
      new Dial(number, token, verdictOf(this.#chance.fork()), client, talker, this.scenario.weather === 'calm'),
    );
  }

  #onToken(session: Session, token: Uint8Array): void {
    const dial = this.#dials[new DataView(token.buffer, token.byteOffset).getUint32(0)];
    if (dial === undefined || Buffer.compare(token, dial.token) !== 0) this.fail('a token that nobody showed');
    const talker = new Talker(session, dial.client.conversation, this.#chance.fork());
    dial.onServer(this.#server, talker, (what) => this.fail(what));
    this.#server.talkers.set(session, talker);
    if (dial.verdict === 'good') session.accept();
    else if (dial.verdict === 'bad') session.refuse('no', this.#server.now);
    else if (dial.verdict === 'late') {
      this.scheduler.after(this.#chance.unit() * 3000, () => this.#server.command(() => session.accept()));
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

  #strikes(until: number): void {
    const { strokes, attacker, trouble } = this.scenario;
    const chance = this.#chance.fork();
    const repeat = (pace: number, run: () => void): void => {
      this.scheduler.after(chance.unit() * pace * 2, () => {
        if (this.scheduler.now >= until) return;
        run();
        repeat(pace, run);
      });
    };
    if (strokes < Infinity) repeat(strokes, () => this.#stroke(chance));
    if (attacker) repeat(Math.max(1, trouble / 400), () => this.#attacker?.strike());
  }

  /** Something happens to the network or to a process. */
  #stroke(chance: Chance): void {
    const { weather, trouble } = this.scenario;
    const rough = weather === 'rough';
    const party = chance.pick([this.#server, ...this.#clients]);
    const pipe = chance.pick(this.#pipes);
    const dice = chance.unit();
    const dark = rough ? chance.pick([200, 2000, 15_000, 70_000]) : chance.pick([50, 500, 2000]);
    if (dice < 0.3) this.#move(chance.pick(this.#clients), chance.often(0.2) ? 5 : 1, chance);
    else if (dice < 0.4) pipe.manner = { ...pipe.manner, mtu: chance.pick([1200, 1300, 1452, 1500, 9000]) };
    else if (dice < 0.5) pipe.manner = { ...pipe.manner, ...mannerOf(chance, weather) };
    else if (dice < 0.7) pipe.darkUntil = Math.min(this.scheduler.now + dark, trouble + 100_000);
    else if (dice < 0.85) party.process.stop(dark);
    else if (dice < 0.92) party.process.leap(rough ? dark : Math.min(dark, 1000));
    else this.#rebind(chance.pick(this.#clients));
    this.#trace?.(`a stroke of fate: ${dice.toFixed(3)} ${party.process.name} ${dark}`);
  }

  /** The NAT of a client gives it another address, perhaps several times. */
  #move(client: Party, times: number, chance: Chance): void {
    this.#moves++;
    client.process.move(this.#address());
    if (times > 1 && this.#rough)
      this.scheduler.after(chance.unit() * 100, () => this.#move(client, times - 1, chance));
  }

  /** A client's own address changes, and it knows. */
  #rebind(client: Party): void {
    this.#moves++;
    client.process.move(this.#address());
    client.command((now) => {
      for (const session of client.endpoint.sessions()) session.rebind(now);
    });
  }

  #becomeKind(): void {
    this.#rough = false;
    if (this.#attacker !== undefined) this.#attacker.active = false;
    for (const pipe of this.#pipes) {
      pipe.manner = kind(pipe.manner);
      pipe.darkUntil = 0;
    }
    this.#trace?.('the network is kind from now on');
    // Nobody speaks for those who are stopped.
    for (const party of [this.#server, ...this.#clients]) this.#finishSoon(party);
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
    const stopped = (): boolean => [this.#server, ...this.#clients].some(({ process }) => process.stopped);
    while (stopped() || !this.#dials.every((dial) => dial.resting)) {
      if (!this.scheduler.step()) this.fail(`nothing happens any more: ${this.#unrest()}`);
      if (this.scheduler.now > until) this.fail(`no rest by now: ${this.#unrest()}`);
    }
  }

  #unrest(): string {
    return this.#dials.flatMap((dial) => dial.unrest).join('; ');
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
    for (const { endpoint, process } of [this.#server, ...this.#clients]) {
      const { sessions, halfOpen } = endpoint.stats;
      if (sessions > 0 || halfOpen > 0)
        this.fail(`${process.name} has ${sessions} sessions at the end, ${halfOpen} half-open`);
      if (endpoint.deadline !== undefined)
        this.fail(`${process.name} waits for ${endpoint.deadline} though all is over`);
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
      moves: this.#moves,
      lost: this.#pipes.reduce((total, pipe) => total + pipe.lost, 0),
      injected: this.#attacker?.injected ?? 0,
      keyUpdates: sum((dial) => dial.client.session.stats.keyUpdates),
    };
  }
}
