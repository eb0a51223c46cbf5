import type { World } from '../core/index.ts';

/** setTimeout takes no more, ms. */
const DELAY_MAX = 2 ** 31 - 1;

/** The real clock and real chance of a browser, in few bytes. Here chance only spreads reconnects: nothing secret hangs on `unit`. */
export function browserWorld(): World {
  const { port1, port2 } = new MessageChannel();
  let waiting: (() => void)[] = [];
  // A message to oneself comes once per turn of the event loop, and no timer's throttling holds it up.
  port1.onmessage = () => {
    const runs = waiting;
    waiting = [];
    for (const run of runs) run();
  };
  return {
    now: () => performance.now(),
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)), unit: Math.random },
    timer: (at, run) => {
      const handle = setTimeout(run, Math.min(at - performance.now(), DELAY_MAX));
      return { cancel: () => clearTimeout(handle) };
    },
    soon: (run) => {
      if (waiting.push(run) === 1) port2.postMessage(0);
    },
    report: (error) => console.error(error),
  };
}

/**
 * Hears when a page is looked at again, thawed or taken out of the cache, and when the network comes or goes. A worker has the last two
 * alone, other platforms without a document none.
 */
export function watchPage(hear: (isOnline: boolean) => void, signal: AbortSignal): void {
  const told = ({ type }: Event): void => {
    if (type.startsWith('o') || !globalThis.document?.hidden) hear(navigator.onLine);
  };
  // What is told to the document passes here on its way down.
  for (const type of ['visibilitychange', 'pageshow', 'resume', 'online', 'offline']) {
    globalThis.addEventListener?.(type, told, { capture: true, signal });
  }
}
