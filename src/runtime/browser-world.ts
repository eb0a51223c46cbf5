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
