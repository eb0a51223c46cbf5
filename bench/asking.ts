import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** What a process says to an order. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

/** In ms. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly most: number;
}

/**
 * Orders a process to do something, one thing at a time, and waits for its answer.
 * @throws Error when it can't, ends meanwhile, or takes longer than `within` ms.
 */
export async function ask<Value>(child: ChildProcess, order: { readonly do: string }, within: number): Promise<Value> {
  child.send(order);
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(within)]);
  const gone = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the process ended (${code}) while it was to ${order.do}`);
  });
  gone.catch(() => {});
  const [answer] = (await Promise.race([once(child, 'message', { signal }), gone]).finally(() => over.abort())) as [
    Answer,
  ];
  if (answer.error !== undefined) throw new Error(`${order.do}: ${answer.error}`);
  return answer.value as Value;
}
