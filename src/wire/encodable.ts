import { HawserError } from '../core/index.ts';

/** @throws HawserError ERR_UNENCODABLE, always. */
export function unencodable(what: string): never {
  throw new HawserError('ERR_UNENCODABLE', `cannot be sent: ${what}`);
}

/** Whether an object is of no class: made by a literal, of this realm or another, or by `Object.create(null)`. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Refuses half of a surrogate pair: UTF-8 has no bytes for it. */
export function checkText(text: string): void {
  // An engine that can't tell (before 2023) leaves it to the encoder, which puts U+FFFD in its place.
  if ((text as { isWellFormed?(): boolean }).isWellFormed?.() === false) unencodable('half of a surrogate pair');
}
