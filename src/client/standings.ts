import { type Incoming, POSITIONS_MOST, type ShownPosition } from '../wire/index.ts';

/** The events that say where one is in the log of a room. */
const TELLING: ReadonlySet<string> = new Set(['position', 'recovered', 'gap']);

/** Where a client is in the logs of rooms with history, for as long as it lives; of more than a HELLO shows, those that it heard of last. */
export class Standings {
  readonly #rooms: Map<string, [room: string, offset: number, epoch: string]> = new Map();

  /** What a HELLO shows; undefined where there is nothing to show. */
  get positions(): readonly ShownPosition[] | undefined {
    return this.#rooms.size > 0 ? [...this.#rooms.values()] : undefined;
  }

  of(room: string): { readonly offset: number; readonly epoch: string } | undefined {
    const known = this.#rooms.get(room);
    return known && { offset: known[1], epoch: known[2] };
  }

  /** A message is about to be handed on. */
  note({ name, data, meta }: Incoming): void {
    const { room, offset } = meta ?? {};
    if (room === undefined) return;
    if (TELLING.has(name)) {
      const told = (data ?? {}) as { readonly offset?: unknown; readonly epoch?: unknown };
      this.#rooms.delete(room);
      if (Number.isSafeInteger(told.offset) && typeof told.epoch === 'string')
        this.#rooms.set(room, [room, told.offset as number, told.epoch]);
      if (this.#rooms.size > POSITIONS_MOST) this.#rooms.delete([...this.#rooms.keys()][0] as string);
    } else if (offset !== undefined) {
      const known = this.#rooms.get(room);
      if (known) known[1] = offset;
    }
  }
}
