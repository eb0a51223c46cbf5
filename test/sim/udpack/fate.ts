import type { Address } from '../../../src/udpack/index.ts';
import type { Attacker } from './attacker.ts';
import type { Chance } from './chance.ts';
import type { Pipe } from './network.ts';
import type { Party } from './party.ts';
import { mannerOf, type Scenario } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';

/** What may befall. */
export interface Mortals {
  readonly scenario: Scenario;
  readonly scheduler: Scheduler;
  /** One, or several workers behind one address. */
  readonly servers: readonly Party[];
  readonly clients: readonly Party[];
  readonly pipes: readonly Pipe[];
  readonly attacker: Attacker | undefined;
  /** An address that nobody had yet. */
  address(): Address;
  /** The server, or one worker of it, has died, and comes back after so many ms. */
  onRestart(server: Party, downFor: number): void;
  readonly trace: ((line: string) => void) | undefined;
}

/** From this on, a pause or a jump of a clock is a long one. */
const LONG = 60_000;

/** What happens to the network and to processes while the weather lasts. */
export class Fate {
  moves = 0;
  /** Clients that changed their id along with their address, and those that had none to spare. */
  rebound = 0;
  unspared = 0;
  /** Processes stopped, and clocks that jumped, by a minute or more. */
  pauses = 0;
  leaps = 0;
  restarts = 0;
  readonly #world: Mortals;
  readonly #chance: Chance;
  #over = false;

  constructor(world: Mortals, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
  }

  begin(): void {
    const { strokes, trouble, restarts } = this.#world.scenario;
    if (strokes < Infinity) this.#repeat(strokes, () => this.#stroke());
    const { attacker, scheduler } = this.#world;
    if (attacker) this.#repeat(Math.max(1, trouble / 400), () => attacker.strike());
    for (let count = 0; count < restarts; count++)
      scheduler.after(this.#chance.unit() * trouble, () => this.#restart());
  }

  /** Nothing befalls anybody from now on. */
  end(): void {
    this.#over = true;
  }

  #repeat(pace: number, run: () => void): void {
    const { scheduler, scenario } = this.#world;
    scheduler.after(this.#chance.unit() * pace * 2, () => {
      if (scheduler.now >= scenario.trouble) return;
      run();
      this.#repeat(pace, run);
    });
  }

  #stroke(): void {
    const { scenario, scheduler, servers, clients, pipes, trace } = this.#world;
    const { weather, trouble } = scenario;
    const chance = this.#chance;
    const rough = weather === 'rough';
    const party = chance.pick([...servers, ...clients]);
    const pipe = chance.pick(pipes);
    const dice = chance.unit();
    const dark = chance.pick(rough ? [200, 2000, 15_000, 70_000, 200_000] : [50, 500, 2000, 2000]);
    if (dice < 0.3) this.#move(chance.pick(clients), chance.pick([1, 1, 1, 1, 5, 12]));
    else if (dice < 0.4) pipe.manner = { ...pipe.manner, mtu: chance.pick([1200, 1300, 1452, 1500, 9000]) };
    else if (dice < 0.5) pipe.manner = { ...pipe.manner, ...mannerOf(chance, weather) };
    else if (dice < 0.7) pipe.darkUntil = Math.min(scheduler.now + dark, trouble + 100_000);
    else if (dice < 0.82) this.#stop(party, dark);
    else if (dice < 0.9) this.#leap(party, rough ? dark : Math.min(dark, 1000));
    else this.#rebind(chance.pick(clients), chance.pick([1, 1, 2, 8]));
    trace?.(`a stroke of fate: ${dice.toFixed(3)} ${party.process.name} ${dark}`);
  }

  #stop({ process }: Party, ms: number): void {
    process.stop(ms);
    if (ms >= LONG) this.pauses++;
  }

  /** The clock of a machine, which all its processes have. */
  #leap(party: Party, ms: number): void {
    const { servers } = this.#world;
    for (const { process } of servers.includes(party) ? servers : [party]) process.leap(ms);
    if (ms >= LONG) this.leaps++;
  }

  /** The NAT of a client gives it another address, perhaps several times. */
  #move(client: Party, times: number): void {
    if (this.#over) return;
    this.moves++;
    client.process.move(this.#world.address());
    if (times > 1) this.#world.scheduler.after(this.#chance.unit() * 100, () => this.#move(client, times - 1));
  }

  /** A client's own address changes, and it knows. */
  #rebind(client: Party, times: number): void {
    if (this.#over) return;
    this.moves++;
    client.process.move(this.#world.address());
    client.command((now) => {
      for (const session of client.endpoint.sessions()) {
        if (session.rebind(now)) this.rebound++;
        else if (session.state === 'open') this.unspared++;
      }
    });
    if (times > 1) this.#world.scheduler.after(this.#chance.unit() * 100, () => this.#rebind(client, times - 1));
  }

  #restart(): void {
    this.restarts++;
    const downFor = this.#chance.pick([0, 100, 1000, 5000]);
    const { servers, trace } = this.#world;
    const all = servers.length === 1 || this.#chance.often(0.2);
    for (const server of all ? servers : [this.#chance.pick(servers)]) {
      trace?.(`${server.process.name} dies, for ${downFor} ms`);
      server.restart(downFor);
      this.#world.onRestart(server, downFor);
    }
  }
}
