import { HawserError } from '../core/index.ts';

/** How many levels of arrays and maps the data of one message may have, in both dialects. */
export const DEPTH_MAX = 64;

/** Thrown for what is no message; made once, because a flood of bad input must not pay for stack traces. */
export const MALFORMED: Error = new Error('malformed');

export const INT64_MIN: bigint = -(2n ** 63n);
export const UINT64_MAX: bigint = 2n ** 64n - 1n;

/** @throws HawserError ERR_UNENCODABLE, always. */
export function unencodable(what: string): never {
  throw new HawserError('ERR_UNENCODABLE', `cannot be sent: ${what}`);
}

/** Whether an object is of no class: made by a literal, of this realm or another, or by `Object.create(null)`. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Refuses half a surrogate pair: UTF-8 has no bytes for it. */
export function checkText(text: string): void {
  // An engine that can't tell (before 2023) leaves it to the encoder, which puts U+FFFD in its place.
  if ((text as { isWellFormed?(): boolean }).isWellFormed?.() === false) unencodable('half a surrogate pair');
}

/** Text that is for people, with U+FFFD for every half a surrogate pair: telling of an error must not fail. */
export function mendText(text: string): string {
  return (text as { toWellFormed?(): string }).toWellFormed?.() ?? text;
}
