/** The process of one node. It does what the conductor orders. */
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeOrder } from './orders.ts';
import { type Node, serve } from './peers/index.ts';

/** Messages to rooms between two turns of the event loop. */
const AT_ONCE = 100;
const COLLECTIONS = 5;

let node: Node | undefined;

async function obey(order: NodeOrder): Promise<unknown> {
  if (order.do === 'serve') {
    node = await serve(order.task.peer, order.task);
    return node.port;
  }
  switch (order.do) {
    case 'count':
      return node?.count();
    case 'join':
      return node?.join(order.each);
    case 'address':
      for (const [at, room] of order.rooms.entries()) {
        node?.send(room);
        if (at % AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return undefined;
    default:
      for (let i = 0; i < COLLECTIONS; i++) {
        globalThis.gc?.();
        await sleep(50);
      }
      return undefined;
  }
}

process.on('message', (order: NodeOrder) => {
  if (typeof order?.do !== 'string') return;
  obey(order).then(
    (value) => process.send?.({ isAnswer: true, value }),
    (error: unknown) => process.send?.({ isAnswer: true, error: String((error as Error).stack ?? error) }),
  );
});
// What a worker is told before it listens is lost.
if (cluster.isWorker) {
  process.send?.({ isAnswer: true });
  if (process.env['HAWSER_WORKER'] !== undefined) (await import('hawser')).thisWorker()?.ready();
}
process.on('disconnect', () => process.exit());
