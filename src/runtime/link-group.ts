import type { World } from '../core/index.ts';
import type { LinkOptions } from '../transport/index.ts';
import { GatherBuffer } from './gather-buffer.ts';
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

/** What the links of one listener, or of one dial, share: options, the turn, the deadlines and the gathering buffer. */
export class LinkGroup {
  readonly options: LinkGroupOptions;
  readonly gather: GatherBuffer;
  #wheel: TimerWheel | undefined;
  #waiting: TurnTaker[] = [];
  readonly #turn: () => void;

  constructor(options: LinkGroupOptions) {
    this.options = options;
    this.gather = new GatherBuffer(options.allocate);
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
    this.gather.forget();
  }
}
