import { HawserError, type WaitOptions } from '../core/index.ts';
import type { Unreached } from './cluster.ts';
import type { Seat } from './namespace.ts';

/** Whose answer it is, or would have been. */
export interface Asked {
  /** The socket's id. */
  readonly socket: string;
  readonly user: string | null;
}

/** What became of a request to many: those of this node first, each list in the order in which they were asked. */
export interface Answers<Data> extends Unreached {
  readonly answers: readonly (Asked & { readonly data: Data })[];
  /** Those who answered that they could not. */
  readonly errors: readonly (Asked & { readonly error: HawserError })[];
  /** Those who did not answer in time, or ended before. */
  readonly silent: readonly Asked[];
}

/** Asks sockets of this node. @throws HawserError ERR_ABORTED, ERR_UNENCODABLE. */
export async function askAll(
  seats: readonly Seat[],
  name: string,
  data: unknown,
  options: WaitOptions,
): Promise<Answers<unknown>> {
  const asked = seats.map(({ id, user }): Asked => ({ socket: id, user }));
  const { signal, ...others } = options;
  if (signal?.aborted) throw aborted(name, signal);
  // One listener on the signal of the caller, however many are asked.
  const stops = signal === undefined ? [] : seats.map(() => new AbortController());
  const onAbort = (): void => {
    for (const stop of stops) stop.abort();
  };
  signal?.addEventListener('abort', onAbort);
  const requests = seats.map((seat, at) => {
    const stop = stops[at];
    return seat.request(name, data, stop === undefined ? others : { ...others, signal: stop.signal });
  });
  const outcomes = await Promise.allSettled(requests);
  signal?.removeEventListener('abort', onAbort);
  if (signal?.aborted) throw aborted(name, signal);
  const failed = outcomes.map((one) => (one.status === 'rejected' ? (one.reason as HawserError) : undefined));
  const [first] = failed;
  // What one dialect can't say no dialect can: nobody was asked.
  if (first?.code === 'ERR_UNENCODABLE' && failed.every((error) => error?.code === first.code)) throw first;
  return {
    silentNodes: [],
    failedNodes: [],
    answers: asked.flatMap((one, at) => {
      const outcome = outcomes[at];
      return outcome?.status === 'fulfilled' ? [{ ...one, data: outcome.value }] : [];
    }),
    errors: asked.flatMap((one, at) => {
      const error = failed[at];
      return error !== undefined && !isSilence(error) ? [{ ...one, error }] : [];
    }),
    silent: asked.filter((_, at) => isSilence(failed[at])),
  };
}

function aborted(name: string, signal: AbortSignal): HawserError {
  return new HawserError('ERR_ABORTED', `'${name}' was aborted`, { cause: signal.reason });
}

/** Time ran out, or the socket ended: our own word, which says what is known of the delivery, and not one that the peer sent. */
function isSilence(error: HawserError | undefined): boolean {
  if (error?.delivered === undefined) return false;
  return error.code === 'ERR_TIMEOUT' || error.code === 'ERR_CLOSED' || error.code === 'ERR_SESSION_LOST';
}
