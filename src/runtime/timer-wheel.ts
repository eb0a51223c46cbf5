import type { Instant, Timer, World } from '../core/index.ts';

/** What lives by a deadline of a `TimerWheel`. */
export interface DeadlineOwner {
  /** Its deadline has come: no earlier than asked for, and up to a tick later. It may be scheduled again at once. */
  onDeadline(now: Instant): void;
}

const UNSLOTTED = -1;

/**
 * What is its own deadline, and tells itself: for classes of which there are many objects, as a `Deadline` beside each takes memory.
 * The fields are the wheel's.
 */
export abstract class Timed implements DeadlineOwner {
  /** When it is due; undefined while it is not scheduled. */
  at: Instant | undefined = undefined;
  /** @internal The neighbours in the slot's ring. */
  next: Timed | undefined = undefined;
  /** @internal */
  previous: Timed | undefined = undefined;
  /** @internal The slot it is in, or `UNSLOTTED`. */
  slot: number = UNSLOTTED;

  abstract onDeadline(now: Instant): void;
}

/** One moment that one owner waits for; made once, then moved about as often as needed. */
export class Deadline extends Timed {
  readonly #owner: DeadlineOwner;

  constructor(owner: DeadlineOwner) {
    super();
    this.#owner = owner;
  }

  onDeadline(now: Instant): void {
    this.#owner.onDeadline(now);
  }
}

/** ms. Deadlines of peers are counted in seconds, so that a tenth of one is exact enough. */
const TICK = 100;
/** Slots of one turn, 51.2 s: most deadlines are met in their first turn. A power of two. */
const SLOTS = 512;

/**
 * Deadlines of many owners on one timer: scheduling and cancelling touch two neighbours, whatever the number of
 * deadlines. The timer sleeps until the next slot that holds any, and is off while none does.
 */
export class TimerWheel {
  readonly #world: World;
  readonly #start: Instant;
  readonly #slots: (Timed | undefined)[] = new Array<Timed | undefined>(SLOTS).fill(undefined);
  #size = 0;
  /** The tick up to which all slots were looked through. */
  #done = 0;
  #timer: Timer | undefined;
  #timerTick = Number.POSITIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
    this.#start = world.now();
  }

  /** Deadlines that are scheduled. */
  get size(): number {
    return this.#size;
  }

  /** Moves `deadline` to `at`; a moment that has passed comes with the next tick. */
  schedule(deadline: Timed, at: Instant): void {
    this.cancel(deadline);
    if (this.#size === 0) this.#done = this.#tickOf(this.#world.now());
    deadline.at = at;
    const tick = Math.max(this.#done + 1, Math.ceil((at - this.#start) / TICK));
    this.#link(deadline, tick % SLOTS);
    this.#arm(tick);
  }

  /** Quiet when it is not scheduled. */
  cancel(deadline: Timed): void {
    if (deadline.at === undefined) return;
    deadline.at = undefined;
    if (deadline.slot === UNSLOTTED) return;
    this.#unlink(deadline);
    if (this.#size === 0) this.#disarm();
  }

  #link(deadline: Timed, slot: number): void {
    const head = this.#slots[slot];
    deadline.next = head;
    deadline.previous = undefined;
    deadline.slot = slot;
    if (head !== undefined) head.previous = deadline;
    this.#slots[slot] = deadline;
    this.#size++;
  }

  #unlink(deadline: Timed): void {
    const { next, previous } = deadline;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else this.#slots[deadline.slot] = next;
    deadline.next = undefined;
    deadline.previous = undefined;
    deadline.slot = UNSLOTTED;
    this.#size--;
  }

  #arm(tick: number): void {
    if (tick >= this.#timerTick) return;
    this.#timer?.cancel();
    this.#timerTick = tick;
    this.#timer = this.#world.timer(this.#start + tick * TICK, () => this.#run());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerTick = Number.POSITIVE_INFINITY;
  }

  #run(): void {
    this.#disarm();
    const now = this.#world.now();
    const end = this.#tickOf(now);
    const due = this.#collect(Math.max(this.#done + 1, end - SLOTS + 1), end, now);
    this.#done = end;
    this.#armNext();
    for (const deadline of due) this.#tell(deadline, now);
  }

  /** An owner told before may have cancelled or moved this one. */
  #tell(deadline: Timed, now: Instant): void {
    if (deadline.at === undefined || deadline.slot !== UNSLOTTED) return;
    deadline.at = undefined;
    try {
      deadline.onDeadline(now);
    } catch (error) {
      this.#world.report?.(error);
    }
  }

  /** Takes what is due out of its slots; what belongs to a later turn of the wheel stays. */
  #collect(from: number, to: number, now: Instant): Timed[] {
    const due: Timed[] = [];
    for (let tick = from; tick <= to; tick++) {
      for (let one = this.#slots[tick % SLOTS]; one !== undefined; one = one.next) {
        if (one.at !== undefined && one.at <= now) due.push(one);
      }
    }
    for (const deadline of due) this.#unlink(deadline);
    return due;
  }

  #armNext(): void {
    if (this.#size === 0) return;
    for (let tick = this.#done + 1; tick <= this.#done + SLOTS; tick++) {
      if (this.#slots[tick % SLOTS] !== undefined) {
        this.#arm(tick);
        return;
      }
    }
  }

  #tickOf(at: Instant): number {
    return Math.floor((at - this.#start) / TICK);
  }
}
