import { fillNumbers, HawserError } from '../../../core/index.ts';
import type { FallbackLimits } from '../../../transport/index.ts';

export const FALLBACK_LIMITS: FallbackLimits = {
  links: 10_000,
  unfetched: 20,
  keptBytes: 1_048_576,
  heartbeat: 15_000,
  pollWait: 25_000,
  fetchWait: 30_000,
  bodyWait: 10_000,
  readyWait: 50,
};

/** @throws HawserError ERR_OPTION for a name that is unknown, or no number from 0. */
export function resolveFallback(given: Partial<FallbackLimits> | undefined): FallbackLimits {
  const limits = fillNumbers(FALLBACK_LIMITS, given, 'fallback');
  if (limits.heartbeat > 0 && limits.pollWait > 0 && limits.fetchWait > 0) return limits;
  throw new HawserError('ERR_OPTION', 'fallback: times that peers are told are over 0');
}
