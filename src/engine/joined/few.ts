/**
 * A set of objects that mostly has one member or a few, and takes little memory then: nothing, the member itself, or a list that is never changed; a
 * `Set` when there are many. Use what the functions return in its place.
 */
export type Few<T extends object> = undefined | T | readonly T[] | Set<T>;

/** From so many on a list is slower than a set. */
const MANY = 16;

export function sizeOf<T extends object>(few: Few<T>): number {
  if (few === undefined) return 0;
  if (few instanceof Set) return few.size;
  return isList(few) ? few.length : 1;
}

export function allOf<T extends object>(few: Few<T>): readonly T[] | Set<T> {
  if (few === undefined) return [];
  return few instanceof Set || isList(few) ? few : [few];
}

export function isIn<T extends object>(few: Few<T>, one: T): boolean {
  if (few instanceof Set) return few.has(one);
  return isList(few) ? few.includes(one) : few === one;
}

/** `one` must not be in it. */
export function withOne<T extends object>(few: Few<T>, one: T): Few<T> {
  if (few === undefined) return one;
  if (few instanceof Set) return few.add(one);
  if (!isList(few)) return [few, one];
  return few.length < MANY ? few.concat([one]) : new Set(few).add(one);
}

/** `one` must be in it. */
export function withoutOne<T extends object>(few: Few<T>, one: T): Few<T> {
  if (few instanceof Set) {
    few.delete(one);
    return few.size > MANY / 2 ? few : [...few];
  }
  if (few === undefined || !isList(few)) return undefined;
  const rest = few.filter((other) => other !== one);
  return rest.length > 1 ? rest : rest[0];
}

function isList<T extends object>(few: T | readonly T[] | undefined): few is readonly T[] {
  return Array.isArray(few);
}
