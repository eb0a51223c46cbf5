import { fault } from './faults.ts';
import type { Incoming } from './incoming.ts';
import { shown } from './names.ts';

/** How long a file waits for another transfer of its name, ms. */
const WAIT = 30_000;
/** How often it is looked whether the other one is still there, ms. */
const LOOK = 250;

/** Which names files are on their way to: one at a time for each. */
export class BusyNames {
  readonly #wait: number;
  readonly #holders = new Map<string, { readonly incoming: Incoming; readonly isThere: () => boolean }>();

  /** `wait`: how long a file waits for another of its name, ms; default 30,000. */
  constructor(wait: number = WAIT) {
    this.#wait = wait;
  }

  /** Bytes that are still to be written. */
  get promised(): number {
    let sum = 0;
    for (const { incoming } of this.#holders.values()) sum += incoming.left;
    return sum;
  }

  /**
   * Waits for the name. One whose sender is not there any more gives way: its sender has begun anew.
   * @throws HawserError ERR_FILE_BUSY.
   */
  async enter(incoming: Incoming, isThere: () => boolean): Promise<void> {
    const { name } = incoming.offer;
    const key = keyOf(name);
    const deadline = performance.now() + this.#wait;
    for (let other = this.#holders.get(key); other; other = this.#holders.get(key)) {
      if (performance.now() > deadline) throw fault('ERR_FILE_BUSY', name, 'another transfer is writing it');
      if (!isThere()) throw fault('ERR_CLOSED', name, 'its sender is gone');
      if (!other.isThere()) other.incoming.channel.reset('ERR_FILE_BUSY', `${shown(name)}: it is being sent anew`);
      await soon(other.incoming.done.promise);
    }
    this.#holders.set(key, { incoming, isThere });
  }

  leave(incoming: Incoming): void {
    const key = keyOf(incoming.offer.name);
    if (this.#holders.get(key)?.incoming === incoming) this.#holders.delete(key);
  }
}

/** The same for names that some file systems take for one. */
function keyOf(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

async function soon(done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LOOK);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
