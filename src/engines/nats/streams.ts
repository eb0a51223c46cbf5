import type { World } from '../../core/index.ts';
import { epochOf, type HistoryRule } from '../../engine/index.ts';
import { down, isPermanent } from './failures.ts';
import type { NatsLink } from './link.ts';
import { openStream } from './log-stream.ts';
import type { LogNames, Names } from './names.ts';
import type { ResolvedNatsOptions } from './options.ts';
import { within } from './within.ts';

/** ms before what failed for the moment is tried again. */
export const RETRY_WAIT = 100;
/** ms in which those who want to make a stream hear of each other. */
const MAKER_WAIT = 150;

export interface StreamsHost {
  /** Adds the mark that a stream begins with. */
  addFirst(known: Rule, epoch: string): Promise<void>;
  /** A stream is another one than before: what was heard up to now may not be all. */
  interrupted(): void;
  report(error: unknown): void;
  pause(ms: number): Promise<void>;
}

/** What a node knows of a rule's stream. */
export interface Rule {
  readonly rule: HistoryRule;
  readonly names: LogNames;
  readonly ticket: string;
  /** Of the stream, while it is known to be there. */
  epoch: string | undefined;
  opening: Promise<string> | undefined;
  /** Appends that wait for the stream; those that come later must not overtake them. */
  queued: number;
  /** The epoch that the stream had last, and the newest entry that is known of it. */
  lastEpoch: string;
  newest: number;
}

/**
 * The streams of rules. Each is found, or made by one of the nodes that want it, when somebody needs it, and is known until the connection
 * turns or somebody finds it gone. All who ask at the same time wait for the same answer, the stream's epoch.
 */
export class Streams {
  readonly #link: NatsLink;
  readonly #names: Names;
  readonly #options: ResolvedNatsOptions;
  readonly #world: World;
  readonly #host: StreamsHost;
  readonly #rules = new Map<string, Rule>();
  /** How often the connection has broken or come back. */
  #turns = 0;
  #isClosed = false;

  constructor(link: NatsLink, names: Names, options: ResolvedNatsOptions, world: World, host: StreamsHost) {
    this.#link = link;
    this.#names = names;
    this.#options = options;
    this.#world = world;
    this.#host = host;
  }

  /** The server is gone, or there again: whether the streams are still the same is not known. */
  turn(): void {
    this.#turns++;
    for (const rule of this.#rules.values()) {
      rule.epoch = undefined;
      rule.opening = undefined;
    }
  }

  /** Who still looks for a stream gives up. */
  close(): void {
    this.#isClosed = true;
  }

  /** What is known of a rule's stream: always the same object, by the name of the rule. */
  of(rule: HistoryRule): Rule {
    const known = this.#rules.get(rule.name);
    if (known !== undefined) return known;
    const names = this.#names.logs(rule);
    const ticket = epochOf(this.#world.random.bytes(8));
    const fresh = { rule, names, ticket, epoch: undefined, opening: undefined, queued: 0, lastEpoch: '', newest: 0 };
    this.#rules.set(rule.name, fresh);
    return fresh;
  }

  /** The stream's epoch, in the order of the calls. */
  async epoch(
    known: Rule,
    wait: { readonly signal?: AbortSignal | undefined; readonly timeout: number },
  ): Promise<string> {
    if (known.epoch !== undefined && known.queued === 0) return known.epoch;
    known.queued++;
    try {
      return await within(this.#link, this.#world, wait, () => this.open(known));
    } finally {
      known.queued--;
    }
  }

  /** Finds or makes the stream, once for all who ask at the same time. */
  open(known: Rule): Promise<string> {
    if (!this.#link.isUp) return Promise.reject(down('NATS is not connected', 'no'));
    if (known.opening === undefined) {
      const opening = this.#find(known).finally(() => {
        if (known.opening === opening) known.opening = undefined;
      });
      known.opening = opening;
    }
    return known.opening;
  }

  /** Again and again for a while: a cluster of servers that has lost one needs some seconds for a new leader. */
  async #find(known: Rule): Promise<string> {
    const turn = this.#turns;
    const end = this.#world.now() + this.#options.answerWait;
    for (;;) {
      try {
        const epoch = await this.#findOnce(known);
        if (turn === this.#turns) return this.#found(known, epoch);
      } catch (error) {
        if (isPermanent(error) || this.#world.now() >= end) throw error;
      }
      if (turn !== this.#turns || this.#isClosed) throw down('the connection to NATS broke', 'no');
      await this.#host.pause(RETRY_WAIT);
    }
  }

  #findOnce(known: Rule): Promise<string> {
    const stream = {
      manager: this.#link.manager,
      history: this.#options.history,
      server: () => this.#link.server,
      drawEpoch: () => epochOf(this.#world.random.bytes(8)),
      isMaker: () => this.#isMaker(known),
      addFirst: (epoch: string) => this.#host.addFirst(known, epoch),
      wait: (ms: number) => this.#host.pause(ms),
      report: (error: unknown) => this.#host.report(error),
    };
    // As it is before the stream is asked how far it is: what comes meanwhile, it may not have counted.
    const { lastEpoch, newest } = known;
    const seen = (epoch: string): number => (epoch === lastEpoch ? newest : 0);
    return openStream(known.names, known.rule, stream, seen);
  }

  /** Whether this node is to make the stream: of those who want to now, the one with the first ticket. */
  async #isMaker({ names, ticket }: Rule): Promise<boolean> {
    const tickets: string[] = [ticket];
    const hearing = this.#link.hear(this.#names.making, (message) => {
      const [stream, other = ''] = message.string().split(' ');
      if (stream === names.stream) tickets.push(other);
    });
    // Twice, for who comes a moment later has not heard the first.
    for (let times = 0; times < 2; times++) {
      if (this.#link.isUp)
        this.#link.publish(this.#names.making, new TextEncoder().encode(`${names.stream} ${ticket}`));
      await this.#host.pause(MAKER_WAIT / 2);
    }
    hearing.stop();
    return tickets.toSorted()[0] === ticket;
  }

  #found(known: Rule, epoch: string): string {
    const isOther = known.lastEpoch !== '' && known.lastEpoch !== epoch;
    if (known.lastEpoch !== epoch) known.newest = 0;
    known.lastEpoch = epoch;
    known.epoch = epoch;
    if (isOther) this.#host.interrupted();
    return epoch;
  }

  /** After a stream with this epoch was not there. */
  reopen(known: Rule, epoch: string): Promise<string> {
    if (known.epoch === epoch) known.epoch = undefined;
    return known.epoch === undefined ? this.open(known) : Promise.resolve(known.epoch);
  }
}
