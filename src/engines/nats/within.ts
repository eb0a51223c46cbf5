import { aborted, within as inTime, type World } from '../../core/index.ts';
import { down } from './failures.ts';
import type { NatsLink } from './link.ts';

/**
 * Waits for what asks the server, no longer than its caller wants to, and not for a connection that is gone.
 * @throws HawserError ERR_ABORTED, ERR_ENGINE_DOWN.
 */
export async function within<T>(
  link: Pick<NatsLink, 'isUp' | 'whenLost'>,
  world: World,
  { signal, timeout }: { readonly signal?: AbortSignal | undefined; readonly timeout: number },
  run: () => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw aborted(signal, 'no');
  if (!link.isUp) throw down('NATS is not connected', 'no');
  let stop = (): void => {};
  const lost = new Promise<never>((_, reject) => {
    stop = link.whenLost((error) => reject(down('the connection to NATS broke', 'no', error)));
  });
  try {
    const patience = { signal, timeout, what: 'answer of NATS', code: 'ERR_ENGINE_DOWN', delivered: 'no' } as const;
    return await inTime(Promise.race([run(), lost]), world, patience);
  } finally {
    stop();
  }
}
