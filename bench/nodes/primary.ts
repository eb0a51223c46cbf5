/** The primary process of nodes that are workers of node:cluster. Orders for a worker are passed on. */
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Answer } from '../asking.ts';
import type { NodeOrder, PeerName } from './orders.ts';

export type PrimaryOrder =
  | { readonly do: 'fork'; readonly peer: PeerName; readonly count: number }
  | { readonly do: 'tell'; readonly worker: number; readonly order: NodeOrder };

const workers: Worker[] = [];

const EXEC = fileURLToPath(new URL('node.mjs', import.meta.url));
const EXEC_ARGV = ['--expose-gc', ...process.execArgv];

async function fork(peer: PeerName, count: number): Promise<void> {
  if (peer === 'hawser') {
    const { startWorkers } = await import('hawser');
    await startWorkers({ workers: count, exec: EXEC, execArgv: EXEC_ARGV, ready: 'told' });
    workers.push(...Object.values(cluster.workers ?? {}).flatMap((worker) => worker ?? []));
    return;
  }
  cluster.setupPrimary({ exec: EXEC, execArgv: EXEC_ARGV, serialization: 'advanced' });
  (await import('@socket.io/cluster-adapter')).setupPrimary();
  for (let i = 0; i < count; i++) workers.push(cluster.fork());
  await Promise.all(workers.map(answerOf));
}

/** Adapters and engines have their own words with workers. */
function answerOf(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onMessage = (answer: Answer & { readonly isAnswer?: true }): void => {
      if (answer?.isAnswer !== true) return;
      worker.off('message', onMessage);
      if (answer.error === undefined) resolve(answer.value);
      else reject(new Error(answer.error));
    };
    worker.on('message', onMessage);
  });
}

function tell(worker: Worker, order: NodeOrder): Promise<unknown> {
  worker.send(order);
  return answerOf(worker);
}

async function obey(order: PrimaryOrder): Promise<unknown> {
  if (order.do === 'tell') {
    const worker = workers[order.worker];
    if (worker === undefined) throw new Error('there is no such worker');
    return tell(worker, order.order);
  }
  await fork(order.peer, order.count);
  return workers.map((worker) => worker.process.pid);
}

process.on('message', (order: PrimaryOrder) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) } satisfies Answer),
  );
});
process.on('disconnect', () => {
  for (const worker of workers) worker.process.kill('SIGKILL');
  process.exit();
});
