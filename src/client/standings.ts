import { type Incoming, POSITIONS_MOST } from '../wire/index.ts';

/** Where a client is in the logs of rooms with history, by room, the one that it heard of last at the end. */
export type Standings = Map<string, [room: string, offset: number, epoch: string]>;

/** The events that say where one is in the log of a room. */
const TELLING: ReadonlySet<string> = new Set(['positioned', 'recovered', 'gap']);

/**
 * A message is about to be handed on: remembers where that is. Of more rooms than a HELLO shows, those that were heard of last. What a server says that
 * is no position is not shown to it.
 */
export function noteStanding(standings: Standings, { name, data, meta }: Incoming): void {
  if (!meta?.room) return;
  const { room } = meta;
  const known = standings.get(room);
  if (TELLING.has(name)) {
    const { offset, epoch } = (data ?? {}) as { readonly offset: number; readonly epoch: unknown };
    standings.delete(room);
    if (offset >= 0 && typeof epoch === 'string') standings.set(room, [room, offset, epoch]);
    if (standings.size > POSITIONS_MOST) standings.delete(standings.keys().next().value as string);
  } else if (known && meta.offset) known[1] = meta.offset;
}
