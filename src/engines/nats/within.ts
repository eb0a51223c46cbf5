import { aborted, type Timer, type World } from '../../core/index.ts';
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
  let timer: Timer | undefined;
  let stop = (): void => {};
  const ended = new Promise<never>((_, reject) => {
    const abort = (): void => reject(aborted(signal, 'no'));
    const notLost = link.whenLost((error) => reject(down('the connection to NATS broke', 'no', error)));
    signal?.addEventListener('abort', abort, { once: true });
    const late = (): void => reject(down(`no answer of NATS in ${timeout} ms`, 'no'));
    if (timeout !== 0) timer = world.timer(world.now() + timeout, late);
    stop = () => {
      notLost();
      signal?.removeEventListener('abort', abort);
    };
  });
  try {
    return await Promise.race([run(), ended]);
  } finally {
    timer?.cancel();
    stop();
  }
}
