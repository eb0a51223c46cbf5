/**
 * A set that mostly has one member or a few, and takes little memory then: a list that is never changed, but for a larger one. Use what the
 * functions return in its place.
 */
export type Few<T> = readonly T[] | Set<T>;

/** From so many on a list is slower than a set. */
const MANY = 16;

export const NONE: readonly never[] = [];

export function sizeOf<T>(few: Few<T>): number {
  return few instanceof Set ? few.size : few.length;
}

export function isIn<T>(few: Few<T>, one: T): boolean {
  return few instanceof Set ? few.has(one) : few.includes(one);
}

/** `one` must not be in it. */
export function withOne<T>(few: Few<T>, one: T): Few<T> {
  if (few instanceof Set) return few.add(one);
  if (few.length === 0) return [one];
  return few.length < MANY ? few.concat([one]) : new Set(few).add(one);
}

/** `one` must be in it. */
export function withoutOne<T>(few: Few<T>, one: T): Few<T> {
  if (few instanceof Set) {
    few.delete(one);
    return few.size > MANY / 2 ? few : [...few];
  }
  return few.length === 1 ? NONE : few.filter((other) => other !== one);
}
