import { HawserError } from '../core/index.ts';
import type { Params } from '../room/index.ts';
import type { Credentials, Identity } from './options.ts';

/** A peer that authentication knows and that has no socket yet. */
export interface Arrival {
  readonly user: string | null;
  readonly claims: unknown;
  readonly namespace: string;
  readonly params: Params;
  readonly credentials: Credentials;
  /** Becomes `socket.data`. */
  readonly data: Record<string, unknown>;
}

/**
 * Looks at each peer after authentication and before it has a socket. Throwing refuses the peer: with the code of a HawserError, else
 * with ERR_NOT_ALLOWED, and what was thrown is reported. Runs at every login: also when a session resumes, or when a
 * peer of the JSON dialect names itself anew; `data` counts for new sockets alone.
 */
export type ConnectionMiddleware = (arrival: Arrival) => unknown;

/** An identity that all middleware let pass. */
export class Admitted implements Identity {
  readonly user: string | null;
  readonly claims: unknown;
  readonly data: Record<string, unknown>;

  constructor({ user, claims }: Identity, data: Record<string, unknown>) {
    this.user = user;
    this.claims = claims;
    this.data = data;
  }
}

type Report = (error: unknown, during: string) => void;

/** Runs the middleware in order. No promise while none of it makes one. @throws HawserError */
export function admit(
  middleware: readonly ConnectionMiddleware[],
  credentials: Credentials,
  identity: Identity,
  report: Report,
): Admitted | Promise<Admitted> {
  const admitted = new Admitted(identity, {});
  const { user, claims, data } = admitted;
  const { namespace, params } = credentials;
  const arrival: Arrival = { user, claims, namespace, params, credentials, data };
  const run = (from: number): Admitted | Promise<Admitted> => {
    for (let at = from; at < middleware.length; at++) {
      const result = middleware[at]?.(arrival);
      if (isThenable(result)) return Promise.resolve(result).then(() => run(at + 1));
    }
    return admitted;
  };
  try {
    const result = run(0);
    return result instanceof Promise ? result.catch((error: unknown) => refuse(error, report)) : result;
  } catch (error) {
    return refuse(error, report);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function refuse(error: unknown, report: Report): never {
  if (error instanceof Error && error.name === 'HawserError') throw error;
  report(error, 'middleware of a connection');
  throw new HawserError('ERR_NOT_ALLOWED', 'you may not connect');
}
