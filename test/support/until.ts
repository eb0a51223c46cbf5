import { setTimeout as delay } from 'node:timers/promises';

/** Waits until it is so. @throws Error after `most` ms. Default 15 s. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, most = 15_000): Promise<void> {
  const end = performance.now() + most;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it never came to it: ${what}`);
    await delay(5);
  }
}
