/** The process of a server that is measured. It runs in Node, and in Bun where that is what is measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../asking.ts';
import type { ServerOrder } from './orders.ts';
import { loadPeer } from './peers/index.ts';

const COLLECTIONS = 5;

/** Has the garbage collected, so that what is left is what is used. */
async function collect(): Promise<void> {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  for (let i = 0; i < COLLECTIONS; i++) {
    if (Bun === undefined) globalThis.gc?.();
    else Bun.gc(true);
    await sleep(50);
  }
}

async function obey(order: ServerOrder): Promise<unknown> {
  if (order.do === 'collect') return collect();
  return (await loadPeer(order.peer)).serve(order.task);
}

process.on('message', (order: ServerOrder) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
