import type { World } from './clock.ts';
import { aborted, type ErrorCode, late } from './errors.ts';

/** How long somebody waits for work that goes on without him. */
export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** ms; 0, the default, waits for ever. */
  readonly timeout?: number | undefined;
  /** What is waited for, such as `answer of Redis`: what the error says was not there in time. */
  readonly what: string;
  /** The error's code when the time is over. Default ERR_TIMEOUT. */
  readonly code?: ErrorCode;
  /** Whether what is given up can have been done all the same, as the error says. */
  readonly delivered?: 'no' | 'unknown';
}

/**
 * What `work` comes to, unless the signal fires or the time is over first: then it rejects, and what becomes of the work nobody hears.
 * No timer and no listener stays behind.
 * @throws HawserError ERR_ABORTED, and `code`.
 */
export async function within<T>(
  work: Promise<T>,
  world: Pick<World, 'now' | 'timer'>,
  { signal, timeout = 0, what, code, delivered }: Patience,
): Promise<T> {
  if (signal === undefined && timeout === 0) return work;
  let stop = (): void => {};
  const over = new Promise<never>((_, reject) => {
    const abort = (): void => reject(aborted(signal, delivered));
    const end = (): void => reject(late(what, timeout, code, { delivered }));
    const timer = timeout > 0 ? world.timer(world.now() + timeout, end) : undefined;
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
    stop = () => {
      timer?.cancel();
      signal?.removeEventListener('abort', abort);
    };
  });
  try {
    // The race hears of the work's failure too, also when it is over: nobody else may.
    return await Promise.race([over, work]);
  } finally {
    stop();
  }
}
