import type { World } from '../core/index.ts';
import type { LinkOptions } from '../transport/index.ts';
import { TimerWheel } from './timer-wheel.ts';

/** What a group calls once per turn of the event loop. */
export interface TurnTaker {
  onTurn(): void;
}

export interface LinkGroupOptions extends LinkOptions {
  /** The scheme that its links show. */
  readonly transport: string;
  /** Makes the buffer that small frames are gathered in. Default a plain Uint8Array. */
  readonly allocate?: (length: number) => Uint8Array;
}

/** Frames from this size on are written alone, without a copy; the gathering buffer holds several smaller ones. */
export const LARGE_FRAME_BYTES = 16_384;
const SCRATCH_BYTES = 4 * LARGE_FRAME_BYTES;

/** What the links of one listener, or of one dial, share: options, the turn, the deadlines and the gathering buffer. */
export class LinkGroup {
  readonly options: LinkGroupOptions;
  #wheel: TimerWheel | undefined;
  #waiting: TurnTaker[] = [];
  #scratch: Uint8Array | undefined;
  readonly #turn: () => void;

  constructor(options: LinkGroupOptions) {
    this.options = options;
    this.#turn = () => this.#run();
  }

  get world(): World {
    return this.options.world;
  }

  get wheel(): TimerWheel {
    this.#wheel ??= new TimerWheel(this.options.world);
    return this.#wheel;
  }

  /** Calls `onTurn` once, after the input that is being handled. The caller sees to it that it asks once. */
  later(one: TurnTaker): void {
    if (this.#waiting.push(one) === 1) this.world.soon(this.#turn);
  }

  /** The buffer that frames are gathered in: always the same one, until `keepScratch`. */
  get scratch(): Uint8Array {
    this.#scratch ??= this.options.allocate?.(SCRATCH_BYTES) ?? new Uint8Array(SCRATCH_BYTES);
    return this.#scratch;
  }

  /** The port still needs what lies in the buffer: the next caller gets another. */
  keepScratch(): void {
    this.#scratch = undefined;
  }

  #run(): void {
    const ready = this.#waiting;
    this.#waiting = [];
    for (const one of ready) {
      try {
        one.onTurn();
      } catch (error) {
        this.world.report?.(error);
      }
    }
  }
}
