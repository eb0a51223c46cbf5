import type { BytesRead, LoggedBytes } from '../bus.ts';
import type { EngineMessage } from '../engine.ts';
import type { Entry, Reading } from '../history.ts';
import { FRAME, kindOf } from './frame.ts';
import { readMessage } from './message-frame.ts';

/** What was left out of a log, as far as nothing has come behind it. */
interface Skipped {
  readonly offset: number;
  /** The last entry before it that was none of these. */
  readonly previous: number;
}

/**
 * Makes entries of what is in logs. What can't be read is left out, and the entry behind it is said to follow the one before it: who compares
 * `previous` with the last offset that it had sees no hole.
 */
export class LogReader {
  /** Of logs that are heard, by `keyOf`. Mostly there are none. */
  readonly #skipped = new Map<string, Skipped>();
  readonly #poisoned: (namespace: string, room: string, offset: number) => void;

  constructor(poisoned: (namespace: string, room: string, offset: number) => void) {
    this.#poisoned = poisoned;
  }

  /** Undefined for what can't be read. */
  logged(namespace: string, room: string, logged: LoggedBytes, epoch: string): Entry | undefined {
    const skipped = this.#skipped.size === 0 ? undefined : this.#skipped.get(keyOf(namespace, room));
    const previous = skipped !== undefined && skipped.offset === logged.previous ? skipped.previous : logged.previous;
    const message = this.#messageOf(namespace, room, logged);
    if (message === undefined) this.#skipped.set(keyOf(namespace, room), { offset: logged.offset, previous });
    else if (skipped !== undefined) this.#skipped.delete(keyOf(namespace, room));
    return message && { message, offset: logged.offset, previous, epoch };
  }

  read(namespace: string, room: string, read: BytesRead): Reading {
    if (!read.isWhole) return read;
    const entries: Entry[] = [];
    let skipped: Skipped | undefined;
    for (const logged of read.entries) {
      const previous: number = skipped === undefined ? logged.previous : skipped.previous;
      const message = this.#messageOf(namespace, room, logged);
      if (message === undefined) skipped = { offset: logged.offset, previous };
      else {
        skipped = undefined;
        entries.push({ message, offset: logged.offset, previous, epoch: read.position.epoch });
      }
    }
    return { ...read, entries };
  }

  /** The room is heard no more. */
  forget(namespace: string, room: string): void {
    if (this.#skipped.size > 0) this.#skipped.delete(keyOf(namespace, room));
  }

  clear(): void {
    this.#skipped.clear();
  }

  #messageOf(namespace: string, room: string, { bytes, offset }: LoggedBytes): EngineMessage | undefined {
    const message = kindOf(bytes) === FRAME.message ? readMessage(bytes) : undefined;
    if (message?.target.namespace === namespace && message.target.rooms.includes(room)) return message;
    this.#poisoned(namespace, room, offset);
    return undefined;
  }
}

function keyOf(namespace: string, room: string): string {
  return `${namespace}\0${room}`;
}
