import cluster from 'node:cluster';
import { startWorkers } from '../../src/engines/cluster/index.ts';
import type { Answer, Question, Ready, WorkerNews } from './control.ts';
import type { Listening } from './node-app.ts';

/** Starts workers that are nodes, tells the parent of them, and passes its questions on. */
export async function runPrimary(count: number): Promise<void> {
  const tell = (news: WorkerNews): void => void process.send?.(news);
  const workers = await startWorkers({
    workers: count,
    ready: 'told',
    onEvent: (event) => {
      if (event.event === 'ready') tell({ worker: 'ready', pid: event.pid, ...(event.data as Listening) });
      if (event.event === 'died' || event.event === 'stopped') {
        tell({ worker: 'ended', pid: event.pid, words: `${event.event}, ${event.signal ?? event.code}` });
      }
    },
  });
  cluster.on('message', (_, message: Answer) => {
    if ('id' in message && ('value' in message || 'error' in message)) process.send?.(message);
  });
  process.on('message', (question: Question) => {
    if (question.worker === undefined) void answer(question);
    else ask(question);
  });

  async function answer({ id, command }: Question): Promise<void> {
    const done = command === 'restart' ? workers.restart() : Promise.reject(new Error(`a primary can't ${command}`));
    process.send?.(
      await done.then(
        () => ({ id, value: null }),
        (error: unknown) => ({ id, error: String(error) }),
      ),
    );
  }

  const ready: Ready = { ready: true, life: 'primary', pid: process.pid, endpoints: [] };
  process.send?.(ready);
}

function ask(question: Question): void {
  const asked = Object.values(cluster.workers ?? {}).find((worker) => worker?.process.pid === question.worker);
  if (asked?.isConnected() === true) asked.send(question, () => {});
  else process.send?.({ id: question.id, error: 'the worker has ended' });
}
