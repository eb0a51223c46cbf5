import { aborted, late, type Timer, type World } from '../core/index.ts';

/** How long each attempt has the field to itself before the next one starts, ms (RFC 8305 section 8). */
const STAGGER = 250;

/**
 * Starts one attempt after another, each after a pause or as soon as the one before failed; the first that succeeds wins and the others are
 * aborted (RFC 8305 section 5). A loser that succeeds all the same is handed to `discard`.
 * @throws what the last attempt threw, when all have failed; ERR_ABORTED when `signal` fires first; ERR_TIMEOUT after `wait` ms.
 */
export function race<Runner, Prize>(
  world: World,
  runners: readonly Runner[],
  signal: AbortSignal,
  run: (runner: Runner, signal: AbortSignal) => Promise<Prize>,
  discard: (prize: Prize) => void,
  wait: number,
): Promise<Prize> {
  return new Promise((resolve, reject) => {
    const losers = new AbortController();
    let next = 0;
    let running = 0;
    let over = false;
    let timer: Timer | undefined;
    const finish = (settle: () => void): void => {
      over = true;
      timer?.cancel();
      bound.cancel();
      signal.removeEventListener('abort', onAbort);
      settle();
      losers.abort();
    };
    const onAbort = (): void => finish(() => reject(aborted(signal)));
    const start = (): void => {
      timer?.cancel();
      const runner = runners[next];
      if (over || runner === undefined) return;
      next += 1;
      running += 1;
      timer = world.timer(world.now() + STAGGER, start);
      run(runner, losers.signal).then(
        (prize) => (over ? discard(prize) : finish(() => resolve(prize))),
        (error: unknown) => {
          running -= 1;
          if (over) return;
          if (running === 0 && next === runners.length) finish(() => reject(error));
          else start();
        },
      );
    };
    const bound = world.timer(world.now() + wait, () => finish(() => reject(late('link', wait))));
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort);
      start();
    }
  });
}
