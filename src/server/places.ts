import { HawserError } from '../core/index.ts';
import {
  comparePatterns,
  HistoryRules,
  isPattern,
  isSamePattern,
  Logs,
  matchPattern,
  Namespace,
  type NamespaceSettings,
  normalPath,
  type Params,
  PassingHall,
  type PathPattern,
  parsePattern,
} from '../room/index.ts';
import { Deadline, type TimerWheel } from '../runtime/index.ts';
import { ServerNamespace } from './namespace.ts';
import type { ResolvedServerOptions } from './options.ts';
import { NamespacePattern } from './pattern.ts';
import { checkOverflow, checkSecondLogin, type NamespaceOptions, Setup } from './setup.ts';

/** A namespace that exists on this node. */
export interface Place {
  readonly rooms: Namespace;
  readonly face: ServerNamespace;
  readonly setup: Setup;
  readonly params: Params;
}

interface Pattern extends PathPattern {
  readonly setup: Setup;
  readonly face: NamespacePattern;
}

/** One that a pattern has made. */
interface Passing extends Place {
  readonly pattern: Pattern;
  /** When it is dropped, unless somebody comes. */
  readonly deadline: Deadline;
}

/** What a peer's path leads to. */
export type Standing =
  | { readonly kind: 'open'; readonly setup: Setup; readonly params: Params }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'full' };

const NO_PARAMS: Params = Object.freeze({});

/**
 * The namespaces of a server: those of fixed paths, and those that patterns make when a peer is let in. A fixed one wins; of
 * the patterns the most telling does. The ones that were made are dropped when nobody has been in them for a while, and sooner when their
 * number reaches its limit.
 */
export class Places {
  readonly #options: ResolvedServerOptions;
  readonly #wheel: TimerWheel;
  readonly #settings: NamespaceSettings;
  readonly #logs: Logs;
  readonly #fixed = new Map<string, Place>();
  #patterns: readonly Pattern[] = [];
  readonly #passing = new Map<string, Passing>();
  /** Those of them that nobody is in, the one that is so for longest first. */
  readonly #empty = new Set<Passing>();

  constructor(options: ResolvedServerOptions, wheel: TimerWheel) {
    this.#options = options;
    this.#wheel = wheel;
    const { limits, times, presence } = options;
    this.#settings = { ...limits, requestTimeout: times.requestTimeout, presence };
    const logSettings = { ...limits, appendWait: times.requestTimeout };
    this.#logs = new Logs(options.engine, options.world, logSettings, options.onError);
  }

  /** The namespace, or the pattern, of this path; made when it is new. @throws HawserError ERR_ARGUMENT. */
  of(path: string, options?: NamespaceOptions): ServerNamespace | NamespacePattern {
    const name = normalPath(path);
    if (name === undefined) {
      throw new HawserError(
        'ERR_ARGUMENT',
        'a namespace is called by a slash and up to 32 segments, none of them empty',
      );
    }
    if (isPattern(name)) return this.#patternOf(name, options).face;
    const fixed = this.#fixed.get(name) ?? this.#fix(name, options);
    if (fixed !== undefined) return this.#configured(fixed, options).face;
    if (options !== undefined) {
      throw new HawserError('ERR_ARGUMENT', `'${name}' is a pattern's: its options are those of the pattern`);
    }
    return this.#passing.get(name)?.face ?? this.#faceOf(name, this.#match(name)?.params ?? NO_PARAMS);
  }

  /** What a peer that asks for this path finds; changes nothing. */
  look(path: string): Standing {
    const name = normalPath(path);
    if (name === undefined || isPattern(name)) return { kind: 'unknown' };
    const there = this.#find(name);
    if (there !== undefined) return { kind: 'open', setup: there.setup, params: there.params };
    const match = this.#match(name);
    if (match === undefined) return { kind: 'unknown' };
    return this.#isFull ? { kind: 'full' } : { kind: 'open', setup: match.pattern.setup, params: match.params };
  }

  /**
   * The namespace of a peer's path, made if a pattern says so; undefined where there is none. One that was made waits for `enter` as
   * long as one that was left.
   * @throws HawserError ERR_TOO_MANY_NAMESPACES.
   */
  open(path: string): Place | undefined {
    const name = normalPath(path);
    if (name === undefined || isPattern(name)) return undefined;
    return this.#find(name) ?? this.#make(name);
  }

  /** The rooms of a path, if it exists here. */
  rooms(path: string): Namespace | undefined {
    return this.#find(path)?.rooms;
  }

  /** Its rooms; an empty namespace where there is none now. */
  hall(path: string): Namespace {
    return this.#roomsOrNone(normalPath(path) ?? path);
  }

  /** What leads to a path that `look` knows; makes nothing. */
  face(path: string): ServerNamespace {
    const name = normalPath(path) ?? path;
    return this.#find(name)?.face ?? this.#faceOf(name, this.#match(name)?.params ?? NO_PARAMS);
  }

  /** The rooms of all namespaces that exist here. */
  get allRooms(): readonly Namespace[] {
    return [...this.#fixed.values(), ...this.#passing.values()].map(({ rooms }) => rooms);
  }

  /** Somebody came in. */
  enter(place: Place): void {
    const passing = this.#passing.get(place.rooms.name);
    if (passing === undefined) return;
    this.#empty.delete(passing);
    this.#wheel.cancel(passing.deadline);
  }

  /** Somebody left. */
  left(rooms: Namespace): void {
    const passing = this.#passing.get(rooms.name);
    if (passing !== undefined && rooms.size === 0) this.#leaveEmpty(passing);
  }

  /** Drops those that nobody is in. */
  clear(): void {
    for (const passing of [...this.#empty]) this.#drop(passing);
  }

  /** @throws HawserError ERR_OPTION. */
  #configured<T extends { readonly setup: Setup }>(one: T, options: NamespaceOptions | undefined): T {
    if (options === undefined) return one;
    checkSecondLogin(options.secondLogin);
    checkOverflow(options.overflow);
    this.#options.dialects.plain(options.dialect);
    one.setup.options = { ...one.setup.options, ...options };
    return one;
  }

  get #isFull(): boolean {
    return this.#passing.size >= this.#options.limits.namespaces && this.#empty.size === 0;
  }

  #find(name: string): Place | undefined {
    return this.#fixed.get(name) ?? this.#passing.get(name);
  }

  /** A new namespace of a fixed path; undefined where a pattern fits, unless it is asked for. It takes over whoever is there already. */
  #fix(name: string, options: NamespaceOptions | undefined): Place | undefined {
    if (options?.fixed !== true && this.#match(name) !== undefined) return undefined;
    const passing = this.#passing.get(name);
    if (passing !== undefined) this.#forget(passing);
    const setup: Setup = new Setup(name, this.#settings.nameLength, () => [rooms]);
    const rooms = passing?.rooms ?? this.#newRooms(name, setup.rules);
    rooms.rules = setup.rules;
    const face = new ServerNamespace(rooms, this.#options.engine, NO_PARAMS, setup);
    const place = { rooms, face, setup, params: NO_PARAMS };
    this.#fixed.set(name, place);
    return place;
  }

  #patternOf(path: string, options: NamespaceOptions | undefined): Pattern {
    const known = this.#patterns.find((one) => one.path === path);
    if (known !== undefined) return this.#configured(known, options);
    const parsed = parsePattern(path);
    if (parsed === undefined) {
      throw new HawserError('ERR_ARGUMENT', `each name of '${path}' needs letters of its own, and a tail is the last`);
    }
    const same = this.#patterns.find((one) => isSamePattern(one, parsed));
    if (same !== undefined) throw new HawserError('ERR_ARGUMENT', `'${path}' fits the same paths as '${same.path}'`);
    const setup: Setup = new Setup(path, this.#settings.nameLength, () =>
      this.#passingOf(setup).map(({ rooms }) => rooms),
    );
    const face = new NamespacePattern(path, setup, () => this.#facesOf(setup));
    const pattern = this.#configured({ ...parsed, setup, face }, options);
    this.#patterns = [...this.#patterns, pattern].toSorted(comparePatterns);
    return pattern;
  }

  #facesOf(setup: Setup): ServerNamespace[] {
    return this.#passingOf(setup).map((one) => one.face);
  }

  #passingOf(setup: Setup): Passing[] {
    return [...this.#passing.values()].filter((one) => one.setup === setup);
  }

  #match(name: string): { readonly pattern: Pattern; readonly params: Params } | undefined {
    for (const pattern of this.#patterns) {
      const params = matchPattern(pattern, name);
      if (params !== undefined) return { pattern, params };
    }
    return undefined;
  }

  #make(name: string): Passing | undefined {
    const match = this.#match(name);
    if (match === undefined) return undefined;
    if (this.#isFull) throw new HawserError('ERR_TOO_MANY_NAMESPACES', 'no further namespace can be made now');
    const [longest] = this.#empty;
    if (longest !== undefined && this.#passing.size >= this.#options.limits.namespaces) this.#drop(longest);
    const { pattern, params } = match;
    const passing: Passing = {
      pattern,
      params,
      rooms: this.#newRooms(name, pattern.setup.rules),
      face: this.#faceOf(name, params),
      setup: pattern.setup,
      deadline: new Deadline({ onDeadline: () => this.#drop(passing) }),
    };
    this.#passing.set(name, passing);
    this.#leaveEmpty(passing);
    pattern.setup.tell('open', this.#options.onError, passing.face);
    return passing;
  }

  #leaveEmpty(passing: Passing): void {
    const { world, times } = this.#options;
    this.#empty.add(passing);
    this.#wheel.schedule(passing.deadline, world.now() + times.namespaceGrace);
  }

  #drop(passing: Passing): void {
    this.#forget(passing);
    passing.setup.tell('close', this.#options.onError, passing.face);
  }

  #forget(passing: Passing): void {
    this.#wheel.cancel(passing.deadline);
    this.#empty.delete(passing);
    this.#passing.delete(passing.rooms.name);
  }

  /** A face that is good for as long as the application keeps it: it finds whichever namespace there is at the time. */
  #faceOf(name: string, params: Params): ServerNamespace {
    const hall = new PassingHall(name, this.#settings, this.#roomsOrNone);
    return new ServerNamespace(hall, this.#options.engine, params, undefined);
  }

  /** An empty namespace stands for one that doesn't exist here: what is sent to it still reaches other nodes. */
  readonly #roomsOrNone = (name: string): Namespace =>
    this.#find(name)?.rooms ?? this.#newRooms(name, this.#match(name)?.pattern.setup.rules ?? new HistoryRules(name));

  #newRooms(name: string, rules: HistoryRules): Namespace {
    return new Namespace(name, this.#options.engine, this.#settings, this.#logs, rules);
  }
}

/** @throws HawserError ERR_OPTION. */
