import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Ends those that still run, and waits until they are gone; the list is empty then. */
export async function endAll(children: ChildProcess[]): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
