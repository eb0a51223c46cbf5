import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../src/core/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import { PAYLOAD } from './backend.ts';
import { checkPresence } from './check-presence.ts';
import { check } from './checker.ts';
import { FAULTS, reasonsOf } from './fault-kinds.ts';
import type { Finding, Heard, Ledger, Presence, Span, Verdict } from './ledger.ts';
import { Member, now } from './member.ts';
import type { Plan, PlannedFault, Step } from './plan.ts';
import type { Programs } from './programs.ts';
import { Publisher } from './publisher.ts';
import { Site, type Slot } from './site.ts';

const HISTORY_ROOMS = ['log-a', 'log-b', 'short-c'];
const PLAIN_ROOMS = ['plain'];
const ROOMS = [...HISTORY_ROOMS, ...PLAIN_ROOMS];
/** While all is well between two steps; what is published in its last part may still be on its way when a fault begins. ms */
const CALM = 2000;
const CALM_END = 1000;
/** How long members have to go on, and nodes to be of one mind, after a step; ms. */
const SETTLE_MOST = 40_000;
const CATCH_UP_MOST = 15_000;
const LOOK = 50;
/** A member that hears nothing in a room for so long has stopped; ms. */
const SILENCE = 1000;

/** What became of one step. Times in whole ms; undefined what did not happen. */
export interface StepOutcome {
  readonly faults: readonly string[];
  readonly lasted: number;
  /** From the beginning until another node took the victim for dead. */
  readonly detected: number | undefined;
  /** From the beginning until the sockets that the victim had were gone from a room, as another node sees it. */
  readonly gone: number | undefined;
  /** From the beginning until somebody who published was refused. */
  readonly refused: number | undefined;
  /** The longest time between two messages of a room that a member got. */
  readonly silence: number;
  /** From the beginning until the last member that had heard nothing in a room for over a second went on; undefined when none had. */
  readonly wentOn: number | undefined;
  /** From its end until all nodes knew each other, and who is in the rooms. */
  readonly settled: number | undefined;
  /** From its beginning until the next one. */
  readonly published: number;
  readonly gaps: Readonly<Record<string, number>>;
  /** Messages of rooms without history that members should have had, and that they didn't get; counted for each member. */
  readonly plain: number;
  readonly lostPlain: number;
}

type Timed = Omit<StepOutcome, 'published' | 'gaps' | 'plain' | 'lostPlain'> & { readonly from: number };

export interface Outcome {
  readonly seed: number;
  readonly engine: string;
  readonly steps: readonly StepOutcome[];
  readonly verdict: Verdict;
  /** What went wrong besides: a node that ended by itself, a member that never went on. */
  readonly failures: readonly string[];
  /** What nodes reported, by code. */
  readonly reports: Readonly<Record<string, number>>;
  /** Why tries to publish failed, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Plays a plan with real processes. `say` hears what happens, for who looks for a defect. */
export async function play(plan: Plan, programs: Programs, say: (words: string) => void = () => {}): Promise<Outcome> {
  await using site = await Site.start(plan.engine, plan.nodes, programs);
  await using run = new Run(plan, site, say);
  return await run.play();
}

class Run implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #site: Site;
  readonly #say: (words: string) => void;
  readonly #members: Member[];
  readonly #visitors: Member[] = [];
  readonly #stop = new AbortController();
  readonly #publishers: Publisher[];
  readonly #calm: Span[] = [];
  readonly #failures: string[] = [];
  readonly #mayGap: { room: string; reason: string; from: number }[] = [];
  readonly #start = now();

  constructor(plan: Plan, site: Site, say: (words: string) => void) {
    this.#plan = plan;
    this.#site = site;
    this.#say = (words) => say(`${((now() - this.#start) / 1000).toFixed(3)} ${words}`);
    this.#members = plan.members.map(({ first, transport }, at) => {
      return new Member(`m${at + 1}`, site.urls(first, transport, `rooms=${ROOMS.join(',')}`));
    });
    const id = `${plan.engine}-${plan.seed}-${process.pid}-${Date.now()}`;
    this.#publishers = Array.from({ length: plan.publishers }, (_, at) => {
      return new Publisher(`p${at + 1}`, site.urls(at, at % 2 === 0 ? 'tcp' : 'ws', ''), id);
    });
  }

  async play(): Promise<Outcome> {
    await Promise.all([...this.#members, ...this.#publishers].map((client) => client.open()));
    const random = seededRandom(this.#plan.seed);
    const pauseOf = (): number => this.#plan.pause * (0.5 + random.unit());
    const sizeOf = (room: string): number => sizeIn(room, random);
    for (const publisher of this.#publishers) publisher.begin(ROOMS, pauseOf, sizeOf);
    const visits = Array.from({ length: this.#plan.visitors }, (_, at) => this.#visit(at, random));
    const steps: Timed[] = [];
    await this.#playSteps(steps);
    this.#stop.abort();
    await Promise.all(visits);
    await Promise.all(this.#publishers.map((publisher) => publisher.end(5000)));
    await this.#until(async () => (await this.#minds()) === '', CATCH_UP_MOST);
    await this.#until(() => this.#areAtEnd(), CATCH_UP_MOST);
    const presence = await this.#presence();
    // What the nodes know by now is still on its way to members.
    await this.#until(() => checkPresence(this.#ledger(presence)).length === 0, CATCH_UP_MOST);
    const reports = await this.#reports();
    for (const slot of this.#site.slots) {
      slot.look();
      for (const accident of slot.accidents) this.#failures.push(`${slot.name} ended by itself: ${accident}`);
    }
    const { seed, engine } = this.#plan;
    const verdict = check(this.#ledger(presence));
    return {
      seed,
      engine,
      steps: this.#counted(steps, verdict),
      verdict,
      failures: this.#failures,
      reports,
      refusals: this.#refusals(),
    };
  }

  /** Comes, hears for a while, and goes; again and again. */
  async #visit(at: number, random: Random): Promise<void> {
    const { signal } = this.#stop;
    for (let visit = 1; !signal.aborted; visit++) {
      const urls = this.#site.urls(at + visit, random.unit() < 0.5 ? 'tcp' : 'ws', `rooms=${ROOMS.join(',')}`);
      const visitor = new Member(`v${at + 1}-${visit}`, urls);
      this.#visitors.push(visitor);
      await visitor.open().catch(() => {});
      await delay(200 + 3000 * random.unit(), undefined, { signal }).catch(() => {});
      await visitor.leave();
      await delay(1000 * random.unit(), undefined, { signal }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#members, ...this.#publishers].map((client) => client[Symbol.asyncDispose]()));
  }

  /** Up to the first that goes wrong. */
  async #playSteps(steps: Timed[]): Promise<void> {
    try {
      if ((await this.#settle(now())) === undefined) {
        this.#failures.push(`at the start: ${(await this.#minds()) || this.#unheard(0)}`);
      }
      for (const step of this.#plan.steps) {
        if (this.#failures.length > 0) return;
        await this.#beCalm();
        steps.push(await this.#playStep(step));
      }
      await this.#beCalm();
    } catch (error) {
      this.#failures.push(String(error));
    }
  }

  async #beCalm(): Promise<void> {
    const from = now();
    await delay(CALM);
    this.#calm.push({ from, to: now() - CALM_END });
  }

  async #playStep(step: Step): Promise<Timed> {
    const from = now();
    for (const publisher of this.#publishers) publisher.forget();
    const stop = new AbortController();
    const watched = this.#watch(step, from, stop.signal);
    await Promise.all(step.map((fault) => this.#playFault(fault)));
    const lasted = now() - from;
    const goOn = await this.#until(() => this.#goOn(from), SETTLE_MOST);
    if (!goOn) this.#failures.push(`after ${namesOf(step).join(' and ')} ${this.#whoStands(from)}`);
    const settled = await this.#settle(from + lasted);
    if (settled === undefined) {
      this.#failures.push(
        `after ${namesOf(step).join(' and ')} not all is well: ${(await this.#minds()) || this.#unheard(from + lasted)}`,
      );
    }
    stop.abort();
    const { longest, lastEnd } = this.#silences(from);
    const refusedAt = Math.min(...this.#publishers.map(({ failedAt = Infinity }) => failedAt));
    const { detected, gone } = await watched;
    const outcome = {
      from,
      faults: namesOf(step),
      lasted: Math.round(lasted),
      detected: rounded(detected),
      gone: rounded(gone),
      refused: Number.isFinite(refusedAt) ? rounded(refusedAt - from) : undefined,
      silence: Math.round(longest),
      wentOn: rounded(lastEnd),
      settled: rounded(settled),
    };
    this.#say(JSON.stringify(outcome));
    return outcome;
  }

  /** What happened in each step, and until the next. */
  #counted(steps: readonly Timed[], { lostPlain }: Verdict): StepOutcome[] {
    return steps.map(({ from, ...step }, at) => {
      const to = steps[at + 1]?.from ?? Infinity;
      const isIn = (time: number): boolean => time >= from && time < to;
      const gaps: Record<string, number> = {};
      for (const event of this.#members.flatMap(({ heard }) => heard)) {
        if (event.kind !== 'gap' || !isIn(event.at)) continue;
        gaps[event.reason ?? 'none'] = (gaps[event.reason ?? 'none'] ?? 0) + 1;
      }
      const published = this.#publishers.flatMap((one) => one.published).filter(({ askedAt }) => isIn(askedAt));
      const plain = published.filter(({ room, doneAt }) => PLAIN_ROOMS.includes(room) && doneAt !== undefined);
      return {
        ...step,
        published: published.length,
        gaps,
        plain: plain.length * this.#members.length,
        lostPlain: lostPlain.filter(isIn).length,
      };
    });
  }

  async #playFault({ fault, victim, after, lasts, dice }: PlannedFault): Promise<void> {
    const slot = this.#site.slots[victim] as Slot;
    await delay(after);
    this.#say(`${fault} of ${slot.name} for ${lasts} ms`);
    for (const reason of reasonsOf(fault, this.#plan.engine)) {
      for (const room of HISTORY_ROOMS) this.#mayGap.push({ room, reason, from: now() });
    }
    const heal = await FAULTS[fault].begin({ site: this.#site, victim: slot, dice });
    await delay(lasts);
    await heal();
    this.#say(`${fault} of ${slot.name} is over`);
  }

  /** Looks, from another node, when the first victim is taken for dead, and when its sockets are gone. */
  async #watch(
    step: Step,
    from: number,
    signal: AbortSignal,
  ): Promise<{ readonly detected: number | undefined; readonly gone: number | undefined }> {
    const hidden = step.find(({ fault }) => FAULTS[fault].hidesNode === true);
    const victims = new Set(step.map(({ victim }) => victim));
    const observer = this.#site.slots.find((_, at) => !victims.has(at));
    let detected: number | undefined;
    let gone: number | undefined;
    if (hidden === undefined || observer === undefined) return { detected, gone };
    const { life } = this.#site.slots[hidden.victim] as Slot;
    const room = ROOMS[0] ?? '';
    const ids = this.#members.filter(({ node }) => node === life).map(({ id }) => id);
    while (!signal.aborted && (detected === undefined || gone === undefined)) {
      await delay(LOOK);
      const [nodes, members] = await Promise.all([
        observer.process.ask('nodes', undefined, 1000).catch(() => undefined),
        observer.process.ask('members', { room }, 1000).catch(() => undefined),
      ]);
      if (nodes !== undefined && !nodes.includes(life)) detected ??= now() - from;
      if (members !== undefined && !ids.some((id) => members.includes(id))) gone ??= now() - from;
    }
    return { detected, gone: ids.length === 0 ? undefined : gone };
  }

  /** Of those that come and go: who of them is in at the moment is not asked, until none comes any more. */
  #visitorIds(): ReadonlySet<string> {
    if (this.#stop.signal.aborted) return new Set();
    const ups = this.#visitors.flatMap(({ heard }) => heard.filter((event) => event.kind === 'up'));
    return new Set(ups.map(({ id }) => id));
  }

  /** Whether each member has had in each room something that was published after `since`. */
  #goOn(since: number): boolean {
    const asked = this.#askedAt(since);
    return this.#members.every(({ heard }) => {
      const open = new Set(ROOMS);
      for (let at = heard.length - 1; at >= 0 && open.size > 0; at--) {
        const event = heard[at] as Heard;
        if (event.at < since) break;
        if (event.kind !== 'message' || !open.has(event.room)) continue;
        if (asked.has(`${event.room}/${event.publisher}/${event.number}`)) open.delete(event.room);
      }
      return open.size === 0;
    });
  }

  /** How long members heard nothing in a room, from `since` to now; and when the last that took over a second ended. */
  #silences(since: number): { readonly longest: number; readonly lastEnd: number | undefined } {
    let longest = 0;
    let lastEnd: number | undefined;
    for (const { heard } of this.#members) {
      for (const room of ROOMS) {
        let before = since;
        for (const event of heard) {
          if (event.kind !== 'message' || event.room !== room || event.at < since) continue;
          const silence = event.at - before;
          before = event.at;
          longest = Math.max(longest, silence);
          if (silence > SILENCE) lastEnd = Math.max(lastEnd ?? 0, event.at - since);
        }
      }
    }
    return { longest, lastEnd };
  }

  #askedAt(since: number): ReadonlySet<string> {
    const asked = new Set<string>();
    for (const { published } of this.#publishers) {
      for (let at = published.length - 1; at >= 0 && (published[at]?.askedAt ?? 0) >= since; at--) {
        const { room, publisher, number } = published[at] as (typeof published)[number];
        asked.add(`${room}/${publisher}/${number}`);
      }
    }
    return asked;
  }

  /**
   * Waits until all nodes know each other and who is in the rooms, and each member hears in each room of each publisher; says how long after
   * `from` that was.
   */
  async #settle(from: number): Promise<number | undefined> {
    if (!(await this.#until(async () => (await this.#minds()) === '', SETTLE_MOST))) return undefined;
    const since = now();
    const isSettled = await this.#until(() => this.#unheard(since) === undefined, SETTLE_MOST);
    return isSettled ? now() - from : undefined;
  }

  /** A member, a room and a publisher of whom nothing came there that was published after `since`. */
  #unheard(since: number): string | undefined {
    for (const { name, node, heard } of this.#members) {
      const open = new Set(ROOMS.flatMap((room) => this.#publishers.map((publisher) => `${room}/${publisher.name}`)));
      for (let at = heard.length - 1; at >= 0 && open.size > 0; at--) {
        const event = heard[at] as Heard;
        if (event.at < since) break;
        if (event.kind !== 'message') continue;
        const publisher = this.#publishers.find((one) => one.name === event.publisher);
        const asked = publisher?.askedAt(event.room, event.number) ?? 0;
        if (asked >= since) open.delete(`${event.room}/${event.publisher}`);
      }
      const [first] = open;
      if (first !== undefined) return `${name} on ${node} hears nothing any more of ${first}`;
    }
    return undefined;
  }

  /** What the nodes have wrong, for people. */
  async #minds(): Promise<string> {
    const lives = this.#site.slots.map(({ life }) => life).toSorted();
    const wrong: string[] = [];
    await Promise.all(
      this.#site.slots.map(async ({ life, process: node }) => {
        const nodes = await node.ask('nodes', undefined, 2000).catch(String);
        if (typeof nodes === 'string') wrong.push(`${life}: ${nodes}`);
        else if (nodes.toSorted().join() !== lives.join()) wrong.push(`${life} knows ${nodes.join(', ')}`);
      }),
    );
    if (wrong.length > 0) return wrong.join('; ');
    for (const { room, truth, answers } of await this.#presence(2000)) {
      for (const { node, ids } of answers) {
        const visitors = this.#visitorIds();
        const others = ids.filter((id) => !visitors.has(id));
        if (others.toSorted().join() !== truth.toSorted().join())
          wrong.push(`${node} sees in ${room} ${others.join(', ')}, not ${truth.join(', ')}`);
      }
    }
    return wrong.join('; ');
  }

  async #presence(wait?: number): Promise<Presence[]> {
    const ask = async (slot: Slot, room: string): Promise<{ node: string; ids: readonly string[] }> => {
      const ids = await slot.process.ask('members', { room }, wait).catch(() => []);
      return { node: slot.life, ids };
    };
    return Promise.all(
      ROOMS.map(async (room) => {
        const answers = await Promise.all(this.#site.slots.map((slot) => ask(slot, room)));
        return { room, truth: this.#members.map(({ id }) => id), answers };
      }),
    );
  }

  async #reports(): Promise<Record<string, number>> {
    const all = await Promise.all(
      this.#site.slots.map((slot) => slot.process.ask('errors', undefined).catch(() => ({}))),
    );
    return summed(all);
  }

  #refusals(): Record<string, number> {
    return summed(this.#publishers.map(({ failures }) => failures));
  }

  /** Whether every member has heard, in rooms with history, the last message that was confirmed. */
  #areAtEnd(): boolean {
    return HISTORY_ROOMS.every((room) => {
      const confirmed = this.#publishers.flatMap(({ published }) => {
        const last = published.findLast((one) => one.room === room && one.place !== undefined);
        return last === undefined ? [] : [last];
      });
      const last = confirmed.toSorted((a, b) => (a.doneAt ?? 0) - (b.doneAt ?? 0)).at(-1);
      return this.#members.every(({ heard }) => {
        const message = heard.findLast((event) => event.kind === 'message' && event.room === room);
        return (
          last === undefined || (message?.kind === 'message' && (message.offset ?? 0) >= (last.place?.offset ?? 0))
        );
      });
    });
  }

  #whoStands(since: number): string {
    const asked = this.#askedAt(since);
    const standing = this.#members.flatMap(({ name, node, isUp, heard }) =>
      ROOMS.filter(
        (room) =>
          !heard.some(
            (event) =>
              event.kind === 'message' &&
              event.room === room &&
              asked.has(`${room}/${event.publisher}/${event.number}`),
          ),
      ).map((room) => `${name} (${isUp ? 'up' : 'down'}, last on ${node}) in ${room}`),
    );
    return `nothing came any more: ${standing.join(', ')}; refusals ${JSON.stringify(this.#refusals())}`;
  }

  #ledger(presence: readonly Presence[]): Ledger {
    const short = HISTORY_ROOMS.filter((room) => room.startsWith('short-'));
    return {
      historyRooms: HISTORY_ROOMS,
      plainRooms: PLAIN_ROOMS,
      members: [...this.#members, ...this.#visitors],
      published: this.#publishers.flatMap(({ published }) => published),
      calm: this.#calm,
      presence,
      mayGap: [...this.#mayGap, ...short.map((room) => ({ room, reason: 'expired', from: 0 }))],
    };
  }

  async #until(is: () => boolean | Promise<boolean>, most: number): Promise<boolean> {
    const end = now() + most;
    while (!(await is())) {
      if (now() > end) return false;
      await delay(LOOK);
    }
    return true;
  }
}

/** Mostly a few bytes. In rooms without history sometimes so many that nodes send them in pieces. */
function sizeIn(room: string, random: Random): number {
  const dice = random.unit();
  if (dice < 0.97) return Math.floor(100 * random.unit());
  if (dice < 0.995) return Math.floor(10_000 * random.unit());
  return Math.floor((PLAIN_ROOMS.includes(room) ? 3 * PAYLOAD : PAYLOAD / 2) * random.unit());
}

function rounded(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.round(time);
}

function namesOf(step: Step): string[] {
  return step.map(({ fault }) => fault);
}

function summed(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const one of all) for (const [key, value] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + value;
  return sum;
}

/** What speaks against an outcome, a line each. */
export function faultsOf({ verdict, failures }: Outcome): string[] {
  const words = ({ kind, room, who, words: what }: Finding): string => `${kind}: ${room}, ${who}: ${what}`;
  return [...failures, ...verdict.findings.map(words)];
}
