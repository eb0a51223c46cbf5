import { setTimeout as delay } from 'node:timers/promises';

/** Waits until it is so. @throws Error after 15 s. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it never came to it: ${what}`);
    await delay(5);
  }
}
