import type { Random } from '../../../src/core/index.ts';
import { seededRandom } from '../../../src/testing/index.ts';

/** Seeded chance, and the ways in which a run asks for it. */
export class Chance {
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** A generator of its own: what is drawn from it changes nothing here. */
  fork(): Chance {
    return new Chance(this.below(2 ** 32));
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.random.unit();
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.unit() * end);
  }

  between(from: number, to: number): number {
    return from + this.unit() * (to - from);
  }

  /** True once in a while: `share` of the calls. */
  often(share: number): boolean {
    return this.unit() < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  bytes(length: number): Uint8Array {
    return this.random.bytes(length);
  }
}
