import type { Meta } from '../wire/index.ts';

export const NO_NAMES: readonly string[] = [];

/** The meta of a message in a room. Every field of `Meta` by its name: V8 takes a microsecond for each that is added to a spread. */
export function metaIn(room: string, { from, member }: Meta, offset?: number): Meta {
  const meta: Meta = from === undefined ? { room } : { from, room };
  if (member === undefined && offset === undefined) return meta;
  if (member === undefined && offset !== undefined)
    return from === undefined ? { room, offset } : { from, room, offset };
  return { ...meta, ...(member && { member }), ...(offset !== undefined && { offset }) };
}

export function hasMeta(meta: Meta): boolean {
  for (const _ in meta) return true;
  return false;
}
