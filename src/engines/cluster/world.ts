import type { Timer, World } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';

/** Time and chance of this process: what is between processes can't be made up. */
export const WORLD: World = realWorld();

/** Calls `run` once, `ms` from now. */
export function after(ms: number, run: () => void): Timer {
  return WORLD.timer(WORLD.now() + ms, run);
}
